"""Runs two gateways that share budgets in a Redis: what `make run-global` calls, and what its tests build on.

Redis and Webdis are started from envoy/global/ on free ports of 127.0.0.1. Environment: as for `make run`; the second gateway
takes the next port.
"""

import json
import pathlib
import re
import shutil
import socket
import sys
import tempfile
import time

import run

REMEDY = "apt-get install redis-server webdis"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find(program):
    found = shutil.which(program)
    if not found:
        raise run.Failure(f"no {program} on PATH: {REMEDY}")
    return found


def wait_for(process, port):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.is_running():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise run.Failure(f"{process.name} does not start:\n{process.last_words()}")


def start_redis(directory, port):
    # It writes what happens to its standard output, which nobody reads.
    shipped = run.ROOT / "envoy/global/redis.conf"
    words = [find("redis-server"), shipped, "--port", port, "--dir", directory, "--logfile", f"{directory}/redis.log"]
    process = run.Process("Redis", words)
    wait_for(process, port)
    return process


def start_webdis(directory, port, redis_port):
    config = json.loads((run.ROOT / "envoy/global/webdis.json").read_text())
    config |= {"http_port": port, "redis_port": redis_port, "logfile": f"{directory}/webdis.log"}
    path = pathlib.Path(directory) / "webdis.json"
    path.write_text(json.dumps(config))
    process = run.Process("Webdis", [find("webdis"), path])
    wait_for(process, port)
    return process


def shared_budgets(policy, config, webdis_port):
    """The policy and the config with what envoy/global/budgets.yaml adds; a policy's own stores and budgets stay."""
    added = run.load(run.ROOT / "envoy/global/budgets.yaml")
    policy = added["policy"] | policy
    for cluster in added["clusters"]:
        for part in run.parts(cluster):
            if "port_value" in part:
                part["port_value"] = webdis_port
        config["static_resources"]["clusters"].append(cluster)
    return policy, config


def serve(children):
    environment = dict(run.os.environ)
    placement, port = run.settings(environment)
    config = run.load(run.ROOT / f"envoy/{placement}.yaml")
    policy = run.load(environment["POLICY"]) if environment.get("POLICY") else run.policy_of(config)
    ports = [port, port + 1]
    for each in ports:
        run.check_port(each)
    notes = run.choose_upstreams(policy, environment, children)
    with tempfile.TemporaryDirectory(prefix="tollgate-") as directory:
        redis_port, webdis_port = free_port(), free_port()
        children.append(start_redis(directory, redis_port))
        children.append(start_webdis(directory, webdis_port, redis_port))
        policy, config = shared_budgets(policy, config, webdis_port)
        for each in ports:
            home = pathlib.Path(directory) / str(each)
            home.mkdir()
            envoy = run.start_envoy(run.render(config, policy, each), home, environment)
            children.append(envoy)
            run.wait_for(envoy, each)
        for child in children:
            child.log = sys.stderr
        bases = " and ".join(f"http://127.0.0.1:{each}/v1" for each in ports)
        print(f"\nTollgate ({placement}) answers on {bases}", *notes, sep="\n")
        print(f"\nThey share their budgets in Redis (port {redis_port}), through Webdis (port {webdis_port}).")
        tries = [re.sub(rf":{port}/", f":{which}/", run.commands(policy, port)[0]) for which in ports]
        print("\nThe same budget through both:\n", *tries, "\nCtrl-C stops everything.", sep="\n", flush=True)
        run.watch(children)


if __name__ == "__main__":
    sys.exit(run.main("make run-global", serve))
