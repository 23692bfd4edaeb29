"""What extenders have to say about preemption: who is asked, what is shown to it, what its answer
changes, and what a wrong one does."""

from collections.abc import Callable
from typing import Any

import pytest

from api.core import JsonObject
from scheduler.configuration import configuration_from
from scheduler.extender import AskExtender, ExtenderAnswered
from scheduler.leader import SchedulerCore
from scheduler.queue import BACKOFF_MAX_NS, FLUSH_AFTER_NS
from tests.scheduler.scheduler_fake_api import FakeApi
from tests.scheduler.scheduler_objects import node, pod

HEAD = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
GPU = "example.com/gpu"
SENTENCE = "0/3 nodes are available: 3 Insufficient cpu."
Says = Callable[[AskExtender], object]


def entry(**fields: Any) -> JsonObject:
    return {
        "urlPrefix": "http://127.0.0.1:1/ext",
        "preemptVerb": "preempt",
        "nodeCacheCapable": True,
        **fields,
    }


def cluster(says: Says | None, *extenders: JsonObject) -> FakeApi:
    """Three full nodes; without a word of the extenders the victim is ``low0`` on ``n0``. A text
    stands for no answer, ``says`` of None for one that is still to come."""
    configuration = configuration_from({**HEAD, "extenders": list(extenders)}, "file.yaml")
    api = FakeApi(SchedulerCore(1, 0, configuration))
    if says is not None:
        api.extender = lambda ask: answered(ask, says(ask))
    for number in range(3):
        api.put_node(node(f"n{number}"))
        api.put_pod(important(f"low{number}", number, nodeName=f"n{number}"))
    api.sync()
    api.run()
    return api


def answered(ask: AskExtender, answer: object) -> ExtenderAnswered:
    if isinstance(answer, str):
        return ExtenderAnswered(ask.ask, None, answer)
    return ExtenderAnswered(ask.ask, answer)


def important(name: str, priority: int, cpu: str = "3", **spec: Any) -> JsonObject:
    return pod(name, cpu, priority=priority, **spec)


def victims(*names: str, violations: int = 0) -> JsonObject:
    return {"Pods": [{"UID": f"uid-{name}"} for name in names], "NumPDBViolations": violations}


def leaving(**by_node: JsonObject) -> JsonObject:
    return {"NodeNameToMetaVictims": by_node}


def gone(api: FakeApi) -> list[str]:
    return [request.name for request in api.written if request.verb == "delete"]


def settle(api: FakeApi) -> None:
    """Run, and once more after every back-off."""
    api.run()
    api.now_ns += BACKOFF_MAX_NS
    api.run()


def message(api: FakeApi) -> str:
    (found,) = [text for reason, text in api.events if reason == "FailedScheduling"]
    return found


def test_it_is_asked_in_kubernetes_words_and_what_it_names_is_done() -> None:
    api = cluster(lambda _: leaving(n2=victims("low2")), entry())
    api.put_pod(important("high", 10))
    settle(api)
    (ask,) = api.asked
    assert ask.verb == "preempt"
    assert set(ask.body) == {"Pod", "NodeNameToVictims", "NodeNameToMetaVictims"}
    assert ask.body["Pod"]["metadata"]["name"] == "high"
    assert ask.body["NodeNameToVictims"] is None
    shown = {f"n{number}": victims(f"low{number}") for number in range(3)}
    assert ask.body["NodeNameToMetaVictims"] == shown
    assert gone(api) == ["low2"] and api.node_of("high") == "n2"
    assert message(api) == SENTENCE


