"""What a run leaves behind: the collector as it found it, and nothing of its world; and what it
keeps of a version that was replaced."""

import gc
import weakref

import orjson
import pytest

from api.calls import WatchSpec
from sim.checkers.api_watches import is_selected
from sim.checkers.history import History, Object
from sim.options import Options, options_of
from sim.overrides import changed
from sim.run import run_options
from sim.topics import Topics
from sim.world import Makers
from store.core import StoreCore, StoreSettings
from store.messages import OP_PUT
from store.recovery import Recovered, recovered_core

SMALL = ("store_shards=1", "api_servers=1", "partitions=0", "deployments=0", "bare_pods=1")
CALM = ("nodes=1", "hollow_actors=1", "cordons=0", "spare_nodes=0", "schedulers=1", "faults=")


def small_world() -> Options:
    return changed(options_of(1), (*SMALL, *CALM, "fault_seconds=1"))


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_is_left_as_it_was_found(collects: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        assert not run_options(small_world(), "", Makers()).failure
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()


def test_a_world_ends_with_its_run() -> None:
    left: list[weakref.ref[StoreCore]] = []
    rests: list[bool] = []

    def store(settings: StoreSettings, found: Recovered) -> StoreCore:
        core = recovered_core(settings, found)
        left.append(weakref.ref(core))
        rests.append(not gc.isenabled())
        return core

    before = gc.isenabled()
    # Else an automatic collection would come soon after the run, and hide what it left.
    gc.disable()
    try:
        assert not run_options(small_world(), "", Makers(store=store)).failure
        assert [one() for one in left] == [None]
        gc.enable()
        assert not run_options(small_world(), "", Makers(store=store)).failure
    finally:
        (gc.enable if before else gc.disable)()
    assert rests == [True, True]


def version(node: str, label: str) -> bytes:
    meta = {"name": "a", "namespace": "default", "labels": {"app": label}}
    status = {"phase": "Pending"}
    return orjson.dumps({"metadata": meta, "spec": {"nodeName": node}, "status": status})


def test_a_replaced_version_is_selected_as_before() -> None:
    topics = Topics()
    history = History(topics, 1, lambda: 0)
    key = b"/registry/pods/default/a"
    seen: list[Object] = []
    history.changed.append(lambda change: seen.extend([change.new] if change.new else []))
    for index, (node, label) in enumerate((("n1", "x"), ("n2", "y")), start=1):
        op = (OP_PUT, key, b"", version(node, label), 0)
        for persisted in topics.persisted:
            persisted(0, index, [(index, [op])])
        assert seen[-1].json["spec"]["nodeName"] == node
    specs = {
        "node": WatchSpec("w", "pods", "", "", "spec.nodeName=n1"),
        "name": WatchSpec("w", "pods", "", "", "metadata.name=a"),
        "phase": WatchSpec("w", "pods", "", "", "status.phase=Pending"),
        "label": WatchSpec("w", "pods", "", "app=x", ""),
        "namespace": WatchSpec("w", "pods", "default", "", ""),
        "elsewhere": WatchSpec("w", "pods", "other", "", ""),
    }
    old, new = ([name for name in specs if is_selected(specs[name], one)] for one in seen)
    assert old == ["node", "name", "phase", "label", "namespace"]
    assert new == ["name", "phase", "namespace"]
    assert seen[0].json == orjson.loads(version("n1", "x"))
