"""Every config in envoy/ starts and serves."""

import http.client
import http.server
import json
import ssl
import threading
import urllib.parse

import pytest
import run
import trustme
from conftest import MODELS


def test_every_config_has_its_test():
    shipped = {path.stem for path in (run.ROOT / "envoy").glob("*.yaml")}
    assert shipped == {"single", "split", "aws-signing", "entra"}


def test_single_and_split_have_the_same_policy():
    single, split = (run.policy_of(run.load(run.ROOT / f"envoy/{name}.yaml")) for name in ("single", "split"))
    assert single == split


@pytest.mark.parametrize("model", [*MODELS, "claude-or-gpt"])
def test_single_and_split_serve_every_model(gateway, model):
    answer = gateway.chat(model)
    assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, "You said: hello")


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_envoy_signs_for_aws(shipped, simulator, is_stream):
    answer = shipped("aws-signing").chat("claude", stream=is_stream)
    assert answer.status == 200, answer.text
    [sent] = simulator.requests()
    assert sent.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDSIMULATOR/")
    assert sent.record["verdict"] == "accepted"


class TokenEndpoint(http.server.BaseHTTPRequestHandler):
    """As much of Entra as a gateway needs."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.forms.append((self.path, form))
        token = {"access_token": "simulator-entra-token", "token_type": "Bearer", "expires_in": 3599}
        body = json.dumps(token).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_entra_authorises_for_azure(start, simulator):
    entra = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TokenEndpoint)
    entra.forms = []
    threading.Thread(target=entra.serve_forever, daemon=True).start()

    def redirect(config):
        provider = {"name": "entra", "kind": "azure", "endpoint": f"http://127.0.0.1:{entra.server_port}"}
        clusters = config["static_resources"]["clusters"]
        clusters[:] = [run.cluster(each, "entra", [[run.host(provider)]]) if each["name"] == "entra" else each for each in clusters]

    gateway = start("entra", edit=redirect, environment={"AZURE_CLIENT_SECRET": "entra-secret"}).ready()
    answer = gateway.chat("gpt")
    assert answer.status == 200, answer.text
    [sent] = simulator.requests()
    assert sent.headers["authorization"] == "Bearer simulator-entra-token" and "api-key" not in sent.headers
    path, form = entra.forms[0]
    assert path == "/TENANT/oauth2/v2.0/token"
    assert (form["grant_type"], form["client_secret"]) == (["client_credentials"], ["entra-secret"])
    entra.shutdown()


class TlsForward(http.server.BaseHTTPRequestHandler):
    """Takes the TLS off and hands the request to the simulator."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        connection = http.client.HTTPConnection(self.server.behind)
        connection.request("POST", self.path, body, dict(self.headers))
        answer = connection.getresponse()
        raw = answer.read()
        self.send_response(answer.status)
        for name in ("content-type", "x-amzn-errortype"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "not trusted"])
@pytest.mark.parametrize("name", ["single", "split"])
def test_providers_are_reached_over_tls_by_their_names(start, simulator, directory, monkeypatch, name, is_trusted):
    authority = trustme.CA()
    trust_store = directory / f"ca-{name}-{is_trusted}.pem"
    (authority if is_trusted else trustme.CA()).cert_pem.write_to_path(trust_store)
    monkeypatch.setattr(run, "TRUST_STORES", [str(trust_store)])
    asked, servers = [], {}
    for kind in ("bedrock", "azure"):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TlsForward)
        server.behind = simulator.addresses[kind]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        context.sni_callback = lambda _socket, asked_name, _context: asked.append(asked_name)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers[kind] = server

    def secure(policy):
        for provider in policy["providers"]:
            if provider["kind"] in servers:
                provider["endpoint"] = f"https://localhost:{servers[provider['kind']].server_port}"

    gateway = start(name, change=secure).ready()
    if not is_trusted:
        assert gateway.chat("claude").status == 503
        assert simulator.requests() == []
    else:
        for model in ("claude", "gpt", "gpt-openai", "claude-or-gpt"):
            assert gateway.chat(model).status == 200
        if name == "split":
            simulator.fault("bedrock", {"kind": "status", "status": 503, "errortype": "ServiceUnavailableException"})
            assert gateway.chat("claude-or-gpt").status == 200
        assert set(asked) == {"localhost"}
    for server in servers.values():
        server.shutdown()
