"""A model with two providers answers from the second when the first fails: in one client request, translated anew."""

import json

import pytest

BEDROCK = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
FAULTS = {
    "throttled": {"kind": "status", "status": 429, "errortype": "ThrottlingException"},
    "unavailable": {"kind": "status", "status": 503, "errortype": "ServiceUnavailableException"},
    "model not ready": {"kind": "status", "status": 429, "errortype": "ModelNotReadyException"},
    "internal": {"kind": "status", "status": 500, "errortype": "InternalServerException"},
    "model error": {"kind": "status", "status": 424, "errortype": "ModelErrorException"},
}


@pytest.fixture
def gateway(shipped):
    return shipped("split")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_azure_answers_when_bedrock_does_not(gateway, simulator, fault, is_stream):
    simulator.fault("bedrock", fault)
    answer = gateway.chat("claude-or-gpt", "hello", stream=is_stream)
    assert answer.status == 200, answer.text
    if is_stream:
        assert answer.data[-1] == "[DONE]"
    else:
        assert answer.json["choices"][0]["message"]["content"] == "You said: hello"
    first, second = simulator.requests()
    assert (first.upstream, second.upstream) == ("bedrock", "azure")
    assert first.target.endswith("/converse-stream" if is_stream else "/converse")
    assert first.body["messages"] == [{"role": "user", "content": [{"text": "hello"}]}]
    assert "simulator-azure-key" not in json.dumps(first.headers) and "api-key" not in first.headers
    assert second.target.split("?")[0].endswith("/chat/completions")
    assert second.body["messages"] == [{"role": "user", "content": "hello"}]
    assert second.headers["api-key"] == "simulator-azure-key"
    assert "authorization" not in second.headers
    assert not any(name.startswith("x-amz") for name in second.headers)


def test_bedrock_answers_while_it_can(gateway, simulator):
    assert gateway.chat("claude-or-gpt").status == 200
    assert [each.upstream for each in simulator.requests()] == ["bedrock"]


def test_a_clients_mistake_is_not_tried_again(gateway, simulator):
    simulator.fault("bedrock", {"kind": "status", "status": 400, "errortype": "ValidationException", "message": "No."})
    answer = gateway.chat("claude-or-gpt")
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert [each.upstream for each in simulator.requests()] == ["bedrock"]


def test_when_both_fail_the_last_error_is_told(gateway, simulator):
    simulator.fault("bedrock", FAULTS["throttled"])
    simulator.fault("azure", {"kind": "status", "status": 503, "errortype": "overloaded", "message": "Azure is full."})
    answer = gateway.chat("claude-or-gpt")
    assert answer.status == 503 and "Azure is full." in answer.error["message"]


def test_a_client_cannot_steer_envoy(gateway, simulator):
    simulator.fault("bedrock", FAULTS["unavailable"])
    steering = {"x-envoy-max-retries": "0", "x-envoy-retry-on": "none", "x-envoy-upstream-rq-timeout-ms": "1"}
    assert gateway.chat("claude-or-gpt", headers=steering).status == 200


def test_a_long_request_fails_over_too(gateway, simulator):
    simulator.fault("bedrock", FAULTS["throttled"])
    text = "x" * 8_000_000
    answer = gateway.chat("claude-or-gpt", text)
    assert answer.status == 200, answer.text[:500]
    assert simulator.requests("azure")[0].body["messages"][0]["content"] == text


def test_an_unreachable_provider_is_skipped(start, simulator):
    def unreachable(policy):
        policy["providers"][0]["endpoint"] = "http://127.0.0.1:9"

    gateway = start(change=unreachable).ready()
    assert gateway.chat("claude-or-gpt").status == 200
    assert [each.upstream for each in simulator.requests()] == ["azure"]
