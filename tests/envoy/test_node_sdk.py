"""The official Node SDK, told nothing but a base URL and a key, gets what it would get from OpenAI."""

import base64
import json
import pathlib
import subprocess

import pytest
import run
from conftest import MODELS, png

STEPS = ["plain", "streamed", "tools", "tools streamed", "structured output", "image", "error", "models"]


@pytest.mark.parametrize("model", MODELS)
def test_every_step_works(gateway, model):
    image = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    command = ["node", "chat.mjs", gateway.base_url, run.DEMO_KEY, model, image]
    directory = pathlib.Path(__file__).parent / "node"
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120)
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [f"{each['step']}: {each['error']}" for each in steps if each.get("error")]
    assert not failed, "\n".join(failed)
    assert [each["step"] for each in steps] == STEPS, done.stderr
