"""Embeddings: the official SDK gets the vectors of its texts, in order, however many calls they take."""

import json
import struct

import openai
import pytest
from conftest import model as model_of
from openai.types import CreateEmbeddingResponse

BEDROCK = {
    "titan": "amazon.titan-embed-text-v2:0",
    "titan-old": "amazon.titan-embed-text-v1",
    "cohere": "us.cohere.embed-v4:0",
    "cohere-old": "cohere.embed-multilingual-v3",
    "nova-embed": "amazon.nova-2-multimodal-embeddings-v1:0",
}
SAME_FORMAT = ["azure", "openai"]
MODELS = [*BEDROCK, *SAME_FORMAT]


def add(policy):
    policy["models"] += [{"name": name, "targets": [{"provider": "bedrock", "model": each}]} for name, each in BEDROCK.items()]
    policy["models"] += [
        {"name": "azure", "targets": [{"provider": "azure", "deployment": "text-embedding-3-small"}]},
        {"name": "openai", "targets": [{"provider": "openai", "model": "text-embedding-3-small"}]},
        {"name": "queries", "targets": [{"provider": "bedrock", "model": BEDROCK["cohere"], "input_type": "search_query"}]},
        {
            "name": "either",
            "cluster": "either",
            "targets": [{"provider": "bedrock", "model": BEDROCK["titan"]}, {"provider": "azure", "deployment": "text-embedding-3-small"}],
        },
    ]


@pytest.fixture(scope="module")
def gateways(directory, simulator, running):
    from conftest import Gateway

    made = {name: Gateway(directory, simulator, name, change=add) for name in ("single", "split")}
    running.extend(made.values())
    for gateway in made.values():
        gateway.ready()
    yield made
    for gateway in made.values():
        gateway.stop()
        running.remove(gateway)


@pytest.fixture(params=["single", "split"])
def gateway(request, gateways):
    return gateways[request.param]


def embed(gateway, **body):
    return gateway.send("POST", "/v1/embeddings", json.dumps(body))


def floats(numbers):
    """As base64 carries them."""
    return list(struct.unpack(f"<{len(numbers)}f", struct.pack(f"<{len(numbers)}f", *numbers)))


@pytest.mark.parametrize("model", MODELS)
def test_the_sdk_gets_the_same_vector_in_either_encoding(gateway, model):
    client = gateway.client()
    plain = client.embeddings.create(model=model, input="hello, wörld 🌍", encoding_format="float")
    default = client.embeddings.create(model=model, input="hello, wörld 🌍")  # base64 on the wire
    [vector] = plain.data
    assert len(vector.embedding) >= 1024 and vector.index == 0
    assert default.data[0].embedding == pytest.approx(floats(vector.embedding), abs=0)
    assert plain.usage.prompt_tokens == plain.usage.total_tokens == default.usage.total_tokens > 0
    raw = embed(gateway, model=model, input="hello", encoding_format="float")
    CreateEmbeddingResponse.model_validate_json(raw.text, strict=True)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("count", [2, 7, 200])
