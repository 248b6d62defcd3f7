"""Amazon's own code has nothing against anything that the whole run has sent to Bedrock."""

import json
import random

import judge
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


PNG = "data:image/png;base64,iVBORw0KGgo="
MARK = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}}}
LOOP = [
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call/1", "type": "function", "function": {"name": "clock", "arguments": "{}{\"zone\":\"CET\"}"}}]},
    {"role": "tool", "tool_call_id": "call/1", "content": "noon"},
    {"role": "user", "content": "And now?"},
]


def parts(*more):
    """A change that adds parts to the first message."""
    return lambda body: body["messages"][0]["content"].extend(more)


def fields(**more):
    """A change that sets fields, joining lists of tools."""

    def change(body):
        tools = body.get("tools", []) + more.get("tools", [])
        body.update(more)
        if tools:
            body["tools"] = tools

    return change


def history(*messages):
    """A change that appends messages."""
    return lambda body: body["messages"].extend(messages)


# What a chat request can hold, each as a change of the least one.
FEATURES = {
    "system": lambda body: body["messages"].append({"role": "developer", "content": "Be brief.", "name": "boss", "cache_control": {"type": "ephemeral"}}),
    "cached text": parts({"type": "text", "text": "Long text.", **MARK}, {"type": "text", "text": " \n"}),
    "image": parts({"type": "image_url", "image_url": {"url": PNG, "detail": "low"}, **MARK}),
    "document": parts({"type": "file", "file": {"filename": "Q3 (final).pdf", "file_data": "data:application/pdf;base64,JVBERi0="}, "citations": {"enabled": True}}),
    "audio": parts({"type": "input_audio", "input_audio": {"data": "UklGRiQA", "format": "wav"}}),
    "video": parts({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAAGGZ0"}}),
    "search result": parts({"type": "search_result", "source": "https://example.com", "title": "A page", "content": [{"type": "text", "text": "Noon."}], "citations": {"enabled": True}}),
    "tool": fields(tools=[{**CLOCK, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
    "odd tool": fields(tools=[{"type": "function", "function": {"name": "mcp.weather/" + "x" * 70, "strict": True, "parameters": {}}}]),
    "custom tool": fields(tools=[{"type": "custom", "custom": {"name": "code", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]+"}}}}]),
    "tool loop": history(*LOOP),
    "custom loop": history(
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "code", "input": 'print("1")\n'}}]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "user", "content": "And?"},
    ),
    "thoughts": history(
        {"role": "assistant", "content": "Hm.", "thinking_blocks": [{"type": "thinking", "thinking": "Hm?", "signature": "c2lnbmVk"}, {"type": "redacted_thinking", "data": "aGk="}]},
        {"role": "user", "content": "Well?"},
    ),
    "effort": fields(reasoning_effort="low", max_completion_tokens=4096),
    "limits": fields(temperature=1.7, top_p=0.5, max_tokens=100, stop=["END", "\n"]),
    "metadata": fields(metadata={"tëam": '"red"', "long": "x" * 400}),
    "tier": fields(service_tier="fast", prompt_cache_options={"mode": "explicit", "ttl": "30m"}),
    "stream": fields(stream=True, stream_options={"include_usage": True}),
    "object": fields(response_format={"type": "json_object"}),
    "schema": fields(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}, "additionalProperties": False}}}),
}
MODELS = {
    "claude": {"model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "guardrail": {"id": "gr1", "version": "1", "trace": "enabled", "stream": "async"}},
    "claude-old": {"model": "anthropic.claude-3-7-sonnet-20250219-v1:0", "latency": "optimized", "service_tier": "flex"},
    "nova": {"model": "us.amazon.nova-2-lite-v1:0", "quirks": {"temperature": "halved"}},
}


def test_every_feature_goes_alone_and_with_every_other(start, simulator):
    def add(policy):
        policy["models"] = [{"name": name, "targets": [{"provider": "bedrock", **target}]} for name, target in MODELS.items()]
        policy["parameters"] = {"default": "warn"}

    gateway = start("single", change=add).ready()
    names = list(FEATURES)
    combinations = [(name,) for name in names] + [(one, other) for at, one in enumerate(names) for other in names[at + 1 :]]
    refused = []
    for number, combination in enumerate(combinations * 2):
        body = {"model": list(MODELS)[number % len(MODELS)], "messages": [{"role": "user", "content": [{"type": "text", "text": "What time is it?"}]}]}
        for name in combination:
            FEATURES[name](body)
        answer = gateway.send("POST", "/v1/chat/completions", json.dumps(body).encode())
        if answer.status != 200:
            refused.append((combination, body["model"], answer.status, answer.text[:300]))
    assert refused == []
    assert len(combinations) * 2 >= 300


def test_botocore_agrees_with_every_body_and_every_signature(simulator):
    requests = [each for each in judge.read(simulator.record_file, Request) if each.upstream in ("bedrock", "mantle")]
    problems = [(problem, each.target, each.raw[:300]) for each in requests if has_model(each) for problem in judge.body_problems(each)]
    assert problems == []
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    signed = [(judge.signature_problem(each, secret), each.target) for each in requests]
    assert [each for each in signed if each[0]] == []
    assert [each for each in map(judge.service_problem, filter(has_model, requests)) if each] == []
    assert len(requests) >= 600
    print(f"judged: {len(requests)} Bedrock requests")
