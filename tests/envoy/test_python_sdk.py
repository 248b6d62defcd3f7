"""The official Python SDK, told nothing but a base URL and a key, gets what it would get from OpenAI."""

import base64
import json

import openai
import pydantic
import pytest
import sdk
from conftest import BEDROCK_MODELS, MODELS, png
from openai.types.chat import ChatCompletion, ChatCompletionChunk

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}

every_model = pytest.mark.parametrize("model", MODELS)


class City(pydantic.BaseModel):
    name: str
    inhabitants: int


def user(content):
    return {"role": "user", "content": content}


def answer(gateway, **body):
    """The SDK's object; the bytes behind it are held against the SDK's types, strictly."""
    raw = gateway.send("POST", "/v1/chat/completions", json.dumps(body))
    assert raw.status == 200, raw.text
    sdk.typed(ChatCompletion, raw.text)
    return gateway.client().chat.completions.create(**body)


def chunks(gateway, **body):
    """The SDK's chunks; each chunk on the wire is held against the SDK's types, strictly, and the stream against OpenAI's rules."""
    raw = gateway.send("POST", "/v1/chat/completions", json.dumps(body | {"stream": True}))
    assert raw.status == 200, raw.text
    assert raw.headers["content-type"].split(";")[0] == "text/event-stream"
    *events, last = raw.data
    assert last == "[DONE]"
    sdk.check_chunks(ChatCompletionChunk, raw.text)
    typed = [sdk.typed(ChatCompletionChunk, event) for event in events]
    assert len({chunk.id for chunk in typed if chunk.choices}) == 1
    chosen = [chunk.choices[0] for chunk in typed if chunk.choices]
    assert chosen[0].delta.role == "assistant"
    assert [choice.finish_reason is not None for choice in chosen] == [False] * (len(chosen) - 1) + [True]
    return list(gateway.client().chat.completions.create(stream=True, **body))


def text(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def finish_reason(chunks):
    return next(chunk.choices[0].finish_reason for chunk in reversed(chunks) if chunk.choices)


@every_model
def test_a_question_is_answered(gateway, model):
    got = answer(gateway, model=model, messages=[{"role": "system", "content": "Be brief."}, user("hello, wörld 🌍")])
    assert got.choices[0].message.content == "You said: hello, wörld 🌍"
    assert got.choices[0].finish_reason == "stop"
    assert got.usage.total_tokens == got.usage.prompt_tokens + got.usage.completion_tokens > 0


@every_model
def test_a_stream_says_the_same(gateway, model):
    got = chunks(gateway, model=model, messages=[user("hello, wörld 🌍")], stream_options={"include_usage": True})
    assert text(got) == "You said: hello, wörld 🌍"
    assert finish_reason(got) == "stop"
    assert got[-1].choices == [] and got[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in got[:-1])


@every_model
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_and_its_result_is_used(gateway, model, is_stream):
    messages = [user("What is the weather in Oslo?")]
    if is_stream:
        with gateway.client().chat.completions.stream(model=model, messages=messages, tools=[WEATHER]) as stream:
            choice = stream.get_final_completion().choices[0]
        assert finish_reason(chunks(gateway, model=model, messages=messages, tools=[WEATHER])) == "tool_calls"
    else:
        choice = answer(gateway, model=model, messages=messages, tools=[WEATHER]).choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "weather")
    assert json.loads(call.function.arguments) == {"city": "city", "unit": "C"}
    if is_stream:
        messages.append({"role": "assistant", "tool_calls": [call.model_dump(include={"id": True, "type": True, "function": {"name", "arguments"}})]})
    else:  # The SDK's own message goes back as it came, with all its nulls.
        messages.append(choice.message.model_dump())
    messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 21}'})
    if is_stream:
        said = text(chunks(gateway, model=model, messages=messages, tools=[WEATHER]))
    else:
        said = answer(gateway, model=model, messages=messages, tools=[WEATHER]).choices[0].message.content
    assert said.startswith("The tools answered: ") and "21" in said


@every_model
def test_a_schema_is_obeyed(gateway, model):
    schema = {"name": "city", "strict": True, "schema": City.model_json_schema() | {"additionalProperties": False}}
    response_format = {"type": "json_schema", "json_schema": schema}
    got = answer(gateway, model=model, messages=[user("A city.")], response_format=response_format)
    City.model_validate_json(got.choices[0].message.content)
    City.model_validate_json(text(chunks(gateway, model=model, messages=[user("A city.")], response_format=response_format)))
    parsed = gateway.client().chat.completions.parse(model=model, messages=[user("A city.")], response_format=City)
    assert isinstance(parsed.choices[0].message.parsed, City)


@pytest.mark.parametrize("model", BEDROCK_MODELS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_that_takes_text_is_called(gateway, model, is_stream):
    body = {"model": model, "messages": [user("Take a note.")], "tools": [{"type": "custom", "custom": {"name": "note"}}], "tool_choice": "required"}
    if is_stream:
        with gateway.client().chat.completions.stream(**body) as stream:
            assert [event.type for event in stream].count("chunk") >= 3
            # Its types know no custom tools in chunks, and `get_final_completion` breaks on them whoever streams them.
            choice = stream.current_completion_snapshot.choices[0]
        called = choice.message.tool_calls[0].custom
    else:
        choice = answer(gateway, **body).choices[0]
        called = choice.message.tool_calls[0].custom.model_dump()
    assert (choice.finish_reason, choice.message.tool_calls[0].type, called["name"]) == ("tool_calls", "custom", "note")
    assert isinstance(called["input"], str) and called["input"]


@every_model
def test_an_image_arrives_untouched(gateway, simulator, model):
    url = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    got = answer(gateway, model=model, messages=[user(content)])
    assert got.choices[0].message.content == "You said: What is this?"
    sent = simulator.requests()[-1]
    blocks = sent.body["messages"][0]["content"]
    if sent.upstream == "bedrock":
        [image] = [block["image"] for block in blocks if "image" in block]
        assert image["format"] == "png" and base64.b64decode(image["source"]["bytes"]) == png()
    else:
        assert blocks == content


@every_model
def test_errors_are_the_sdks_own(gateway, simulator, model):
    upstream = {"gpt": "azure", "gpt-openai": "openai"}.get(model, "bedrock")
    simulator.fault(upstream, {"kind": "status", "status": 429, "errortype": "ThrottlingException", "message": "Too many."})
    with pytest.raises(openai.RateLimitError) as raised:
        gateway.client().chat.completions.create(model=model, messages=[user("hello")])
    assert raised.value.status_code == 429 and "Too many." in raised.value.message
    with pytest.raises(openai.NotFoundError) as raised:
        gateway.client().chat.completions.create(model=f"no-{model}", messages=[user("hello")])
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError) as raised:
        gateway.client(api_key="sk-wrong").chat.completions.create(model=model, messages=[user("hello")])
    assert raised.value.code == "invalid_api_key"
