"""R9, the price of scheduling constraints: every placed pod asked anew, or counted as they come."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from api.core import JsonObject
from loadtest.experiments.reference.experiment import (
    Acceptance,
    Arms,
    Curve,
    Figure,
    Finding,
    Tell,
    exactly,
    within,
)
from loadtest.experiments.reference.files import Study
from loadtest.experiments.reference.fit import slope
from scheduler.engine import Engine
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.relations import HOSTNAME, ZONE
from scheduler.shapes import Shapes

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
PODS: Final = 4
"""Decided at each size; the last one is counted, when all plugins have met the shape."""


class Workload(NamedTuple):
    """A class of scheduler_perf."""

    name: str
    floor: int
    """Pods a second below which upstream's CI complains."""
    terms: int
    """Descriptions of placed pods that a pod of the class has to know the numbers of: its own
    terms, and the terms of placed pods that may mean it."""
    selectors: int
    """Terms that are asked of each node."""
    spec: JsonObject


def _term(key: str) -> JsonObject:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "perf"}}}


def _spread(when: str) -> JsonObject:
    constraint = {**_term(ZONE), "maxSkew": 5, "whenUnsatisfiable": when}
    return {"topologySpreadConstraints": [constraint]}


def _preferred(kind: str) -> JsonObject:
    return {"affinity": {kind: {PREFERRED: [{"weight": 1, "podAffinityTerm": _term(HOSTNAME)}]}}}


ZONES: Final = {"key": ZONE, "operator": "In", "values": ["z0", "z1"]}
NODE_AFFINITY: Final = {
    "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [ZONES]}]}}}
}
WORKLOADS: Final = (
    Workload("Basic", 680, 0, 0, {}),
    Workload("TopologySpreading", 460, 1, 0, _spread("DoNotSchedule")),
    Workload("NodeAffinity", 220, 0, 1, NODE_AFFINITY),
    Workload("PreferredPodAffinity", 90, 2, 0, _preferred("podAffinity")),
    Workload("PodAffinity", 35, 2, 0, {"affinity": {"podAffinity": {REQUIRED: [_term(ZONE)]}}}),
)
"""Source: kubernetes test/integration/scheduler_perf, three files at three commits."""
GROUPS: Final = (
    ("Basic",),
    ("TopologySpreading", "NodeAffinity"),
    ("PreferredPodAffinity", "PodAffinity"),
)
"""As the floors rank them: what asks neither pods nor more of nodes; one question more; two kinds
of questions to every placed pod."""


@dataclass(frozen=True, slots=True)
class Sizes:
    nodes: int
    existing: tuple[int, ...]


def run(arms: Arms, sizes: Sizes, tell: Tell) -> Finding:
    swept = []
    for arm in arms:
        asked = {
            one.name: [
                placed_asked(one, arm == "on", sizes.nodes, count) for count in sizes.existing
            ]
            for one in WORKLOADS
        }
        swept.append(asked)
        tell(f"affinity_index {arm}: placed pods asked for a pod, {asked['PodAffinity']}")
    return Finding(
        (_growth(arms, sizes, swept), _prices(sizes, swept)),
        tuple(_judged(sizes, swept[0], swept[1])),
        (
            f"{sizes.nodes} nodes in three zones, {sizes.existing} placed pods of the measured "
            f"class; the last of {PODS} decisions is counted, by the scheduler's own engine",
            "a look is one node filtered and scored, one selector asked of a node, or one placed "
            "pod asked whether a term means it",
            f"prices are those at {sizes.existing[-1] / sizes.nodes:g} placed pods a node. Ranked "
            "are groups of classes: inside a group the floors follow kube-scheduler's code, of "
            "which looks say nothing",
        ),
    )


def placed_asked(workload: Workload, indexed: bool, nodes: int, existing: int) -> int:
    """Placed pods that are asked whether a term means them, for one more pod."""
    table, shapes = NodeTable(), Shapes()
    for number in range(nodes):
        table.put_node(node_facts(_node(number)))
    shape = shapes.of_pod(_pod(workload.spec))
    for number in range(existing):
        table.add_pod(f"default/x{number}", f"n{number % nodes}", shape)
    engine = Engine(table, affinity_index=indexed)
    begun = 0
    for number in range(PODS):
        begun = table.pod_counts.asked
        row = engine.choose(shape, 1 + number)
        assert row >= 0, workload.name
        table.add_pod(f"default/p{number}", table.names[row], shape)
    return table.pod_counts.asked - begun


