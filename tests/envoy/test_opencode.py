"""OpenCode, with a home of its own, completes a task through a real Envoy with a Claude model on Bedrock Converse and with models of
OpenAI's on mantle.

The binary is the one that npm's `opencode-ai` would choose, which `node/package.json` names. It brings two clients: one for chat completions,
one for responses.
"""

import json
import os
import pathlib
import platform
import subprocess

import pytest
import run
import turns
from conftest import Gateway

OPENCODE = pathlib.Path(__file__).parent / "node/node_modules/opencode-linux-x64/bin/opencode"
COMMANDS = ["echo one > made.txt", "cat made.txt"]
CLIENTS = {"chat": "@ai-sdk/openai-compatible", "responses": "@ai-sdk/openai"}
# Nothing is looked for outside the gateway.
OFFLINE = {f"OPENCODE_DISABLE_{name}": "true" for name in ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "SHARE", "DEFAULT_PLUGINS")}

IS_PINNED = (platform.system(), platform.machine()) == ("Linux", "x86_64")
pytestmark = pytest.mark.skipif(not IS_PINNED, reason="its binary is pinned for Linux on x86-64")


@pytest.fixture(scope="module", params=["single", "split"])
def gateway(request, directory, simulator, running):
    gateway = Gateway(directory, simulator, request.param, change=turns.add_mantle(simulator))
    running.append(gateway)
    yield gateway.ready()
    gateway.stop()
    running.remove(gateway)


@pytest.mark.parametrize(("api", "model"), [("chat", "claude"), ("chat", "gpt-chat"), ("responses", "claude"), ("responses", "gpt-responses")])
def test_a_task_with_two_tool_turns_is_completed(gateway, simulator, tmp_path, api, model):
    home, place = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    place.mkdir()
    asked = [("I shall run it.", "bash", {"command": command, "description": "Runs it"}) for command in COMMANDS]
    # What it asks for a title has no tools.
    turns.script(simulator, model, asked, match='"bash"')
    provider = {"npm": CLIENTS[api], "options": {"baseURL": gateway.base_url, "apiKey": run.DEMO_KEY}, "models": {model: {}}}
    config = {"provider": {"tollgate": provider}, "permission": {"bash": "allow"}, "share": "disabled", "autoupdate": False}
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "OPENCODE_CONFIG_CONTENT": json.dumps(config), **OFFLINE}
    command = [OPENCODE, "run", "--pure", "--model", f"tollgate/{model}", "--title", "A file", "Make a file and show it."]
    done = subprocess.run(command, cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (place / "made.txt").read_text() == "one\n"
    assert "The tools answered: one" in done.stdout, done.stdout
    calls, results, _texts = turns.told(simulator, model)[-1]
    assert [call[0] for call in calls] == [result[0] for result in results] == ["call_0", "call_1"]
    assert [call[2]["command"] for call in calls] == COMMANDS
