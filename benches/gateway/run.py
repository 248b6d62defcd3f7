"""Measures Tollgate in Envoy beside plain Envoy and a do-nothing wasm filter; README.md says how to read it. `make bench` calls it.

One Envoy with one worker for each variant, all up at once, all on one core; the simulated providers and the load generator share
another. Rounds are interleaved: every variant once, then every variant again, so that a slow minute of the machine hits all.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import itertools
import json
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOLS = "tools/examples"
DELTAS = 100
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
LOAD_CORE, GATEWAY_CORE = CORES[0], CORES[1 % len(CORES)]


def gateway_module():
    """envoy/run.py, whose name is also ours."""
    spec = importlib.util.spec_from_file_location("gateway", ROOT / "envoy/run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gateway"] = module
    spec.loader.exec_module(module)
    return module


gateway = gateway_module()


# What is measured


@dataclasses.dataclass(frozen=True)
class Variant:
    name: str
    kind: str | None = None  # of provider; none: no Tollgate
    placement: str = "single"
    auth: str | None = None
    module: str | None = "tollgate"
    extra: str | None = None  # what else its policy has


VARIANTS = [
    Variant("plain", module=None),
    Variant("floor", module="floor"),
    Variant("bedrock-key", "bedrock", auth="key"),
    Variant("bedrock-native", "bedrock", auth="native"),
    Variant("bedrock-sigv4", "bedrock", auth="sigv4"),
    Variant("azure", "azure"),
    Variant("azure-budgets", "azure", extra="budgets"),
    Variant("azure-redaction", "azure", extra="redaction"),
    Variant("split-bedrock-key", "bedrock", "split", "key"),
    Variant("split-bedrock-native", "bedrock", "split", "native"),
    Variant("split-azure", "azure", "split"),
]

# Three budgets that no load exhausts, and every detector, both ways.
EXTRAS = {
    None: {},
    "budgets": {
        "budgets": [
            {"name": "requests", "unit": "requests", "window": "minute", "per": ["consumer"], "limit": 10**12},
            {"name": "tokens", "unit": "tokens", "window": "day", "per": ["consumer", "model"], "limit": 10**15},
            {"name": "all", "unit": "tokens", "rolling": "1h", "limit": 10**15},
        ]
    },
    "redaction": {"redaction": [{"entities": {"all": "mask"}}]},
}

# What the quick simulator takes, which checks nothing.
SIGNING = {"AWS_ACCESS_KEY_ID": "AKIDSIMULATOR", "AWS_SECRET_ACCESS_KEY": "simulator-secret"}
CREDENTIALS = {
    "key": {"AWS_BEARER_TOKEN_BEDROCK": "simulator-bedrock-key"},
    "native": SIGNING,
    "sigv4": SIGNING,
    None: {"AZURE_OPENAI_API_KEY": "simulator-azure-key"},
}
MODELS = {
    "bedrock": {"provider": "bedrock", "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
    "azure": {"provider": "azure", "deployment": "gpt-4.1"},
}

WORKLOADS = {
    "1 KiB": (1024, False),
    "4 KiB": (4096, False),
    "16 KiB": (16 * 1024, False),
    "256 KiB": (256 * 1024, False),
    f"{DELTAS} deltas": (4096, True),
}

SENTENCES = [
    "The quarterly figures arrived late, and nobody had checked the second table.",
    'She wrote back: "Please send the corrected version before Thursday noon."',
    "Between the harbour and the old mill there are three bridges, two of which are closed in winter.",
    "If the cache is cold, the first request takes about four times as long as the ones that follow.",
    "A café in São Paulo serves it with lime; in Zürich you would wait an hour for less.",
    "Compare both drafts, list what differs, and say which one you would publish and why.",
    "The function returns early when its input is empty, so the loop below never sees a zero.",
    "Our customers read these answers on small screens:\nshort paragraphs, one idea in each.",
    "No one remembers who chose the name, but everyone agrees that it is too late to change it.",
]


def conversation(size, is_stream):
    """A chat request of exactly `size` bytes: a system message, turns of English, and a question that takes what is left."""
    sentences = itertools.cycle(SENTENCES)

    def text(length):
        words = next(sentences)
        while len(words) < length:
            words += " " + next(sentences)
        return words

    question = {"role": "user", "content": ""}
    messages = [{"role": "system", "content": text(100)}, question]
    body = {"model": "bench", "messages": messages, "temperature": 0.7, "max_completion_tokens": 512}
    if is_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}

    def left():
        return size - len(json.dumps(body, ensure_ascii=False).encode())

    while left() >= 0:
        messages[-1:-1] = [{"role": role, "content": text(min(1500, size // 8))} for role in ("user", "assistant")]
    del messages[-3:-1]
    question["content"] = (SENTENCES[5] * (left() // len(SENTENCES[5]) + 1))[: left()]
    return json.dumps(body, ensure_ascii=False).encode()


# The gateways


@contextlib.contextmanager
def pinned(core):
    """Children started here stay on `core`."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def policy_of(variant, addresses):
    providers = [
        {"name": "bedrock", "kind": "bedrock", "region": "us-east-1", "endpoint": f"http://{addresses['bedrock']}"},
        {"name": "azure", "kind": "azure", "endpoint": f"http://{addresses['azure']}"},
    ]
    if variant.auth == "native":
        providers[0]["auth"] = {"type": "none"}
    model = {"name": "bench", "targets": [MODELS[variant.kind or "azure"]]}
    shipped = gateway.policy_of(gateway.load(ROOT / "envoy/single.yaml"))
    policy = {"version": 1, "consumers": shipped["consumers"], "providers": providers, "models": [model]}
    return policy | EXTRAS[variant.extra]


