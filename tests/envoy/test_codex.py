"""Codex on AWS: the Codex CLI, with a home of its own, works through a real Envoy with a Claude model on Bedrock Converse and
with one of OpenAI's on mantle.

The binary is that of npm's `@openai/codex`, which `node/package.json` names.
"""

import json
import os
import pathlib
import subprocess

import pytest
import run

CODEX = pathlib.Path(__file__).parent / "node/node_modules/.bin/codex"
COMMANDS = ["echo one > made.txt", "cat made.txt"]
RESPONSE = {
    "object": "response",
    "created_at": 1_795_000_000,
    "status": "completed",
    "model": "openai.gpt-5.5",
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    },
}


def says(thought, name, arguments, number):
    """A turn of Claude's that thinks, signs what it thought, and calls one tool."""
    call = {"toolUseId": f"tooluse_{number}", "name": name}
    return [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": thought}}}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": f"c2ln{number}"}}}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": call}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": json.dumps(arguments)}}}},
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, "metrics": {"latencyMs": 1}}},
    ]


def work(gateway, model, directory):
    """Codex makes a file and shows it, as the simulator has been told to ask."""
    home, place = directory / "home", directory / "work"
    home.mkdir()
    place.mkdir()
    provider = {"name": "tollgate", "base_url": gateway.base_url, "env_key": "TOLLGATE_KEY", "wire_api": "responses", "request_max_retries": 0}
    lines = [f'model = "{model}"', 'model_provider = "tollgate"', 'approval_policy = "never"', 'sandbox_mode = "danger-full-access"']
    lines += ["[model_providers.tollgate]", *(f"{name} = {json.dumps(value)}" for name, value in provider.items())]
    (home / "config.toml").write_text("\n".join(lines))
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "TOLLGATE_KEY": run.DEMO_KEY}
    command = [CODEX, "exec", "--skip-git-repo-check", "Make a file and show it."]
    done = subprocess.run(command, cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (place / "made.txt").read_text() == "one\n"
    assert "The tools answered:" in done.stdout and "one" in done.stdout


def test_codex_completes_a_task_with_two_tool_turns(gateway, simulator, tmp_path):
    for number, command in enumerate(COMMANDS):
        events = says("I shall run it.", "exec_command", {"cmd": command}, number)
        simulator.fault("bedrock", {"kind": "answer", "events": events})
    work(gateway, "claude", tmp_path)
    # Each turn shows Claude what it thought before, as it signed it.
    messages = simulator.requests()[-1].body["messages"]
    shown = [block["reasoningContent"]["reasoningText"] for message in messages for block in message["content"] if "reasoningContent" in block]
    assert shown == [{"text": "I shall run it.", "signature": f"c2ln{number}"} for number in range(2)]


@pytest.mark.parametrize("name", ["single", "split"])
def test_codex_works_with_a_model_of_openais_on_mantle(start, simulator, tmp_path, name):
    def add(policy):
        endpoint = simulator.endpoint("mantle")
        policy["providers"].append({"name": "mantle", "kind": "bedrock", "region": "us-east-1", "surface": "mantle", "endpoint": endpoint})
        policy["models"].append({"name": "gpt-mantle", "targets": [{"provider": "mantle", "model": "openai.gpt-5.5"}]})

    for number, command in enumerate(COMMANDS):
        call = {"id": f"fc_{number}", "type": "function_call", "status": "completed", "call_id": f"call_{number}", "name": "exec_command"}
        body = RESPONSE | {"id": f"resp_{number}", "output": [call | {"arguments": json.dumps({"cmd": command})}]}
        simulator.fault("mantle", {"kind": "answer", "body": body})
    work(start(name, change=add).ready(), "gpt-mantle", tmp_path)
    sent = simulator.requests("mantle")
    assert [request.target for request in sent] == ["/openai/v1/responses"] * 3
    assert all("/us-east-1/bedrock-mantle/aws4_request" in request.headers["authorization"] for request in sent)
    assert all(request.body["model"] == "openai.gpt-5.5" for request in sent)
    answered = [item["call_id"] for item in sent[-1].body["input"] if item["type"] == "function_call_output"]
    assert answered == ["call_0", "call_1"]
