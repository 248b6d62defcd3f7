"""What is sensitive neither leaves nor comes back, whatever the format and the provider, and is told nowhere."""

import base64
import json
import random

import openai
import pytest
import run
from conftest import MODELS, PLANTED, add_mantle, leaks, png
from test_agents import AGENTS
from test_managed_agents import ROLE, WORKSPACE, heard, message, text_of
from test_node_sdk import STEPS, check_every_step

CARD, MAIL, NUMBER = PLANTED
TEXT = f"Card {CARD}, mail {MAIL} and SSN {NUMBER}, please."
MASKED = "Card [PAYMENT_CARD], mail [EMAIL] and SSN [US_SSN], please."
KEY = {"TOLLGATE_HASH_KEY": "0123456789abcdef0123"}


@pytest.fixture(scope="module")
def redacting(directory, simulator, running):
    """Gateways by placement and rules, each started once."""
    from conftest import CREDENTIALS, Gateway

    started = {}

    def get(name, *rules, levels=("trace", "wasm:trace")):
        key = json.dumps([name, rules, levels])
        if key not in started:

            def change(policy):
                add_mantle(policy, simulator)
                policy["models"].append({"name": "gpt-agent", "targets": [{"provider": "mantle", "model": "openai.gpt-5.6-luna"}]})
                policy["agents"] = [{"provider": "mantle", "consumers": ["*"]}]
                if name == "single":
                    # The shipped split has no upstream filter for agents as models.
                    for provider, kind in (("agents", "bedrock_agents"), ("agentcore", "agentcore")):
                        place = {"endpoint": simulator.endpoint("bedrock"), "cluster": "bedrock"}
                        policy["providers"].append({"name": provider, "kind": kind, "region": "us-east-1"} | place)
                    policy["models"] += [{"name": each, "targets": [target]} for each, target in AGENTS.items()]
                policy["redaction"] = list(rules)

            def edit(config):
                # The shipped configs hand on the providers' credentials; here is one variable more.
                text = json.dumps(config).replace('"AWS_SESSION_TOKEN"', '"AWS_SESSION_TOKEN", "TOLLGATE_HASH_KEY"')
                config.clear()
                config.update(json.loads(text))

            started[key] = Gateway(directory, simulator, name, change=change, edit=edit, levels=levels, environment=CREDENTIALS | KEY)
            running.append(started[key])
            started[key].ready()
        return started[key]

    return get


@pytest.fixture(params=["single", "split"])
def placement(request):
    return request.param


MASK = {"entities": {"all": "mask"}}
ANSWERS = {**MASK, "directions": ["answer"]}


def post(gateway, path, **body):
    return gateway.send("POST", path, json.dumps(body))