def test_one_that_keeps_no_nodes_of_its_own_is_shown_whole_pods_and_answers_by_uid() -> None:
    def says(ask: AskExtender) -> object:
        assert ask.body["NodeNameToMetaVictims"] is None
        (only,) = ask.body["NodeNameToVictims"]["n1"]["Pods"]
        assert only["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "3"
        assert only["spec"]["nodeName"] == "n1" and only["spec"]["priority"] == 1
        # The watch has not said yet that this one is bound.
        (late,) = ask.body["NodeNameToVictims"]["n3"]["Pods"]
        assert (late["metadata"]["name"], late["spec"]["nodeName"]) == ("low3", "n3")
        return leaving(n1={"Pods": [{"UID": only["metadata"]["uid"]}]})

    api = cluster(says, entry(nodeCacheCapable=False))
    api.silent = True
    api.put_node(node("n3"))
    api.put_pod(important("low3", 3))
    api.run()
    assert api.node_of("low3") == "n3"
    api.silent = False
    api.put_pod(important("high", 10))
    settle(api)
    assert gone(api) == ["low1"] and api.node_of("high") == "n1"


def test_each_is_shown_what_the_ones_before_left_and_only_those_with_a_say_are_asked() -> None:
    answers = {
        0: leaving(n2=victims("low2"), n1=victims("low1")),
        3: leaving(n2=victims("low2"), n1=victims("low1", violations=1)),
    }
    api = cluster(
        lambda ask: answers[ask.extender],
        entry(),
        entry(managedResources=[{"name": GPU}]),
        entry(preemptVerb="", bindVerb=""),
        entry(urlPrefix="http://127.0.0.1:2"),
    )
    api.put_pod(important("high", 10))
    api.run()
    assert [ask.extender for ask in api.asked] == [0, 3]
    assert list(api.asked[1].body["NodeNameToMetaVictims"]) in (["n1", "n2"], ["n2", "n1"])
    # Violations of budgets are the first criterion, also when an extender counts them.
    assert gone(api) == ["low2"]


def test_pods_that_concern_none_are_not_held_up() -> None:
    api = cluster(None, entry(managedResources=[{"name": GPU}]))
    api.put_node(node("n3", extended={GPU: "1"}))
    api.put_pod(important("low3", 1, nodeName="n3"))
    api.put_pod(important("waits", 10, extended={GPU: "1"}))
    api.put_pod(important("goes", 10))
    settle(api)
    assert len(api.asked) == 1 and api.node_of("waits") == ""
    assert gone(api) == ["low0"] and api.node_of("goes") == "n0"


def test_it_may_name_other_pods_and_the_first_one_counts_as_the_most_important() -> None:
    def says(_: AskExtender) -> object:
        return leaving(n3=victims("small", "vip"), n1=victims("low1"))

    api = cluster(says, entry())
    api.put_node(node("n3"))
    for name, priority in (("vip", 90), ("small", 0)):
        api.put_pod(important(name, priority, "1500m", nodeName="n3"))
    api.put_pod(important("high", 10))
    settle(api)
    assert sorted(gone(api)) == ["small", "vip"] and api.node_of("high") == "n3"


def test_between_equal_nodes_the_later_start_of_the_most_important_decides() -> None:
    def says(_: AskExtender) -> object:
        return leaving(n3=victims("minor3", "major3"), n4=victims("minor4", "major4"))

    api = cluster(says, entry())
    for number, minor, major in ((3, "10:01", "10:03"), (4, "10:02", "10:02")):
        api.put_node(node(f"n{number}"))
        for name, priority, start in (("minor", 0, minor), ("major", 9, major)):
            one = important(f"{name}{number}", priority, "1500m", nodeName=f"n{number}")
            one["status"]["startTime"] = f"2026-01-01T{start}:00Z"
            api.put_pod(one)
    api.put_pod(important("high", 10))
    api.run()
    assert sorted(gone(api)) == ["major3", "minor3"]


def test_where_it_leaves_no_node_nobody_goes() -> None:
    api = cluster(lambda _: {}, entry())
    api.put_pod(important("high", 10))
    api.run()
    why = "no new claims to deallocate, preemption: no candidate node for preemption"
    assert message(api) == f"{SENTENCE} {why}"
    assert gone(api) == [] and api.node_of("high") == ""
    assert api.core.queue.lengths()["unschedulable"] == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("no answer to preempt in 5 s", "no answer to preempt in 5 s"),
        (leaving(elsewhere=victims("low0")), "a node 'elsewhere' that does not exist"),
        (leaving(n0=victims("stranger")), "a victim 'uid-stranger' that is not on node 'n0'"),
        (leaving(n1=victims("low0")), "a victim 'uid-low0' that is not on node 'n1'"),
        (leaving(n0={"Pods": [{"UID": 7}]}), "names a victim 7 that is no uid"),
        (leaving(n0={"Pods": [{}]}), "names a victim None that is no uid"),
        (leaving(n0={"Pods": {"UID": "uid-low0"}}), "where a list belongs"),
        (leaving(n0={"NumPDBViolations": "few"}), "counts 'few' violations of budgets"),
        ({"NodeNameToMetaVictims": ["n0"]}, "where an object belongs"),
        (None, "answers None where an object belongs"),
    ],
)
@pytest.mark.parametrize("ignorable", [False, True])
def test_one_that_hangs_or_lies(answer: Any, words: str, ignorable: bool) -> None:
    api = cluster(lambda _: answer, entry(ignorable=ignorable))
    api.put_pod(important("high", 10))
    api.run()
    if ignorable:
        settle(api)
        assert gone(api) == ["low0"] and api.node_of("high") == "n0"
        return
    assert gone(api) == [] and api.node_of("high") == ""
    assert message(api).startswith(f"{SENTENCE} preemption: extender http://127.0.0.1:1/ext: ")
    assert words in message(api)
    # As for all that fit nowhere its time comes again, and when the extender behaves it goes.
    api.extender = lambda ask: ExtenderAnswered(ask.ask, leaving(n2=victims("low2")))
    api.now_ns += FLUSH_AFTER_NS
    settle(api)
    assert gone(api) == ["low2"] and api.node_of("high") == "n2"