def signing_filter():
    """Envoy's own signer, as it ships."""
    shipped = gateway.load(ROOT / "envoy/aws-signing.yaml")
    return next(each for each in gateway.parts(shipped) if each.get("name") == "envoy.filters.http.aws_request_signing")


def config_of(variant, addresses, modules, port, admin_port):
    """The shipped config with what makes the variant."""
    shipped = gateway.load(ROOT / f"envoy/{variant.placement}.yaml")
    config = gateway.render(shipped, policy_of(variant, addresses), port, admin_port)
    for plugin in gateway.plugins(config):
        plugin["vm_config"]["code"]["local"]["filename"] = str(modules.get(variant.module))
    if variant.auth == "native":
        for chain in (part["http_filters"] for part in gateway.parts(config) if "http_filters" in part):
            # Behind the half that translates.
            if any("upstream_codec" in each["name"] for each in chain) or variant.placement == "single":
                chain.insert(-1, signing_filter())
    if not variant.kind:
        for part in list(gateway.parts(config)):
            if "cluster_header" in part:
                del part["cluster_header"]
                part["cluster"] = "azure"
            if variant.module is None and "http_filters" in part:
                part["http_filters"] = [each for each in part["http_filters"] if each["name"] != "tollgate"]
        for plugin in gateway.plugins(config):
            del plugin["configuration"]
    return config


