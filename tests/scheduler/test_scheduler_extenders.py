"""Extenders as the core sees them: what they are asked, what their answers do, and what happens
when there is none, or a wrong one."""

from collections.abc import Callable
from typing import Any

import pytest

from api.calls import ApiRequest
from api.core import JsonObject
from api.sections import ConfigurationError
from scheduler.binding_cycle import LOOK_AFTER_NS
from scheduler.configuration import configuration_from
from scheduler.extender import AskExtender, ExtenderAnswered
from scheduler.leader import SchedulerCore
from scheduler.queue import BACKOFF_FIRST_NS
from tests.scheduler.scheduler_fake_api import FakeApi
from tests.scheduler.scheduler_objects import node, pod

HEAD = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
GPU = "example.com/gpu"
NODES = ("n0", "n1", "n2", "n3")
Says = Callable[[JsonObject], object]


def entry(**fields: Any) -> JsonObject:
    return {"urlPrefix": "http://127.0.0.1:1/ext/", "nodeCacheCapable": True, **fields}


def cluster(*extenders: JsonObject, **says: Says) -> FakeApi:
    """``says``: what the extenders answer by verb; a text stands for no answer."""
    configuration = configuration_from({**HEAD, "extenders": list(extenders)}, "file.yaml")
    api = FakeApi(SchedulerCore(1, 0, configuration))

    def extender(ask: AskExtender) -> ExtenderAnswered:
        answer = says[ask.verb](ask.body)
        if isinstance(answer, str):
            return ExtenderAnswered(ask.ask, None, answer)
        return ExtenderAnswered(ask.ask, answer)

    api.extender = extender
    for name in NODES:
        api.put_node(node(name, extended={GPU: "4"}))
    api.sync()
    api.run()
    return api


def keep(*names: str, **more: object) -> Says:
    return lambda body: {"NodeNames": [n for n in body["NodeNames"] if n in names], **more}


def messages(api: FakeApi) -> list[str]:
    return [message for reason, message in api.events if reason == "FailedScheduling"]


def reason_of(api: FakeApi, name: str) -> str:
    (condition,) = api.pods[name]["status"]["conditions"]
    reason = condition["reason"]
    assert isinstance(reason, str)
    return reason


def test_it_is_asked_in_kubernetes_words_and_the_one_node_it_leaves_is_taken() -> None:
    api = cluster(entry(filterVerb="filter"), filter=keep("n2"))
    api.put_pod(pod("p"))
    api.run()
    (ask,) = api.asked
    assert (ask.verb, ask.body["Nodes"], ask.body["NodeNames"]) == ("filter", None, list(NODES))
    assert ask.body["Pod"]["metadata"]["name"] == "p"
    assert api.node_of("p") == "n2"


def test_one_that_keeps_no_nodes_of_its_own_is_sent_whole_ones() -> None:
    def says(body: JsonObject) -> object:
        assert body["NodeNames"] is None
        (last,) = [one for one in body["Nodes"]["items"] if one["metadata"]["name"] == "n3"]
        assert last["status"]["allocatable"]["cpu"] == "4"
        return {"nodes": {"items": [last]}}

    api = cluster(entry(filterVerb="filter", nodeCacheCapable=False), filter=says)
    api.put_pod(pod("p"))
    api.run()
    assert api.node_of("p") == "n3"


def test_points_are_weighed_and_added_to_those_of_the_plugins() -> None:
    def says(body: JsonObject) -> object:
        return [{"Host": name, "Score": 3 if name == "n1" else 1} for name in body["NodeNames"]]

    for weight, expected in ((1, "n0"), (2, "n1")):
        api = cluster(entry(prioritizeVerb="prioritize", weight=weight), prioritize=says)
        # n0 is better by 33 points of ImageLocality's 100: more than 2 x 10, less than 2 x 2 x 10.
        size = 23 * 1024 * 1024 + (1000 - 23) * 1024 * 1024 * 33 // 100
        image = {"names": ["app:1"], "sizeBytes": size * len(NODES)}
        api.put_node(node("n0", images=[image]))
        api.put_pod(pod("p"))
        api.run()
        assert api.node_of("p") == expected


def test_several_ask_one_after_the_other_about_what_is_left() -> None:
    first = entry(filterVerb="filter")
    second = entry(filterVerb="filter", urlPrefix="https://127.0.0.1:2")
    answers = iter([("n1", "n2"), ("n2",)])
    api = cluster(first, second, filter=lambda _: {"NodeNames": list(next(answers))})
    api.put_pod(pod("p"))
    api.run()
    asked = [(ask.extender, ask.body["NodeNames"]) for ask in api.asked]
    assert asked == [(0, list(NODES)), (1, ["n1", "n2"])]
    assert api.node_of("p") == "n2"


