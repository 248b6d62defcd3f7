"""Budgets hold: nothing is spent beyond a limit, whatever runs at once, and nothing is refused that fits."""

import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import threading
import time

import pytest
import run
from conftest import add_mantle, model

WORKERS, CLIENTS = 4, 64
KEYS = ["sk-demo", "sk-two", "sk-three", "sk-admin"]
STATUS = "/tollgate/budgets"


def with_budgets(*budgets, **more):
    """The shipped policy with these budgets, four consumers, and a status that the last of them may see."""

    def change(policy):
        names = ["demo", "two", "three", "admin"]
        keys = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in zip(names, KEYS)}
        policy["consumers"] = [{"name": name, "team": "red" if name == "demo" else "blue", "api_key_sha256": [key]} for name, key in keys.items()]
        return policy | {"budgets": list(budgets), "budget_status": {"path": STATUS, "consumers": ["admin"]}} | more

    return change


def budget(name="b", unit="tokens", limit=1000, window="month", **more):
    own = {"name": name, "unit": unit, "limit": limit, **more}
    return own if unit == "concurrent" or "rolling" in more else {"window": window, **own}


def state(gateway):
    """Each budget's buckets, by their keys."""
    answer = gateway.send("GET", STATUS, headers={"authorization": "Bearer sk-admin"})
    assert answer.status == 200, answer.text
    return {each["budget"]: {bucket["key"]: bucket for bucket in each["buckets"]} for each in answer.json["data"]}


def settled(gateway, name="b", key="", seconds=5):
    """A bucket in which nothing is held any more."""
    deadline = time.monotonic() + seconds
    while (bucket := state(gateway)[name].get(key, {"held": 0, "used": 0}))["held"]:
        assert time.monotonic() < deadline, f"still held: {bucket}"
        time.sleep(0.05)
    return bucket


def usage_of(answer, stream):
    """What the provider says it cost, or nothing where it was refused."""
    if answer.status == 429:
        return None
    assert answer.status == 200, answer.text
    if not stream:
        return answer.json["usage"]
    assert answer.data[-1] == "[DONE]", answer.text
    return json.loads(answer.data[-2])["usage"]


def ask(gateway, text="hello", key="sk-demo", name="gpt", stream=False, **fields):
    extra = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return gateway.chat(name, text, {"authorization": f"Bearer {key}"}, **extra, **fields)


def burst(gateway, seed, count, streams=(False, True)):
    """`count` requests of mixed sizes from 64 clients; what each cost, or its refusal."""
    generator = random.Random(seed)
    jobs = [(generator.randrange(5, 800), generator.choice(["gpt", "claude", "nova"]), generator.choice(streams), generator.randrange(8, 200)) for _ in range(count)]

    def one(job):
        size, name, stream, most = job
        answer = ask(gateway, "words " * (size // 6 + 1), name=name, stream=stream, max_tokens=most)
        return usage_of(answer, stream), answer

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, jobs))


@pytest.mark.parametrize("seed", range(int(os.environ.get("BUDGET_SOAK", "2"))))
@pytest.mark.parametrize("placement", ["single", "split"])
def test_no_burst_spends_more_than_the_limit(start, placement, seed):
    """LiteLLM's issue 18730: five requests at once spend 663 of 100."""
    limit = random.Random(seed).randrange(4_000, 12_000)
    # By bytes: the simulator counts as it likes, and the limit holds all the same.
    rules = [budget(limit=limit, prompt="bytes"), budget("each", limit=10**9, per=["consumer", "model"]), budget("count", "requests", 10**6)]
    gateway = start(placement, change=with_budgets(*rules), workers=WORKERS).ready()
    results = burst(gateway, seed, 160)
    spent = sum(usage["total_tokens"] for usage, _ in results if usage)
    bucket = settled(gateway)
    assert bucket["used"] == spent <= limit
    refused = [answer for usage, answer in results if not usage]
    assert refused, "the burst was too small to prove anything"
    for answer in refused:
        assert answer.error["code"] == "insufficient_quota" and int(answer.headers["retry-after-ms"]) > 0
    # Each budget has counted the same.
    stood = state(gateway)
    assert sum(each["used"] for each in stood["each"].values()) == spent
    assert stood["count"][""]["used"] == len(results) - len(refused)
    # What fits is not refused: when nothing runs, a request that needs less than is left goes through.
    left = limit - spent
    answer = ask(gateway, "hi", max_tokens=1)
    assert answer.status == (200 if left > 150 else answer.status)


def test_exactly_as_many_requests_pass_as_are_allowed(start):
    gateway = start("single", change=with_budgets(budget(unit="requests", limit=50, window="month")), workers=WORKERS).ready()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        statuses = [each.result().status for each in [pool.submit(ask, gateway) for _ in range(120)]]
    assert (statuses.count(200), statuses.count(429)) == (50, 70)


