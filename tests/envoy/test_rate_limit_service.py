"""Budgets that Envoy's rate limit service keeps, by a small server on Limitador's counters (`make ratelimit`)."""

import concurrent.futures
import json
import subprocess
import time

import pytest
import run
import run_global
from test_budgets import CLIENTS, WORKERS, ask, budget, usage_of, with_budgets
from test_global_budgets import burst, outages

SERVER = run.ROOT / "target/ratelimit/debug/ratelimit"
# How exact the estimate of prompts is, is not the store's affair: only answers count.
ANSWERS = {"input": 0, "cached": 0, "cache_write": 0}


class Service:
    """The server, with limits of its own; what it has counted is gone when it stops."""

    def __init__(self, limits, **more):
        self.config = {"port": run_global.free_port(), "domain": "tollgate", "limits": limits, **more}
        self.child = None
        self.start()

    def start(self):
        assert SERVER.exists(), f"{SERVER} is missing: make ratelimit"
        words = [SERVER, json.dumps(self.config)]
        self.child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout.readline().strip().endswith(str(self.config["port"]))

    def stop(self):
        self.child.kill()
        self.child.wait()

    def told(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def used(self):
        """What each descriptor has used."""
        return {name: used for name, used in self.told()["used"].items() if used}

    def comes_to(self, want, seconds=10):
        deadline = time.monotonic() + seconds
        while (used := self.used()) != want:
            assert time.monotonic() < deadline, f"{used}, not {want}"
            time.sleep(0.1)


@pytest.fixture
def serve():
    started = []

    def serve(limits, **more):
        started.append(Service(limits, **more))
        return started[-1]

    yield serve
    for service in started:
        service.stop()


def limit(most, name="b", **more):
    return {"max": most, "seconds": 3_600, "keys": {"budget": name}, **more}


def gateways(start, service, *budgets, count=1, refunds=False, placement="single", timeout_ms=2_000, **more):
    """Gateways whose budgets the service keeps, as envoy/global/rls.yaml has it."""
    added = run.load(run.ROOT / "envoy/global/rls.yaml")
    store = added["policy"]["stores"][0] | {"refunds": refunds, "timeout_ms": timeout_ms, "gateways": 2}

    def edit(config):
        for cluster in added["clusters"]:
            for part in run.parts(cluster):
                if "port_value" in part:
                    part["port_value"] = service.config["port"]
            config["static_resources"]["clusters"].append(cluster)

    change = with_budgets(*[each | {"store": "service"} for each in budgets], stores=[store], **more)
    started = [start(placement, change=change, edit=edit, workers=WORKERS) for _ in range(count)]
    return [each.ready() for each in started]


@pytest.mark.parametrize("placement", ["single", "split"])
def test_no_burst_is_charged_more_than_the_service_allows(start, serve, placement):
    service = serve([limit(6_000)])
    pair = gateways(start, service, budget(limit=6_000, weights=ANSWERS), count=2, placement=placement)
    results = burst(pair, 1, 160)
    granted = [usage for usage, _ in results if usage]
    assert len(granted) < len(results), "the burst was too small to prove anything"
    used = service.used()["budget=b"]
    assert sum(usage["completion_tokens"] for usage in granted) <= used <= 6_000
    # Nothing goes back: what is left is less than the largest of them asked for.
    assert used > 6_000 - 200
    for usage, answer in results:
        if not usage:
            assert answer.error["code"] == "insufficient_quota"
            assert 3_000_000 < int(answer.headers["retry-after-ms"]) <= 3_600_000


def test_exactly_as_many_requests_pass_as_are_allowed(start, serve):
    service = serve([limit(50)])
    pair = gateways(start, service, budget(unit="requests", limit=50, window="hour"), count=2)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        answers = [each.result() for each in [pool.submit(ask, pair[at % 2], name="gpt") for at in range(120)]]
    statuses = [answer.status for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (50, 70)
    assert service.used() == {"budget=b": 50}
    left = {int(answer.headers["x-ratelimit-remaining-requests"]) for answer in answers if answer.status == 200}
    assert left == set(range(50))


def test_each_value_of_a_dimension_is_a_descriptor_of_its_own(start, serve):
    service = serve([limit(2, per=["consumer"])])
    (gateway,) = gateways(start, service, budget(unit="requests", limit=2, window="hour", per=["consumer"]))
    statuses = [ask(gateway, key=key, name="gpt").status for key in ["sk-demo", "sk-two"] * 3]
    assert statuses == [200, 200, 200, 200, 429, 429]
    assert service.used() == {"budget=b consumer=demo": 2, "budget=b consumer=two": 2}


def test_what_was_not_used_goes_back_where_the_service_takes_it(start, serve):
    service = serve([limit(100_000)])
    pair = gateways(start, service, budget(limit=100_000, weights=ANSWERS), count=2, refunds=True)
    results = burst(pair, 2, 64)
    spent = sum(usage["completion_tokens"] for usage, _ in results)
    service.comes_to({"budget=b": spent})


def test_a_budget_that_refuses_leaves_the_others_as_they_were(start, serve):
    service = serve([limit(10, "wide"), limit(1, "narrow")])
    rules = [budget("wide", "requests", 10, "hour"), budget("narrow", "requests", 1, "hour")]
    (gateway,) = gateways(start, service, *rules, refunds=True)
    assert [ask(gateway, name="gpt").status for _ in range(3)] == [200, 429, 429]
    service.comes_to({"budget=wide": 1, "budget=narrow": 1})


def test_a_service_that_says_only_yes_or_no_is_enough(start, serve):
    service = serve([limit(3)], tells=False)
    (gateway,) = gateways(start, service, budget(unit="requests", limit=3, window="hour"))
    assert [ask(gateway, name="gpt").status for _ in range(4)] == [200, 200, 200, 429]


def test_a_descriptor_that_the_service_does_not_know_is_no_budget(start, serve):
    """Envoy's own filter lets it pass: a misspelt name is no limit at all."""
    service = serve([limit(3, "other")])
    (gateway,) = gateways(start, service, budget(unit="requests", limit=3, window="hour"))
    answer = ask(gateway, name="gpt")
    assert (answer.status, answer.error["code"]) == (503, "budget_store_down")


@pytest.mark.parametrize("trouble", ["killed", "slow"])
def test_a_service_that_cannot_say_refuses_unless_the_admin_says_otherwise(start, serve, trouble):
    service = serve([limit(1_000)], delay_ms=500 if trouble == "slow" else 0)
    rules = {way: budget(unit="requests", limit=1_000, window="hour", on_store_down=way) for way in ["refuse", "allow"]}
    refusing, allowing = [gateways(start, service, rule, timeout_ms=100)[0] for rule in rules.values()]
    if trouble == "killed":
        assert ask(refusing, name="gpt").status == 200
        service.stop()
    answer = ask(refusing, name="gpt")
    assert (answer.status, answer.error["code"]) == (503, "budget_store_down")
    answers = [ask(allowing, name="gpt") for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert {answer.headers["x-tollgate-budget"] for answer in answers} == {"b; store-down"}
    time.sleep(1.5)
    assert outages(refusing) == {"refuse": 1}
    assert outages(allowing) == {"allow": 3}
    if trouble == "killed":
        # It is told when it is there again; what it had counted is its own affair.
        service.start()
        service.comes_to({"budget=b": 3})


def test_while_the_service_is_down_a_gateway_spends_its_share(start, serve):
    service = serve([limit(21)])
    (gateway,) = gateways(start, service, budget(unit="requests", limit=21, window="hour", on_store_down="local-share"))
    assert ask(gateway, name="gpt").status == 200
    service.stop()
    # 20 are left, and two gateways share them.
    answers = [ask(gateway, name="gpt") for _ in range(12)]
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 2
    assert answers[0].headers["x-tollgate-budget"] == "b; store-down; local-share"
    service.start()
    service.comes_to({"budget=b": 10})


def test_a_client_that_hangs_up_leaves_what_was_charged(start, serve):
    """Without refunds nothing is counted twice and nothing goes back."""
    service = serve([limit(10_000)])
    (gateway,) = gateways(start, service, budget(limit=10_000, weights=ANSWERS))
    answer = ask(gateway, name="gpt", stream=True, max_tokens=100)
    assert usage_of(answer, True)["completion_tokens"] < 100
    time.sleep(1)
    assert service.used() == {"budget=b": 100}
