"""Budgets that two gateways share in a real Redis: the sum of what both spend stays within the limit."""

import concurrent.futures
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
import run_global
from test_budgets import CLIENTS, WORKERS, ask, budget, usage_of, with_budgets
from test_policy import Listener

MODES = ["atomic", "escrow"]


class Shared:
    """Redis and Webdis as `make run-global` starts them."""

    def __init__(self, directory):
        self.directory = directory
        self.redis_port, self.webdis_port = run_global.free_port(), run_global.free_port()
        self.redis = run_global.start_redis(directory, self.redis_port)
        self.webdis = run_global.start_webdis(directory, self.webdis_port, self.redis_port)

    def command(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.redis_port), *words], capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.split()

    def bucket(self, name="b"):
        """What is used and held of a budget, whatever its key."""
        used = held = 0
        for key in self.command("KEYS", f"{{tollgate}}b/{name}/*"):
            numbers = [int(word) for word in "".join(self.command("GET", key)).split(",")]
            spans = [numbers[at : at + 10] for at in range(1, len(numbers), 10)]
            used += sum(span[1] for span in spans)
            held += sum(sum(span[2:]) for span in spans)
        return used, held

    def settled(self, name="b", seconds=15):
        """What is used once nothing is held any more."""
        deadline = time.monotonic() + seconds
        while (stood := self.bucket(name))[1]:
            assert time.monotonic() < deadline, f"still held: {stood}"
            time.sleep(0.1)
        return stood[0]

    def stop(self):
        self.webdis.stop()
        self.redis.stop()


@pytest.fixture
def shared(tmp_path):
    started = Shared(tmp_path)
    yield started
    started.stop()


def pair(start, shared, mode, *budgets, timeout_ms=2_000, placement="single", workers=2, listeners=None, directory=None, **more):
    """Two gateways whose budgets are in the same Redis."""
    stores = [{"name": "shared", "kind": "redis", "cluster": "webdis", "mode": mode, "timeout_ms": timeout_ms, "gateways": 2}]
    change = with_budgets(*[each | {"store": "shared"} for each in budgets], stores=stores, **more)

    def edit(config):
        run_global.shared_budgets({}, config, shared.webdis_port)
        if listeners is not None:
            listeners.append(Listener(config, directory / f"shared-{mode}-{len(listeners)}.json"))

    return [start(placement, change=change, edit=edit, workers=workers).ready() for _ in range(2)]


def burst(gateways, seed, count):
    """`count` requests of mixed sizes through both; what each cost, or its refusal."""
    generator = random.Random(seed)
    jobs = [(generator.choice(gateways), generator.randrange(5, 800), generator.random() < 0.5, generator.randrange(8, 200)) for _ in range(count)]

    def one(job):
        gateway, size, stream, most = job
        answer = ask(gateway, "words " * (size // 6 + 1), name="gpt", stream=stream, max_tokens=most)
        return usage_of(answer, stream), answer

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, jobs))


def exhaust(gateways, most=4):
    """Small requests to both until neither has room; what the last of them leave is less than one of them needs."""
    spent, refusals = 0, 0
    while refusals < 3:
        passed = [usage for gateway in gateways for usage in [usage_of(ask(gateway, "hi", name="gpt", max_tokens=most), False)] if usage]
        spent += sum(usage["completion_tokens"] for usage in passed)
        refusals = 0 if passed else refusals + 1
        if not passed:
            # Escrow gives back what nobody uses after a second, at its next tick.
            time.sleep(2.5)
    return spent


@pytest.mark.parametrize("seed", range(int(os.environ.get("BUDGET_SOAK", "1"))))
@pytest.mark.parametrize("mode", MODES)
def test_two_gateways_spend_no_more_than_one_limit(start, shared, mode, seed):
    generator = random.Random(seed)
    limit = generator.randrange(1_000, 2_500)
    # How exact the estimate of prompts is, is not the store's affair: only answers count.
    answers = {"input": 0, "cached": 0, "cache_write": 0}
    gateways = pair(start, shared, mode, budget(limit=limit, weights=answers), placement=generator.choice(["single", "split"]), workers=WORKERS)
    results = burst(gateways, seed, 200)
    spent = sum(usage["completion_tokens"] for usage, _ in results if usage)
    assert spent <= limit
    assert any(usage is None for usage, _ in results), "the burst was too small to prove anything"
    # What fits is not refused: of the limit less is left than the smallest request needs.
    spent += exhaust(gateways)
    assert limit - 4 < spent <= limit
    assert limit - spent <= limit / 100
    # Thousandths of tokens.
    assert shared.settled() == spent * 1_000


