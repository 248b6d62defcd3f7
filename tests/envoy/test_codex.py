"""Codex on AWS: the Codex CLI, with a home of its own, works with a Claude model on Bedrock Converse through a real Envoy.

The binary is that of npm's `@openai/codex`, which `node/package.json` names.
"""

import json
import os
import pathlib
import subprocess

import pytest
import run

CODEX = pathlib.Path(__file__).parent / "node/node_modules/.bin/codex"


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


def test_codex_completes_a_task_with_two_tool_turns(gateway, simulator, tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    provider = {"name": "tollgate", "base_url": gateway.base_url, "env_key": "TOLLGATE_KEY", "wire_api": "responses", "request_max_retries": 0}
    lines = ['model = "claude"', 'model_provider = "tollgate"', 'approval_policy = "never"', 'sandbox_mode = "danger-full-access"']
    lines += ["[model_providers.tollgate]", *(f"{name} = {json.dumps(value)}" for name, value in provider.items())]
    (home / "config.toml").write_text("\n".join(lines))
    for number, command in enumerate(["echo one > made.txt", "cat made.txt"]):
        events = says("I shall run it.", "exec_command", {"cmd": command}, number)
        simulator.fault("bedrock", {"kind": "answer", "events": events})
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "TOLLGATE_KEY": run.DEMO_KEY}
    command = [CODEX, "exec", "--skip-git-repo-check", "Make a file and show it."]
    done = subprocess.run(command, cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (work / "made.txt").read_text() == "one\n"
    assert "The tools answered:" in done.stdout and "one" in done.stdout
    # Each turn shows Claude what it thought before, as it signed it.
    messages = simulator.requests()[-1].body["messages"]
    shown = [block["reasoningContent"]["reasoningText"] for message in messages for block in message["content"] if "reasoningContent" in block]
    assert shown == [{"text": "I shall run it.", "signature": f"c2ln{number}"} for number in range(2)]