def test_what_it_refuses_is_in_the_message() -> None:
    says = keep(FailedNodes={"n0": "no licence", "n1": "no licence"})
    api = cluster(entry(filterVerb="filter"), filter=says)
    api.put_pod(pod("p"))
    api.run()
    assert reason_of(api, "p") == "Unschedulable"
    start = "0/4 nodes are available: 2 no licence, 2 node(s) were left out by an extender."
    assert messages(api)[0].startswith(start)
    assert api.core.queue.lengths()["unschedulable"] == 1


@pytest.mark.parametrize("field", ["FailedNodes", "FailedAndUnresolvableNodes"])
def test_preemption_is_tried_where_the_extender_leaves_hope(field: str) -> None:
    api = cluster(entry(filterVerb="filter"), filter=keep(**{field: dict.fromkeys(NODES, "full")}))
    api.put_pod(pod("low", nodeName="n1"))
    high = pod("high")
    high["spec"]["priority"] = 10
    api.put_pod(high)
    api.run()
    # No victim would change the extender's mind, so there is none either way.
    (message,) = messages(api)
    hopeless = "4 Preemption is not helpful for scheduling" in message
    assert hopeless is (field == "FailedAndUnresolvableNodes")
    assert len(api.pods) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("no answer to filter in 5 s", "no answer to filter in 5 s"),
        ({"Error": "on strike"}, "on strike"),
        ({"NodeNames": ["elsewhere"]}, "claims a filtered node 'elsewhere' that it was not asked"),
        ({"NodeNames": [7]}, "claims a filtered node 7"),
        ({"NodeNames": {"n1": 1}}, "where a list belongs"),
        ({"Nodes": [1]}, "where an object belongs"),
        ([], "where an object belongs"),
        (None, "answers None where an object belongs"),
        ({"NodeNames": ["n1"], "FailedNodes": 3}, "answers 3 where an object belongs"),
    ],
)
@pytest.mark.parametrize("ignorable", [False, True])
def test_one_that_hangs_or_lies(answer: Any, words: str, ignorable: bool) -> None:
    one = entry(filterVerb="filter", managedResources=[{"name": GPU}], ignorable=ignorable)
    api = cluster(one, filter=lambda _: answer)
    api.put_pod(pod("p", extended={GPU: "1"}))
    api.put_pod(pod("q"))
    api.run()
    assert api.node_of("q") != ""
    if ignorable:
        assert api.node_of("p") != "" and messages(api) == []
        return
    assert api.node_of("p") == "" and reason_of(api, "p") == "SchedulerError"
    (message,) = messages(api)
    assert message.startswith("extender http://127.0.0.1:1/ext: ") and words in message
    # It is asked again, and when it behaves the pod goes.
    says = keep("n3")
    api.extender = lambda ask: ExtenderAnswered(ask.ask, says(ask.body))
    api.now_ns += BACKOFF_FIRST_NS
    api.run()
    assert api.node_of("p") == "n3"


@pytest.mark.parametrize(
    "answer", ["no answer", {"n1": 1}, [{"Host": "n1", "Score": "best"}], [{"Score": 1 << 80}], 7]
)
def test_points_that_are_none_do_not_count(answer: Any) -> None:
    one = entry(prioritizeVerb="p", weight=5)
    api = cluster(one, prioritize=lambda _: answer)
    api.put_pod(pod("p"))
    api.run()
    assert api.node_of("p") != "" and messages(api) == []


def test_others_are_scheduled_meanwhile_and_its_answer_meets_the_cluster_as_it_is_then() -> None:
    one = entry(filterVerb="filter", managedResources=[{"name": GPU}])
    api = cluster(one, filter=keep(*NODES))
    api.extender = None
    for name in ("p1", "p2"):
        api.put_pod(pod(name, "3", extended={GPU: "1"}))
    api.run()
    for number in range(3):
        api.put_pod(pod(f"q{number}", "3"))
    api.run()
    assert all(api.node_of(f"q{number}") for number in range(3))
    # One at a time is talked about.
    assert len(api.asked) == 1
    (left,) = [name for name in NODES if name not in [api.node_of(q) for q in ("q0", "q1", "q2")]]
    api.extender = lambda ask: ExtenderAnswered(ask.ask, keep(*NODES)(ask.body))
    api.inbox.append(ExtenderAnswered(api.asked[0].ask, {"NodeNames": list(NODES)}))
    api.run()
    assert api.node_of("p1") == left
    assert api.node_of("p2") == "" and "4 Insufficient cpu" in messages(api)[0]
    api.core.check()


def test_a_pod_that_goes_while_it_is_talked_about_is_forgotten() -> None:
    api = cluster(entry(filterVerb="filter"), filter=keep("n1"))
    api.extender = None
    api.put_pod(pod("p"))
    api.run()
    api.delete_pod("p")
    api.put_pod(pod("q"))
    api.run()
    api.extender = lambda ask: ExtenderAnswered(ask.ask, keep("n1")(ask.body))
    api.inbox.append(ExtenderAnswered(api.asked[0].ask, {"NodeNames": ["n1"]}))
    api.run()
    assert api.node_of("q") == "n1" and "p" not in api.pods


