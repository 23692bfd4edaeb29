"""Gangs are bound together or not at all."""

from hypothesis import given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from scheduler.gangs import LEAST_LABEL, NAME_LABEL, NAME_LABEL_OF_OBJECTS, WAIT_NS, gang_of
from scheduler.leader import GANG_INCOMPLETE, GANG_TIMEOUT, SchedulerCore
from tests.scheduler.scheduler_fake_api import FakeApi
from tests.scheduler.scheduler_objects import node, pod


def member(name: str, least: int, cpu: str = "1", gang: str = "g") -> JsonObject:
    item = pod(name, cpu=cpu)
    item["metadata"]["labels"] = {NAME_LABEL: gang, LEAST_LABEL: str(least)}
    return item


def cluster(nodes: int, cpu: str = "1") -> FakeApi:
    api = FakeApi(SchedulerCore(1))
    for number in range(nodes):
        api.put_node(node(f"n{number}", cpu=cpu))
    api.sync()
    api.run()
    return api


def bound(api: FakeApi) -> list[str]:
    return sorted(name for name in api.pods if api.node_of(name))


def test_too_few_pods_are_not_tried() -> None:
    api = cluster(3)
    for name in ("a", "b"):
        api.put_pod(member(name, 3))
    api.run()
    assert bound(api) == []
    assert ("FailedScheduling", "pod group g has 2 of at least 3 pods") in api.events
    api.put_pod(member("c", 3))
    api.run()
    # The first two come out of their back-off.
    api.now_ns += 2_000_000_000
    api.run()
    assert bound(api) == ["a", "b", "c"]


def test_all_together_when_there_is_room() -> None:
    api = cluster(3)
    for name in ("a", "b", "c"):
        api.put_pod(member(name, 3))
    api.step()
    # One step decides all three, and their bindings leave together.
    assert [r.subresource for r in api.requests] == ["binding"] * 3
    api.run()
    assert bound(api) == ["a", "b", "c"]


def test_without_room_for_all_none_is_bound_and_others_get_the_room() -> None:
    api = cluster(2)
    for name in ("a", "b", "c"):
        api.put_pod(member(name, 3))
    api.run()
    assert bound(api) == []
    assert ("FailedScheduling", GANG_INCOMPLETE) in api.events
    api.put_pod(pod("lone", cpu="1"))
    api.run()
    assert bound(api) == ["lone"]
    api.core.check()


def test_who_waits_too_long_gives_the_node_back() -> None:
    api = cluster(3)
    for name in ("a", "b", "c"):
        item = member(name, 3)
        if name == "c":
            item["spec"]["schedulingGates"] = [{"name": "later"}]
        api.put_pod(item)
    api.run()
    assert bound(api) == [] and api.core.table.pods.sum() == 2
    assert api.core.next_wakeup_ns() == api.now_ns + WAIT_NS
    api.now_ns += WAIT_NS
    api.run()
    assert api.core.table.pods.sum() == 0
    assert ("FailedScheduling", GANG_TIMEOUT) in api.events
    api.put_pod(member("c", 3))
    api.now_ns += 10_000_000_000
    api.run()
    assert bound(api) == ["a", "b", "c"]


def test_a_member_that_is_deleted_while_it_waits_frees_its_node() -> None:
    api = cluster(3)
    for name in ("a", "b"):
        api.put_pod(member(name, 3))
    gated = member("c", 3)
    gated["spec"]["schedulingGates"] = [{"name": "later"}]
    api.put_pod(gated)
    api.run()
    assert api.core.table.pods.sum() == 2
    api.delete_pod("a")
    api.run()
    assert api.core.table.pods.sum() == 1
    api.core.check()


def test_members_bound_earlier_count() -> None:
    api = cluster(4)
    for name in ("a", "b"):
        api.put_pod(member(name, 2))
    api.run()
    assert bound(api) == ["a", "b"]
    api.put_pod(member("c", 2))
    api.run()
    assert bound(api) == ["a", "b", "c"]


def test_labels_that_make_a_gang() -> None:
    assert gang_of("d", {NAME_LABEL_OF_OBJECTS: "g", LEAST_LABEL: "2"}) == ("d", "g", 2)
    for labels in ({NAME_LABEL: "g"}, {NAME_LABEL: "g", LEAST_LABEL: "1"}, {LEAST_LABEL: "2"},
                   {NAME_LABEL: "g", LEAST_LABEL: "many"}):  # fmt: skip
        assert gang_of("d", labels) is None


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_gang_is_ever_bound_in_part(data: st.DataObject) -> None:
    """Gangs of any size come in any order into any room: at the end each has none on nodes, or as
    many as it needs; and who could have all of its room has it."""
    nodes = data.draw(st.integers(1, 6))
    sizes = data.draw(st.lists(st.integers(2, 4), min_size=1, max_size=3))
    members = [
        (f"g{gang}-{n}", size, f"g{gang}") for gang, size in enumerate(sizes) for n in range(size)
    ]
    api = cluster(nodes)
    for name, size, gang in data.draw(st.permutations(members)):
        api.put_pod(member(name, size, gang=gang))
        if data.draw(st.booleans()):
            api.run()
    for _ in range(12):
        api.now_ns += 10_000_000_000
        api.run()
        api.core.check()
    placed = bound(api)
    for number, size in enumerate(sizes):
        assert sum(name.startswith(f"g{number}-") for name in placed) in (0, size)
    if min(sizes) <= nodes:
        assert placed
