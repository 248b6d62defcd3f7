"""Each mistake gets its own clear answer, in OpenAI's form, and the next request works."""

import json

import pytest

KEY = "sk-demo"
OTHER = {"authorization": "Bearer sk-unknown"}
NONE = {"authorization": None}
CHAT = "/v1/chat/completions"
HELLO = json.dumps({"model": "claude", "messages": [{"role": "user", "content": "hello"}]})

MISTAKES = {
    "no key": ("POST", CHAT, HELLO, NONE, 401, "invalid_api_key"),
    "unknown key": ("POST", CHAT, HELLO, OTHER, 401, "invalid_api_key"),
    "unknown key for the list": ("GET", "/v1/models", None, OTHER, 401, "invalid_api_key"),
    "unknown path": ("POST", "/v1/nowhere", HELLO, {}, 404, "unknown_url"),
    "wrong method": ("GET", CHAT, None, {}, 405, None),
    "invalid JSON": ("POST", CHAT, '{"model": "claude", "messages": [', {}, 400, "invalid_json"),
    "no body": ("POST", CHAT, None, {}, 400, None),
    "JSON that is no object": ("POST", CHAT, "[1]", {}, 400, None),
    "unknown model": ("POST", CHAT, HELLO.replace("claude", "clod"), {}, 404, "model_not_found"),
    "no model": ("POST", CHAT, '{"messages": []}', {}, 400, None),
    "an image to be fetched": (
        "POST", CHAT,
        HELLO.replace('"hello"', '[{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]'), {}, 400, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_explained(gateway, simulator, mistake):
    method, path, body, headers, status, code = mistake
    answer = gateway.send(method, path, body, headers)
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert (answer.status, answer.error["code"] if code else None) == (status, code)
    assert simulator.requests() == []
    assert gateway.chat("claude").status == 200


def test_a_key_may_come_in_azures_header(gateway):
    assert gateway.chat("claude", headers=NONE | {"api-key": KEY}).status == 200


@pytest.mark.parametrize("name", ["single", "split"])
def test_a_body_over_the_limit_is_refused(start, simulator, name):
    gateway = start(name, change=lambda policy: policy["limits"].update(request_body_bytes=4 << 20)).ready()
    answer = gateway.chat("claude", "x" * (5 << 20))
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert "4194304" in answer.error["message"]
    assert simulator.requests() == []
    assert gateway.chat("claude", "x" * (3 << 20)).status == 200


@pytest.mark.parametrize("name", ["single", "split"])
def test_a_missing_credential_is_named(start, simulator, name):
    gateway = start(name, environment={"OPENAI_API_KEY": "simulator-openai-key"}).ready()
    for model, variable in [("claude", "AWS_ACCESS_KEY_ID"), ("gpt", "AZURE_OPENAI_API_KEY")]:
        answer = gateway.chat(model)
        assert (answer.status, answer.error["code"]) == (500, "credential_missing")
        assert variable in answer.error["message"]
    assert simulator.requests() == []
    assert gateway.chat("gpt-openai").status == 200


@pytest.mark.parametrize("name", ["single", "split"])
def test_a_config_that_would_hang_explains_itself(start, name):
    """Without allow_on_headers_stop_iteration a paused request would never go on."""

    def forget(config):
        text = json.dumps(config)
        assert '"allow_on_headers_stop_iteration": true, ' in text
        config.update(json.loads(text.replace('"allow_on_headers_stop_iteration": true, ', "")))

    gateway = start(name, edit=forget).ready()
    answer = gateway.send("POST", CHAT, HELLO, timeout=10)
    assert (answer.status, answer.error["code"]) == (500, "gateway_configuration")
    assert "allow_on_headers_stop_iteration" in answer.error["message"]


def test_parameters_that_do_not_travel_are_named(gateway, simulator):
    answer = gateway.chat("claude", seed=7, logit_bias={"50256": -100})
    assert answer.status == 200
    assert {each.strip() for each in answer.headers["x-tollgate-dropped"].split(",")} == {"seed", "logit_bias"}
    assert "seed" not in json.dumps(simulator.requests()[0].body)


def test_parameters_are_refused_where_the_policy_says_so(start):
    gateway = start(change=lambda policy: policy.update(parameters={"default": "reject"})).ready()
    answer = gateway.chat("claude", seed=7)
    assert (answer.status, answer.error["param"]) == (400, "seed")


def test_the_models_are_the_policys(gateway):
    models = gateway.client().models
    names = ["claude", "nova", "gpt", "gpt-openai", "titan-embed", "claude-or-gpt"]
    assert [each.id for each in models.list()] == names
    assert [models.retrieve(name).id for name in names] == names


def test_a_models_name_may_need_encoding_in_a_path(start):
    def rename(policy):
        policy["models"][0]["name"] = "anthropic/claude"

    models = start(change=rename).ready().client().models
    assert models.retrieve("anthropic/claude").id == "anthropic/claude"