def joined(answer):
    """The text of a chat stream."""
    *events, last = answer.data
    assert last == "[DONE]"
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize("model", MODELS)
def test_a_chat_request_leaves_redacted(placement, redacting, simulator, model):
    gateway = redacting(placement, MASK)
    call = {"id": "call_1", "type": "function", "function": {"name": "mail", "arguments": json.dumps({"to": MAIL, "ssn": NUMBER})}}
    messages = [
        {"role": "system", "content": TEXT},
        {"role": "user", "content": [{"type": "text", "text": TEXT}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": TEXT},
        {"role": "user", "content": TEXT},
    ]
    tools = [{"type": "function", "function": {"name": "mail", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}}]
    answer = post(gateway, "/v1/chat/completions", model=model, messages=messages, tools=tools)
    assert answer.status == 200, answer.text
    [sent] = simulator.requests()
    assert leaks(sent.raw.decode()) == []
    assert sent.raw.decode().count("[EMAIL]") == 5 and MASKED in sent.raw.decode()
    assert leaks(answer.text) == []


@pytest.mark.parametrize("model", ["claude", "gpt", "gpt-openai"])
def test_the_other_formats_leave_redacted(placement, redacting, simulator, model):
    gateway = redacting(placement, MASK)
    for path, body in [
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": TEXT}]}], "instructions": TEXT}),
        ("/v1/completions", {"prompt": TEXT}),
    ]:
        answer = post(gateway, path, model=model, **body)
        assert answer.status == 200, answer.text
        assert leaks(answer.text) == []
    answer = post(gateway, "/v1/embeddings", model="titan-embed", input=[TEXT, "plain"])
    assert answer.status == 200, answer.text
    sent = simulator.requests()
    assert len(sent) == 4
    assert all(MASKED in each.raw.decode() for each in sent if b"plain" not in each.raw)
    assert [leaks(each.raw.decode()) for each in sent] == [[]] * 4


@pytest.mark.parametrize("model", ["claude", "gpt", "gpt-openai"])
def test_what_no_format_knows_leaves_redacted(placement, redacting, simulator, model):
    """Whatever the provider makes of it: what it has got holds no value."""
    gateway = redacting(placement, MASK)
    schema = {"type": "object", "properties": {"to": {"type": "string", "default": MAIL}}}
    call = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": json.dumps({"to": MAIL, "card": int(CARD.replace(" ", ""))})}}
    asked = {"role": "user", "name": MAIL, "content": "x", "note": {"to": [TEXT]}}
    messages = [asked, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1", "content": TEXT}]
    tools = [{"type": "function", "function": {"name": "send", "description": TEXT, "parameters": schema}}]
    post(gateway, "/v1/chat/completions", model=model, messages=messages, tools=tools, stop=[MAIL], new={"said": TEXT})
    typed = {"type": "computer_call", "id": "cu_1", "call_id": "call_1", "status": "completed", "actions": [{"type": "type", "text": TEXT}]}
    failure = {"type": "mcp_call", "id": "mcp_1", "name": "f", "server_label": "s", "arguments": "{}", "error": {"message": TEXT}}
    for item in [typed, failure, {"type": "unheard_of", "said": {"to": [TEXT]}}]:
        post(gateway, "/v1/responses", model=model, input=[{"role": "user", "content": TEXT}, item], new=TEXT)
    sent = [each.raw.decode() for each in simulator.requests()]
    assert sent or model == "claude"
    assert leaks("".join(sent)) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_streamed_answer_is_the_whole_one(placement, redacting, model):
    gateway = redacting(placement, ANSWERS)
    for seed in range(4):
        parts = [TEXT, "fine", MAIL, "http://x.y/?a=b", "4111", "+1 (212) 555-0143", "é😀\n\"q\"", "AKIA", "user@", "sk-"]
        text = " ".join(random.Random(seed).choices(parts, k=8))
        whole = gateway.chat(model, text).json["choices"][0]["message"]["content"]
        streamed = gateway.chat(model, text, stream=True)
        assert joined(streamed) == whole
        assert leaks(whole) == [] and leaks(streamed.text) == []


@pytest.mark.parametrize("model", ["claude", "gpt", "gpt-openai"])
def test_a_streamed_response_is_the_whole_one(placement, redacting, model):
    gateway = redacting(placement, ANSWERS)
    client = gateway.client()
    whole = client.responses.create(model=model, input=TEXT)
    text, numbers, last = "", [], None
    with client.responses.create(model=model, input=TEXT, stream=True) as stream:
        for event in stream:
            numbers.append(event.sequence_number)
            text += event.delta if event.type == "response.output_text.delta" else ""
            if event.type == "response.output_text.done":
                assert event.text == text
            last = event
    assert last.type == "response.completed"
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert last.response.output_text == text == whole.output_text
    assert MASKED in text


def test_what_is_blocked_never_leaves(placement, redacting, simulator):
    gateway = redacting(placement, {"entities": {"us_ssn": "block"}})
    for path, body in [("chat/completions", {"messages": [{"role": "user", "content": TEXT}]}), ("responses", {"input": TEXT})]:
        answer = post(gateway, f"/v1/{path}", model="gpt", **body)
        assert (answer.status, answer.error["code"]) == (400, "content_blocked")
        assert "us_ssn" in answer.error["message"] and leaks(answer.text) == []
        assert answer.error["param"] == ("messages[0].content" if "chat" in path else "input")
    assert simulator.requests() == []


@pytest.mark.parametrize("model", ["claude", "gpt"])
def test_what_is_blocked_in_an_answer_ends_it(placement, redacting, model):
    gateway = redacting(placement, {"entities": {"us_ssn": "block"}, "directions": ["answer"]})
    answer = gateway.chat(model, TEXT)
    assert (answer.status, answer.error["code"]) == (400, "content_blocked")
    assert leaks(answer.text) == []
    streamed = gateway.chat(model, TEXT, stream=True)
    assert NUMBER not in streamed.text and "[DONE]" not in streamed.text
    last = json.loads(streamed.data[-1])
    assert last["error"]["code"] == "content_blocked"


def test_an_image_is_refused_or_taken_out(placement, redacting, simulator):
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    content = [{"type": "text", "text": TEXT}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [{"role": "user", "content": content}]
    answer = post(redacting(placement, MASK), "/v1/chat/completions", model="claude", messages=messages)
    assert (answer.status, answer.error["code"]) == (400, "content_blocked")
    assert answer.error["param"] == "messages[0].content[1]"
    assert simulator.requests() == []
    answer = post(redacting(placement, {**MASK, "media": "strip"}), "/v1/chat/completions", model="claude", messages=messages)
    assert answer.status == 200, answer.text
    [sent] = simulator.requests()
    assert b"image" not in sent.raw and b"[removed]" in sent.raw


def test_each_provider_has_its_own_rule(placement, redacting, simulator):
    gateway = redacting(placement, {**MASK, "providers": ["azure"], "consumers": ["demo"]})
    for model in ["claude", "gpt", "gpt-openai"]:
        gateway.chat(model, MAIL)
    assert {each.upstream: MAIL in each.raw.decode() for each in simulator.requests()} == {"bedrock": True, "azure": False, "openai": True}


def test_a_retry_is_redacted_for_where_it_goes(redacting, simulator):
    gateway = redacting("split", {**MASK, "providers": ["azure"], "consumers": ["demo"]})
    simulator.fault("bedrock", {"kind": "status", "status": 503, "errortype": "ServiceUnavailableException"})
    assert gateway.chat("claude-or-gpt", MAIL).status == 200
    first, second = simulator.requests()
    assert (first.upstream, MAIL in first.raw.decode()) == ("bedrock", True)
    assert (second.upstream, MAIL in second.raw.decode(), "[EMAIL]" in second.raw.decode()) == ("azure", False, True)


@pytest.mark.parametrize("model", ["claude", "gpt"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_values_come_back_in_the_answer(placement, redacting, simulator, model, is_stream):
    rule = {"entities": {"all": "placeholder"}, "hash_key_variable": "TOLLGATE_HASH_KEY"}
    answer = redacting(placement, rule).chat(model, TEXT, stream=is_stream)
    assert answer.status == 200, answer.text
    text = joined(answer) if is_stream else answer.json["choices"][0]["message"]["content"]
    assert text == f"You said: {TEXT}"
    [sent] = simulator.requests()
    assert leaks(sent.raw.decode()) == [] and "[EMAIL_" in sent.raw.decode()


def test_counts_are_told_and_values_are_not(placement, redacting):
    gateway = redacting(placement, {**MASK, "header": True})
    before = counters(gateway)
    answer = gateway.chat("gpt", f"{TEXT} {MAIL}")
    told = "request.mask.payment_card=1,request.mask.email=2,request.mask.us_ssn=1"
    assert answer.headers["x-tollgate-redacted"] == told
    name = "direction.request.action.mask.entity."
    after = counters(gateway)
    added = {key: after[key] - before.get(key, 0) for key in after}
    assert added == {f"{name}payment_card": 1, f"{name}email": 2, f"{name}us_ssn": 1}
    assert f"redacted={told}" in gateway.log


def counters(gateway):
    lines = [line.split(": ") for line in gateway.admin("/stats?filter=tollgate_redactions").splitlines()]
    return {name.split("tollgate_redactions.")[1]: int(count) for name, count in lines}


def test_no_value_is_told_anywhere_even_at_trace_level(placement, redacting, simulator):
    """Over requests that pass masked, are blocked, break, are cut off, or are answered with errors."""
    rules = [
        {"models": ["nova"], "entities": {"all": "block"}},
        {"models": ["gpt-openai"], "entities": {"all": "report"}},
        {"entities": {"all": "placeholder", "us_ssn": "hash"}, "hash_key_variable": "TOLLGATE_HASH_KEY", "header": True},
    ]
    gateway = redacting(placement, *rules)
    answers = []
    for model in MODELS:
        for path, body in [("chat/completions", {"messages": [{"role": "user", "content": TEXT}]}), ("responses", {"input": TEXT})]:
            for is_stream in [False, True]:
                answers.append(post(gateway, f"/v1/{path}", model=model, stream=is_stream, **body))
    for upstream, model in [("bedrock", "claude"), ("azure", "gpt")]:
        simulator.fault(upstream, {"kind": "status", "status": 400, "errortype": "ValidationException", "message": "no"})
        answers.append(gateway.chat(model, TEXT))
        for fault in [{"kind": "garbage", "after": 3}, {"kind": "end", "after": 3}, {"kind": "cut", "after": 3}]:
            simulator.fault(upstream, fault)
            answers.append(gateway.chat(model, TEXT, stream=True))
    # The rule of the second lets its words pass, but not into the log.
    for upstream, model, words in [("azure", "gpt", TEXT), ("openai", "gpt-openai", "no")]:
        error = {"message": words, "type": NUMBER, "code": NUMBER, "param": words}
        simulator.fault(upstream, {"kind": "status", "status": 400, "body": {"error": error}})
        answers.append(gateway.chat(model, "hello"))
        assert answers[-1].error["code"] is None
    answers.append(gateway.send("POST", "/v1/chat/completions", f'{{"{TEXT}'))
    assert leaks(gateway.log) == []
    assert leaks(gateway.admin("/stats")) == []
    for answer in answers:
        assert leaks(json.dumps(answer.headers)) == []
        if answer.status != 200:
            assert leaks(answer.text) == []
    assert any(answer.status == 200 for answer in answers) and any(answer.status == 400 for answer in answers)


def chunk(index, delta, reason=None):
    choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4.1-mini", "choices": [choice]}


def test_choices_and_calls_that_take_turns_are_redacted_each_by_itself(placement, redacting, simulator):
    gateway = redacting(placement, ANSWERS)
    call = lambda index, piece: {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
    begin = lambda index: {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": "mail", "arguments": ""}}
    texts = [TEXT, f"To {MAIL}"]
    arguments = [json.dumps({"to": MAIL, "text": TEXT}), json.dumps({"ssn": NUMBER})]
    lists = [[chunk(at, {"content": piece}) for piece in text] for at, text in enumerate(texts)]
    lists += [[chunk(1, call(at, piece)) for piece in text] for at, text in enumerate(arguments)]
    events = [chunk(at, {"role": "assistant"}) for at in (0, 1)] + [chunk(1, {"tool_calls": [begin(at)]}) for at in (0, 1)]
    source = random.Random(3)
    while any(lists):
        events.append(source.choice([each for each in lists if each]).pop(0))
    events += [chunk(0, {}, "stop"), chunk(1, {}, "tool_calls")]
    simulator.fault("openai", {"kind": "answer", "events": events})
    got = {}
    answer = gateway.chat("gpt-openai", "hello", stream=True, n=2)
    assert answer.status == 200 and answer.data[-1] == "[DONE]", answer.text
    for event in answer.data[:-1]:
        for choice in json.loads(event)["choices"]:
            pieces = [((choice["index"], None), choice["delta"].get("content"))]
            pieces += [((choice["index"], each["index"]), each["function"]["arguments"]) for each in choice["delta"].get("tool_calls") or []]
            for place, piece in pieces:
                got[place] = got.get(place, "") + (piece or "")
    assert (got[0, None], got[1, None]) == (MASKED, "To [EMAIL]")
    assert [json.loads(got[1, at]) for at in (0, 1)] == [{"to": "[EMAIL]", "text": MASKED}, {"ssn": "[US_SSN]"}]
    assert leaks(answer.text) == []


def test_calls_of_converse_that_take_turns_are_redacted_each_by_itself(placement, redacting, simulator):
    gateway = redacting(placement, ANSWERS)
    arguments = [json.dumps({"to": MAIL, "text": TEXT}), json.dumps({"ssn": NUMBER, "card": CARD})]
    event = lambda name, index, **members: {name: {"contentBlockIndex": index} | members}
    events = [{"messageStart": {"role": "assistant"}}]
    events += [event("contentBlockStart", at, start={"toolUse": {"toolUseId": f"call_{at}", "name": "mail"}}) for at in (0, 1)]
    lists = [[event("contentBlockDelta", at, delta={"toolUse": {"input": piece}}) for piece in text] for at, text in enumerate(arguments)]
    source = random.Random(5)
    while any(lists):
        events.append(source.choice([each for each in lists if each]).pop(0))
    events += [event("contentBlockStop", at) for at in (0, 1)] + [{"messageStop": {"stopReason": "tool_use"}}]
    events.append({"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}}})
    simulator.fault("bedrock", {"kind": "answer", "events": events})
    tools = [{"type": "function", "function": {"name": "mail", "parameters": {"type": "object"}}}]
    answer = gateway.chat("claude", "hello", stream=True, tools=tools)
    assert answer.status == 200 and answer.data[-1] == "[DONE]", answer.text
    got = ["", ""]
    for data in answer.data[:-1]:
        for choice in json.loads(data)["choices"]:
            for call in choice["delta"].get("tool_calls") or []:
                got[call["index"]] += call["function"]["arguments"]
    assert [json.loads(each) for each in got] == [{"to": "[EMAIL]", "text": MASKED}, {"ssn": "[US_SSN]", "card": "[PAYMENT_CARD]"}]
    assert leaks(answer.text) == []


@pytest.mark.parametrize("model", AGENTS)
@pytest.mark.parametrize("rule", [MASK, ANSWERS], ids=["both", "answers"])
def test_agents_as_models_are_redacted(redacting, simulator, model, rule):
    gateway = redacting("single", rule)
    whole = gateway.chat(model, TEXT)
    assert whole.status == 200, whole.text
    streamed = gateway.chat(model, TEXT, stream=True)
    assert joined(streamed) == whole.json["choices"][0]["message"]["content"]
    assert MASKED in joined(streamed) and leaks(whole.text + streamed.text) == []
    sent = [each.raw.decode() for each in simulator.requests("bedrock")]
    assert len(sent) == 2 and [bool(leaks(each)) for each in sent] == [rule is ANSWERS] * 2


@pytest.mark.parametrize("model, upstream", [("claude", "bedrock"), ("gpt", "azure"), ("gpt-openai", "openai")])
def test_a_providers_error_is_redacted(placement, redacting, simulator, model, upstream):
    gateway = redacting(placement, MASK)
    words = f"cannot read '{TEXT}'"
    body = {"message": words} if upstream == "bedrock" else {"error": {"message": words, "type": "invalid_request_error", "code": "bad"}}
    for is_stream in [False, True]:
        simulator.fault(upstream, {"kind": "status", "status": 400, "errortype": "ValidationException", "body": body})
        answer = gateway.chat(model, "hello", stream=is_stream)
        assert answer.status == 400 and leaks(answer.text) == []
        assert MASKED in answer.error["message"]


def test_the_agents_api_is_redacted_both_ways(placement, redacting, simulator):
    gateway = redacting(placement, MASK)
    sessions = gateway.client(timeout=20).beta.agents.sessions
    agent = {"model": "gpt-agent", "instructions": TEXT}
    session = sessions.create(agent=agent, environment=WORKSPACE, extra_body=ROLE, metadata={"team": MAIL})
    assert session.metadata == {"team": "[EMAIL]"}
    with sessions.events.stream(session.id) as events:
        sessions.events.create(session.id, events=[message(TEXT)])
        assert text_of(heard(events)) == f"You said: {MASKED}"
    sent = [each.raw.decode() for each in simulator.requests("mantle")]
    assert leaks("".join(sent)) == [] and any(MASKED in each for each in sent)
    kept = "".join(item.to_json() for item in sessions.items.list(session.id))
    assert MASKED in kept and leaks(kept) == []
    with pytest.raises(openai.BadRequestError) as raised:
        sessions.list(metadata={"team": MAIL})
    assert (raised.value.code, raised.value.param) == ("content_blocked", "query")


def test_the_answers_of_the_agents_api_are_redacted(placement, redacting, simulator):
    gateway = redacting(placement, ANSWERS)
    sessions = gateway.client(timeout=20).beta.agents.sessions
    session = sessions.create(agent={"model": "gpt-agent"}, environment=WORKSPACE, extra_body=ROLE)
    with sessions.events.stream(session.id) as events:
        sessions.events.create(session.id, events=[message(TEXT)])
        turn = list(heard(events))
    assert text_of(turn) == f"You said: {MASKED}"
    assert leaks("".join(event.to_json() for event in turn)) == []
    assert leaks("".join(item.to_json() for item in sessions.items.list(session.id))) == []
    assert any(TEXT in each.raw.decode() for each in simulator.requests("mantle"))


@pytest.mark.parametrize("model", ["claude", "gpt-openai"])
def test_official_sdks_work_under_a_policy_that_redacts(placement, redacting, model):
    gateway = redacting(placement, {**MASK, "media": "pass"})
    image = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    check_every_step("chat.mjs", [gateway.base_url, run.DEMO_KEY, model, image], STEPS)
    client = gateway.client()
    messages = [{"role": "user", "content": TEXT}]
    whole = client.chat.completions.create(model=model, messages=messages).choices[0].message.content
    with client.chat.completions.stream(model=model, messages=messages) as stream:
        streamed = stream.get_final_completion().choices[0].message.content
    assert streamed == whole and MASKED in whole