class Gateway:
    """An Envoy that runs a variant."""

    def __init__(self, variant, addresses, modules, directory, workers=1):
        self.variant, self.port, self.admin_port = variant, free_port(), free_port()
        config = config_of(variant, addresses, modules, self.port, self.admin_port)
        path = pathlib.Path(directory) / f"{variant.name}-{workers}.json"
        path.write_text(json.dumps(config, indent=1))
        # No log line for each request: what it costs depends on where it goes.
        words = ["-l", "warning", "--disable-hot-restart", "--concurrency", str(workers)]
        environment = {"PATH": os.environ["PATH"], **CREDENTIALS[variant.auth]}
        began = time.monotonic()
        with pinned(GATEWAY_CORE):
            self.process = gateway.Process("Envoy", [gateway.find_envoy(), "-c", path, *words], environment)
        self.pid = self.process.child.pid
        self.wait()
        self.start_seconds = time.monotonic() - began
        self.start_rss_mib = self.rss_mib()

    def wait(self):
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if not self.process.is_running():
                raise gateway.Failure(f"{self.variant.name}: Envoy does not start:\n{self.process.last_words()}")
            time.sleep(0.005)

    def check(self, body):
        """One request, read closely: what is measured must be right."""
        head = {"content-type": "application/json", "authorization": f"Bearer {gateway.DEMO_KEY}"}
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, head), timeout=10) as answer:
                got = answer.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise gateway.Failure(f"{self.variant.name}: status {error.code}: {text}\n{self.process.last_words()}") from error
        is_stream = b'"stream": true' in body
        deltas = got.count('"content":')
        is_right = got.endswith("data: [DONE]\n\n") and deltas >= DELTAS if is_stream else "choices" in json.loads(got)
        if not is_right:
            raise gateway.Failure(f"{self.variant.name}: not what was asked for: {got[:2000]}")

    def cpu_seconds(self):
        """User and system time so far. The name in parentheses may hold spaces."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def rss_mib(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024

    def load(self, options, body_path, seconds, *arguments):
        command = [options.load, "--to", f"127.0.0.1:{self.port}", "--key", gateway.DEMO_KEY, "--body", body_path]
        command += ["--seconds", seconds, *arguments]
        with pinned(LOAD_CORE):
            done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise gateway.Failure(f"{self.variant.name}: {done.stderr}\n{self.process.last_words()}")
        figures = json.loads(done.stdout)
        if figures["errors"] or not figures["requests"]:
            raise gateway.Failure(f"{self.variant.name}: {figures}\n{self.process.last_words()}")
        return figures

    def saturate(self, options, body_path):
        before = self.cpu_seconds()
        figures = self.load(options, body_path, options.seconds, "--connections", options.connections)
        figures["cpu_us"] = (self.cpu_seconds() - before) * 1e6 / figures["requests"]
        return figures


# The rounds


def measure(gateways, bodies, options):
    """Every workload, round after round: `{workload: {variant: [round]}}`."""
    found = {workload: {each.variant.name: [] for each in gateways} for workload in bodies}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        # No variant always follows the same one.
        order = gateways[number % len(gateways) :] + gateways[: number % len(gateways)]
        for workload, path in bodies.items():
            for each in order:
                saturated = each.saturate(options, path)
                paced = each.load(options, path, options.seconds, "--rate", options.rate)
                found[workload][each.variant.name].append({"saturated": saturated, "paced": paced})
    return found


def warm_up(gateways, bodies, options):
    """V8 compiles again what runs often; that belongs to no round."""
    for each in gateways:
        for path in bodies.values():
            each.check(path.read_bytes())
            each.load(options, path, options.warm_seconds)


def memory(variants, addresses, modules, bodies, directory, options):
    """What one more worker holds, and how much of it is the filter's VM: from processes with 1 and with 5 workers."""
    found = {}
    for variant in variants:
        rss = {}
        for workers in (1, 5):
            one = Gateway(variant, addresses, modules, directory, workers)
            try:
                rss[workers] = {"start": one.rss_mib()}
                for workload, path in bodies.items():
                    # So many connections that every worker has some. A VM never gives memory back: what it holds after a
                    # workload is what the largest one so far had in flight.
                    one.load(options, path, 1, "--connections", 64)
                    rss[workers][workload] = one.rss_mib()
            finally:
                one.process.stop()
        found[variant.name] = {when: (rss[5][when] - rss[1][when]) / 4 for when in rss[1]}
    plain = found.get("plain")
    return {name: {when: mib - plain[when] for when, mib in row.items()} for name, row in found.items() if plain}


# The tables


