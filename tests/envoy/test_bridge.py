"""Models that speak only one of chat completions and responses, asked in the other by the official Python SDK through a real Envoy."""

import json

import openai
import pydantic
import pytest
from conftest import Gateway, add_mantle
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

MODELS = {
    "responses-only": {"provider": "mantle", "model": "openai.gpt-5.5"},
    "codex": {"provider": "openai", "model": "gpt-5.1-codex"},
    "chat-only": {"provider": "openai", "model": "chat-only", "quirks": {"apis": "chat"}},
    "oss-runtime": {"provider": "bedrock", "model": "openai.gpt-oss-120b-1:0", "surface": "openai"},
    "search": {"provider": "openai", "model": "gpt-4o-search-preview"},
}
BY_RESPONSES = ["responses-only", "codex"]
BY_CHAT = ["chat-only", "oss-runtime"]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": CITY}}
WEATHER_FLAT = {"type": "function", "name": "weather", "description": "The weather.", "parameters": CITY, "strict": False}
EVENT = pydantic.TypeAdapter(ResponseStreamEvent)


class City(pydantic.BaseModel):
    name: str
    inhabitants: int


@pytest.fixture(scope="module", params=["single", "split"])
def gateway(request, directory, simulator, running):
    """The shipped config with mantle beside the runtime, and models that speak one format."""

    def add(policy):
        add_mantle(policy, simulator)
        policy.pop("parameters", None)  # What is refused without a rule is refused here.
        policy["models"] += [{"name": name, "targets": [target]} for name, target in MODELS.items()]

    gateway = Gateway(directory, simulator, request.param, change=add)
    running.append(gateway)
    yield gateway.ready()
    gateway.stop()
    running.remove(gateway)


def data_of(answer):
    """The data of a stream of responses, whose events have names."""
    return [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]


def user(content):
    return {"role": "user", "content": content}


@pytest.mark.parametrize("model", BY_RESPONSES)
def test_chat_is_answered_whole_and_streamed(gateway, simulator, model):
    body = {"model": model, "messages": [user("hello, wörld 🌍")], "max_completion_tokens": 200}
    raw = gateway.send("POST", "/v1/chat/completions", json.dumps(body))
    assert raw.status == 200, raw.text
    whole = ChatCompletion.model_validate_json(raw.text, strict=True)
    assert whole.choices[0].message.content == "You said: hello, wörld 🌍"
    assert (whole.model, whole.choices[0].finish_reason) == (model, "stop")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    raw = gateway.send("POST", "/v1/chat/completions", json.dumps(body | {"stream": True, "stream_options": {"include_usage": True}}))
    *events, last = raw.data
    chunks = [ChatCompletionChunk.model_validate_json(event, strict=True) for event in events]
    assert last == "[DONE]" and chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "You said: hello, wörld 🌍"
    with gateway.client().chat.completions.stream(**body) as stream:
        assert stream.get_final_completion().choices[0].finish_reason == "stop"
    for sent in simulator.requests():
        assert sent.target.endswith("/responses") and "messages" not in sent.body
        assert sent.body["store"] is False and sent.body["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize("model", BY_RESPONSES)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_chat_calls_tools_for_two_turns(gateway, simulator, model, is_stream):
    client, messages = gateway.client(), [user("What is the weather?")]
    for turn in range(2):
        body = {"model": model, "messages": messages, "tools": [WEATHER]}
        if is_stream:
            with client.chat.completions.stream(**body) as stream:
                choice = stream.get_final_completion().choices[0]
        else:
            choice = client.chat.completions.create(**body).choices[0]
        assert choice.finish_reason == "tool_calls"
        [call] = choice.message.tool_calls
        assert call.function.name == "weather" and json.loads(call.function.arguments) == {"city": "city"}
        back = choice.message.model_dump(exclude_none=True, exclude={"parsed"})
        for made in back["tool_calls"]:
            made["function"].pop("parsed_arguments", None)
        messages += [back, {"role": "tool", "tool_call_id": call.id, "content": f"rain {turn}"}]
        said = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0].message.content
        assert said == f"The tools answered: rain {turn}"
        messages += [{"role": "assistant", "content": said}, user("And the weather tomorrow?")]
    kinds = [item["type"] for item in simulator.requests()[-1].body["input"]]
    assert kinds.count("function_call") == kinds.count("function_call_output") == 2
    # Answers have what the model wants back with its reasoning; the simulator refuses any that is not its own.
    assert "reasoning" in kinds