def orders(gateway):
    """How many requests were admitted at once, and how many waited for the store."""
    lines = [line.split(": ") for line in gateway.admin("/stats?filter=tollgate_store_orders").splitlines()]
    counts = {name.rpartition(".")[2]: int(count) for name, count in lines}
    return counts.get("false", 0), counts.get("true", 0)


@pytest.mark.parametrize("mode", MODES)
def test_escrow_waits_seldom_and_atomic_always(start, shared, mode, record_property):
    gateways = pair(start, shared, mode, budget(limit=10_000_000), workers=WORKERS)
    results = burst(gateways, 3, 800)
    assert all(usage for usage, _ in results)
    time.sleep(1.5)
    at_once, waited = [sum(each) for each in zip(*map(orders, gateways))]
    record_property("waited", waited)
    print(f"\n{mode}: {waited} of {at_once + waited} requests waited for the store")
    assert at_once + waited == 800
    assert waited == 800 if mode == "atomic" else waited <= 40


@pytest.mark.parametrize("mode", MODES)
def test_a_settlement_that_comes_again_is_charged_once(start, shared, mode):
    """Webdis stands still while settlements are sent to it every other second; then it takes all of them."""
    rule = budget(unit="requests", limit=10_000, on_store_down="allow")
    gateway = pair(start, shared, mode, rule, timeout_ms=300)[0]
    assert ask(gateway, name="gpt").status == 200
    shared.settled()
    os.kill(shared.webdis.child.pid, signal.SIGSTOP)
    answers = [ask(gateway, name="gpt").status for _ in range(5)]
    time.sleep(7)
    os.kill(shared.webdis.child.pid, signal.SIGCONT)
    assert answers == [200] * 5
    time.sleep(3)
    assert shared.settled() == 6
    time.sleep(3)
    assert shared.settled() == 6


@pytest.mark.parametrize("mode", MODES)
def test_a_reload_under_load_keeps_what_was_used(start, shared, directory, mode):
    listeners = []
    gateways = pair(start, shared, mode, budget(unit="requests", limit=10**6), listeners=listeners, directory=directory, workers=WORKERS)
    stop, passed = threading.Event(), []

    def load(gateway):
        while not stop.is_set():
            passed.append(ask(gateway, name="gpt").status)

    threads = [threading.Thread(target=load, args=[gateways[at % 2]]) for at in range(8)]
    [thread.start() for thread in threads]
    for limit in (2_000_000, 3_000_000):
        time.sleep(1)
        for gateway, listener in zip(gateways, listeners):
            rules = [each | {"limit": limit} for each in gateway.policy["budgets"]]
            listener.update(gateway.policy | {"budgets": rules})
    time.sleep(1)
    stop.set()
    [thread.join() for thread in threads]
    assert set(passed) == {200}
    time.sleep(2)
    assert shared.settled() == len(passed)


@pytest.mark.parametrize("mode", MODES)
def test_exactly_as_many_requests_pass_as_are_allowed(start, shared, mode):
    gateways = pair(start, shared, mode, budget(unit="requests", limit=50))
    statuses = []
    # A slice that one gateway does not use is the other's a moment later.
    for _ in range(4):
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            asked = [pool.submit(ask, gateways[at % 2], name="gpt") for at in range(40)]
            statuses += [each.result().status for each in asked]
        time.sleep(2.5)
    assert (statuses.count(200), statuses.count(429)) == (50, 110)
    assert shared.settled() == 50


