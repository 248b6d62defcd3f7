"""`make run`, as a person at a terminal meets it."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
import run
from conftest import free_port


def bare_environment():
    """Without any credentials, whoever runs the tests."""
    secret = ("AWS_", "AZURE_", "OPENAI_", "BEDROCK_", "TOLLGATE_", "POLICY", "PLACEMENT", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(secret)}


class Run:
    def __init__(self, directory, **environment):
        self.port = int(environment.setdefault("TOLLGATE_PORT", str(free_port())))
        self.out = directory / f"run-{self.port}.out"
        self.process = subprocess.Popen(
            ["make", "run"], cwd=run.ROOT, env=bare_environment() | environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=self.out.open("w"), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def commands(self):
        deadline = time.monotonic() + 300
        while "Ctrl-C stops everything." not in self.out.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, self.out.read_text()
            time.sleep(0.1)
        return re.search(r"Three things to try:\n\n(.*?)\n\n", self.out.read_text(), re.DOTALL)[1].splitlines()

    def ends(self):
        """Its exit code and what it said."""
        return self.process.wait(timeout=300), self.out.read_text()

    def interrupt(self):
        """Ctrl-C: the terminal tells the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=20)

    def family(self):
        """The process and all that it has started, by their ids."""
        parents = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # It has just ended.
        family = {self.process.pid}
        while more := {child for child, parent in parents.items() if parent in family} - family:
            family |= more
        return family


@pytest.fixture
def make_run(directory):
    """Starts `make run`; whatever a failing test leaves behind is stopped."""
    started = []

    def start(**environment):
        started.append(Run(directory, **environment))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.interrupt()


def shell(command):
    """As typed into a shell that knows nothing."""
    bare = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", command], env=bare, cwd="/", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def name(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


@pytest.mark.parametrize("placement", [None, "single"])
def test_the_printed_commands_work_and_ctrl_c_stops_everything(make_run, placement):
    started = make_run(**({"PLACEMENT": placement} if placement else {}))
    plain, streamed, sdk = started.commands()
    assert f"Tollgate ({placement or 'split'})" in started.out.read_text()
    assert json.loads(shell(plain))["choices"][0]["message"]["content"].startswith("You said: ")
    assert shell(streamed).strip().endswith("data: [DONE]")
    assert shell(sdk).startswith("You said: ")
    family = started.family()
    assert {"envoy", "simulator"} <= {name(pid) for pid in family}
    started.interrupt()
    assert [pid for pid in family if pathlib.Path(f"/proc/{pid}").exists()] == []


def test_a_child_that_dies_ends_the_run_and_is_named(make_run):
    started = make_run()
    started.commands()
    [simulator] = [pid for pid in started.family() if name(pid) == "simulator"]
    os.kill(simulator, signal.SIGKILL)
    code, said = started.ends()
    assert code != 0 and "the simulator has stopped" in said


def test_an_endpoint_and_a_policy_of_ones_own(make_run, directory, simulator):
    policy = run.policy_of(run.load(run.ROOT / "envoy/split.yaml"))
    policy["models"] = [{"name": "mine", "targets": [{"provider": "openai", "model": "gpt-4.1"}]}]
    path = directory / "policy.json"
    path.write_text(json.dumps(policy))
    started = make_run(POLICY=str(path), OPENAI_ENDPOINT=simulator.endpoint("openai"))
    plain, *_ = started.commands()
    assert json.loads(shell(plain))["choices"][0]["message"]["content"].startswith("You said: ")
    assert [each.upstream for each in simulator.requests()] == ["openai"]


def test_what_is_wrong_is_said(make_run, directory):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = make_run(TOLLGATE_PORT=port).ends()
        assert code != 0 and f"port {port} is taken" in said
    code, said = make_run(POLICY="/nowhere.yaml").ends()
    assert code != 0 and "cannot read /nowhere.yaml" in said
    path = directory / "bad.yaml"
    path.write_text("version: 1\nproviders: [{name: bedrock, kind: bedrok}]\n")
    code, said = make_run(POLICY=str(path)).ends()
    assert code != 0 and "providers[0].kind" in said