def summary(found):
    """Minimum and median over the rounds; ratios and differences within each round, then their median."""
    middle = statistics.median

    def values(rounds, kind, field):
        return [each[kind][field] for each in rounds]

    tables = {}
    for workload, variants in found.items():
        table = tables[workload] = {}
        for name, rounds in variants.items():
            cpu = values(rounds, "saturated", "cpu_us")
            row = table[name] = {"cpu_us_min": min(cpu), "cpu_us": middle(cpu)}
            if "floor" in variants:
                floor = values(variants["floor"], "saturated", "cpu_us")
                row["cpu_to_floor"] = middle(mine / its for mine, its in zip(cpu, floor))
            row["per_second"] = middle(values(rounds, "saturated", "per_second"))
            for field in ("p50_us", "p99_us"):
                row[f"saturated_{field}"] = middle(values(rounds, "saturated", field))
                paced = values(rounds, "paced", field)
                row[f"paced_{field}"] = middle(paced)
                if "plain" in variants:
                    plain = values(variants["plain"], "paced", field)
                    row[f"added_{field}"] = middle(mine - its for mine, its in zip(paced, plain))
    return tables


def per_delta(found):
    """What a delta costs: a stream against the same request answered whole, which says the same words."""
    streams, wholes = found.get(f"{DELTAS} deltas"), found.get("4 KiB")
    if not streams or not wholes:
        return {}

    def cost(name):
        pairs = zip(streams[name], wholes[name])
        return [(stream["saturated"]["cpu_us"] - whole["saturated"]["cpu_us"]) / DELTAS for stream, whole in pairs]

    floor = cost("floor") if "floor" in streams else None
    table = {}
    for name in streams:
        mine = cost(name)
        table[name] = {"cpu_us": statistics.median(mine)}
        if floor:
            table[name]["over_floor_us"] = statistics.median(a - b for a, b in zip(mine, floor))
    return table


COLUMNS = [
    ("cpu_us_min", "cpu us min", 1),
    ("cpu_us", "median", 1),
    ("cpu_to_floor", "x floor", 2),
    ("per_second", "per second", 0),
    ("saturated_p50_us", "p50 us", 0),
    ("saturated_p99_us", "p99 us", 0),
    ("paced_p50_us", "paced p50", 0),
    ("added_p50_us", "added", 0),
    ("paced_p99_us", "paced p99", 0),
    ("added_p99_us", "added", 0),
]


def print_table(title, rows, columns):
    print(f"\n{title:<22}" + "".join(f"{head:>12}" for _, head, _ in columns))
    for name, row in rows.items():
        cells = (f"{row[key]:>12.{digits}f}" if row.get(key) is not None else f"{'-':>12}" for key, _, digits in columns)
        print(f"{name:<22}" + "".join(cells))


def print_report(report):
    for workload, rows in report["workloads"].items():
        print_table(workload, rows, COLUMNS)
    if report["per_delta"]:
        print_table("one delta", report["per_delta"], [("cpu_us", "cpu us", 2), ("over_floor_us", "over floor", 2)])
    print_table(
        "process",
        report["processes"],
        [("start_seconds", "start s", 2), ("start_rss_mib", "MiB then", 1), ("rss_mib", "MiB after", 1), ("peak_rss_mib", "MiB peak", 1)],
    )
    if report["memory"]:
        whens = next(iter(report["memory"].values()))
        print_table("MiB of a VM, after", report["memory"], [(when, when, 2) for when in whens])
    print("\nmodules: " + ", ".join(f"{name} {size:,} bytes" for name, size in report["module_bytes"].items()))


