"""Bedrock's OpenAI endpoints and legacy completions, by the official Python SDK through a real Envoy."""

import json

import openai
import pytest
from conftest import CREDENTIALS, Gateway, add_mantle
from judge import signature_problem
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

MODELS = {
    "oss-runtime": {"provider": "bedrock", "model": "openai.gpt-oss-120b-1:0", "surface": "openai"},
    "gpt-runtime": {"provider": "bedrock", "model": "us.openai.gpt-5.6-terra"},
    "oss-mantle": {"provider": "mantle", "model": "openai.gpt-oss-120b"},
    "gpt-mantle": {"provider": "mantle", "model": "openai.gpt-5.6-terra"},
    "grok-mantle": {"provider": "mantle", "model": "xai.grok-4.6"},
    "oss-guarded": {"provider": "bedrock", "model": "openai.gpt-oss-120b-1:0", "surface": "openai", "guardrail": {"id": "gr1", "version": "2", "trace": "enabled"}},
    "astray": {"provider": "mantle", "model": "openai.gpt-5.6-terra", "quirks": {"mantle_path": "v1"}},
}
TALKING = ["oss-runtime", "gpt-runtime", "oss-mantle", "gpt-mantle", "grok-mantle"]
COMPLETING = ["claude", "nova", "gpt", "gpt-openai", "oss-runtime", "oss-mantle"]
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module", params=["single", "split"])
def gateway(request, directory, simulator, running):
    """The shipped config with mantle beside the runtime."""

    def add(policy):
        add_mantle(policy, simulator, project="proj_1")
        policy.pop("parameters", None)  # What is refused without a rule is refused here.
        policy["models"] += [{"name": name, "targets": [target]} for name, target in MODELS.items()]

    gateway = Gateway(directory, simulator, request.param, change=add)
    running.append(gateway)
    yield gateway.ready()
    gateway.stop()
    running.remove(gateway)


def user(content):
    return {"role": "user", "content": content}


@pytest.mark.parametrize("model", TALKING)
def test_chat_is_answered_whole_and_streamed(gateway, simulator, model):
    body = {"model": model, "messages": [user("hello, wörld 🌍")], "max_completion_tokens": 200}
    raw = gateway.send("POST", "/v1/chat/completions", json.dumps(body))
    assert raw.status == 200, raw.text
    answer = ChatCompletion.model_validate_json(raw.text, strict=True)
    assert answer.choices[0].message.content == "You said: hello, wörld 🌍"
    raw = gateway.send("POST", "/v1/chat/completions", json.dumps(body | {"stream": True}))
    *events, last = raw.data
    chunks = [ChatCompletionChunk.model_validate_json(event, strict=True) for event in events]
    assert last == "[DONE]"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: hello, wörld 🌍"
    with gateway.client().chat.completions.stream(**body) as stream:
        assert stream.get_final_completion().choices[0].finish_reason == "stop"
    for sent in simulator.requests():
        assert sent.upstream == ("mantle" if "mantle" in model else "bedrock")
        assert sent.body["messages"] == body["messages"]
        assert sent.headers.get("openai-project") == ("proj_1" if "mantle" in model else None)
        assert signature_problem(sent, CREDENTIALS["AWS_SECRET_ACCESS_KEY"]) is None
        service = "bedrock-mantle" if "mantle" in model else "bedrock"
        assert f"/us-east-1/{service}/aws4_request" in sent.headers["authorization"]