def _node(number: int) -> JsonObject:
    labels = {HOSTNAME: f"n{number}", ZONE: f"z{number % 3}"}
    return {
        "metadata": {"name": f"n{number}", "labels": labels},
        "spec": {},
        "status": {"allocatable": {"cpu": "64", "memory": "256Gi", "pods": "110"}},
    }


def _pod(spec: JsonObject) -> JsonObject:
    requests = {"requests": {"cpu": "100m", "memory": "500Mi"}}
    return {
        "metadata": {"namespace": "default", "name": "p", "uid": "p", "labels": {"app": "perf"}},
        "spec": {"containers": [{"name": "c", "image": "app:1", "resources": requests}], **spec},
    }


Asked = dict[str, list[int]]


def _judged(sizes: Sizes, naive: Asked, indexed: Asked) -> list[Acceptance]:
    affine = [(x, float(y)) for x, y in zip(sizes.existing, naive["PodAffinity"], strict=True)]
    flat = [(x, float(y)) for x, y in zip(sizes.existing, indexed["PodAffinity"], strict=True)]
    price, left = _looks(sizes, naive), _looks(sizes, indexed)
    return [
        exactly(
            "without the index, placed pods asked for a pod: terms x placed pods, by class",
            [naive[one.name] for one in WORKLOADS],
            [[_naive(one, count) for count in sizes.existing] for one in WORKLOADS],
        ),
        exactly(
            "with the index, only the pod that was placed is asked: terms x 1",
            [indexed[one.name] for one in WORKLOADS],
            [[one.terms] * len(sizes.existing) for one in WORKLOADS],
        ),
        within("shape", "slope in placed pods without the index", slope(affine), 0.9, 1.1),
        within("shape", "slope in placed pods with it", slope(flat), -0.1, 0.1),
        exactly(
            "negative control: pods without constraints ask no placed pod in either arm",
            [*naive["Basic"], *indexed["Basic"]],
            [0] * (2 * len(sizes.existing)),
        ),
        within(
            "ratio", "without the index, looks for required affinity against basic",
            price["PodAffinity"] / price["Basic"], 8, float("inf"),
        ),
        within(
            "ratio", "with it, the same",
            left["PodAffinity"] / left["Basic"], 1, 1.5,
        ),
        within(
            "ratio",
            "least step in looks between the groups of classes that the floors rank: basic; spread "
            "and node affinity; affinity to pods",
            min(
                min(price[name] for name in dearer) / max(price[name] for name in cheaper)
                for cheaper, dearer in pairwise(GROUPS)
            ),
            1.4, float("inf"),
        ),
    ]  # fmt: skip


def _naive(workload: Workload, existing: int) -> int:
    """Each term asks all placed pods, those decided before among them, and the new pod itself."""
    return workload.terms * (existing + PODS)


def _looks(sizes: Sizes, asked: Asked) -> dict[str, float]:
    """For a pod, with the most placed pods there are, by class."""
    return {
        one.name: float(sizes.nodes * (1 + one.selectors) + asked[one.name][-1])
        for one in WORKLOADS
    }


def _growth(arms: Arms, sizes: Sizes, swept: Sequence[Asked]) -> Figure:
    return Figure(
        "Placed pods asked for one pod",
        "Required pod affinity over zones, by the pods there are.",
        "placed pods",
        "placed pods asked",
        tuple(
            Curve(
                f"affinity_index {arm}",
                tuple(zip(sizes.existing, asked["PodAffinity"], strict=True)),
            )
            for arm, asked in zip(arms, swept, strict=True)
        ),
        "xy",
    )


def _prices(sizes: Sizes, swept: Sequence[Asked]) -> Figure:
    naive, indexed = (list(_looks(sizes, asked).values()) for asked in swept)
    names = ", ".join(f"{place} {one.name}" for place, one in enumerate(WORKLOADS, start=1))
    return Figure(
        "Price of a class, basic = 1",
        f"{names}. Looks at the most placed pods; the floors of upstream's CI.",
        "class",
        "times basic",
        (
            Curve("without the index", _relative(naive)),
            Curve("with it", _relative(indexed)),
            Curve(
                "basic / this",
                tuple((n, 680 / one.floor) for n, one in enumerate(WORKLOADS, start=1)),
                "scheduler_perf, 2025-26",
            ),
        ),
        "y",
    )


def _relative(looks: Sequence[float]) -> tuple[tuple[float, float], ...]:
    return tuple((number, one / looks[0]) for number, one in enumerate(looks, start=1))


STUDY: Final = Study(run, Sizes, ("off", "on"))