@pytest.mark.parametrize("mode", MODES)
def test_a_store_that_stands_still_refuses_and_forgets_nothing(start, shared, mode):
    gateway = pair(start, shared, mode, budget(unit="requests", limit=10_000), timeout_ms=1_000)[0]
    assert ask(gateway, name="gpt").status == 200
    shared.settled()
    os.kill(shared.redis.child.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        answers = [ask(gateway, name="gpt") for _ in range(3)]
        assert time.monotonic() - began < 5
    finally:
        os.kill(shared.redis.child.pid, signal.SIGCONT)
    passed = sum(answer.status == 200 for answer in answers)
    refused = [answer for answer in answers if answer.status != 200]
    # Escrow spends what it has.
    assert passed == 0 if mode == "atomic" else passed <= 3
    for answer in refused:
        assert answer.status == 503, answer.text
    time.sleep(3)
    assert ask(gateway, name="gpt").status == 200
    assert shared.settled() == 2 + passed


def test_requests_pass_and_are_charged_later_where_the_admin_says_so(start, shared):
    rule = budget(unit="requests", limit=10_000, on_store_down="allow")
    gateway = pair(start, shared, "atomic", rule, timeout_ms=1_000)[0]
    assert "x-tollgate-budget" not in ask(gateway, name="gpt").headers
    shared.webdis.stop()
    answers = [ask(gateway, name="gpt") for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert {answer.headers["x-tollgate-budget"] for answer in answers} == {"b; store-down"}
    shared.webdis = run_global.start_webdis(shared.directory, shared.webdis_port, shared.redis_port)
    time.sleep(4)
    assert shared.settled() == 4


def outages(gateway):
    """How many requests met a store that was down, by what their policy says to that."""
    lines = [line.split(": ") for line in gateway.admin("/stats?filter=tollgate_store_down").splitlines()]
    return {name.rpartition(".")[2]: int(count) for name, count in lines}


@pytest.mark.parametrize("trouble", ["stopped", "restarted", "no webdis"])
@pytest.mark.parametrize("mode", MODES)
def test_while_the_store_is_down_each_gateway_spends_its_share_and_tells_later(start, shared, mode, trouble):
    """Two gateways, 120 requests of which 20 are used: each has 50 while nobody can say, and 120 are never exceeded."""
    rule = budget(unit="requests", limit=120, on_store_down="local-share")
    gateways = pair(start, shared, mode, rule, timeout_ms=200)
    for at in range(20):
        assert ask(gateways[at % 2], name="gpt").status == 200
    # Escrow gives back what nobody uses; each gateway knows what is left.
    time.sleep(3)
    assert shared.settled() == 20
    for gateway in gateways:
        assert ask(gateway, name="gpt").status == 200
    time.sleep(3)
    if trouble == "stopped":
        os.kill(shared.redis.child.pid, signal.SIGSTOP)
    elif trouble == "restarted":
        shared.redis.stop()
    else:
        shared.webdis.stop()
    jobs = [gateway for gateway in gateways for _ in range(70)]
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda gateway: (gateway, ask(gateway, name="gpt")), jobs))
    statuses = [answer.status for _, answer in answers]
    assert set(statuses) == {200, 429}
    told = [answer.headers["x-tollgate-budget"] for _, answer in answers if "x-tollgate-budget" in answer.headers]
    assert set(told) == {"b; store-down; local-share"}
    # What was left is split evenly, but for what one gateway knows and the other does not yet.
    for gateway in gateways:
        passed = sum(answer.status == 200 for each, answer in answers if each is gateway)
        assert 45 <= passed <= 51, statuses
    passed = statuses.count(200)
    assert 22 + passed <= 120
    time.sleep(1.5)
    for gateway in gateways:
        assert outages(gateway).keys() == {"local-share"}, outages(gateway)
    if trouble == "stopped":
        os.kill(shared.redis.child.pid, signal.SIGCONT)
    elif trouble == "restarted":
        shared.redis = run_global.start_redis(shared.directory, shared.redis_port)
    else:
        shared.webdis = run_global.start_webdis(shared.directory, shared.webdis_port, shared.redis_port)
    time.sleep(5)
    assert shared.settled() == 22 + passed
    # And the rest is everybody's again.
    time.sleep(1)
    rest = [ask(gateways[at % 2], name="gpt").status for at in range(120)]
    assert 22 + passed + rest.count(200) <= 120
    if mode == "atomic":
        assert 22 + passed + rest.count(200) == 120