def test_many_texts_are_answered_in_order(gateway, simulator, model, count):
    texts = [f"text {number} \"ü\"\n" for number in range(count)]
    got = gateway.client().embeddings.create(model=model, input=texts)
    assert [each.index for each in got.data] == list(range(count))
    calls = len(simulator.requests())
    single = {each: gateway.client().embeddings.create(model=model, input=texts[each]) for each in (0, 1, count - 1)}
    for index, alone in single.items():
        assert got.data[index].embedding == alone.data[0].embedding
    per_call = {"cohere": 96, "cohere-old": 96, "azure": 2048, "openai": 2048}.get(model, 1)
    assert calls == -(-count // per_call)
    assert got.usage.total_tokens == sum(-(-len(each.encode()) // 4) for each in texts)


def test_every_call_is_signed_and_carries_nothing_of_the_apps(gateway, simulator):
    embed(gateway, model="titan", input=["a", "b", "c"])
    sent = simulator.requests()
    assert [each.body["inputText"] for each in sent][0] == "a"
    assert sorted(each.body["inputText"] for each in sent) == ["a", "b", "c"]
    for each in sent:
        assert each.target == "/model/amazon.titan-embed-text-v2%3A0/invoke"
        assert each.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        assert "sk-demo" not in json.dumps(each.headers) and not any(name.startswith("x-tollgate") for name in each.headers)
    assert len({each.headers["x-request-id"] for each in sent}) == 1


def test_same_format_bodies_pass(gateway, simulator):
    body = b'{ "input":[[1,2],[3]], "model" : "openai","dimensions":8 }'
    assert gateway.send("POST", "/v1/embeddings", body).status == 200
    [sent] = simulator.requests("openai")
    assert sent.raw == b'{ "input":[[1,2],[3]], "model" : "text-embedding-3-small","dimensions":8 }'


@pytest.mark.parametrize("model, dimensions", [("titan", 256), ("cohere", 512), ("nova-embed", 384), ("openai", 64), ("cohere-old", 1024)])
def test_dimensions_are_as_asked(gateway, model, dimensions):
    got = gateway.client().embeddings.create(model=model, input=["a", "b"], dimensions=dimensions)
    assert [len(each.embedding) for each in got.data] == [dimensions] * 2


def test_what_vectors_are_for_is_told(gateway, simulator):
    client = gateway.client()
    client.embeddings.create(model="cohere", input="a")
    client.embeddings.create(model="queries", input="a")
    client.embeddings.create(model="queries", input="a", extra_body={"input_type": "clustering"})
    assert [each.body["input_type"] for each in simulator.requests()] == ["search_document", "search_query", "clustering"]


@pytest.mark.parametrize(
    "body, status, code, param",
    [
        ({"model": "titan", "input": [1, 2, 3]}, 400, "unsupported_parameter", "input"),
        ({"model": "titan", "input": [[1, 2], [3]]}, 400, "unsupported_parameter", "input"),
        ({"model": "titan", "input": ""}, 400, "invalid_value", "input"),
        ({"model": "titan", "input": ["a"] * 2049}, 400, "invalid_value", "input"),
        ({"model": "titan"}, 400, "missing_required_parameter", "input"),
        ({"model": "titan", "input": "a", "dimensions": 77}, 400, "invalid_request", None),
        ({"model": "claude", "input": "a"}, 400, "unsupported_api", "model"),
        ({"model": "nobody", "input": "a"}, 404, "model_not_found", "model"),
    ],
)
def test_what_cannot_be_embedded_is_refused(gateway, body, status, code, param):
    answer = embed(gateway, **body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (status, code, param), answer.text


def test_a_chat_with_an_embedding_model_is_refused(gateway):
    assert gateway.chat("titan").error["code"] == "unsupported_api"


THROTTLED = {"kind": "status", "status": 429, "errortype": "ThrottlingException", "message": "Slow down."}


def test_the_first_calls_failure_is_the_only_call(gateway, simulator):
    simulator.fault("bedrock", THROTTLED)
    answer = embed(gateway, model="titan", input=["a", "b", "c"])
    assert (answer.status, answer.error["type"]) == (429, "rate_limit_error")
    assert len(simulator.requests()) == 1


def test_a_later_calls_failure_is_the_requests(gateway, simulator):
    simulator.fault("bedrock", THROTTLED, body="text 5 ")
    answer = embed(gateway, model="titan", input=[f"text {number} " for number in range(40)])
    assert (answer.status, answer.error["type"]) == (429, "rate_limit_error"), answer.text
    with pytest.raises(openai.RateLimitError):
        simulator.fault("bedrock", THROTTLED, body="text 2 ")
        gateway.client().embeddings.create(model="titan", input=[f"text {number} " for number in range(4)])
    assert gateway.client().embeddings.create(model="titan", input=["a", "b"]).data[1].index == 1


FAILURES = {
    "denied": ({"kind": "status", "status": 403, "errortype": "AccessDeniedException", "message": "No."}, {403}),
    "unknown": ({"kind": "status", "status": 404, "errortype": "ResourceNotFoundException", "message": "No."}, {404}),
    "broken down": ({"kind": "status", "status": 500, "errortype": "InternalServerException"}, {500}),
    "without a vector": ({"kind": "answer", "body": {"odd": 1}}, {502}),
    # Of a call of the filter's own Envoy does not tell whether it broke or took too long.
    "cut": ({"kind": "cut", "after_bytes": 40}, {502, 504}),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("model", BEDROCK)
@pytest.mark.parametrize("part", ["text 0 ", "text 150 "], ids=["the first call", "a later call"])
def test_no_failure_of_a_call_is_half_an_answer(gateway, simulator, model, failure, part):
    fault, statuses = FAILURES[failure]
    simulator.fault("bedrock", fault, body=part)
    answer = embed(gateway, model=model, input=[f"text {number} " for number in range(151)])
    assert answer.status in statuses and '"data"' not in answer.text, answer.text
    assert embed(gateway, model=model, input="hello").status == 200


@pytest.mark.parametrize("part", ["text 0 ", "text 3 "], ids=["the first call", "a later call"])
def test_azure_answers_all_when_bedrock_fails_one(gateways, simulator, part):
    simulator.fault("bedrock", THROTTLED, body=part)
    texts = [f"text {number} " for number in range(6)]
    got = gateways["split"].client().embeddings.create(model="either", input=texts, encoding_format="float")
    assert [len(each.embedding) for each in got.data] == [1536] * 6
    [sent] = simulator.requests("azure")
    assert sent.body["input"] == texts


def test_without_a_direct_cluster_there_is_one_call(start, simulator):
    def without(policy):
        add(policy)
        for provider in policy["providers"]:
            provider.pop("direct_cluster", None)

    gateway = start("split", change=without).ready()
    assert embed(gateway, model="titan", input=["a"]).status == 200
    assert embed(gateway, model="cohere", input=["a"] * 96).status == 200
    answer = embed(gateway, model="titan", input=["a", "b"])
    assert (answer.status, answer.error["param"]) == (400, "input") and "at most 1 " in answer.error["message"]


def test_calls_are_bounded_by_the_policy(start, simulator):
    def bound(policy):
        add(policy)
        policy["limits"]["embedding_calls"] = 3

    gateway = start("single", change=bound).ready()
    assert embed(gateway, model="titan", input=["a"] * 3).status == 200
    answer = embed(gateway, model="titan", input=["a"] * 4)
    assert answer.status == 400 and "at most 3 " in answer.error["message"]


def test_a_direct_cluster_that_is_not_there_is_told(start, simulator):
    def wrong(policy):
        add(policy)
        policy["providers"][0]["direct_cluster"] = "nowhere"

    gateway = start("split", change=wrong, edit=lambda config: config["static_resources"]["clusters"].remove(
        next(each for each in config["static_resources"]["clusters"] if each["name"] == "nowhere"))).ready()
    answer = embed(gateway, model="titan", input=["a", "b"])
    assert answer.status == 500 and "direct_cluster" in answer.error["message"]
    assert embed(gateway, model="titan", input=["a"]).status == 200


def test_a_client_that_leaves_breaks_nothing(gateway, simulator):
    simulator.fault("bedrock", {"kind": "slow", "delay_ms": 0, "first_ms": 300}, times=40)
    with pytest.raises(openai.APITimeoutError):
        gateway.client(timeout=0.5).embeddings.create(model="titan", input=["a"] * 20)
    assert embed(gateway, model="titan", input=["a", "b"]).status == 200


def test_two_thousand_texts_are_one_request(gateway, simulator):
    texts = [str(number) for number in range(2048)]
    got = gateway.client(timeout=60).embeddings.create(model="titan", input=texts, dimensions=256)
    assert len(got.data) == 2048
    alone = gateway.client().embeddings.create(model="titan", input="2047", dimensions=256)
    assert got.data[2047].embedding == alone.data[0].embedding
    assert model_of(gateway.policy, "titan")
