"""Every answer and every stream of the golden cases is what openai-python's own types say."""

import pathlib

import pytest
import sdk

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
FOLDERS = {"responses": "/v1/responses", "completions": "/v1/completions", "embeddings": "/v1/embeddings"}

# What their own requests or upstreams hold beyond the types, passed on as it came.
BEYOND = {
    "azure/odd-whitespace-and-unknown-fields-pass-unchanged",
    "responses/bedrock/a-namespace-joins-its-name-and-parts-again",
    # The types have no custom tools in chunks. These are written as OpenAI sends them; test_python_sdk.py shows the SDK's helper reading them.
    "bedrock/tools/a-custom-tool-cut-short-tells-what-there-is",
    "bedrock/tools/a-custom-tool-streams-its-text-at-once",
}


def cases():
    """The path that each case asks for, and what its app gets."""
    for file in sorted(GOLDEN.rglob("client.out")):
        case = file.parent.relative_to(GOLDEN)
        paths = [path for folder, path in FOLDERS.items() if folder in case.parts]
        head, _, body = file.read_text().partition("\n\n")
        headers = dict(line.split(": ", 1) for line in head.split("\n"))
        yield str(case), (paths or ["/v1/chat/completions"])[0], int(headers[":status"]), headers.get("content-type", ""), body


def test_golden_cases():
    seen, problems = {}, []
    for case, path, status, content_type, body in cases():
        kind = (path, "error" if status >= 400 else "stream" if content_type.startswith("text/event-stream") else "answer")
        try:
            count = sdk.check(path, status, content_type, body)
        except (AssertionError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{case}: {error!r}"[:600])
            continue
        answers, objects = seen.get(kind, (0, 0))
        seen[kind] = (answers + 1, objects + count)
    is_beyond = [problem.split(":")[0] in BEYOND for problem in problems]
    assert [problem for problem, known in zip(problems, is_beyond, strict=True) if not known] == []
    assert sum(is_beyond) == len(BEYOND)
    for kind, (answers, objects) in sorted(seen.items()):
        print(*kind, f"{answers} answers, {objects} objects")
    assert sum(answers for answers, _ in seen.values()) >= 400
    streams = {path: objects for (path, kind), (_, objects) in seen.items() if kind == "stream"}
    assert streams["/v1/chat/completions"] >= 300 and streams["/v1/responses"] >= 100 and streams["/v1/completions"] >= 10, streams


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", 'data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":null}]}\n\ndata: [DONE]\n\n'),
        ("/v1/chat/completions", 'data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"more":1}\n\ndata: [DONE]\n\n'),
        ("/v1/chat/completions", 'data: {"id":"a","object":"chat.completion.chunk","created":"1","model":"m","choices":[]}\n\ndata: [DONE]\n\n'),
        ("/v1/responses", 'event: response.created\ndata: {"type":"response.created","sequence_number":0}\n\n'),
        ("/v1/responses", 'event: response.odd\ndata: {"type":"response.odd","sequence_number":0}\n\n'),
    ],
)
def test_what_is_not_of_the_types_is_seen(path, body):
    with pytest.raises((AssertionError, ValueError)):
        sdk.check(path, 200, "text/event-stream", body)
