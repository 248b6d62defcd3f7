"""Measures what a budget's store adds to a request, one request after the other: none, local, Redis atomic and escrow, a rate limit service.

One Envoy with one worker for each, all up at once; rounds are interleaved. `added` is the difference to no budget within each round, then the
median over the rounds. Needs what `make run-global` needs, and `make ratelimit`.

    .venv/bin/python benches/gateway/stores.py --rounds 15 --requests 200
"""

import argparse
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "envoy"))
import run  # noqa: E402
import run_global  # noqa: E402

SERVICE = ROOT / "target/ratelimit/debug/ratelimit"
BODY = json.dumps({"model": "gpt", "messages": [{"role": "user", "content": "hello " * 600}], "max_tokens": 16})
HEADERS = {"authorization": f"Bearer {run.DEMO_KEY}", "content-type": "application/json"}
BUDGETS = [
    {"name": "tokens", "unit": "tokens", "window": "hour", "limit": 4_000_000_000},
    {"name": "each", "unit": "tokens", "window": "hour", "limit": 4_000_000_000, "per": ["consumer"]},
    {"name": "requests", "unit": "requests", "window": "hour", "limit": 4_000_000_000},
]
STORES = {
    "none": None,
    "local": [],
    "atomic": [{"name": "shared", "kind": "redis", "cluster": "webdis", "mode": "atomic", "tag": "atomic", "timeout_ms": 1_000}],
    "escrow": [{"name": "shared", "kind": "redis", "cluster": "webdis", "mode": "escrow", "tag": "escrow", "timeout_ms": 1_000}],
    "rls": [{"name": "shared", "kind": "rls", "cluster": "ratelimit", "domain": "tollgate", "timeout_ms": 1_000}],
}


def start(name, simulated, ports, directory):
    """Envoy with the budgets in this store; a connection to it."""
    config = run.load(ROOT / "envoy/single.yaml")
    policy = run.policy_of(config)
    for provider in policy["providers"]:
        provider["endpoint"] = f"http://{simulated['mantle' if run.is_mantle(provider) else provider['kind']]}"
    if STORES[name] is not None:
        place = {"store": "shared"} if STORES[name] else {}
        policy |= {"stores": STORES[name], "budgets": [each | place for each in BUDGETS]}
    port = run_global.free_port()
    config = run.render(config, policy, port)
    for kind in ["budgets", "rls"]:
        for cluster in run.load(ROOT / f"envoy/global/{kind}.yaml")["clusters"]:
            for part in run.parts(cluster):
                if "port_value" in part:
                    part["port_value"] = ports[kind]
            config["static_resources"]["clusters"].append(cluster)
    home = pathlib.Path(directory) / name
    home.mkdir()
    credentials = {key: value for kind in run.KINDS.values() for key, value in kind.simulated.items()}
    environment = {"PATH": os.environ["PATH"], **credentials}
    envoy = run.start_envoy(config, home, environment, levels=("warning", "wasm:warning"), arguments=["--concurrency", "1"])
    run.wait_for(envoy, port)
    return envoy, http.client.HTTPConnection("127.0.0.1", port)


def turn(connection, requests):
    """The times of so many requests, in milliseconds."""
    times = []
    for _ in range(requests):
        began = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", BODY, HEADERS)
        answer = connection.getresponse()
        text = answer.read()
        times.append((time.perf_counter() - began) * 1_000)
        assert answer.status == 200, text
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--module", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.module:
        run.MODULE = arguments.module.resolve()
    children = []
    with tempfile.TemporaryDirectory(prefix="tollgate-") as directory:
        try:
            credentials = {key: value for kind in run.KINDS.values() for key, value in kind.simulated.items()}
            simulator, simulated = run.start_simulator(environment=credentials)
            children.append(simulator)
            redis_port = run_global.free_port()
            ports = {"budgets": run_global.free_port(), "rls": run_global.free_port()}
            children.append(run_global.start_redis(directory, redis_port))
            children.append(run_global.start_webdis(directory, ports["budgets"], redis_port))
            limits = [{"max": 4_000_000_000, "seconds": 3_600, "keys": {"budget": each["name"]}} for each in BUDGETS]
            service = [SERVICE, json.dumps({"port": ports["rls"], "domain": "tollgate", "limits": limits})]
            with subprocess.Popen(service, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
                gateways = {}
                for name in STORES:
                    envoy, gateways[name] = start(name, simulated, ports, directory)
                    children.append(envoy)
                for connection in gateways.values():
                    turn(connection, arguments.requests)
                rounds = []
                for _ in range(arguments.rounds):
                    rounds.append({name: turn(connection, arguments.requests) for name, connection in gateways.items()})
                process.stdin.close()
        finally:
            for child in reversed(children):
                child.stop()
    print("| store | p50, ms | p99, ms | added, ms |\n|---|---|---|---|")
    for name in STORES:
        every = sorted(each for one in rounds for each in one[name])
        added = statistics.median(statistics.median(one[name]) - statistics.median(one["none"]) for one in rounds)
        print(f"| {name} | {statistics.median(every):.2f} | {every[len(every) * 99 // 100]:.2f} | {added:+.2f} |")


if __name__ == "__main__":
    main()
