"""Credentials and texts stay where they belong."""

import json

import pytest
from conftest import CREDENTIALS, MODELS

CLIENTS_OWN = {
    "cookie": "session=clients-cookie",
    "x-tollgate-cluster": "azure",
    "x-tollgate-anything": "clients-own",
    "x-amz-security-token": "clients-token",
    "x-custom": "clients-custom",
    "openai-organization": "clients-organization",
    "proxy-authorization": "Basic clients-proxy",
}


@pytest.mark.parametrize("model", [*MODELS, "claude-or-gpt"])
def test_what_the_client_sends_for_the_gateway_stays_here(gateway, simulator, model):
    assert gateway.chat(model, headers=CLIENTS_OWN).status == 200
    [sent] = simulator.requests()
    seen = json.dumps(sent.record["headers"])
    assert [each for each in ("sk-demo", "clients-", "x-tollgate", "x-envoy", "x-forwarded") if each in seen] == []


@pytest.mark.parametrize("name", ["single", "split"])
def test_nothing_secret_is_logged(start, simulator, name):
    """The filter at its most talkative, over successes and failures."""
    gateway = start(name, levels=("warning", "wasm:trace")).ready()
    simulator.fault("bedrock", {"kind": "status", "status": 400, "errortype": "ValidationException", "message": "private-words"})
    for model in ["claude", *MODELS, "claude-or-gpt"]:
        gateway.chat(model, "private-question")
        gateway.chat(model, "private-question", stream=True)
    simulator.fault("bedrock", {"kind": "garbage", "after": 1}, match="stream")
    gateway.chat("claude", "private-question", stream=True)
    gateway.send("POST", "/v1/chat/completions", '{"private-question')
    gateway.chat("claude", headers={"authorization": "Bearer sk-private"})
    secrets = [value for name, value in CREDENTIALS.items() if name != "AWS_ACCESS_KEY_ID" and len(value) > 5]
    logged = gateway.log
    assert "claude" in logged, "the filter logs each exchange"
    assert [each for each in [*secrets, "sk-demo", "sk-private", "private-"] if each in logged] == []


def test_the_aws_secret_is_nowhere_in_envoys_own_trace(start):
    """Envoy itself logs headers at this level; a secret key that only signs is never among them."""
    gateway = start("split", levels=("trace", "wasm:trace")).ready()
    assert gateway.chat("claude").status == 200
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in gateway.log
