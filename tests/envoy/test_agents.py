"""Agents on AWS as models: the official SDK talks to them as to any other."""

import itertools
import json

import judge
import pytest
from conftest import CREDENTIALS

ACCOUNT = "arn:aws:bedrock-agentcore:us-east-1:123456789012"
AGENTS = {
    "agent": {"provider": "agents", "agent": "AGENT12345", "alias": "TSTALIASID"},
    "harness": {"provider": "agentcore", "harness": f"{ACCOUNT}:harness/my_harness-a1b2c3d4e5", "qualifier": "PROD"},
    "runtime": {"provider": "agentcore", "runtime": f"{ACCOUNT}:runtime/my_agent-a1b2c3d4e5"},
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}


def add_agents(policy, simulator):
    endpoint = simulator.endpoint("bedrock")
    for name, kind in (("agents", "bedrock_agents"), ("agentcore", "agentcore")):
        policy["providers"].append({"name": name, "kind": kind, "region": "us-east-1", "endpoint": endpoint, "cluster": "bedrock"})
    policy["models"] = [{"name": name, "targets": [target]} for name, target in AGENTS.items()]


@pytest.fixture(scope="module")
def agents(simulator, running, directory):
    import conftest

    gateway = conftest.Gateway(directory, simulator, "single", change=lambda policy: add_agents(policy, simulator))
    running.append(gateway)
    return gateway.ready()


@pytest.fixture(autouse=True)
def judged(simulator):
    """Amazon's own code has nothing against whatever a test here has sent."""
    yield
    for request in simulator.requests("bedrock"):
        assert judge.body_problems(request) == []
        assert judge.signature_problem(request, CREDENTIALS["AWS_SECRET_ACCESS_KEY"]) is None
        assert judge.service_problem(request) is None


def said(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", AGENTS)
def test_an_agent_answers_whole_and_streamed(agents, model):
    client = agents.client()
    answer = client.chat.completions.create(model=model, messages=said("grüß Gott 🌍"))
    assert answer.choices[0].message.content == "You said: grüß Gott 🌍"
    assert answer.choices[0].finish_reason == "stop" and answer.usage.prompt_tokens > 0
    chunks = list(client.chat.completions.create(model=model, messages=said("grüß Gott 🌍"), stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "You said: grüß Gott 🌍"
    assert chunks[-1].usage.completion_tokens > 0


@pytest.mark.parametrize("model", ["agent", "harness"])
@pytest.mark.parametrize("user", [None, "ann"])
def test_a_tool_that_the_agent_leaves_to_the_app_makes_a_round_trip(agents, simulator, model, user):
    client = agents.client()
    fields = {"model": model, "tools": [TOOL]} | ({"user": user} if user else {})
    messages = said("get_weather please")
    with client.chat.completions.stream(messages=messages, **fields) as stream:
        message = stream.get_final_completion().choices[0].message
    [call] = message.tool_calls
    assert call.function.name == "get_weather" and isinstance(json.loads(call.function.arguments), dict)
    messages += [message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "3 degrees"}]
    answer = client.chat.completions.create(messages=messages, **fields)
    assert answer.choices[0].message.content == "The tools answered: 3 degrees"
    if model == "agent" or user:
        asked, told = simulator.requests("bedrock")
        assert session(asked) == session(told)


def session(request):
    name = "x-amzn-bedrock-agentcore-runtime-session-id"
    return request.headers.get(name) or request.target.split("/")[6]


def test_what_the_harness_runs_itself_is_no_affair_of_the_app(agents):
    answer = agents.client().chat.completions.create(model="harness", messages=said("list my files"))
    assert answer.choices[0].message.content == "You said: list my files"
    assert answer.choices[0].message.tool_calls is None


@pytest.mark.parametrize("model", AGENTS)
def test_sessions_never_meet_by_chance(agents, simulator, model):
    for headers, fields in [({}, {}), ({}, {}), ({}, {"user": "ann"}), ({}, {"user": "bob"}), ({"x-tollgate-session": "7"}, {})]:
        assert agents.chat(model, "hello", headers, **fields).status == 200
    requests = simulator.requests("bedrock")
    assert len({session(request) for request in requests}) == 5
    assert all("x-tollgate-session" not in request.headers and b"ann" not in request.raw for request in requests)
    simulator.reset()
    for fields in [{"user": "ann"}, {"user": "ann"}]:
        assert agents.chat(model, "hello", **fields).status == 200
    assert len({session(request) for request in simulator.requests("bedrock")}) == 1


@pytest.mark.parametrize("model", AGENTS)
def test_a_throttled_agent_is_a_429(agents, simulator, model):
    simulator.fault("bedrock", {"kind": "status", "status": 429, "errortype": "ThrottlingException", "message": "slow down"})
    answer = agents.chat(model, stream=True)
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")


BREAKS = [{"kind": "cut", "after": 3}, {"kind": "exception", "after": 3, "exception": {"type": "throttlingException", "message": "slow down"}}, {"kind": "leftover"}]


@pytest.mark.parametrize(("model", "fault"), list(itertools.product(AGENTS, BREAKS)))
def test_a_broken_stream_never_looks_complete(agents, simulator, model, fault):
    simulator.fault("bedrock", fault)
    answer = agents.chat(model, "hello, and a few words more", stream=True)
    assert "[DONE]" not in answer.text and '"finish_reason":"stop"' not in answer.text
    assert answer.is_cut or answer.status != 200 or "error" in json.loads(answer.data[-1])


@pytest.mark.parametrize(("model", "fault"), list(itertools.product(AGENTS, BREAKS)))
def test_a_broken_response_fails(agents, simulator, model, fault):
    simulator.fault("bedrock", fault)
    body = {"model": model, "input": "hello, and a few words more", "stream": True}
    answer = agents.send("POST", "/v1/responses", json.dumps(body))
    assert "response.completed" not in answer.text
    assert answer.is_cut or answer.status != 200 or "response.failed" in answer.text


REFUSALS = [
    (403, "AccessDeniedException", 403),
    (404, "ResourceNotFoundException", 404),
    (400, "ValidationException", 400),
    (409, "ConflictException", None),
    (424, "DependencyFailedException", None),
    (500, "InternalServerException", None),
    (503, "ServiceUnavailableException", None),
]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("model", AGENTS)
def test_refusals_of_agents_are_openais_errors(agents, simulator, model, path):
    question = {"messages": said("hello")} if path.endswith("completions") else {"input": "hello"}
    for status, name, want in REFUSALS:
        simulator.fault("bedrock", {"kind": "status", "status": status, "errortype": name, "message": "Told by AWS."})
        answer = agents.send("POST", path, json.dumps(question | {"model": model}))
        assert answer.status == want if want else answer.status >= 400, (name, answer.status, answer.text)
        assert answer.error["code"] and answer.error["type"], (name, answer.text)


def test_the_upstream_half_knows_the_session_from_the_edge(start, simulator):
    def say_agents(part):
        """The hosts of Bedrock's cluster say that they are the agents'."""
        if isinstance(part, dict):
            if isinstance(part.get("tollgate"), dict) and part["tollgate"].get("provider") == "bedrock":
                part["tollgate"] = {"provider": "agents"}
            part = list(part.values())
        for each in part if isinstance(part, list) else []:
            say_agents(each)

    gateway = start("split", change=lambda policy: add_agents(policy, simulator), edit=say_agents).ready()
    for name in ("7", "7", "8"):
        assert gateway.chat("agent", "hello", {"x-tollgate-session": name}).status == 200
    first, again, other = map(session, simulator.requests("bedrock"))
    assert first == again != other
    assert "tollgate-k-" in first