@pytest.mark.parametrize("model", BY_RESPONSES)
def test_chat_holds_to_a_schema_a_choice_and_a_search(gateway, simulator, model):
    client = gateway.client().chat.completions
    parsed = client.parse(model=model, messages=[user("A city.")], response_format=City).choices[0].message.parsed
    assert isinstance(parsed, City)
    named = {"type": "function", "function": {"name": "weather"}}
    called = client.create(model=model, messages=[user("hello")], tools=[WEATHER], tool_choice=named, reasoning_effort="low")
    assert called.choices[0].message.tool_calls[0].function.name == "weather"
    client.create(model=model, messages=[user("hello")], web_search_options={"search_context_size": "low"}, verbosity="low")
    sent = simulator.requests()[-1].body
    assert sent["tools"] == [{"type": "web_search", "search_context_size": "low"}] and sent["text"] == {"verbosity": "low"}
    custom = {"type": "custom", "custom": {"name": "shell", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /.+/"}}}}
    client.create(model=model, messages=[user("hello")], tools=[custom])
    assert simulator.requests()[-1].body["tools"][0]["format"]["syntax"] == "lark"


@pytest.mark.parametrize("model", BY_CHAT)
def test_responses_are_answered_whole_and_streamed(gateway, simulator, model):
    body = {"model": model, "instructions": "Be brief.", "input": "hello, wörld 🌍", "store": False}
    raw = gateway.send("POST", "/v1/responses", json.dumps(body))
    assert raw.status == 200, raw.text
    whole = Response.model_validate_json(raw.text, strict=True)
    assert (whole.status, whole.output_text) == ("completed", "You said: hello, wörld 🌍")
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens > 0
    raw = gateway.send("POST", "/v1/responses", json.dumps(body | {"stream": True}))
    events = [EVENT.validate_json(data, strict=True) for data in data_of(raw)]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed" and events[-1].response.output_text == whole.output_text
    assert events[-1].response.usage.output_tokens == whole.usage.output_tokens
    with gateway.client().responses.stream(model=model, input="hello") as stream:
        stream.until_done()
        assert stream.get_final_response().output_text == "You said: hello"
    for sent in simulator.requests():
        assert sent.target.endswith("/chat/completions") and "input" not in sent.body


@pytest.mark.parametrize("model", BY_CHAT)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_responses_call_tools_for_two_turns(gateway, simulator, model, is_stream):
    client, items, ids = gateway.client().responses, [user("What is the weather?")], []
    for turn in range(2):
        body = {"model": model, "input": items, "tools": [WEATHER_FLAT], "store": False}
        if is_stream:
            with client.stream(**body) as stream:
                got = stream.until_done().get_final_response()
        else:
            got = client.create(**body)
        [call] = [item for item in got.output if item.type == "function_call"]
        assert call.name == "weather" and json.loads(call.arguments) == {"city": "city"}
        ids.append(call.call_id)
        items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in got.output]
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": f"rain {turn}"})
        said = client.create(**body | {"input": items}).output_text
        assert said == f"The tools answered: rain {turn}"
        items += [{"role": "assistant", "content": said}, user("And the weather tomorrow?")]
    roles = [message["role"] for message in simulator.requests()[-1].body["messages"]]
    assert roles.count("tool") == 2
    if model == "oss-runtime":
        assert len(set(ids)) == 2


def test_responses_of_a_custom_tool_and_a_schema_go_by_chat(gateway, simulator):
    client = gateway.client().responses
    shell = {"type": "custom", "name": "shell", "description": "Runs it."}
    [call] = [item for item in client.create(model="chat-only", input="Use the shell.", tools=[shell]).output if item.type == "custom_tool_call"]
    assert call.name == "shell" and call.input
    assert simulator.requests()[-1].body["tools"][0]["type"] == "function"
    assert isinstance(client.parse(model="chat-only", input="A city.", text_format=City).output_parsed, City)
    client.create(model="search", input="hello", tools=[{"type": "web_search"}])
    assert simulator.requests()[-1].body["web_search_options"] == {}


def test_nova_searches_by_its_system_tool(gateway, simulator):
    client = gateway.client()
    client.responses.create(model="nova", input="hello", tools=[{"type": "web_search"}])
    client.chat.completions.create(model="nova", messages=[user("hello")], web_search_options={})
    for sent in simulator.requests():
        assert sent.body["toolConfig"]["tools"] == [{"systemTool": {"name": "nova_grounding"}}]


@pytest.mark.parametrize("model", BY_RESPONSES + BY_CHAT)
def test_a_stream_that_breaks_never_looks_complete(gateway, simulator, model):
    upstream = {"responses-only": "mantle", "oss-runtime": "bedrock"}.get(model, "openai")
    simulator.fault(upstream, {"kind": "end", "after": 3})
    if model in BY_RESPONSES:
        answer = gateway.chat(model, stream=True)
        assert json.loads(answer.data[-1])["error"]["code"] == "upstream_truncated"
    else:
        answer = gateway.send("POST", "/v1/responses", json.dumps({"model": model, "input": "hello", "stream": True}))
        assert [json.loads(data)["type"] for data in data_of(answer)[-2:]] == ["error", "response.failed"]


def test_errors_keep_their_field(gateway):
    with pytest.raises(openai.BadRequestError) as raised:
        gateway.client().chat.completions.create(model="responses-only", messages=[user("hello")], n=2)
    assert raised.value.param == "n"
    with pytest.raises(openai.BadRequestError) as raised:
        gateway.client().responses.create(model="chat-only", input="hello", previous_response_id="resp_1")
    assert raised.value.param == "previous_response_id"
