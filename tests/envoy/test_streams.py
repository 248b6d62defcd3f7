"""Nothing that was cut short ever looks complete."""

import json
import time

import pytest
from conftest import BEDROCK_MODELS, MODELS


def exception(kind, form="exception", **extra):
    return {"kind": "exception", "after": 3, "exception": {"type": kind, "message": "Sorry.", "form": form, "extra": extra}}


BROKEN = {
    "an exception": exception("throttlingException"),
    "an exception at the very start": exception("modelStreamErrorException") | {"after": 0},
    "a model's exception": exception("modelStreamErrorException", originalStatusCode=500, originalMessage="Overheated."),
    "an error message": exception("InternalError", form="error"),
    "a corrupt frame": {"kind": "garbage", "after": 3, "form": "broken"},
    "random bytes": {"kind": "garbage", "after": 3, "form": "random"},
    "an end without messageStop": {"kind": "end", "after": 3},
    "left-over bytes": {"kind": "leftover"},
    "a cut connection": {"kind": "cut", "after": 3},
    "a connection cut inside a frame": {"kind": "cut", "after_bytes": 333},
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_a_broken_bedrock_stream_ends_in_an_error(gateway, simulator, fault):
    simulator.fault("bedrock", fault)
    answer = gateway.chat("claude", "a somewhat longer text, so that there are several deltas", stream=True)
    assert "[DONE]" not in answer.text
    if answer.status != 200:  # It failed before anything was said.
        assert answer.error["message"] and answer.error["type"]
        return
    if answer.is_cut:  # Envoy resets what the provider has reset: no client takes that for an end.
        assert fault["kind"] == "cut"
        return
    *events, last = map(json.loads, answer.data)
    assert set(last["error"]) == {"message", "type", "param", "code"} and last["error"]["message"]
    if fault["kind"] != "leftover":  # Those come after the model's own end.
        assert not any(choice["finish_reason"] for event in events for choice in event["choices"])


@pytest.mark.parametrize("kind, type, code", [
    ("throttlingException", "rate_limit_error", "rate_limit_exceeded"),
    ("validationException", "invalid_request_error", None),
    ("internalServerException", "server_error", None),
    ("serviceUnavailableException", "server_error", "overloaded"),
])  # fmt: skip
def test_an_exception_says_what_it_is(gateway, simulator, kind, type, code):
    simulator.fault("bedrock", exception(kind))
    error = json.loads(gateway.chat("claude", "some words to cut", stream=True).data[-1])["error"]
    assert error["type"] == type and "Sorry." in error["message"]
    assert code is None or error["code"] == code


@pytest.mark.parametrize("model, upstream", [("gpt", "azure"), ("gpt-openai", "openai")])
@pytest.mark.parametrize("fault", [BROKEN["an end without messageStop"], BROKEN["a corrupt frame"], exception("server_error")], ids=str)
def test_a_broken_openai_stream_is_not_finished_for_it(gateway, simulator, model, upstream, fault):
    simulator.fault(upstream, fault)
    answer = gateway.chat(model, "a somewhat longer text, so that there are several deltas", stream=True)
    assert "error" in json.loads(answer.data[-1])
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize("model", BEDROCK_MODELS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_an_aws_error_with_status_200_is_an_error(gateway, simulator, model, is_stream):
    output = {"__type": "com.amazon.coral.service#UnknownOperationException", "message": None}
    simulator.fault("bedrock", {"kind": "status", "status": 200, "body": {"Output": output, "Version": "1.0"}})
    answer = gateway.chat(model, stream=is_stream)
    if answer.status == 200:
        assert is_stream and "error" in json.loads(answer.data[-1])
    else:
        assert answer.status in (404, 502) and answer.error["message"]


def test_a_whole_answer_that_is_cut_is_an_error(gateway, simulator):
    simulator.fault("bedrock", {"kind": "cut", "after_bytes": 40})
    answer = gateway.chat("claude")
    assert answer.is_cut or answer.status >= 500


@pytest.mark.parametrize("model", MODELS)
def test_deltas_are_not_held_back(gateway, simulator, model):
    """The first word is here long before the last one is spoken."""
    upstream = {"gpt": "azure", "gpt-openai": "openai"}.get(model, "bedrock")
    simulator.fault(upstream, {"kind": "chunks", "count": 8}, {"kind": "slow", "delay_ms": 200})
    start = time.monotonic()
    stream = gateway.client().chat.completions.create(model=model, stream=True, messages=[{"role": "user", "content": "x"}])
    arrivals = [time.monotonic() - start for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
    assert arrivals[-1] - arrivals[0] > 0.5


def test_a_client_that_hangs_up_ends_the_request_upstream(gateway, simulator):
    simulator.fault("bedrock", {"kind": "chunks", "count": 2000}, {"kind": "slow", "delay_ms": 20})
    stream = gateway.client().chat.completions.create(model="claude", stream=True, messages=[{"role": "user", "content": "x"}])
    next(iter(stream))
    stream.close()
    assert gateway.chat("claude").status == 200
