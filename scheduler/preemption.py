"""DefaultPreemption: which pods of lower priority would have to leave which node, so that a pod
that fits nowhere fits there.

Source: plugins/defaultpreemption/default_preemption.go, framework/preemption/preemption.go, v1.36.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from api.core import JsonObject
from api.selectors import LabelSelector, label_selector_of
from scheduler.explain import (
    Explanation,
    Pod,
    Refusal,
    filters_for,
    hopeless_rows,
    refusal_beside_nominees,
)
from scheduler.framework import Filter
from scheduler.node_table import NodeTable
from scheduler.placed import Placed
from scheduler.pod_shape import Shape

PRIORITY_SHIFT = 1 << 31
"""Added to each victim's priority before they are summed up, so that more victims weigh more.
Source: framework/preemption/preemption.go, pickOneNodeForPreemption."""


class Budget(NamedTuple):
    """A PodDisruptionBudget."""

    namespace: str
    name: str
    selector: LabelSelector
    allowed: int
    disrupted: tuple[str, ...]
    """Names of pods whose eviction it already counts."""


def budget_of(item: JsonObject) -> Budget:
    meta, status = item["metadata"], item.get("status") or {}
    return Budget(
        meta["namespace"],
        meta["name"],
        label_selector_of((item.get("spec") or {}).get("selector")),
        int(status.get("disruptionsAllowed") or 0),
        tuple(status.get("disruptedPods") or ()),
    )


class Victim(NamedTuple):
    """A pod that may have to go."""

    pod: str
    placed: Placed


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of looking at one node."""

    row: int
    victims: tuple[Victim, ...] = ()
    """Most important first. Empty: nothing helps."""
    violations: int = 0
    """Victims that a budget would have kept."""
    refusal: Refusal | None = None
    """Why not even the absence of all possible victims helps; None when there are none."""


class Enough(NamedTuple):
    """When to stop looking for nodes."""

    candidates: int
    start: int


ALL = Enough(1 << 60, 0)


def enough_of(nodes: int, start: int) -> Enough:
    """As many as kube-scheduler looks for.
    Source: apis/config/v1/defaults.go, SetDefaults_DefaultPreemptionArgs."""
    return Enough(max(nodes // 10, 100), start)


def trials(
    shape: Shape,
    table: NodeTable,
    pod: Pod,
    explanation: Explanation,
    budgets: Sequence[Budget],
    enough: Enough = ALL,
) -> list[Trial]:
    """Nodes where preemption might help, in node order from ``enough.start`` on."""
    rows: list[int] = []
    for rejected in explanation.rejected:
        rows += rejected.rows[hopeless_rows(rejected) == 0].tolist()
    rows.sort(key=table.order.item)
    filters = filters_for(shape, table)
    start = enough.start % len(rows) if rows else 0
    tried = []
    found = 0
    for row in rows[start:] + rows[:start]:
        tried.append(_try_node(shape, table, row, pod, filters, budgets))
        found += bool(tried[-1].victims)
        if found >= enough.candidates:
            break
    return tried


def _try_node(
    shape: Shape,
    table: NodeTable,
    row: int,
    pod: Pod,
    filters: Sequence[Filter],
    budgets: Sequence[Budget],
) -> Trial:
    node = table.names[row]
    lower = [
        Victim(name, placed)
        for name, placed in table.pods_on(node).items()
        if placed.priority < pod.priority
    ]
    if not lower:
        return Trial(row)
    lower.sort(key=importance)
    for victim in lower:
        table.remove_pod(victim.pod, node)
    gone = dict.fromkeys(victim.pod for victim in lower)

    def come_back(victim: Victim) -> None:
        table.add_pod(victim.pod, node, *victim.placed)
        del gone[victim.pod]

    def stays(victim: Victim) -> bool:
        come_back(victim)
        if refusal_beside_nominees(shape, table, row, pod, filters) is None:
            return True
        table.remove_pod(victim.pod, node)
        gone[victim.pod] = None
        return False

    found = refusal_beside_nominees(shape, table, row, pod, filters)
    violations = 0
    victims: list[Victim] = []
    if found is None:
        violating, rest = split_by_budgets(lower, budgets)
        victims = [victim for victim in violating if not stays(victim)]
        violations = len(victims)
        victims += [victim for victim in rest if not stays(victim)]
        victims.sort(key=importance)
    for victim in lower:
        if victim.pod in gone:
            come_back(victim)
    return Trial(row, tuple(victims), violations, found)


def importance(victim: Victim) -> tuple[int, int, str]:
    """Sorts the most important first: by priority, then by who started earlier; the name only
    settles the order."""
    return (-victim.placed.priority, victim.placed.started_ns, victim.pod)


def split_by_budgets(
    pods: Sequence[Victim], budgets: Sequence[Budget]
) -> tuple[list[Victim], list[Victim]]:
    """Those whose eviction a budget forbids, when they go in this order, and the others."""
    left = [budget.allowed for budget in budgets]
    violating: list[Victim] = []
    rest: list[Victim] = []
    for victim in pods:
        relations = victim.placed.shape.relations
        violates = False
        for at, budget in enumerate(budgets if relations.labels else ()):
            if budget.namespace != relations.key.namespace or budget.selector.empty:
                continue
            name = victim.pod.partition("/")[2]
            if not budget.selector.matches(relations.labels) or name in budget.disrupted:
                continue
            left[at] -= 1
            violates |= left[at] < 0
        (violating if violates else rest).append(victim)
    return violating, rest


def best_trials(candidates: Sequence[Trial]) -> list[Trial]:
    """Those with victims that are best by all five criteria; the first one is taken."""
    helpful = [trial for trial in candidates if trial.victims]
    if not helpful:
        return []
    best = min(_badness(trial) for trial in helpful)
    return [trial for trial in helpful if _badness(trial) == best]


def _badness(trial: Trial) -> tuple[int, int, int, int, int]:
    priorities = [victim.placed.priority for victim in trial.victims]
    top = priorities[0]
    earliest = min(v.placed.started_ns for v in trial.victims if v.placed.priority == top)
    shifted = sum(priority + PRIORITY_SHIFT for priority in priorities)
    return (trial.violations, top, shifted, len(priorities), -earliest)


def cleared_by(table: NodeTable, pod: Pod, node: str) -> list[str]:
    """Pods of lower priority that lose their nomination to the node."""
    return [n.pod for n in table.nominations.of_node(node) if n.priority < pod.priority]