# The command


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    wasm = target / "wasm32-wasip1/release"
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each load (%(default)s)")
    parser.add_argument("--warm-seconds", type=float, default=1, help="of each load before the rounds (%(default)s)")
    parser.add_argument("--only", help="variants whose names hold one of these words, besides plain and floor")
    parser.add_argument("--workloads", help=f"some of {', '.join(WORKLOADS)}")
    parser.add_argument("--connections", type=int, default=32, help="at saturation (%(default)s)")
    parser.add_argument("--rate", type=int, default=500, help="requests per second of the paced load (%(default)s)")
    parser.add_argument("--writes", type=int, default=1, help="in which the simulator sends a stream (%(default)s)")
    parser.add_argument("--no-memory", action="store_true", help="skip the processes with 1 and 5 workers")
    parser.add_argument("--json", type=pathlib.Path, default=target / "bench-gateway.json")
    parser.add_argument("--module", type=pathlib.Path, default=wasm / "tollgate.wasm")
    parser.add_argument("--other", type=pathlib.Path, help="a second module: each variant runs with it too, in the same rounds")
    parser.add_argument("--floor", type=pathlib.Path, default=wasm / "examples/floor.wasm")
    parser.add_argument("--load", type=pathlib.Path, default=target / TOOLS / "load")
    options = parser.parse_args()
    options.variants = [
        each for each in VARIANTS
        if not options.only or not each.kind or any(word in each.name for word in options.only.split(","))
    ]  # fmt: skip
    if options.other:
        options.variants += [
            dataclasses.replace(each, name=f"{each.name}-other", module="other")
            for each in options.variants
            if each.module == "tollgate"
        ]
    names = options.workloads.split(",") if options.workloads else list(WORKLOADS)
    options.workloads = {name.strip(): WORKLOADS[name.strip()] for name in names}
    return options


def machine():
    model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    envoy = subprocess.run([gateway.find_envoy(), "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(CORES),
        "kernel": platform.release(),
        "envoy": envoy.strip().rpartition("version: ")[2],
        "load_average": os.getloadavg(),
        "date": time.strftime("%Y-%m-%d"),
    }


def run(options, children, directory):
    modules = {"tollgate": options.module, "floor": options.floor, "other": options.other}
    used = {each.module for each in options.variants if each.module}
    for path in [options.load, *(modules[name] for name in used)]:
        if not path.exists():
            raise gateway.Failure(f"{path} is missing: make bench builds it")
    if len(CORES) < 2:
        print("one core only: gateway and load share it, and the figures say little", file=sys.stderr)
    with pinned(LOAD_CORE):
        simulator, addresses = gateway.start_simulator("--quick", "--chunks", str(DELTAS), "--writes", str(options.writes))
    children.append(simulator)
    bodies = {}
    for name, (size, is_stream) in options.workloads.items():
        bodies[name] = pathlib.Path(directory) / f"{name.replace(' ', '-')}.json"
        bodies[name].write_bytes(conversation(size, is_stream))
    report = {"machine": machine(), "module_bytes": {name: modules[name].stat().st_size for name in sorted(used)}}
    report["memory"] = {}
    if not options.no_memory:
        compared = [each for each in options.variants if each.name in ("plain", "floor", "bedrock-key")]
        report["memory"] = memory(compared, addresses, modules, bodies, directory, options)
    gateways = []
    for variant in options.variants:
        gateways.append(Gateway(variant, addresses, modules, directory))
        children.append(gateways[-1].process)
    warm_up(gateways, bodies, options)
    report["rounds"] = measure(gateways, bodies, options)
    report["workloads"] = summary(report["rounds"]) if options.rounds else {}
    report["per_delta"] = per_delta(report["rounds"]) if options.rounds else {}
    report["processes"] = {
        each.variant.name: {
            "start_seconds": each.start_seconds,
            "start_rss_mib": each.start_rss_mib,
            "rss_mib": each.rss_mib(),
            "peak_rss_mib": each.rss_mib("VmHWM"),
        }
        for each in gateways
    }
    return report


def main():
    options = parse_options()
    children = []
    try:
        with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as directory:
            report = run(options, children, directory)
        options.json.write_text(json.dumps(report, indent=1))
        print_report(report)
        print(f"every figure of every round: {options.json}")
    except gateway.Failure as failure:
        print(f"make bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        for child in reversed(children):
            child.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
