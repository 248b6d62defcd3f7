"""Every answer and every stream of the golden cases is what openai-python's own types say."""

import pathlib

import httpx
import openai
import pytest
import sdk

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
FOLDERS = {"responses": "/v1/responses", "completions": "/v1/completions", "embeddings": "/v1/embeddings"}

# What their own requests or upstreams hold beyond the types, passed on as it came.
BEYOND = {
    "azure/odd-whitespace-and-unknown-fields-pass-unchanged",
    "responses/bedrock/a-namespace-joins-its-name-and-parts-again",
    "responses/bedrock/odd-tool-names-are-made-legal-and-restored",
    "responses/redaction-of-a-stream",
    # The types have no custom tools in chunks. These are written as OpenAI sends them; test_python_sdk.py shows the SDK's helper reading them.
    "bedrock/tools/a-custom-tool-cut-short-tells-what-there-is",
    "bedrock/tools/a-custom-tool-streams-its-text-at-once",
    "bridge/stream/calls-of-functions-and-custom-tools",
}


def cases():
    """The path that each case asks for, and what its app gets. The SDK itself reads the agents API in test_managed_agents.py, models in test_refusals.py."""
    for file in sorted(GOLDEN.rglob("client.out")):
        case = file.parent.relative_to(GOLDEN)
        if case.parts[0] in ("managed-agents", "models"):
            continue
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


def ask(path, status, content_type, body):
    """What the SDK makes of an answer: by its stream helpers, its parsers, or what its iterators give."""
    headers = {"content-type": content_type}
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, headers=headers, content=body.encode()))
    client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", max_retries=0, http_client=httpx.Client(transport=transport))
    is_stream = content_type.startswith("text/event-stream")
    match path:
        case "/v1/chat/completions" if is_stream:
            with client.chat.completions.stream(model="m", messages=[]) as stream:
                for _event in stream:
                    pass
                return stream.get_final_completion()
        case "/v1/chat/completions":
            return client.chat.completions.parse(model="m", messages=[])
        case "/v1/responses" if is_stream:
            with client.responses.stream(model="m", input="") as stream:
                types = [event.type for event in stream]
                return stream.get_final_response() if types[-1] == "response.completed" else types
        case "/v1/responses":
            return client.responses.parse(model="m", input="")
        case "/v1/completions":
            answer = client.completions.create(model="m", prompt="", stream=is_stream)
            return list(answer) if is_stream else answer
        case "/v1/embeddings":
            return client.embeddings.create(model="m", input="").data[0].embedding


def test_the_sdks_own_helpers_take_every_golden_answer():
    """What is whole comes out whole; what ends in an error raises one."""
    whole, raised, problems = 0, 0, []
    for case, path, status, content_type, body in cases():
        is_error = status >= 400 or (path != "/v1/responses" and content_type.startswith("text/event-stream") and not body.endswith("data: [DONE]\n\n"))
        try:
            assert ask(path, status, content_type, body)
            whole += 1
            if is_error:
                problems.append(f"{case}: its error is not seen")
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
            # So it tells its reader of any such answer.
            whole += 1
        except openai.APIError as error:
            raised += 1
            if not is_error:
                problems.append(f"{case}: {error!r}"[:600])
        except Exception as error:  # Whatever it stumbles over.
            if case not in BEYOND:
                problems.append(f"{case}: {error!r}"[:600])
    assert problems == []
    print(f"{whole} answers taken, {raised} errors raised")
    assert whole >= 200 and raised >= 100


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
