"""What no well-behaved client or provider does, and what Tollgate makes of it: an answer, never a trap, never a wait."""

import json
import socket
import threading
import time

import pytest
import run
from conftest import Gateway

CHAT = "/v1/chat/completions"
HELLO = json.dumps({"model": "claude", "messages": [{"role": "user", "content": "hello"}]}).encode()
EVENT_STREAM = "application/vnd.amazon.eventstream"


class Provider:
    """Plays `answer` to every request, byte for byte, whatever it is."""

    def __init__(self):
        self.answer, self.requests = b"", 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def endpoint(self, kind):
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            with connection:
                head, body = b"", b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65536)
                head, _, body = head.partition(b"\r\n\r\n")
                length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split()[1])
                while len(body) < length:
                    body += connection.recv(65536)
                self.requests += 1
                connection.sendall(self.answer)


def with_trailers(config):
    """Has Envoy pass trailers on HTTP/1.1, as it does on HTTP/2."""
    for part in run.parts(config):
        if "http_filters" in part and "stat_prefix" in part:
            part["http_protocol_options"] = {"enable_trailers": True}
        if "explicit_http_config" in part:
            part["explicit_http_config"] = {"http_protocol_options": {"enable_trailers": True}}


def chunked(*chunks, trailer=b"x-trailer: 1\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"


def exchange(gateway, *pieces, timeout=15):
    """Sends bytes as they are, with waits where a number stands, and returns all that comes back."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout) as connection:
        for piece in pieces:
            if isinstance(piece, bytes):
                connection.sendall(piece)
            else:
                time.sleep(piece)
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer


def head(*lines, path=CHAT):
    fixed = [f"POST {path} HTTP/1.1", "host: gateway", f"authorization: Bearer {run.DEMO_KEY}", "connection: close"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


@pytest.fixture(scope="module")
def provider():
    return Provider()


@pytest.fixture(scope="module", params=["single", "split"])
def strange(request, directory, provider, running):
    """A gateway whose providers are all this one, with trailers let through."""
    gateway = Gateway(directory, provider, request.param, edit=with_trailers).ready()
    running.append(gateway)
    yield gateway
    gateway.stop()
    running.remove(gateway)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("body", [b"", b"<html>"], ids=["no body", "a body"])
@pytest.mark.parametrize("type", ["application/json", EVENT_STREAM])
def test_an_answer_that_ends_in_trailers_is_answered(strange, provider, status, body, type):
    """There may be no body to write the error into."""
    chunks = [body] if body else []
    begin = f"HTTP/1.1 {status} X\r\ncontent-type: {type}\r\ntransfer-encoding: chunked\r\n\r\n"
    provider.answer = begin.encode() + chunked(*chunks)
    answer = strange.chat("claude", stream=type == EVENT_STREAM)
    assert answer.status >= 500 and answer.error["message"]
    assert answer.error["type"] == "server_error"


def test_trailers_fail_over(start):
    """The second provider is asked when the first sends trailers in place of an answer."""
    bedrock, azure = Provider(), Provider()
    bedrock.answer = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n" + chunked()
    azure.answer = b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"

    def two(policy):
        for each in policy["providers"]:
            each["endpoint"] = (bedrock if each["kind"] == "bedrock" else azure).endpoint(each["kind"])

    gateway = start(change=two, edit=with_trailers).ready()
    assert gateway.chat("claude-or-gpt").status == 503
    assert (bedrock.requests, azure.requests) == (1, 1)


@pytest.mark.parametrize("name", ["single", "split"])
def test_a_request_may_end_in_trailers(start, simulator, name):
    gateway = start(name, edit=with_trailers).ready()
    answer = exchange(gateway, head("transfer-encoding: chunked"), chunked(HELLO[:20], HELLO[20:]))
    assert answer.startswith(b"HTTP/1.1 200") and b"You said: hello" in answer
    answer = exchange(gateway, head("transfer-encoding: chunked"), chunked())
    assert answer.startswith(b"HTTP/1.1 400") and b"empty_body" in answer
    [request] = simulator.requests()
    assert "x-trailer" not in request.headers


def test_a_body_may_come_byte_by_byte(gateway):
    chunks = (HELLO[at : at + 1] for at in range(len(HELLO)))
    assert exchange(gateway, head("transfer-encoding: chunked"), chunked(*chunks, trailer=b"")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("name", ["single", "split"])
def test_a_slow_client_is_no_wrong_config(start, name):
    """The first body of all comes later than the watch for a missing allow_on_headers_stop_iteration waits."""
    gateway = start(name).ready()
    answer = exchange(gateway, head(f"content-length: {len(HELLO)}"), 6, HELLO)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert "allow_on_headers_stop_iteration" not in gateway.log


def test_a_models_name_adds_no_header(start, simulator):
    """A pattern passes the asked name on, also into a path, if it could be a model's."""

    def anything(policy):
        dated = {"name": "dated", "kind": "azure", "endpoint": simulator.endpoint("azure"), "api_version": "2024-10-21"}
        policy["providers"].append(dated)
        policy["models"].append({"name": "any-*", "targets": [{"provider": "dated"}]})

    gateway = start(change=anything).ready()
    refused = gateway.chat("any-\r\nx-evil: 1\r\n /../?#\0")
    assert (refused.status, refused.error["code"]) == (404, "model_not_found")
    # What could be a model's is one step of the path; the provider has no such deployment.
    assert gateway.chat("any-/../?x#").status == 404
    [request] = simulator.requests()
    assert "x-evil" not in request.headers
    assert request.target.startswith("/openai/deployments/any-%2F..%2F%3Fx%23/chat/")


def test_what_is_no_text_in_headers_does_no_harm(strange, provider):
    noise = b"\xff\xfe"
    answer = json.dumps({"output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}}, "stopReason": "end_turn"}).encode()
    provider.answer = b"HTTP/1.1 200 X\r\nx-amzn-requestid: %s\r\nx-ratelimit-x: %s\r\ncontent-length: %d\r\n\r\n" % (noise, noise, len(answer)) + answer
    request = head(f"content-length: {len(HELLO)}")[:-2] + b"traceparent: %s\r\nx-noise: %s\r\n\r\n" % (noise, noise) + HELLO
    assert exchange(strange, request).startswith(b"HTTP/1.1 200")


def test_a_providers_cookie_stays_with_the_gateway(strange, provider):
    """All apps share the gateway's session with a provider."""
    answer = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}).encode()
    provider.answer = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\nset-cookie: a=b\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer
    whole = strange.chat("gpt")
    assert (whole.status, whole.raw) == (200, answer)
    assert "set-cookie" not in whole.headers
