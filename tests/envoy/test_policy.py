"""A bad policy is refused whole, with every error named, and what works goes on working."""

import json
import os
import time

import pytest

BAD = {
    "version": 1,
    "consumers": [{"name": "demo", "api_key_sha256": ["abc"]}],
    "providers": [{"name": "bedrock", "kind": "bedrok", "region": "us-east-1"}],
    "models": [{"name": "claude", "targets": [{"provider": "nowhere", "model": "x"}]}],
    "parametres": {},
}
PLACES = ["consumers[0].api_key_sha256[0]", "providers[0].kind", "models[0].targets[0].provider", "parametres"]


@pytest.mark.parametrize("name", ["single", "split"])
def test_envoy_does_not_start_and_says_why(start, name):
    gateway = start(name, change=lambda _: BAD)
    gateway.process.child.wait(timeout=20)
    said = gateway.process.last_words()
    assert [place for place in PLACES if place not in said] == []


class Listener:
    """A gateway's listener, taken out of its config and put into a file that Envoy watches."""

    def __init__(self, config, path):
        self.path = path
        [self.resource] = config["static_resources"].pop("listeners")
        config["dynamic_resources"] = {"lds_config": {"path_config_source": {"path": str(path)}}}
        config["node"] = {"id": "test", "cluster": "test"}
        self.update(None)

    def update(self, policy, vm=None):
        """Another policy, if there is one; a VM of another name is made anew."""
        resource = json.loads(json.dumps(self.resource))
        filters = resource["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
        if policy:
            filters[0]["typed_config"]["config"]["configuration"]["value"] = policy
        if vm:
            filters[0]["typed_config"]["config"]["vm_config"]["configuration"] = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": vm}
        resource = {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", **resource}
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"resources": [resource]}))
        os.replace(new, self.path)  # Envoy watches for moves.


def wait_until(what, seconds=20):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_a_bad_update_leaves_the_old_policy_serving(start, directory):
    listeners = []
    gateway = start("single", edit=lambda config: listeners.append(Listener(config, directory / "listener.json"))).ready()
    [listener] = listeners

    def updates(result):
        return int(gateway.admin(f"/stats?filter=listener_manager.lds.update_{result}").split()[-1])

    assert gateway.chat("claude").status == 200
    listener.update(BAD)
    wait_until(lambda: updates("rejected") == 1)
    assert "providers[0].kind" in gateway.log
    assert gateway.chat("claude").status == 200
    listener.update(gateway.policy | {"models": [each | {"name": f"new-{each['name']}"} for each in gateway.policy["models"]]})
    wait_until(lambda: gateway.chat("new-claude").status == 200)
    assert gateway.chat("claude").status == 404
