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


def test_botocore_agrees_with_every_body_and_every_signature(simulator):
    requests = [each for each in judge.read(simulator.record_file, Request) if each.upstream == "bedrock"]
    problems = [(problem, each.target, each.raw[:300]) for each in requests for problem in judge.body_problems(each)]
    assert problems == []
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    signed = [(judge.signature_problem(each, secret), each.target) for each in requests]
    assert [each for each in signed if each[0]] == []
    assert [each for each in map(judge.service_problem, requests) if each] == []
    assert len(requests) >= 200
    print(f"judged: {len(requests)} Bedrock requests")
