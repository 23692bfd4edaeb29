"""R8, percentageOfNodesToScore: work per pod is not monotone in the number of nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple

from api.core import JsonObject
from api.streams import Stream
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
from loadtest.experiments.reference.swept import curves
from scheduler.engine import Engine
from scheduler.explain import explain
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.profile import DEFAULT
from scheduler.shapes import Shapes

PUBLISHED: Final = (
    (100, 100), (200, 100), (500, 230), (1000, 420), (2000, 680), (3000, 780), (4000, 720),
    (5000, 500), (6000, 300), (7000, 350), (10000, 500), (20000, 1000),
)  # fmt: skip
PROPOSED: Final = (
    (100, 100), (200, 135), (500, 242), (1000, 420), (2000, 440), (3000, 460), (4000, 480),
    (5000, 500), (6000, 550), (7000, 600), (10000, 750), (20000, 1250),
)  # fmt: skip
"""Source of both: kubernetes/kubernetes#139088 (2026), columns "before" and "proposed"."""
SOURCE: Final = "kubernetes#139088, 2026"
SEED: Final = 8
LOADS: Final = 97
"""Different amounts of CPU that nodes have in use, so that no two of many nodes score alike."""


class Counted(NamedTuple):
    """Of one size."""

    nodes: int
    filtered: int
    scored: int
    filtered_when_full: int
    regret: float
    """Points of the best node less those of the chosen one, mean over pods."""


@dataclass(frozen=True, slots=True)
class Sizes:
    pods: int
    """Placed at each size. Counts are the same for each; the regret is their mean."""


def run(arms: Arms, sizes: Sizes, tell: Tell) -> Finding:
    pair = [counted(int(arm), sizes.pods, tell) for arm in arms]
    return Finding(
        (_work(arms, pair), _regret(arms, pair)),
        tuple(_judged(*pair)),
        (
            f"{sizes.pods} pods a size on nodes of 16 sizes in three zones with a pod each, all "
            "feasible; then one pod that fits nowhere, which stands for a full cluster",
            "the scheduler's own engine and sampler; counts, no times",
            "work of the score phase is counted as nodes scored; each runs the same plugins",
        ),
    )


def counted(percentage: int, pods: int, tell: Tell) -> list[Counted]:
    """What a search looks at, by the number of nodes. ``percentage`` 0: adaptive."""
    profile = replace(DEFAULT, percentage_of_nodes_to_score=percentage)
    table, shapes, ties = NodeTable(), Shapes({profile.name: profile}), Stream(SEED, "ties")
    engine = Engine(table)
    shape = shapes.of_pod(_pod("500m"))
    too_large = shapes.of_pod(_pod("4000"))
    present = [shapes.of_pod(_pod(f"{100 * share}m")) for share in range(LOADS)]
    found = []
    for nodes, _ in PUBLISHED:
        for number in range(table.count, nodes):
            table.put_node(node_facts(_node(number)))
            table.add_pod(f"x{number}", f"n{number}", present[number % len(present)])
        lost, looked_at, scored = 0, nodes, nodes
        for number in range(pods):
            row = engine.choose(shape, max(ties.next_u64(), 1))
            every = explain(shape, table)
            points = dict(zip(every.feasible.tolist(), every.total.tolist(), strict=True))
            lost += max(points.values()) - points[row]
            if percentage != 100:
                looked_at, scored = engine.sampler.looked_at, engine.sampler.found
            else:
                scored = len(points)
            table.add_pod(f"{nodes}/p{number}", table.names[row], shape)
        assert engine.choose(too_large, 1) < 0
        full = engine.sampler.looked_at if percentage != 100 else nodes
        found.append(Counted(nodes, looked_at, scored, full, lost / pods))
    tell(f"percentageOfNodesToScore {percentage}: up to {found[-1].nodes:,} nodes")
    return found


def _node(number: int) -> JsonObject:
    size = number * 7919 % 16
    return {
        "metadata": {
            "name": f"n{number}",
            "labels": {"topology.kubernetes.io/zone": f"z{number % 3}"},
        },
        "spec": {},
        "status": {
            "allocatable": {
                "cpu": str(16 + 4 * size),
                "memory": f"{64 + 8 * (size * 5 % 16)}Gi",
                "pods": "110",
            }
        },
    }


def _pod(cpu: str) -> JsonObject:
    requests = {"requests": {"cpu": cpu, "memory": "1Gi"}}
    return {
        "metadata": {"namespace": "default", "name": "p", "uid": "p"},
        "spec": {"containers": [{"name": "c", "image": "app:1", "resources": requests}]},
    }


def _judged(historic: Sequence[Counted], remedy: Sequence[Counted]) -> list[Acceptance]:
    scored = [one.scored for one in remedy]
    by_nodes = {one.nodes: one.scored for one in remedy}
    all_by_nodes = {one.nodes: one.scored for one in historic}
    signs = ["up" if b > a else "down" if b < a else "level" for a, b in pairwise(scored)]
    wanted = ["level", *["up"] * 4, *["down"] * 3, *["up"] * 3]
    return [
        exactly(
            "nodes scored for a pod where all are feasible are the published table",
            scored,
            [feasible for _, feasible in PUBLISHED],
        ),
        exactly(
            "without sampling every node is scored",
            [one.scored for one in historic],
            [nodes for nodes, _ in PUBLISHED],
        ),
        Acceptance(
            "shape",
            "score work rises up to 3,000 nodes, falls up to 6,000, rises after that",
            " ".join(signs),
            " ".join(wanted),
            signs == wanted,
        ),
        within(
            "ratio",
            "score work of all nodes against the default at 5,000 nodes",
            all_by_nodes[5000] / by_nodes[5000],
            10.0,
            10.0,
        ),
        within(
            "ratio",
            "6,000 nodes need less score work than 3,000",
            by_nodes[6000] / by_nodes[3000],
            float("-inf"),
            300 / 780,
        ),
        exactly(
            "negative control: where nothing fits, all nodes are filtered",
            [one.filtered_when_full for one in remedy],
            [nodes for nodes, _ in PUBLISHED],
        ),
    ]


def _work(arms: Arms, pair: Sequence[Sequence[Counted]]) -> Figure:
    return Figure(
        "Nodes scored for a pod",
        "By the number of nodes, where all are feasible.",
        "nodes",
        "nodes scored",
        (
            *curves(arms, pair, lambda one: (one.nodes, one.scored), _label),
            Curve("before", tuple((float(x), float(y)) for x, y in PUBLISHED), SOURCE),
            Curve("proposed", tuple((float(x), float(y)) for x, y in PROPOSED), SOURCE),
        ),
        "xy",
    )


def _regret(arms: Arms, pair: Sequence[Sequence[Counted]]) -> Figure:
    return Figure(
        "What sampling loses",
        "Points of the best node less points of the chosen one, mean over pods.",
        "nodes",
        "points",
        curves(arms, pair, lambda one: (one.nodes, one.regret), _label),
        "x",
    )


def _label(percentage: str) -> str:
    return "adaptive" if percentage == "0" else f"{percentage} % of nodes"


STUDY: Final = Study(run, Sizes, range(101))
