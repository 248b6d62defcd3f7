"""The official Node SDK, told nothing but a base URL and a key, gets what it would get from OpenAI."""

import base64
import json
import pathlib
import subprocess

import pytest
import run
from conftest import MODELS, png

STEPS = ["plain", "streamed", "tools", "tools streamed", "structured output", "image", "error", "models"]
API_STEPS = ["response", "response streamed", "stream helper with a tool", "response parsed", "response refused", "completion", "embeddings"]


def check_every_step(program, arguments, want):
    command = ["node", program, *arguments]
    directory = pathlib.Path(__file__).parent / "node"
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120)
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [f"{each['step']}: {each['error']}" for each in steps if each.get("error")]
    assert not failed, "\n".join(failed)
    assert [each["step"] for each in steps] == want, done.stderr


@pytest.mark.parametrize("model", MODELS)
def test_every_step_of_chat_works(gateway, model):
    image = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    check_every_step("chat.mjs", [gateway.base_url, run.DEMO_KEY, model, image], STEPS)


@pytest.mark.parametrize("model", MODELS)
def test_every_other_api_works(gateway, model):
    check_every_step("apis.mjs", [gateway.base_url, run.DEMO_KEY, model, "titan-embed"], API_STEPS)