@pytest.mark.parametrize("model", ["oss-runtime", "oss-mantle"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_gpt_oss_reasons_apart_and_its_tool_ids_do_not_come_again(gateway, model, is_stream):
    messages, ids = [user("What is the weather?")], []
    for turn in range(2):
        if is_stream:
            with gateway.client().chat.completions.stream(model=model, messages=messages, tools=[WEATHER]) as stream:
                reasoning = ""
                for event in stream:
                    if event.type == "chunk" and event.chunk.choices:
                        reasoning += getattr(event.chunk.choices[0].delta, "reasoning_content", None) or ""
                message = stream.get_final_completion().choices[0].message
        else:
            message = gateway.client().chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0].message
            reasoning = message.reasoning_content
        assert reasoning.startswith("The user wrote ") and "<" not in (message.content or "")
        [call] = message.tool_calls
        ids.append(call.id)
        call = {"id": call.id, "type": "function", "function": {"name": "weather", "arguments": call.function.arguments}}
        messages += [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"], "content": "mild"}]
        messages += [user(f"And the weather in {turn} days?")]
    assert len(set(ids)) == 2


def test_what_gpt_oss_refuses_is_left_out_and_told(gateway, simulator):
    answer = gateway.chat("oss-runtime", logit_bias={"50256": -100}, max_tokens=50)
    assert answer.status == 200, answer.text
    assert answer.headers["x-tollgate-dropped"] == "logit_bias"
    assert simulator.requests()[-1].body.keys() == {"model", "messages", "max_completion_tokens"}
    answer = gateway.chat("oss-runtime", n=2)
    assert (answer.status, answer.error["param"]) == (400, "n")


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_a_guardrail_looks_at_every_request(gateway, simulator, is_stream):
    tagged = {"amazon-bedrock-guardrailConfig": {"tagSuffix": "x"}}
    answer = gateway.chat("oss-guarded", stream=is_stream, headers={"x-amzn-bedrock-guardrailidentifier": "mine"}, **tagged)
    assert answer.status == 200, answer.text
    assert answer.headers["x-tollgate-dropped"] == "amazon-bedrock-guardrailConfig"
    assert gateway.client().responses.create(model="oss-guarded", input="hello").output_text == "You said: hello"
    chat, responses = simulator.requests()
    assert chat.target == "/openai/v1/chat/completions" and not tagged.keys() & chat.body.keys()
    guardrail = {name: value for name, value in chat.headers.items() if name.startswith("x-amzn-bedrock-")}
    prefix = "x-amzn-bedrock-"
    assert guardrail == {f"{prefix}guardrailidentifier": "gr1", f"{prefix}guardrailversion": "2", f"{prefix}trace": "ENABLED"}
    # AWS says of chats only that these headers count.
    assert responses.target.endswith("/converse")
    assert responses.body["guardrailConfig"] == {"guardrailIdentifier": "gr1", "guardrailVersion": "2", "trace": "enabled"}


def test_errors_of_both_forms_are_the_sdks_own(gateway, simulator):
    client = gateway.client().chat.completions
    simulator.fault("bedrock", {"kind": "status", "status": 429, "errortype": "ThrottlingException", "message": "Too many."})
    with pytest.raises(openai.RateLimitError) as raised:
        client.create(model="oss-runtime", messages=[user("hello")])
    assert raised.value.code == "rate_limit_exceeded" and "Too many." in raised.value.message
    with pytest.raises(openai.NotFoundError) as raised:
        client.create(model="astray", messages=[user("hello")])
    assert raised.value.code == "model_not_found" and "mantle_path" in raised.value.message
    with pytest.raises(openai.BadRequestError) as raised:
        client.create(model="gpt-mantle", messages=[user("hello")], temperature=0.5)
    assert raised.value.param == "temperature"


@pytest.mark.parametrize("model", ["oss-runtime", "oss-mantle"])
def test_a_stream_that_breaks_ends_in_an_error(gateway, simulator, model):
    simulator.fault("mantle" if "mantle" in model else "bedrock", {"kind": "end", "after": 3})
    answer = gateway.chat(model, stream=True)
    assert json.loads(answer.data[-1])["error"]["code"] == "upstream_truncated"


@pytest.mark.parametrize("model", COMPLETING)
def test_a_prompt_is_completed_whole_and_streamed(gateway, model):
    body = {"model": model, "prompt": "hello, wörld 🌍", "max_tokens": 100, "temperature": 0.5}
    raw = gateway.send("POST", "/v1/completions", json.dumps(body))
    assert raw.status == 200, raw.text
    Completion.model_validate_json(raw.text, strict=True)
    answer = gateway.client().completions.create(**body)
    assert answer.choices[0].text == "You said: hello, wörld 🌍" and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    chunks = list(gateway.client().completions.create(stream=True, stream_options={"include_usage": True}, **body))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "You said: hello, wörld 🌍"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0
    assert chunks[-2].choices[0].finish_reason == "stop"
    without = list(gateway.client().completions.create(stream=True, **body))
    assert all(chunk.choices for chunk in without)


@pytest.mark.parametrize("model", COMPLETING)
def test_a_completion_stops_where_it_should(gateway, model):
    create = gateway.client().completions.create
    assert create(model=model, prompt="hello there", stop=[" there"], max_tokens=50).choices[0].text == "You said: hello"
    short = create(model=model, prompt="a long tale " * 20)
    assert short.choices[0].finish_reason == "length" and len(short.choices[0].text) <= 64


def test_prompts_that_cannot_be_carried_say_why(gateway):
    create = gateway.client().completions.create
    for prompt in (["a", "b"], [1, 2, 3], [[1], [2]]):
        with pytest.raises(openai.BadRequestError) as raised:
            create(model="claude", prompt=prompt)
        assert (raised.value.param, raised.value.code) == ("prompt", "unsupported_parameter")
    for option in ({"suffix": "."}, {"echo": True}, {"logprobs": 2}):
        with pytest.raises(openai.BadRequestError) as raised:
            create(model="claude", prompt="a", **option)
        assert raised.value.param == next(iter(option))
    assert len(create(model="gpt-openai", prompt=["a", "b"], n=2).choices) == 2