@pytest.mark.parametrize("none", [None, {}, {"Pods": None}, {"Pods": []}])
@pytest.mark.parametrize("ignorable", [False, True])
def test_a_node_without_victims(none: Any, ignorable: bool) -> None:
    says = leaving(n0=none, n2=victims("low2"))
    api = cluster(lambda _: says, entry(ignorable=ignorable))
    api.put_pod(important("high", 10))
    settle(api)
    if ignorable:
        assert gone(api) == ["low2"]
    else:
        assert gone(api) == []
        assert message(api).endswith("/ext: names no victim on node 'n0'")


def test_who_went_meanwhile_is_no_lie() -> None:
    api = cluster(None, entry())
    api.put_pod(important("high", 10))
    api.run()
    (ask,) = api.asked
    api.delete_pod("low1")
    api.delete_node("n2")
    # A pod that takes the place, so that one has to go all the same.
    api.put_pod(important("next1", 50, nodeName="n1"))
    api.inbox.append(answered(ask, leaving(**ask.body["NodeNameToMetaVictims"])))
    settle(api)
    assert gone(api) == ["low0"] and api.node_of("high") == "n0"


def test_when_all_of_them_went_meanwhile_the_pod_is_tried_anew() -> None:
    api = cluster(None, entry())
    api.put_pod(important("high", 10))
    api.run()
    (ask,) = api.asked
    api.delete_pod("low1")
    api.inbox.append(answered(ask, leaving(n1=victims("low1"))))
    settle(api)
    assert gone(api) == [] and api.node_of("high") == "n1"


def test_who_no_longer_leads_sends_nobody_away() -> None:
    api = cluster(None, entry())
    api.put_pod(important("high", 10))
    api.run()
    api.core.leading = False
    api.inbox.append(answered(api.asked[0], leaving(n1=victims("low1"))))
    api.run()
    assert gone(api) == []


def test_a_pod_that_goes_while_its_victims_are_judged_is_forgotten() -> None:
    api = cluster(None, entry())
    api.put_pod(important("high", 10))
    api.run()
    api.delete_pod("high")
    api.extender = lambda ask: ExtenderAnswered(ask.ask, leaving(n1=victims("low1")))
    api.inbox.append(answered(api.asked[0], leaving(n2=victims("low2"))))
    api.put_pod(important("other", 10))
    settle(api)
    assert gone(api) == ["low1"] and api.node_of("other") == "n1"
