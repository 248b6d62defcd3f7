"""OpenAI's Agents API, to Bedrock Managed Agents and to OpenAI, by the official SDK through a real Envoy."""

import json
import threading

import openai
import pytest
from conftest import CREDENTIALS, Gateway, add_mantle
from judge import signature_problem
from openai.types.beta import AgentSession, AgentSessionEvent
from pydantic import TypeAdapter

ROLE = {"role_arn": "arn:aws:iam::123456789012:role/agent"}
WORKSPACE = {"type": "self_hosted", "workspace_directory": "/workspace"}
EVENT = TypeAdapter(AgentSessionEvent)
CONSUMERS = {"bound": {"models": ["gpt-agent"]}, "saver": {}, "stranger": {}}


@pytest.fixture(scope="module", params=["single", "split"])
def gateway(request, directory, simulator, running):
    """The shipped config with mantle, and agents for some."""

    def add(policy):
        add_mantle(policy, simulator, project="proj_1")
        targets = [{"provider": "mantle", "model": "openai.gpt-5.6-luna"}, {"provider": "openai", "model": "gpt-5.6-luna"}]
        policy["models"].append({"name": "gpt-agent", "targets": targets, "cluster": "agents-anywhere"})
        policy["models"].append({"name": "gpt-other", "targets": [{"provider": "mantle", "model": "openai.gpt-5.6-terra"}]})
        for name, more in CONSUMERS.items():
            policy["consumers"].append({"name": name, "header": {"name": "x-consumer", "value": name}} | more)
        policy["agents"] = [
            {"provider": "mantle", "consumers": ["demo", "bound"]},
            {"provider": "openai", "consumers": ["saver"], "resources": ["agents", "sessions"]},
        ]

    gateway = Gateway(directory, simulator, request.param, change=add)
    running.append(gateway)
    yield gateway.ready()
    gateway.stop()
    running.remove(gateway)


def agents(gateway, consumer=None):
    options = {"api_key": "nobody", "default_headers": {"x-consumer": consumer}} if consumer else {}
    return gateway.client(timeout=20, **options).beta.agents


def message(text):
    return {"type": "agent.session.input.message", "input": [{"role": "user", "content": text}]}


def create(gateway, consumer=None, **more):
    settings = {"agent": {"model": "gpt-agent", "instructions": "Be brief."}, "environment": WORKSPACE, "extra_body": ROLE}
    return agents(gateway, consumer).sessions.create(**settings | more)


def heard(events):
    """The events up to the end of a turn, each as strict as the SDK's own types are."""
    for event in events:
        EVENT.validate_python(event.model_dump(by_alias=True))
        yield event
        if event.type == "agent.session.turn.completed":
            return


def text_of(events):
    return "".join(event.delta for event in events if event.type == "agent.session.turn.output_text.delta")


def test_a_session_from_its_beginning_to_its_end(gateway, simulator):
    sessions = agents(gateway).sessions
    session = create(gateway, metadata={"team": "a b"})
    AgentSession.model_validate(session.model_dump(by_alias=True), strict=True)
    assert session.agent.model == "openai.gpt-5.6-luna" and session.metadata == {"team": "a b"}
    # The app listens before it says anything: the stream's head must come without an event.
    with sessions.events.stream(session.id, include_obfuscation=False) as events:
        for text in ("hello, wörld 🌍", "and again"):
            assert sessions.events.create(session.id, events=[message(text)], idempotency_key=f"key-{text[:5]}") is None
            turn = list(heard(events))
            assert text_of(turn) == f"You said: {text}"
            assert all(event.obfuscation is None for event in turn)
    items = sessions.items.list(session.id, order="asc", limit=3)
    assert [item.role for item in items.data] == ["user", "assistant", "user"] and items.has_more
    assert [item.role for item in sessions.items.list(session.id)] == ["assistant", "user"] * 2
    assert sessions.retrieve(session.id).status == "idle"
    assert session.id in [each.id for each in sessions.list(metadata={"team": "a b"})]
    assert sessions.delete(session.id).deleted is True
    with pytest.raises(openai.NotFoundError) as raised:
        sessions.retrieve(session.id)
    assert raised.value.code == "not_found" and raised.value.type == "invalid_request_error"
    sent = simulator.requests()
    assert {each.upstream for each in sent} == {"mantle"} and {each.method for each in sent} == {"GET", "POST", "DELETE"}
    for each in sent:
        assert each.target.startswith("/openai/v1/agents/sessions")
        assert (each.headers["openai-beta"], each.headers["openai-project"]) == ("agents=v1", "proj_1")
        assert signature_problem(each, CREDENTIALS["AWS_SECRET_ACCESS_KEY"]) is None
        assert "/us-east-1/bedrock-mantle/aws4_request" in each.headers["authorization"]
        assert not {"x-consumer", "cookie", "user-agent", "x-stainless-lang"} & each.headers.keys()
    assert sent[0].body["agent"]["model"] == "openai.gpt-5.6-luna" and sent[0].body["role_arn"] == ROLE["role_arn"]
    assert [each.headers["idempotency-key"] for each in sent if "idempotency-key" in each.headers] == ["key-hello", "key-and a"]


def test_a_session_may_stream_from_its_creation(gateway):
    with create(gateway, input="hello", stream=True) as events:
        turn = list(heard(events))
    assert turn[0].type == "agent.session.created" and text_of(turn) == "You said: hello"
    assert turn[-1].usage.total_tokens == 12


