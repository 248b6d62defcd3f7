"""The official Python SDK's responses: every answer and every event is what the SDK's own types say, strictly."""

import json

import openai
import pydantic
import pytest
import sdk
from conftest import BEDROCK_MODELS, MODELS
from openai.types.responses import Response

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
    "strict": False,
}


class City(pydantic.BaseModel):
    name: str
    inhabitants: int


def answer(gateway, **body):
    raw = gateway.send("POST", "/v1/responses", json.dumps(body))
    assert raw.status == 200, raw.text
    sdk.typed(Response, raw.text)
    return gateway.client().responses.create(**body)


def events_of(raw):
    """The typed events of a stream, held against OpenAI's rules."""
    assert raw.status == 200, raw.text
    assert raw.headers["content-type"].split(";")[0] == "text/event-stream"
    sdk.check_events(raw.text)
    typed = sdk.events(raw.text)
    assert typed[0].sequence_number == 0
    return typed


def stream(gateway, **body):
    """The final response of a stream whose items begin, grow and end in their order."""
    typed = events_of(gateway.send("POST", "/v1/responses", json.dumps(body | {"stream": True})))
    final = typed[-1].response
    for index, item in enumerate(final.output):
        own = [event for event in typed if getattr(event, "output_index", None) == index]
        assert (own[0].type, own[-1].type) == ("response.output_item.added", "response.output_item.done")
        assert own[-1].item.id == own[0].item.id == item.id
        grown = "".join(event.delta for event in own if event.type.endswith(".delta"))
        if item.type == "message":
            assert grown == item.content[0].text
        elif item.type == "function_call":
            assert grown == item.arguments
        elif item.type == "reasoning":
            assert grown == "".join(part.text for part in item.summary)
    return final


@pytest.mark.parametrize("model", MODELS)
def test_a_question_is_answered(gateway, model):
    body = {"model": model, "instructions": "Be brief.", "input": "hello, wörld 🌍", "store": False}
    got = answer(gateway, **body)
    assert (got.status, got.output_text) == ("completed", "You said: hello, wörld 🌍")
    assert got.usage.total_tokens == got.usage.input_tokens + got.usage.output_tokens > 0
    assert stream(gateway, **body).output_text == got.output_text


@pytest.mark.parametrize("model", MODELS)
def test_the_sdks_stream_helper_accepts_it(gateway, model):
    with gateway.client().responses.stream(model=model, input="hello") as events:
        kinds = [event.type for event in events]
        final = events.get_final_response()
    assert "response.output_text.delta" in kinds and kinds[-1] == "response.completed"
    assert final.output_text == "You said: hello"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_and_its_result_is_used(gateway, model, is_stream):
    ask = stream if is_stream else answer
    items = [{"role": "user", "content": "What is the weather in Oslo?"}]
    got = ask(gateway, model=model, input=items, tools=[WEATHER])
    [call] = [item for item in got.output if item.type == "function_call"]
    assert call.name == "weather" and json.loads(call.arguments) == {"city": "city", "unit": "C"}
    # The SDK's own items go back as they came.
    items += [item.model_dump(exclude_none=True) for item in got.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": '{"degrees": 21}'})
    said = ask(gateway, model=model, input=items, tools=[WEATHER]).output_text
    assert said.startswith("The tools answered: ") and "21" in said


@pytest.mark.parametrize("model", MODELS)
def test_a_schema_is_obeyed(gateway, model):
    parsed = gateway.client().responses.parse(model=model, input="A city.", text_format=City)
    assert isinstance(parsed.output_parsed, City)


def test_a_tool_loop_keeps_its_thinking(gateway, simulator):
    body = {"model": "claude", "reasoning": {"effort": "low"}, "tools": [WEATHER], "include": ["reasoning.encrypted_content"], "store": False}
    items = [{"role": "user", "content": "What is the weather in Oslo?"}]
    for ask in (answer, stream):
        got = ask(gateway, input=items, **body)
        thought, call = (next(item for item in got.output if item.type == kind) for kind in ("reasoning", "function_call"))
        assert thought.encrypted_content and thought.summary[0].text
        back = [item.model_dump(exclude_none=True) for item in got.output]
        back.append({"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
        final = ask(gateway, input=items + back, **body)
        assert final.output_text == "The tools answered: rain"
        sent = simulator.requests()[-1].body
        said = next(message for message in sent["messages"] if message["role"] == "assistant")
        shown = said["content"][0]["reasoningContent"]["reasoningText"]
        assert shown["text"] == thought.summary[0].text and shown["signature"]
        assert sent["additionalModelRequestFields"]["thinking"]["type"] == "enabled"


@pytest.mark.parametrize("model", BEDROCK_MODELS)
def test_tools_in_namespaces_and_tools_that_take_text(gateway, model):
    namespace = {"type": "namespace", "name": "sky", "description": "The sky.", "tools": [WEATHER]}
    got = answer(gateway, model=model, input="What is the weather in Oslo?", tools=[namespace], tool_choice="required")
    [call] = [item for item in got.output if item.type == "function_call"]
    assert (call.namespace, call.name) == ("sky", "weather")
    custom = {"type": "custom", "name": "note", "description": "Takes a note."}
    for ask in (answer, stream):
        got = ask(gateway, model=model, input="Take a note.", tools=[custom], tool_choice="required")
        [call] = [item for item in got.output if item.type == "custom_tool_call"]
        assert call.name == "note" and isinstance(call.input, str) and not call.input.startswith("{")


@pytest.mark.parametrize("model", MODELS)
def test_a_broken_stream_fails(gateway, simulator, model):
    upstream = {"gpt": "azure", "gpt-openai": "openai"}.get(model, "bedrock")
    simulator.fault(upstream, {"kind": "end", "after": 3})
    typed = events_of(gateway.send("POST", "/v1/responses", json.dumps({"model": model, "input": "hello", "stream": True})))
    assert [event.type for event in typed[-2:]] == ["error", "response.failed"]
    assert typed[-1].response.status == "failed" and typed[-1].response.error.code == "server_error"


@pytest.mark.parametrize("model", BEDROCK_MODELS)
def test_what_needs_a_store_is_refused(gateway, model):
    for name, value in [("previous_response_id", "resp_1"), ("conversation", "conv_1"), ("background", True)]:
        with pytest.raises(openai.BadRequestError) as raised:
            gateway.client().responses.create(model=model, input="hello", **{name: value})
        assert raised.value.param == name


def test_errors_are_the_sdks_own(gateway, simulator):
    simulator.fault("bedrock", {"kind": "status", "status": 429, "errortype": "ThrottlingException", "message": "Too many."})
    with pytest.raises(openai.RateLimitError):
        gateway.client().responses.create(model="claude", input="hello")
    with pytest.raises(openai.BadRequestError) as raised:
        gateway.client().responses.create(model="claude", input=[{"type": "item_reference", "id": "msg_1"}])
    assert raised.value.param == "input[0]"
