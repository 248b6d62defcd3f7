"""Amazon's own code has nothing against anything that the whole run has sent to Bedrock."""

import collections
import copy
import itertools
import json
import random

import features
import judge
import pytest
import test_agents
from conftest import CREDENTIALS, Request

IDS = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0:200k",
    "amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3d4e5f6",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1/a1b2c3d4e5f6",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
]
WORDS = ["hello", "wörld", "🌍", "漢字", '"quoted"', "back\\slash", "line\nbreak", "\u2028", "tab\t", "a/b?c=d&e", "%2F", "  spaces  ", "\x00"]


def has_model(request):
    """The OpenAI endpoints have no service model; the simulator holds their bodies against OpenAI's rules."""
    return request.upstream == "bedrock" and not request.target.startswith("/openai/")


def generated(seed):
    """A request with a little of everything."""
    chance = random.Random(seed)
    text = " ".join(["say", *chance.choices(WORDS, k=chance.randrange(1, 9))])
    body = {"messages": [{"role": "user", "content": text}], "stream": chance.random() < 0.4}
    optional = {
        "temperature": chance.choice([0, 0.5, 1]),
        "max_completion_tokens": chance.randrange(1, 4096),
        "stop": chance.choice([["END"], "STOP", ["a", "b"]]),
        "metadata": {"team": chance.choice(WORDS)},
        "user": chance.choice(WORDS),
    }
    return body | {name: value for name, value in optional.items() if chance.random() < 0.4}


def test_two_hundred_odd_requests_are_accepted(start, simulator):
    def add(policy):
        policy["models"] = [{"name": f"m{number}", "targets": [{"provider": "bedrock", "model": each}]} for number, each in enumerate(IDS)]

    gateways = [start(name, change=add).ready() for name in ("single", "split")]
    for seed in range(240):
        body = generated(seed) | {"model": f"m{seed % len(IDS)}"}
        answer = gateways[seed % 2].send("POST", "/v1/chat/completions", json.dumps(body, ensure_ascii=seed % 3 == 0).encode())
        assert answer.status == 200, (body, answer.text)
    targets = {each.target.rsplit("/", 1)[0] for each in simulator.requests()}
    assert len(targets) == len(IDS)


MODELS = {
    "claude": {"model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "guardrail": {"id": "gr1", "version": "1", "trace": "enabled", "stream": "async"}},
    "claude-old": {"model": "anthropic.claude-3-7-sonnet-20250219-v1:0", "latency": "optimized", "service_tier": "flex"},
    "nova": {"model": "us.amazon.nova-2-lite-v1:0", "quirks": {"temperature": "halved"}},
}
EMBEDDING = {
    "titan": "amazon.titan-embed-text-v2:0",
    "titan-old": "amazon.titan-embed-text-v1",
    "cohere": "us.cohere.embed-v4:0",
    "cohere-old": "cohere.embed-multilingual-v3",
    "nova-embed": "amazon.nova-2-multimodal-embeddings-v1:0",
}
PARTS = [{"type": "text", "text": "What time is it?"}]
# The least request of each API, what it can hold, and who is asked.
APIS = {
    "/v1/chat/completions": ({"messages": [{"role": "user", "content": PARTS}]}, features.CHAT, MODELS),
    "/v1/responses": ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "What time is it?"}]}]}, features.RESPONSES, MODELS),
    "/v1/completions": ({"prompt": "What time is it?"}, features.COMPLETIONS, MODELS),
    "/v1/embeddings": ({"input": "What time is it?"}, features.EMBEDDINGS, EMBEDDING),
}


def combinations(names):
    """Each alone, and each with every other."""
    return [(name,) for name in names] + list(itertools.combinations(names, 2))


def send_all(gateway, path, models, headers=None):
    """Sends every combination to every model; what was refused alone, and in pairs whose parts were not."""
    least, changes, _ = APIS[path]
    alone, together = {}, []
    for model, combination in itertools.product(models, combinations(changes)):
        body = copy.deepcopy(least) | {"model": model}
        for name in combination:
            changes[name](body)
        answer = gateway.send("POST", path, json.dumps(body).encode(), headers and headers())
        assert answer.status in (200, 400), (combination, model, answer.status, answer.text)
        if answer.status == 200:
            continue
        if len(combination) == 1:
            alone[model, combination[0]] = answer.error["param"]
        elif not any((model, name) in alone for name in combination):
            together.append((model, combination, answer.text[:300]))
    return alone, together


@pytest.mark.parametrize("path", APIS)
def test_every_feature_goes_alone_and_with_every_other(start, simulator, path):
    def add(policy):
        targets = MODELS | {name: {"model": each} for name, each in EMBEDDING.items()}
        policy["models"] = [{"name": name, "targets": [{"provider": "bedrock", **target}]} for name, target in targets.items()]
        policy["parameters"] = {"default": "warn"}

    models = APIS[path][2]
    gateway = start("single", change=add).ready()
    assert send_all(gateway, path, models) == ({}, [])


# What an agent has no place for: media, results of calls that it has not made, and where it reads a prompt any.
MEDIA = {"image", "audio", "video", "search result"}
RESULTS = {"tool loop", "custom loop", "parts of a result"}
AGENTS_REFUSE = {"agent": MEDIA | RESULTS, "harness": MEDIA | {"document"}, "runtime": MEDIA | RESULTS | {"document"}}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_agents_take_what_they_can(start, simulator, path):
    def add(policy):
        test_agents.add_agents(policy, simulator)
        policy["parameters"] = {"default": "warn"}

    gateway = start("single", change=add).ready()
    sessions = itertools.count()
    alone, together = send_all(gateway, path, test_agents.AGENTS, headers=lambda: {"x-tollgate-session": f"s{next(sessions)}"})
    assert together == []
    refused = {(model, name) for model, names in AGENTS_REFUSE.items() for name in names if name in APIS[path][1]}
    # Responses hand an image over as a tool's result, which is no text.
    assert set(alone) == refused | ({("harness", "parts of a result")} if path == "/v1/responses" else set())