def test_events_come_while_the_agent_is_at_work(gateway):
    """Nothing waits for what follows: each turn is heard whole before the next one is asked for, by two listeners."""
    session = create(gateway)
    sessions = agents(gateway).sessions
    told = []

    def listen(events):
        told.append(text_of(heard(events)))

    with sessions.events.stream(session.id) as one, sessions.events.stream(session.id) as other:
        listeners = [threading.Thread(target=listen, args=[events]) for events in (one, other)]
        for listener in listeners:
            listener.start()
        sessions.events.create(session.id, events=[message("twice")])
        for listener in listeners:
            listener.join(timeout=10)
    assert told == ["You said: twice"] * 2


@pytest.mark.parametrize("after", [1, 5])
def test_a_stream_that_ends_in_a_turn_says_so(gateway, simulator, after):
    session = create(gateway)
    sessions = agents(gateway).sessions
    simulator.fault("mantle", {"kind": "end", "after": after}, match="/events")
    with sessions.events.stream(session.id) as events:
        sessions.events.create(session.id, events=[message("hello")])
        *turn, last = list(events)
    assert len(turn) == after
    assert (last.type, last.error.code, last.error.type) == ("error", "upstream_truncated", "server_error")
    assert last.session_id == session.id


def test_a_connection_that_breaks_is_no_end(gateway, simulator):
    session = create(gateway)
    sessions = agents(gateway).sessions
    simulator.fault("mantle", {"kind": "cut", "after": 4}, match="/events")
    with sessions.events.stream(session.id) as events:
        sessions.events.create(session.id, events=[message("hello")])
        with pytest.raises(openai.APIError):
            list(events)


def test_a_consumer_needs_a_permission(gateway, simulator):
    with pytest.raises(openai.PermissionDeniedError) as raised:
        create(gateway, "stranger")
    assert raised.value.code == "agents_not_allowed"
    with pytest.raises(openai.NotFoundError) as raised:
        create(gateway, "bound", agent={"model": "gpt-other"})
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as raised:
        create(gateway, agent={"model": "claude"})
    assert raised.value.code == "unsupported_api"
    with pytest.raises(openai.BadRequestError) as raised:
        create(gateway, "bound", agent=openai.omit, agent_id="agent_1")
    assert raised.value.param == "agent.model"
    with pytest.raises(openai.NotFoundError) as raised:
        agents(gateway).create(model="gpt-agent")
    assert raised.value.code == "unsupported_api"
    raw = gateway.send("PUT", "/v1/agents/sessions", "{}")
    assert (raw.status, raw.headers["allow"]) == (405, "GET, POST, DELETE")
    raw = gateway.send("GET", "/v1/agents/sessions/%2e%2e/%2e%2e/chat/completions")
    assert (raw.status, raw.error["code"]) == (404, "unknown_url")
    assert simulator.requests() == []
    assert create(gateway, "bound").agent.model == "openai.gpt-5.6-luna"


def test_openai_has_the_same_api_and_saved_agents(gateway, simulator):
    saved = agents(gateway, "saver").create(model="gpt-agent", name="helper", metadata={"model": "gpt-agent"})
    assert saved.model == "gpt-5.6-luna"
    assert [each.id for each in agents(gateway, "saver").list()][0] == saved.id
    session = create(gateway, "saver", agent=openai.omit, agent_id=saved.id, extra_body=None)
    sessions = agents(gateway, "saver").sessions
    with sessions.events.stream(session.id) as events:
        sessions.events.create(session.id, events=[message("hello")])
        assert text_of(heard(events)) == "You said: hello"
    # What one provider keeps is nothing that the other's consumers see.
    with pytest.raises(openai.NotFoundError):
        agents(gateway).sessions.retrieve(session.id)
    assert agents(gateway, "saver").delete(saved.id).deleted is True
    sent = simulator.requests("openai")
    assert {each.headers["authorization"] for each in sent} == {f"Bearer {CREDENTIALS['OPENAI_API_KEY']}"}
    assert all(each.target.startswith("/v1/agents") for each in sent)
    assert sent[0].body["metadata"] == {"model": "gpt-agent"}


def test_errors_are_openais(gateway, simulator):
    status = {"kind": "status", "status": 429, "errortype": "rate_limit_exceeded", "message": "Too many sessions."}
    simulator.fault("mantle", status)
    with pytest.raises(openai.RateLimitError) as raised:
        create(gateway)
    assert "Too many sessions." in raised.value.message
    with pytest.raises(openai.BadRequestError) as raised:
        create(gateway, extra_body={**ROLE, "colour": "red"})
    assert raised.value.code == "unknown_parameter" and raised.value.param == "colour"
    with pytest.raises(openai.NotFoundError):
        agents(gateway).sessions.turns.list("asess_none")
    simulator.fault("mantle", {"kind": "status", "status": 503, "message": "busy"})
    with pytest.raises(openai.InternalServerError):
        create(gateway)
    # A session is never made twice by the gateway's own retries.
    made = [each for each in simulator.requests("mantle") if each.method == "POST"]
    assert len(made) == 3
    raw = gateway.send("POST", "/v1/agents/sessions", json.dumps({"agent": {"model": 7}}))
    assert (raw.status, raw.error["param"]) == (400, "model")
