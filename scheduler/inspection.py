"""Why is this pod where it is, or nowhere? A look from outside at the objects of a cluster, with
the scheduler's own plugins.

The answer is that of a scheduler which saw these objects and no others: a pod that is bound already
is taken from its node first. Nothing is written, and nothing of it is kept in the objects.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from api.calls import ADDED
from api.core import JsonObject
from api.quantity import QuantityError
from api.selectors import SelectorError
from scheduler.configuration import Configuration
from scheduler.diagnosis import failure_message
from scheduler.explain import Explanation, explain
from scheduler.explain import Pod as Asker
from scheduler.follower import NODES, PODS, WATCHES
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.placed import Nominee
from scheduler.profile import SCHEDULER_NAME
from scheduler.shapes import Shapes
from scheduler.surroundings import Surroundings

RESOURCES = tuple(dict.fromkeys(watch.resource for watch in WATCHES))
"""What must be listed, pods last: whatever selects them is known by then."""
FINISHED = ("Succeeded", "Failed")


class NodeScore(NamedTuple):
    """One of the best nodes."""

    node: str
    total: int
    by_plugin: tuple[tuple[str, int], ...]
    """(plugin, points times weight), in the order in which they ran."""


class Answer(NamedTuple):
    """What the plugins say of one pod now."""

    node: str
    """Where it is bound; empty: nowhere."""
    nodes: int
    feasible: int
    rejected: tuple[tuple[str, int], ...]
    """(plugin, nodes it refused), in the order in which they ran."""
    reasons: tuple[tuple[str, int], ...]
    """(reason, nodes), most first."""
    best: tuple[NodeScore, ...]
    message: str
    """What an event would say; empty when a node is feasible."""
    not_asked: tuple[str, ...] = ()
    """Extenders with a say in this pod, by URL: what they would refuse or prefer is not known."""


class UnknownPod(LookupError):
    """There is no such pod, or another scheduler decides for it."""


def inspect(
    objects: Iterable[tuple[str, Sequence[JsonObject]]],
    configuration: Configuration,
    pod: str,
    top: int,
) -> Answer:
    """``objects``: (resource, its objects), as RESOURCES orders them. ``pod``: NAMESPACE/NAME.
    Errors: UnknownPod; QuantityError and SelectorError for a pod that cannot be read."""
    profiles = configuration.profiles
    table, shapes = NodeTable(), Shapes(profiles)
    surroundings = Surroundings(table)
    wanted: JsonObject | None = None
    for resource, items in objects:
        for item in items:
            if resource == NODES:
                table.put_node(node_facts(item))
            elif resource != PODS:
                surroundings.see(resource, ADDED, item)
            elif _key(item) == pod:
                wanted = item
            else:
                _place(item, table, shapes)
    if wanted is None:
        raise UnknownPod(f"there is no pod {pod}")
    scheduler = wanted["spec"].get("schedulerName", SCHEDULER_NAME)
    if scheduler not in profiles:
        raise UnknownPod(f"{pod} is left to the scheduler {scheduler!r}")
    shape = shapes.of_pod({**wanted, "spec": _unbound(wanted)})
    asker = Asker(pod, wanted["spec"].get("priority") or 0)
    explanation = explain(shape, table, asker)
    answer = _answer(explanation, table, wanted["spec"].get("nodeName", ""), top)
    interested = [one.url for one in configuration.extenders if one.is_interested(wanted["spec"])]
    return answer._replace(not_asked=tuple(interested))


def _unbound(pod: JsonObject) -> JsonObject:
    """Its spec as it was before it was bound. One that named its node itself looks the same, and
    then every node that is fit is named."""
    return {name: value for name, value in pod["spec"].items() if name != "nodeName"}


def _key(item: JsonObject) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _place(item: JsonObject, table: NodeTable, shapes: Shapes) -> None:
    """Other pods count where they are, or where a node is kept for them."""
    status = item.get("status") or {}
    node = item["spec"].get("nodeName")
    nominated = status.get("nominatedNodeName") or ""
    if status.get("phase") in FINISHED or not (node or nominated):
        return
    try:
        shape = shapes.of_pod(item)
    except (QuantityError, SelectorError):
        return
    priority = item["spec"].get("priority") or 0
    if node:
        table.add_pod(_key(item), node, shape, priority)
    else:
        table.nominations.add(Nominee(_key(item), shape, priority), nominated)


def _answer(explanation: Explanation, table: NodeTable, node: str, top: int) -> Answer:
    refused: Counter[str] = Counter()
    for rejected in explanation.rejected:
        refused[rejected.plugin] += len(rejected.rows)
    if explanation.stopped is not None:
        refused[explanation.stopped.plugin] = explanation.nodes
    best = []
    order = sorted(range(len(explanation.total)), key=lambda at: -explanation.total.item(at))
    for at in order[:top]:
        parts = tuple(
            (one.plugin.name, int(one.normalised[at]) * one.plugin.weight)
            for one in explanation.scored
        )
        name = table.names[explanation.feasible.item(at)]
        best.append(NodeScore(name, explanation.total.item(at), parts))
    if len(explanation.feasible) == 1:
        best.append(NodeScore(table.names[explanation.feasible.item(0)], 0, ()))
    return Answer(
        node=node,
        nodes=explanation.nodes,
        feasible=len(explanation.feasible),
        rejected=tuple(refused.items()),
        reasons=tuple(explanation.reasons().most_common()),
        best=tuple(best),
        message="" if len(explanation.feasible) else failure_message(explanation, ""),
    )
