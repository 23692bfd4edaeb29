"""Claims that wait for a pod: the scheduler chooses their volumes, has them bound, then the pod."""

from collections.abc import Callable

import pytest

from api.calls import DELETED, ObjectsSeen
from api.core import JsonObject
from scheduler.configuration import configuration_from
from scheduler.leader import SchedulerCore
from scheduler.queue import BACKOFF_FIRST_NS
from scheduler.volume_objects import BOUND_ANNOTATION, SELECTED_NODE
from scheduler.volumes import CLAIMS, CLASSES, VOLUMES
from tests.scheduler.scheduler_fake_api import MS, START_NS, FakeApi
from tests.scheduler.scheduler_objects import node, pod

SECOND = 1000 * MS
ERROR = 'running PreBind plugin "VolumeBinding": binding volumes: '


def cluster(provisioner: str = "example.com/disks", timeout_s: int = 600) -> FakeApi:
    arguments = {"name": "VolumeBinding", "args": {"bindTimeoutSeconds": timeout_s}}
    document = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": [{"pluginConfig": [arguments]}],
    }
    api = FakeApi(SchedulerCore(1, 0, configuration_from(document, "file.yaml")))
    for number in range(2):
        api.put_node(node(f"n{number}"))
    storage = {"metadata": {"name": "wait"}, "provisioner": provisioner}
    api.put(CLASSES, storage | {"volumeBindingMode": "WaitForFirstConsumer"})
    api.sync()
    api.run()
    return api


def claim(name: str) -> JsonObject:
    return {
        "metadata": {"namespace": "default", "name": name, "uid": f"uid-{name}"},
        "spec": {
            "storageClassName": "wait",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def volume(name: str, on: str) -> JsonObject:
    there = {"key": "kubernetes.io/hostname", "operator": "In", "values": [on]}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "wait",
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [there]}]}},
        },
        "status": {"phase": "Available"},
    }


def user_of(name: str, *claims: str) -> JsonObject:
    volumes = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    return pod(name, volumes=volumes)


def bind_claim(api: FakeApi, name: str, to: str) -> None:
    """What the controller of volumes does."""
    item = api.others[CLAIMS][name]
    notes = {**item["metadata"].get("annotations", {}), BOUND_ANNOTATION: "yes"}
    meta = {**item["metadata"], "annotations": notes}
    api.put(CLAIMS, {**item, "metadata": meta, "spec": {**item["spec"], "volumeName": to}})


def selected(api: FakeApi, name: str) -> str:
    notes = api.others[CLAIMS][name]["metadata"].get("annotations") or {}
    found = notes.get(SELECTED_NODE, "")
    assert isinstance(found, str)
    return found


def reference_of(api: FakeApi, name: str) -> str:
    found = api.others[VOLUMES][name]["spec"].get("claimRef") or {}
    uid = found.get("uid", "")
    assert isinstance(uid, str)
    return uid


def condition(api: FakeApi, name: str) -> tuple[str, str]:
    (one,) = api.pods[name]["status"]["conditions"]
    return one["reason"], one["message"]


def waiting(timeout_s: int = 600) -> FakeApi:
    """A pod that has a node and waits for a volume to be provisioned there."""
    api = cluster(timeout_s=timeout_s)
    api.put(CLAIMS, claim("c"))
    api.put_pod(user_of("p", "c"))
    api.run()
    assert selected(api, "c") in ("n0", "n1") and api.node_of("p") == ""
    assert api.core.gauges()["volumes_awaited"] == 1
    return api


def test_a_claim_is_provisioned_for_the_node_and_the_pod_bound_when_it_is() -> None:
    api = waiting()
    chosen = selected(api, "c")
    api.put_pod(pod("q"))
    api.run()
    assert api.node_of("q") != "", "others go on meanwhile"
    bind_claim(api, "c", "pvc-1")
    api.run()
    assert api.node_of("p") == chosen
    assert api.core.gauges()["volumes_awaited"] == 0
    catalog = api.core.table.volumes
    assert (catalog.held, catalog.heading) == ({}, {})


def test_two_pods_of_one_claim_go_to_the_node_chosen_first() -> None:
    api = waiting()
    chosen = selected(api, "c")
    api.put_pod(user_of("q", "c"))
    api.run()
    bind_claim(api, "c", "pvc-1")
    api.run()
    assert api.node_of("p") == api.node_of("q") == chosen