@pytest.mark.parametrize("placement", ["single", "split"])
@pytest.mark.parametrize("name", ["gpt", "claude"])
def test_a_client_that_hangs_up_pays_for_what_was_streamed(start, simulator, placement, name):
    """Peers charge nothing, or the prompt only, when the usage never comes."""
    gateway = start(placement, change=with_budgets(budget(limit=100_000))).ready()
    upstream = {"gpt": "azure", "claude": "bedrock"}[name]
    simulator.fault(upstream, {"kind": "chunks", "count": 400, "word": "house"}, {"kind": "slow", "delay_ms": 10})
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    body = {"model": name, "stream": True, "max_tokens": 5000, "messages": [{"role": "user", "content": "go"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"authorization": "Bearer sk-demo", "content-type": "application/json"})
    answer = connection.getresponse()
    words = 0
    while words < 40:
        words += answer.readline().count(b"house")
    answer.close()
    connection.close()
    bucket = settled(gateway)
    assert 40 <= bucket["used"] <= 300, bucket


@pytest.mark.parametrize("placement", ["single", "split"])
@pytest.mark.parametrize("name", ["gpt", "claude"])
def test_a_stream_without_a_limit_ends_with_length_when_the_budget_is_gone(start, simulator, placement, name):
    gateway = start(placement, change=with_budgets(budget(limit=600), completion={"stream_step_tokens": 64})).ready()
    upstream = {"gpt": "azure", "claude": "bedrock"}[name]
    simulator.fault(upstream, {"kind": "chunks", "count": 2000, "word": "house"})
    answer = gateway.chat(name, "go", stream=True)
    assert answer.status == 200 and answer.data[-1] == "[DONE]"
    chunks = [json.loads(each) for each in answer.data[:-1]]
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert reasons == ["length"]
    assert len({chunk["id"] for chunk in chunks if chunk["id"]}) == 1
    words = sum(choice["delta"].get("content", "").count("house") for chunk in chunks for choice in chunk["choices"] if choice["delta"].get("content"))
    assert 200 < words < 600
    assert words <= settled(gateway)["used"] <= 600


def test_what_an_upstream_refuses_is_released(start, simulator):
    gateway = start("split", change=with_budgets(budget(limit=10_000), budget("count", "requests", 100))).ready()
    simulator.fault("azure", {"kind": "status", "status": 500}, times=10)
    assert ask(gateway).status >= 500
    assert settled(gateway)["used"] == 0
    assert settled(gateway, "count")["used"] == 0


def test_a_retry_at_another_provider_is_priced_anew(start, simulator):
    prices = [{"match": ["*"], "input": 1, "output": 1}, {"match": ["gpt-*"], "input": 100, "output": 100}]
    gateway = start("split", change=with_budgets(budget(unit="usd", limit=50), prices=prices)).ready()
    simulator.fault("bedrock", {"kind": "status", "status": 503}, times=10)
    usage = usage_of(ask(gateway, name="claude-or-gpt", max_tokens=10), False)
    assert settled(gateway)["used"] == pytest.approx(usage["total_tokens"] * 100 / 1e6, abs=1e-9)


def test_the_refusal_is_openais_and_tells_the_true_time(start):
    gateway = start("single", change=with_budgets(budget(unit="requests", limit=1, window="minute"))).ready()
    if time.time() % 60 > 50:
        time.sleep(11)
    first = ask(gateway)
    assert first.headers["x-ratelimit-limit-requests"] == "1" and first.headers["x-ratelimit-remaining-requests"] == "0"
    answer = ask(gateway)
    assert answer.status == 429
    assert answer.error["type"] == "requests" and answer.error["code"] == "rate_limit_exceeded" and answer.error["param"] is None
    wait = int(answer.headers["retry-after-ms"]) / 1000
    assert abs((time.time() + wait) % 60) < 2 or (time.time() + wait) % 60 > 58
    assert int(answer.headers["retry-after"]) == -(-int(answer.headers["retry-after-ms"]) // 1000)


def test_a_request_at_a_time(start, simulator):
    gateway = start("single", change=with_budgets(budget(unit="concurrent", limit=1)), workers=WORKERS).ready()
    simulator.fault("azure", {"kind": "chunks", "count": 60, "word": "house"}, {"kind": "slow", "delay_ms": 10})
    thread = threading.Thread(target=ask, args=(gateway,), kwargs={"stream": True})
    thread.start()
    time.sleep(0.3)
    assert ask(gateway).status == 429
    thread.join()
    assert ask(gateway).status == 200


def test_keys_have_their_own_limits_and_nobody_goes_uncounted(start):
    rules = [budget(unit="requests", limit=2, per=["team"], limits={"red": 3}), budget("tenant", "requests", 2, per=["header:x-tenant"])]
    gateway = start("single", change=with_budgets(*rules[:1])).ready()
    assert [ask(gateway, key="sk-demo").status for _ in range(4)] == [200, 200, 200, 429]
    assert [ask(gateway, key="sk-two").status for _ in range(3)] == [200, 200, 429]
    gateway = start("single", change=with_budgets(rules[1])).ready()
    # Without the header they share a bucket: a missing identity is not a free one.
    assert [ask(gateway).status for _ in range(3)] == [200, 200, 429]


def test_a_shadow_refuses_nothing_and_says_what_it_would(start):
    gateway = start("single", change=with_budgets(budget(unit="requests", limit=1, mode="shadow"))).ready()
    assert ask(gateway).status == 200
    answer = ask(gateway)
    assert answer.status == 200 and answer.headers["x-tollgate-budget"] == "b; shadow-refused"


def test_thresholds_warn_then_change_the_model(start):
    rule = budget(unit="requests", limit=4, thresholds=[{"at": 50, "warn": True}, {"at": 75, "model": "nova"}])
    gateway = start("split", change=with_budgets(rule)).ready()
    answers = [ask(gateway, name="claude") for _ in range(5)]
    assert [each.status for each in answers] == [200, 200, 200, 200, 429]
    assert ["x-tollgate-budget" in each.headers for each in answers[:2]] == [False, True]
    assert [each.json["model"] for each in answers[:4]] == ["claude", "claude", "nova", "nova"]


def test_an_answer_is_made_shorter_where_the_policy_says_so(start, simulator):
    gateway = start("split", change=with_budgets(budget(limit=400), completion={"shorten_to_tokens": 16})).ready()
    answer = ask(gateway, max_tokens=100_000)
    assert answer.status == 200
    [request] = simulator.requests("azure")
    assert 16 <= request.body.get("max_tokens", request.body.get("max_completion_tokens")) < 400
    assert settled(gateway)["used"] <= 400


def test_an_empty_prompt_is_counted(start):
    gateway = start("single", change=with_budgets(budget(limit=10_000))).ready()
    assert ask(gateway, "", max_tokens=5).status in (200, 400)
    settled(gateway)


def test_chinese_and_emoji_cut_anywhere_are_counted(start):
    """The Kuadrant shim drops a chunk that is split inside a character, and with it the usage."""
    gateway = start("split", change=with_budgets(budget(limit=100_000))).ready()
    usage = usage_of(ask(gateway, "你好,世界🚀" * 50, stream=True, max_tokens=500), True)
    assert settled(gateway)["used"] == usage["total_tokens"]


def test_a_reload_under_load_keeps_what_was_used(start, directory):
    from test_policy import Listener

    listeners = []
    change = with_budgets(budget(unit="requests", limit=1_000_000))
    gateway = start("single", change=change, edit=lambda config: listeners.append(Listener(config, directory / "budgets.json")), workers=WORKERS).ready()
    stop, passed = threading.Event(), []

    def load():
        while not stop.is_set():
            passed.append(ask(gateway).status)

    threads = [threading.Thread(target=load) for _ in range(8)]
    [thread.start() for thread in threads]
    for limit in (2_000_000, 3_000_000):
        time.sleep(0.5)
        rule = budget(unit="requests", limit=limit)
        listeners[0].update(gateway.policy | {"budgets": [rule]})
    time.sleep(0.7)
    stop.set()
    [thread.join() for thread in threads]
    assert set(passed) == {200}
    bucket = settled(gateway)
    assert bucket["used"] == len(passed) and bucket["limit"] == 3_000_000


def test_new_vms_take_over_under_load_and_nothing_is_lost_or_held(start, directory):
    """A VM that is made anew has another memory; what was used and what is held is not in it."""
    from test_policy import Listener

    listeners = []
    change = with_budgets(budget(unit="requests", limit=1_000_000))
    gateway = start("single", change=change, edit=lambda config: listeners.append(Listener(config, directory / "budgets.json")), workers=WORKERS).ready()
    stop, passed = threading.Event(), []

    def load():
        while not stop.is_set():
            passed.append(ask(gateway).status)

    threads = [threading.Thread(target=load) for _ in range(8)]
    [thread.start() for thread in threads]
    def made():
        return int(gateway.admin("/stats?filter=wasm.envoy.wasm.runtime.v8.created").split()[-1])

    before = made()
    for name in ("first", "second"):
        time.sleep(1)
        listeners[0].update(gateway.policy, vm=name)
    time.sleep(1.5)
    assert made() > before
    stop.set()
    [thread.join() for thread in threads]
    assert set(passed) == {200}
    bucket = settled(gateway)
    assert bucket["used"] == len(passed)


def test_only_whom_the_policy_names_sees_the_state(start):
    gateway = start("single", change=with_budgets(budget())).ready()
    assert gateway.send("GET", STATUS).status == 404
    assert gateway.send("GET", STATUS, headers={"authorization": "Bearer sk-admin"}).status == 200
    assert model(gateway.policy, "gpt") and run.DEMO_KEY == KEYS[0]


NUMBER = "536-22-1234"


@pytest.mark.parametrize("placement", ["single", "split"])
def test_what_redaction_refuses_is_charged_by_what_it_cost(start, placement):
    rules = [{"models": ["nova"], "entities": {"us_ssn": "block"}, "directions": ["request"]}, {"entities": {"us_ssn": "block"}, "directions": ["answer"]}]
    gateway = start(placement, change=with_budgets(budget(limit=100_000), redaction=rules)).ready()
    blocked = ask(gateway, NUMBER, name="nova", max_tokens=50)
    assert (blocked.status, blocked.error["code"]) == (400, "content_blocked")
    # It never left: its hold is given back, and nothing is charged.
    assert settled(gateway)["used"] == 0
    # The simulator repeats what it was told. This was answered, so it is paid for; of a stream what came.
    for stream in [False, True]:
        before = settled(gateway)["used"]
        blocked = ask(gateway, f"{NUMBER} it is", stream=stream, max_tokens=50)
        assert "content_blocked" in blocked.text and NUMBER not in blocked.text
        assert settled(gateway)["used"] > before


@pytest.mark.parametrize("placement", ["single", "split"])
def test_the_agents_api_is_counted_by_requests_and_refused_by_budgets_of_tokens(start, simulator, placement):
    def change(policy):
        add_mantle(policy, simulator)
        policy["models"].append({"name": "gpt-agent", "targets": [{"provider": "mantle", "model": "openai.gpt-5.6-luna"}]})
        policy["agents"] = [{"provider": "mantle", "consumers": ["*"]}]
        tokens = budget("tokens", limit=1000, match={"consumer": "two"})
        return with_budgets(budget("count", "requests", 2), tokens)(policy)

    gateway = start(placement, change=change).ready()

    def sessions(key):
        return gateway.send("GET", "/v1/agents/sessions", headers={"authorization": f"Bearer {key}"})

    refused = sessions("sk-two")
    assert (refused.status, refused.error["code"]) == (400, "budget_unsupported")
    assert simulator.requests() == []
    first, second, third = [sessions("sk-demo") for _ in range(3)]
    assert (first.status, second.status, third.status) == (200, 200, 429)
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert settled(gateway, "count")["used"] == 2


def metrics(gateway, wanted, seconds=8):
    """What Envoy shows of the budgets, once `wanted` is part of it: the filter writes once a second."""
    deadline = time.monotonic() + seconds
    while True:
        lines = [line.split(": ") for line in gateway.admin("/stats?filter=tollgate_budget").splitlines()]
        found = {name.split("tollgate_budget_")[1]: int(value) for name, value in lines}
        if wanted.items() <= found.items():
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


@pytest.mark.parametrize("placement", ["single", "split"])
def test_budgets_are_among_envoys_metrics_and_their_number_is_the_policys(start, placement):
    rules = [budget(limit=1000), budget("money", "usd", 5, "day", per=["consumer"]), budget("count", "requests", 3, "day", per=["header:x-tenant"])]
    gateway = start(placement, change=with_budgets(*rules), workers=WORKERS).ready()
    # They are there before the first request.
    before = metrics(gateway, {"limit.budget.b.unit.tokens": 1000, "used.budget.b.unit.tokens": 0, "refused.budget.b": 0})
    usages = [usage_of(ask(gateway, max_tokens=20), False) for _ in range(3)]
    assert ask(gateway).status == 429
    for tenant in range(40):
        headers = {"authorization": "Bearer sk-demo", "x-tenant": str(tenant)}
        assert gateway.chat("gpt", "hello", headers, max_tokens=2000).status == 429
    spent = sum(usage["total_tokens"] for usage in usages)
    wanted = {"settled.budget.b.unit.tokens": spent, "used.budget.b.unit.tokens": spent, "held.budget.b.unit.tokens": 0, "settled.budget.count.unit.requests": 3}
    found = metrics(gateway, wanted | {"refused.budget.b": 40, "refused.budget.count": 1, "prompts.budget.b": 3})
    money = found["settled.budget.money.unit.nanodollars"]
    assert money == round(state(gateway)["money"]["consumer=demo"]["used"] * 1e9) > 0
    assert "tollgate_shared_contention" in gateway.admin("/stats")
    assert found["estimate_error_tokens.budget.b"] <= 3 * 20 and found["overrun_tokens.budget.b"] == 0
    # Forty keys have added nothing.
    assert {name.split(".")[0] for name in found} == {name.split(".")[0] for name in before}
    assert len(found) == len(before) == 3 * 9