def test_resources_that_it_counts_are_not_counted_twice() -> None:
    managed = [{"name": GPU, "ignoredByScheduler": True}]
    api = cluster(entry(filterVerb="filter", managedResources=managed), filter=keep("n1"))
    api.put_pod(pod("p", extended={GPU: "100"}))
    api.run()
    assert api.node_of("p") == "n1"


def binding_cluster(answer: object, ignorable: bool = False) -> FakeApi:
    api = cluster(entry(bindVerb="bind", ignorable=ignorable), bind=lambda _: answer)
    api.put_pod(pod("p"))
    api.step()
    return api


def bindings(api: FakeApi) -> list[ApiRequest]:
    return [request for request in api.requests if request.subresource == "binding"]


def test_one_that_binds_does_it_instead_of_the_scheduler() -> None:
    api = binding_cluster({"Error": ""})
    (ask,) = api.asked
    assert ask.body["PodNamespace"] == "default" and ask.body["Node"] in NODES
    assert (ask.body["PodName"], ask.body["PodUID"]) == ("p", "uid-p")
    assert bindings(api) == []
    api.run()
    assert [reason for reason, _ in api.events] == ["Scheduled"]


def test_one_that_could_not_bind_is_asked_again_later() -> None:
    api = binding_cluster({"Error": "not today"})
    api.run()
    assert messages(api) == ["extender http://127.0.0.1:1/ext: not today"]
    assert api.core.queue.lengths()["backing off"] == 1
    assert api.core.table.pods.sum() == 0
    api.now_ns += BACKOFF_FIRST_NS
    api.step()
    assert len(api.asked) == 2


def test_when_nobody_knows_whether_it_bound_the_pod_is_looked_up() -> None:
    api = binding_cluster("no answer to bind in 5 s")
    api.run()
    assert api.node_of("p") == "" and api.core.table.pods.sum() == 1
    api.pods["p"]["spec"]["nodeName"] = "n3"
    api.now_ns += LOOK_AFTER_NS
    api.run()
    assert list(api.core.table.pods_on("n3")) == ["default/p"]
    assert api.core.table.pods.sum() == 1


def test_where_it_may_be_ignored_the_scheduler_binds() -> None:
    api = binding_cluster("no answer to bind in 5 s", ignorable=True)
    api.run()
    assert api.node_of("p") in NODES


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"preemptVerb": 1}, "extenders[0].preemptVerb: must be a text"),
        ({"prioritizeVerb": "p"}, "extenders[0].weight: must be positive"),
        ({"managedResources": [{"name": "cpu"}]}, "must be an extended resource"),
        ({"tlsConfig": {"caData": "!"}}, "extenders[0].tlsConfig.caData: must be PEM text"),
        ({"httpTimeout": "soon"}, "extenders[0].httpTimeout: 'soon' is not a duration"),
        ({"filterverb": "f"}, "unknown key; did you mean 'filterVerb'?"),
    ],
)
def test_a_wrong_entry_is_one_clear_error(fields: JsonObject, words: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        configuration_from({**HEAD, "extenders": [entry(**fields)]}, "file.yaml")
    assert words in str(error.value)


def test_only_one_can_bind() -> None:
    both = [entry(bindVerb="b"), entry(bindVerb="b")]
    with pytest.raises(ConfigurationError, match="only one extender can bind"):
        configuration_from({**HEAD, "extenders": both}, "file.yaml")


def nominated(name: str, to: str) -> JsonObject:
    made = pod(name)
    made["status"]["nominatedNodeName"] = to
    return made


def test_the_node_kept_for_a_pod_is_tried_first_and_no_other_if_the_extender_leaves_it() -> None:
    both = entry(filterVerb="filter", prioritizeVerb="prioritize", weight=1)
    api = cluster(both, filter=keep("n1", "n2", "n3"))
    api.put_pod(nominated("p", "n3"))
    api.run()
    assert [(ask.verb, ask.body["NodeNames"]) for ask in api.asked] == [("filter", ["n3"])]
    assert api.node_of("p") == "n3"


@pytest.mark.parametrize(
    ("says", "chosen"),
    [(keep("n1"), "n1"), (lambda body: {"Error": "no"}, ""), (lambda body: "late", "")],
)
def test_if_the_kept_node_is_refused_or_the_extender_fails_all_are_tried(
    says: Says, chosen: str
) -> None:
    """An extender that fails about all nodes, too, leaves the pod waiting."""
    api = cluster(entry(filterVerb="filter"), filter=says)
    api.put_pod(nominated("p", "n3"))
    api.run()
    assert [ask.body["NodeNames"] for ask in api.asked][:2] == [["n3"], list(NODES)]
    assert api.node_of("p") == chosen


def test_a_kept_node_that_is_full_by_now_is_not_asked_about() -> None:
    api = cluster(entry(filterVerb="filter"), filter=keep(*NODES))
    api.put_pod(pod("big", "4", nodeName="n3"))
    api.put_pod(nominated("p", "n3"))
    api.run()
    assert [ask.body["NodeNames"] for ask in api.asked] == [["n0", "n1", "n2"]]
