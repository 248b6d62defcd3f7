"""A real Envoy in front of the simulator, made from the shipped configs by the code that `make run` uses."""

import base64
import http.client
import itertools
import json
import os
import socket
import struct
import urllib.request
import zlib

import openai
import pytest
import run
import sdk

MODELS = ["claude", "nova", "gpt", "gpt-openai"]
BEDROCK_MODELS = ["claude", "nova"]
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDSIMULATOR",
    "AWS_SECRET_ACCESS_KEY": "simulator-secret",
    "AWS_SESSION_TOKEN": "simulator-session-token",
    "AZURE_OPENAI_API_KEY": "simulator-azure-key",
    "OPENAI_API_KEY": "simulator-openai-key",
    # Envoy's own signing looks for an instance's role as well.
    "AWS_EC2_METADATA_DISABLED": "true",
}
# What the tests of redaction send; no log, metric or error of any gateway may tell it.
PLANTED = ["4111 1111 1111 1111", "jane.doe@mail-corp.org", "536-22-1234"]


def leaks(text):
    """The planted values in a text, whatever stands between their parts."""
    plain = "".join(text.split()).replace("-", "")
    return [value for value in PLANTED if value in text or "".join(value.split()).replace("-", "") in plain]


class Simulator:
    """The simulated providers, and their control port."""

    def __init__(self, directory):
        self.record_file = directory / "requests.jsonl"
        arguments = ["--record-file", str(self.record_file)]
        self.process, self.addresses = run.start_simulator(*arguments, environment=CREDENTIALS)

    def endpoint(self, kind):
        return f"http://{self.addresses[kind]}"

    def control(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://{self.addresses['control']}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())

    def fault(self, upstream, *faults, times=1, match=None, body=None):
        """The next `times` requests to `upstream` go wrong."""
        rule = {"upstream": upstream, "times": times, "fault": list(faults)}
        self.control("POST", "/faults", [rule | ({"match": match} if match else {}) | ({"body": body} if body else {})])

    def requests(self, upstream=None):
        """What the providers have received in this test."""
        return [each for each in map(Request, self.control("GET", "/requests")) if upstream in (None, each.upstream)]

    def reset(self):
        self.control("DELETE", "/faults")
        self.control("DELETE", "/requests")


class Request:
    """One request that a provider has received."""

    def __init__(self, record):
        self.record = record
        self.upstream, self.method, self.target = record["upstream"], record["method"], record["target"]
        self.headers = {name: value for name, value in record["headers"]}
        self.raw = base64.b64decode(record["body"])

    @property
    def body(self):
        return json.loads(self.raw)


class Answer:
    """One answer of the gateway, as it came over the wire."""

    def __init__(self, status, headers, raw, is_cut):
        self.status, self.headers, self.raw, self.is_cut = status, headers, raw, is_cut
        self.text = raw.decode()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def error(self):
        return self.json["error"]

    @property
    def data(self):
        """The data of a stream's events. Anything but `data: ...` and blank lines is a mistake."""
        events = self.text.split("\n\n")
        assert events.pop() == "", f"the stream ends in the middle of an event: {self.text[-200:]!r}"
        assert all(event.startswith("data: ") and "\n" not in event for event in events), self.text
        return [event.removeprefix("data: ") for event in events]


class Gateway:
    """Envoy with Tollgate."""

    numbers = itertools.count()
    # All of the run, stopped or not.
    all = []

    def __init__(self, directory, simulator, name="split", change=None, environment=None, edit=None, levels=("warning", "wasm:info"), workers=1):
        """`change` may edit the policy, `edit` the rendered Envoy config; `levels` are Envoy's and its wasm component's."""
        self.name = name
        self.directory = directory / f"{next(self.numbers)}-{name}"
        self.directory.mkdir()
        self.port = free_port()
        config = run.load(run.ROOT / f"envoy/{name}.yaml")
        self.policy = run.policy_of(config)
        for provider in self.policy["providers"]:
            provider["endpoint"] = simulator.endpoint("mantle" if run.is_mantle(provider) else provider["kind"])
        if change:
            self.policy = change(self.policy) or self.policy
        self.config = run.render(config, self.policy, self.port)
        if edit:
            edit(self.config)
        self.log_path = self.directory / "envoy.log"
        environment = {"PATH": os.environ["PATH"], **(CREDENTIALS if environment is None else environment)}
        log = self.log_path.open("w")
        self.stats, self.errors = "", []
        self.all.append(self)
        self.process = run.start_envoy(self.config, self.directory, environment, log, levels, ["--concurrency", str(workers)])

    def ready(self):
        run.wait_for(self.process, self.port)
        return self

    def stop(self):
        try:
            self.stats = self.admin("/stats")
        except OSError:
            pass  # It never came up, which some tests want.
        self.process.stop()

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def client(self, **options):
        """The official SDK, told nothing but where and who. Retries are off, or they would hide what a test looks for."""
        return openai.OpenAI(base_url=self.base_url, **{"api_key": run.DEMO_KEY, "max_retries": 0, **options})

    def send(self, method, path, body=None, headers=None, timeout=20):
        """One request over a connection of its own, and whatever comes back, which is what the SDK's types say."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            head = {"authorization": f"Bearer {run.DEMO_KEY}", "content-type": "application/json"} | (headers or {})
            connection.request(method, path, body, {name: value for name, value in head.items() if value is not None})
            answer = connection.getresponse()
            try:
                raw, is_cut = answer.read(), False
            except http.client.IncompleteRead as error:
                raw, is_cut = error.partial, True
            answer = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, raw, is_cut)
        finally:
            connection.close()
        if answer.status >= 400:
            self.errors.append(f"{answer.headers} {answer.text}")
        if not is_cut:
            sdk.check(path, answer.status, answer.headers.get("content-type", ""), answer.text)
        return answer

    def chat(self, model="claude", text="hello", headers=None, **fields):
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return self.send("POST", "/v1/chat/completions", json.dumps(body), headers)

    def admin(self, path):
        address = (self.directory / "admin").read_text()
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.read().decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def png():
    """One red pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


def add_mantle(policy, simulator, **more):
    """Bedrock's other host, beside the runtime."""
    mantle = {"name": "mantle", "kind": "bedrock", "region": "us-east-1", "surface": "mantle", **more}
    policy["providers"].append(mantle | {"endpoint": simulator.endpoint("mantle")})


def model(policy, name):
    return next(each for each in policy["models"] if each["name"] == name)


@pytest.fixture(scope="session", autouse=True)
def tells_nothing():
    """Set up first, so that it is the last to end: when every gateway has stopped, none has told a planted value."""
    yield
    for gateway in Gateway.all:
        for kind, text in [("log", gateway.log), ("metrics", gateway.stats), ("errors", "\n".join(gateway.errors))]:
            # Not what its lines make together: so many numbers make any.
            told = [each for value in PLANTED for each in (value, "".join(value.split()).replace("-", "")) if each in text]
            assert told == [], f"the {kind} of Envoy {gateway.directory.name}"


@pytest.fixture(scope="session")
def directory(tells_nothing, tmp_path_factory):
    return tmp_path_factory.mktemp("gateways")


@pytest.fixture(scope="session")
def simulator(directory):
    simulator = Simulator(directory)
    yield simulator
    simulator.process.stop()


@pytest.fixture(scope="session")
def running():
    """All gateways that run, so that a failed test can show what they said."""
    gateways = []
    yield gateways
    for gateway in gateways:
        gateway.stop()


@pytest.fixture(scope="session")
def shipped(directory, simulator, running):
    """The gateway of each shipped config, started when it is first asked for."""
    started = {}

    def get(name):
        if name not in started:
            started[name] = Gateway(directory, simulator, name)
            running.append(started[name])
            started[name].ready()
        return started[name]

    return get


@pytest.fixture(params=["single", "split"])
def gateway(request, shipped):
    return shipped(request.param)


@pytest.fixture
def start(directory, simulator, running):
    """Starts gateways for one test."""
    started = []

    def start(name="split", **options):
        gateway = Gateway(directory, simulator, name, **options)
        started.append(gateway)
        running.append(gateway)
        return gateway

    yield start
    for gateway in started:
        gateway.stop()
        running.remove(gateway)


@pytest.fixture(autouse=True)
def clean(simulator, running):
    """No test sees another's faults or requests, and each leaves its gateway working."""
    simulator.reset()
    yield
    assert "panicked" not in "".join(gateway.log for gateway in running)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and "running" in getattr(item, "funcargs", {}):
        for gateway in item.funcargs["running"]:
            report.sections.append((f"last lines of Envoy {gateway.directory.name}", "".join(gateway.log.splitlines(True)[-20:])))
    return report


def pytest_collection_modifyitems(items):
    """The judge comes last: it looks at everything that the others made the gateway send."""
    items.sort(key=lambda item: "test_judge" in item.nodeid)