def test_volumes_that_exist_are_bound_and_none_is_given_twice() -> None:
    api = cluster("kubernetes.io/no-provisioner")
    for number in range(2):
        api.put(VOLUMES, volume(f"v{number}", on=f"n{number}"))
        api.put(CLAIMS, claim(f"c{number}"))
        api.put_pod(user_of(f"p{number}", f"c{number}"))
    api.put(CLAIMS, claim("c2"))
    api.put_pod(user_of("p2", "c2"))
    api.run()
    taken = [reference_of(api, f"v{number}") for number in range(2)]
    assert len(set(taken)) == 2 and all(taken)
    assert [name for name in api.pods if api.node_of(name)] == []
    for number, uid in enumerate(taken):
        written = api.others[VOLUMES][f"v{number}"]["metadata"]["annotations"]
        assert written == {"pv.kubernetes.io/bound-by-controller": "yes"}
        bind_claim(api, uid.removeprefix("uid-"), f"v{number}")
    api.run()
    homes = {uid: api.node_of(uid.replace("uid-c", "p")) for uid in taken}
    assert homes == {taken[0]: "n0", taken[1]: "n1"}
    (left,) = [name for name in api.pods if not api.node_of(name)]
    assert "didn't find available persistent volumes to bind" in condition(api, left)[1]


def test_a_claim_that_takes_too_long_costs_the_attempt_and_is_awaited_again() -> None:
    api = waiting(timeout_s=5)
    chosen = selected(api, "c")
    begun_ns = api.core.next_wakeup_ns()
    assert begun_ns is not None and 4 * SECOND < begun_ns - START_NS < 6 * SECOND
    api.now_ns += 5 * SECOND
    api.run()
    assert condition(api, "p") == ("SchedulerError", f"{ERROR}context deadline exceeded")
    assert api.events[-1][1] == f"{ERROR}context deadline exceeded"
    api.core.check()
    api.put(VOLUMES, volume("pvc-1", on=chosen))
    bind_claim(api, "c", "pvc-1")
    api.now_ns += BACKOFF_FIRST_NS
    api.run()
    assert api.node_of("p") == selected(api, "c") == chosen


def _refuse_provisioning(api: FakeApi) -> None:
    item = api.others[CLAIMS]["c"]
    api.put(CLAIMS, {**item, "metadata": {**item["metadata"], "annotations": {}}})


def _delete_node(api: FakeApi) -> None:
    api.delete_node(selected(api, "c"))


def _delete_claim(api: FakeApi) -> None:
    gone = api.others[CLAIMS].pop("c")
    api.inbox.append(ObjectsSeen(CLAIMS, [DELETED], [gone], [1]))


def _lose_the_lease(api: FakeApi) -> None:
    api.core.leading = False
    api.put_node(node("n9", unschedulable=True))


@pytest.mark.parametrize(
    ("happen", "words"),
    [
        (_refuse_provisioning, 'provisioning failed for PVC "c"'),
        (_delete_node, "not found"),
        (_delete_claim, 'persistentvolumeclaim "c" not found'),
        (_lose_the_lease, "the scheduler lost its Lease"),
    ],
)
def test_what_cannot_come_is_not_waited_for(happen: Callable[[FakeApi], None], words: str) -> None:
    api = waiting()
    happen(api)
    api.now_ns += MS
    api.step()
    assert api.core.gauges()["volumes_awaited"] == 0
    assert api.core.queue.lengths()["backing off"] == 1
    api.answer_all()
    said = [message for _, message in api.events if message.startswith(ERROR)]
    assert len(said) == 1 and words in said[0]
    assert api.core.table.volumes.heading == {}


def test_a_volume_that_another_took_first_costs_the_attempt() -> None:
    api = cluster("kubernetes.io/no-provisioner")
    api.put(VOLUMES, volume("v", on="n0"))
    api.put(CLAIMS, claim("c"))
    api.put_pod(user_of("p", "c"))
    api.step()
    theirs = {"namespace": "default", "name": "other", "uid": "uid-other"}
    api.others[VOLUMES]["v"]["spec"]["claimRef"] = theirs
    api.answer_all()
    api.step()
    api.answer_all()
    assert condition(api, "p")[1] == f'{ERROR}persistentvolume "v" is bound to another claim'
    assert reference_of(api, "v") == "uid-other"


def test_a_pod_that_goes_while_it_waits_leaves_its_volume_to_others() -> None:
    api = cluster("kubernetes.io/no-provisioner")
    api.put(VOLUMES, volume("v", on="n0"))
    for name in ("c", "d"):
        api.put(CLAIMS, claim(name))
    api.put_pod(user_of("p", "c"))
    api.step()
    (read,) = api.take("get")
    api.delete_pod("p")
    api.step()
    api.reply(read, 200, b"{}")
    api.put_pod(user_of("q", "d"))
    api.run()
    assert reference_of(api, "v") == "uid-d"
    bind_claim(api, "d", "v")
    api.run()
    assert api.node_of("q") == "n0"
