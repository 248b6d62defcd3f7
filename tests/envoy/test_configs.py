"""Every config in envoy/ starts and serves."""

import asyncio
import contextlib
import http.server
import json
import ssl
import threading
import urllib.parse

import judge
import pytest
import run
import trustme
from conftest import CREDENTIALS, MODELS


def test_every_config_has_its_test():
    shipped = {path.stem for path in (run.ROOT / "envoy").glob("*.yaml")}
    assert shipped == {"single", "split", "aws-signing", "entra", "managed-agents"}


def test_single_and_split_have_the_same_policy():
    single, split = (run.policy_of(run.load(run.ROOT / f"envoy/{name}.yaml")) for name in ("single", "split"))
    # Only a split needs it: in the single placement no cluster carries the filter.
    for provider in split["providers"]:
        provider.pop("direct_cluster", None)
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


def test_envoy_signs_the_filters_own_calls_for_embeddings(start, simulator):
    """In a cluster of their own that has the signing filter and not Tollgate."""

    def add(policy):
        policy["providers"][0]["direct_cluster"] = "bedrock-direct"
        policy["models"].append({"name": "titan", "targets": [{"provider": "bedrock", "model": "amazon.titan-embed-text-v2:0"}]})

    def sign(config):
        clusters = {each["name"]: each["typed_extension_protocol_options"] for each in config["static_resources"]["clusters"]}
        [options], [direct] = (clusters[name].values() for name in ("bedrock", "bedrock-direct"))
        tollgate, *signing = options["http_filters"]
        assert tollgate["name"] == "tollgate" and [each["name"] for each in signing][0] == "envoy.filters.http.aws_request_signing"
        direct["http_filters"] = signing

    gateway = start("aws-signing", change=add, edit=sign).ready()
    texts = [f"text {number} ü" for number in range(20)]
    got = gateway.client().embeddings.create(model="titan", input=texts)
    sent = simulator.requests()
    assert sorted(request.body["inputText"] for request in sent) == sorted(texts)
    assert all(judge.signature_problem(request, CREDENTIALS["AWS_SECRET_ACCESS_KEY"]) is None for request in sent)
    alone = gateway.client().embeddings.create(model="titan", input=texts[-1])
    assert got.data[-1].embedding == alone.data[0].embedding


def test_managed_agents_run_on_mantle(shipped, simulator):
    sessions = shipped("managed-agents").client().beta.agents.sessions
    environment = {"type": "self_hosted", "workspace_directory": "/workspace"}
    role = {"role_arn": "arn:aws:iam::123456789012:role/agent"}
    session = sessions.create(agent={"model": "gpt-agent"}, environment=environment, input="hello", extra_body=role)
    assert [item.role for item in sessions.items.list(session.id)] == ["assistant", "user"]
    assert sessions.delete(session.id).deleted
    assert {each.upstream for each in simulator.requests()} == {"mantle"}


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


class TlsFronts:
    """Takes the TLS off what comes for the providers, and passes the bytes on. Remembers the names it was asked for."""

    def __init__(self, authority):
        self.asked = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sni_callback = lambda _socket, name, _context: self.asked.append(name)
        authority.issue_cert("localhost").configure_cert(self.context)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def add(self, behind):
        """The port of a new front for the server at `behind`."""
        host, port = behind.split(":")

        async def pump(reader, writer):
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
            writer.close()

        async def serve(reader, writer):
            inner_reader, inner_writer = await asyncio.open_connection(host, port)
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

        start = asyncio.start_server(serve, "127.0.0.1", 0, ssl=self.context)
        server = asyncio.run_coroutine_threadsafe(start, self.loop).result(timeout=5)
        return server.sockets[0].getsockname()[1]

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "not trusted"])
@pytest.mark.parametrize("name", ["single", "split"])
def test_providers_are_reached_over_tls_by_their_names(start, simulator, directory, monkeypatch, name, is_trusted):
    authority = trustme.CA()
    trust_store = directory / f"ca-{name}-{is_trusted}.pem"
    (authority if is_trusted else trustme.CA()).cert_pem.write_to_path(trust_store)
    monkeypatch.setattr(run, "TRUST_STORES", [str(trust_store)])
    fronts = TlsFronts(authority)

    def secure(policy):
        for provider in policy["providers"]:
            provider["endpoint"] = f"https://localhost:{fronts.add(simulator.addresses[provider['kind']])}"

    gateway = start(name, change=secure).ready()
    if is_trusted:
        for model in [*MODELS, "claude-or-gpt"]:
            assert gateway.chat(model).status == 200
        if name == "split":
            simulator.fault("bedrock", {"kind": "status", "status": 503, "errortype": "ServiceUnavailableException"})
            assert gateway.chat("claude-or-gpt").status == 200
    else:
        assert gateway.chat("gpt").status == 503
        assert simulator.requests() == []
    assert set(fronts.asked) == {"localhost"}
    fronts.stop()