def test_a_restarted_redis_knows_what_was_used(start, shared):
    gateway = pair(start, shared, "atomic", budget(unit="requests", limit=3))[0]
    assert [ask(gateway, name="gpt").status for _ in range(2)] == [200, 200]
    shared.settled()
    shared.redis.stop()
    assert ask(gateway, name="gpt").status == 503
    shared.redis = run_global.start_redis(shared.directory, shared.redis_port)
    time.sleep(1)
    statuses = [ask(gateway, name="gpt").status for _ in range(3)]
    assert statuses == [200, 429, 429], json.dumps(statuses)


def length_of(answer):
    """How many words a stream said, and why it ended."""
    assert answer.status == 200 and answer.data[-1] == "[DONE]", answer.text
    chunks = [json.loads(each) for each in answer.data[:-1]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    words = sum((choice["delta"].get("content") or "").count("house") for choice in choices)
    return words, [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


@pytest.mark.parametrize("placement", ["single", "split"])
@pytest.mark.parametrize("mode", MODES)
def test_a_stream_without_a_limit_grows_through_the_store(start, shared, simulator, mode, placement):
    gateways = pair(start, shared, mode, budget(limit=900), placement=placement, completion={"stream_step_tokens": 64})
    simulator.fault("azure", {"kind": "chunks", "count": 300, "word": "house"}, {"kind": "slow", "delay_ms": 2})
    # Nobody is told a bound, and what it says is more than any step.
    assert length_of(ask(gateways[0], name="gpt", stream=True)) == (300, ["stop"])
    assert "max_completion_tokens" not in simulator.requests("azure")[0].body
    time.sleep(1)
    spent = shared.settled()
    # What is left is said, and no more.
    simulator.fault("azure", {"kind": "chunks", "count": 3000, "word": "house"}, {"kind": "slow", "delay_ms": 2})
    words, reasons = length_of(ask(gateways[1], name="gpt", stream=True))
    assert reasons == ["length"] and 200 < words < 900
    time.sleep(1)
    assert spent < shared.settled() <= 900_000


def test_a_stream_whose_store_stands_still_ends_with_length(start, shared, simulator):
    gateway = pair(start, shared, "atomic", budget(limit=100_000), timeout_ms=1_500, completion={"stream_step_tokens": 64})[0]
    simulator.fault("azure", {"kind": "chunks", "count": 2000, "word": "house"}, {"kind": "slow", "delay_ms": 5})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, gateway, name="gpt", stream=True)
        time.sleep(1)
        os.kill(shared.redis.child.pid, signal.SIGSTOP)
        try:
            words, reasons = length_of(asked.result())
        finally:
            os.kill(shared.redis.child.pid, signal.SIGCONT)
    assert reasons == ["length"] and 60 < words < 1_000
    time.sleep(2)
    assert words * 900 < shared.settled()


def test_a_stream_waits_for_a_store_that_is_late_and_goes_on(start, shared, simulator):
    gateway = pair(start, shared, "atomic", budget(limit=100_000), timeout_ms=5_000, completion={"stream_step_tokens": 64})[0]
    simulator.fault("azure", {"kind": "chunks", "count": 400, "word": "house"}, {"kind": "slow", "delay_ms": 5})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, gateway, name="gpt", stream=True)
        time.sleep(0.7)
        for _ in range(2):
            os.kill(shared.redis.child.pid, signal.SIGSTOP)
            time.sleep(1.2)
            os.kill(shared.redis.child.pid, signal.SIGCONT)
            time.sleep(0.2)
        assert length_of(asked.result()) == (400, ["stop"])


def test_what_a_gateway_held_that_was_killed_is_free_again_after_its_lease(start, shared, simulator):
    """LiteLLM's reservations leak, and refuse for an hour what nobody spends."""
    first, second = pair(start, shared, "atomic", budget(unit="requests", limit=1))
    simulator.fault("azure", {"kind": "chunks", "count": 6000, "word": "house"}, {"kind": "slow", "delay_ms": 10})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(ask, first, name="gpt", stream=True)
        time.sleep(1)
        assert ask(second, name="gpt").status == 429
        first.process.child.kill()
        killed = time.monotonic()
        assert ask(second, name="gpt").status == 429
        while ask(second, name="nova").status == 429:
            assert time.monotonic() - killed < 75
            time.sleep(2)
    assert time.monotonic() - killed > 20