SIGNED = "c2lnbmVk"


def generated_turn(chance, names):
    """What Claude says: thoughts that it signs, others that it hides, a text, calls."""
    thoughts = [{"reasoningContent": {"reasoningText": {"text": chance.choice(WORDS).strip("\x00") or "Hm.", "signature": SIGNED + str(chance.randrange(99))}}}]
    thoughts += [{"reasoningContent": {"redactedContent": "aGlkZGVu"}}] * chance.randrange(2)
    said = [{"text": " ".join(["I look.", *chance.choices(WORDS[:8], k=2)])}] * chance.randrange(2)
    values = [*WORDS[:8], 0, -1.5, 1e21, True, None, [], {"a": [{}]}]
    inputs = [{f"k{at}": chance.choice(values) for at in range(chance.randrange(3))} for _ in range(chance.randrange(1, 4))]
    ids = [f"tooluse_{chance.randrange(10**9)}-{at}.:" for at in range(len(inputs))]
    calls = [{"toolUse": {"toolUseId": call_id, "name": chance.choice(names), "input": each}} for call_id, each in zip(ids, inputs, strict=True)]
    return thoughts + said + calls


def next_chat(gateway, body, message=None):
    """The first turn of a chat, or the one that shows the model its message and the results of its calls."""
    least = {"messages": [{"role": "user", "content": "Look."}], "tools": [{"type": "function", "function": {"name": each}} for each in ODD_NAMES]}
    if message is None:
        return gateway.send("POST", "/v1/chat/completions", json.dumps(body | least))
    results = [{"role": "tool", "tool_call_id": call["id"], "content": call["function"]["name"]} for call in message["tool_calls"]]
    return gateway.send("POST", "/v1/chat/completions", json.dumps(body | least | {"messages": [*least["messages"], message, *results]}))


def next_response(gateway, body, output=None):
    least = {"input": [{"role": "user", "content": "Look."}], "include": ["reasoning.encrypted_content"], "store": False}
    least["tools"] = [{"type": "namespace", "name": "sky", "description": "The sky.", "tools": [{"type": "function", "name": each} for each in ("rain", "y" * 64)]}]
    least["tools"] += [{"type": "function", "name": "snow"}]
    if output is None:
        return gateway.send("POST", "/v1/responses", json.dumps(body | least))
    results = [{"type": "function_call_output", "call_id": item["call_id"], "output": item["name"]} for item in output if item["type"] == "function_call"]
    return gateway.send("POST", "/v1/responses", json.dumps(body | least | {"input": [*least["input"], *output, *results]}))


ODD_NAMES = ["weather", "mcp.weather/today", "x" * 70, "wetter-für"]


@pytest.mark.parametrize("form", ["chat", "responses", "responses streamed"])
def test_ids_names_arguments_and_signatures_come_back_as_they_went(gateway, simulator, form):
    ask = next_chat if form == "chat" else next_response
    body = {"model": "claude", "stream": form.endswith("streamed"), "reasoning_effort": "low"}
    if form != "chat":
        body |= {"reasoning": {"effort": body.pop("reasoning_effort")}}
    assert ask(gateway, body).status == 200
    [learned] = simulator.requests("bedrock")
    names = [each["toolSpec"]["name"] for each in learned.body["toolConfig"]["tools"]]
    for seed in range(50):
        chance = random.Random(seed)
        content = generated_turn(chance, names)
        answer = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use", "metrics": {"latencyMs": 1}}
        answer["usage"] = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
        simulator.fault("bedrock", {"kind": "answer", "body": answer})
        got = ask(gateway, body)
        assert got.status == 200, got.text
        if form == "chat":
            said = got.json["choices"][0]["message"]
            assert {call["function"]["name"] for call in said["tool_calls"]} <= set(ODD_NAMES)
        else:
            whole = json.loads(got.text.rsplit("data: ", 1)[1])["response"] if body["stream"] else got.json
            said = whole["output"]
            assert {item["name"] for item in said if item["type"] == "function_call"} <= {"rain", "y" * 64, "snow"}
        assert (back := ask(gateway, body, said)).status == 200, back.text
        asked, shown, results = simulator.requests("bedrock")[-1].body["messages"]
        assert shown["content"] == content, seed
        assert [each["toolResult"]["toolUseId"] for each in results["content"]] == [each["toolUse"]["toolUseId"] for each in content if "toolUse" in each]


def test_botocore_agrees_with_every_body_and_every_signature(simulator):
    requests = [each for each in judge.read(simulator.record_file, Request) if each.upstream in ("bedrock", "mantle")]
    problems = [(problem, each.target, each.raw[:300]) for each in requests if has_model(each) for problem in judge.body_problems(each)]
    assert problems == []
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    signed = [(judge.signature_problem(each, secret), each.target) for each in requests]
    assert [each for each in signed if each[0]] == []
    assert [each for each in map(judge.service_problem, filter(has_model, requests)) if each] == []
    counts = collections.Counter(judge.operation(each)[1] for each in filter(has_model, requests))
    print(f"judged: {len(requests)} Bedrock requests, {dict(counts)}")
    least = {"Converse": 1000, "ConverseStream": 100, "InvokeModel": 200, "InvokeAgent": 300, "InvokeHarness": 300, "InvokeAgentRuntime": 300}
    assert {name: count for name, count in least.items() if counts[name] < count} == {}
