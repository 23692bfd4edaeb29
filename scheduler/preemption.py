"""DefaultPreemption: which pods of lower priority would have to leave which node, so that a pod
that fits nowhere fits there.

Source: plugins/defaultpreemption/default_preemption.go, framework/preemption/preemption.go, v1.36.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

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
from scheduler.framework import Filter, PreemptionLimits
from scheduler.node_table import NodeTable
from scheduler.placed import Placed
from scheduler.pod_shape import Shape

NAME = "DefaultPreemption"
MEMORIES_MAX = 16
"""Kinds of pods for which trials are remembered; one takes about 500 bytes a node."""
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
    """Most important first, or as an extender named them. Empty: nothing helps."""
    violations: int = 0
    """Victims that a budget would have kept."""
    refusal: Refusal | None = None
    """Why not even the absence of all possible victims helps; None when there are none."""
    badness: tuple[int, ...] = field(init=False)
    """The five criteria, least is best; empty without victims."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "badness", self._badness() if self.victims else ())

    def _badness(self) -> tuple[int, ...]:
        priorities = [victim.placed.priority for victim in self.victims]
        # The first two differ when an extender names victims in an order of its own.
        top, most = priorities[0], max(priorities)
        earliest = min(v.placed.started_ns for v in self.victims if v.placed.priority == most)
        shifted = sum(priority + PRIORITY_SHIFT for priority in priorities)
        return (self.violations, top, shifted, len(priorities), -earliest)


@dataclass(frozen=True, slots=True)
class Judged:
    """What extenders made of the nodes where preemption helps."""

    explanation: Explanation
    left: Sequence[Trial] = ()
    trouble: str = ""
    """An extender that may not be ignored gave no answer, or a wrong one."""


class Enough(NamedTuple):
    """When to stop looking for nodes."""

    candidates: int
    start: int


ALL = Enough(1 << 60, 0)


def enough_of(nodes: int, start: int, limits: PreemptionLimits) -> Enough:
    """As many as kube-scheduler looks for."""
    return Enough(max(nodes * limits.percentage // 100, limits.at_least), start)


class TrialMemory:
    """Trials of one kind of pod that still hold: a row's until a pod comes or goes there."""

    def __init__(self, table: NodeTable, budgets: Sequence[Budget]) -> None:
        self._table = table
        self._version = (table.static_version, tuple(budgets))
        self._position = table.position
        self.by_row: dict[int, Trial] = {}

    def refresh(self, budgets: Sequence[Budget]) -> None:
        """Forget what no longer holds."""
        table = self._table
        version = (table.static_version, tuple(budgets))
        changed = table.changed_since(self._position)
        self._position = table.position
        if changed is None or version != self._version:
            self.by_row.clear()
            self._version = version
        else:
            for row in changed:
                self.by_row.pop(row, None)


def trials(
    shape: Shape,
    table: NodeTable,
    pod: Pod,
    explanation: Explanation,
    budgets: Sequence[Budget],
    enough: Enough = ALL,
) -> list[Trial]:
    """Nodes where preemption might help, in node order from ``enough.start`` on."""
    rows = _rows_to_try(explanation, table)
    # Node objects do not change by preemption, so what they say was said before.
    filters = [plugin for plugin in filters_for(shape, table) if not plugin.static]
    reserved = dict.fromkeys(table.nominations.reserved_rows(table.row_of, pod.name, pod.priority))
    memory: dict[int, Trial] = {}
    if not any(plugin.coupled for plugin in filters):
        memory = _memory_of(shape, table, pod.priority, budgets)
    start = enough.start % len(rows) if rows else 0
    tried = []
    found = 0
    for row in rows[start:] + rows[:start]:
        trial = memory.get(row)
        if trial is None or row in reserved:
            trial = _try_node(shape, table, row, pod, filters, budgets)
            if row not in reserved:
                memory[row] = trial
        tried.append(trial)
        found += bool(trial.victims)
        if found >= enough.candidates:
            break
    return tried


def _rows_to_try(explanation: Explanation, table: NodeTable) -> list[int]:
    """Where it is not hopeless, in node order."""
    parts = [r.rows[hopeless_rows(r) == 0] for r in explanation.rejected]
    if not parts:
        return []
    rows = np.concatenate(parts)
    ordered: list[int] = rows[np.argsort(table.order[rows], kind="stable")].tolist()
    return ordered


def _memory_of(
    shape: Shape, table: NodeTable, priority: int, budgets: Sequence[Budget]
) -> dict[int, Trial]:
    key = (NAME, shape.number, priority)
    memory = table.remembered.get(key)
    if not isinstance(memory, TrialMemory):
        others = [one for one in table.remembered if one[0] == NAME]
        for oldest in others[: len(others) + 1 - MEMORIES_MAX]:
            del table.remembered[oldest]
        memory = TrialMemory(table, budgets)
        table.remember(key, memory)
    memory.refresh(budgets)
    return memory.by_row


def _try_node(
    shape: Shape,
    table: NodeTable,
    row: int,
    pod: Pod,
    filters: Sequence[Filter],
    budgets: Sequence[Budget],
) -> Trial:
    lower = [
        Victim(name, placed)
        for name, placed in table.pods_on(table.names[row], pod.priority).items()
    ]
    if not lower:
        return Trial(row)
    lower.sort(key=importance)
    position, ports = table.position, table.ports.of_row(row)
    stage = _Stage(shape, table, row, pod, filters)
    violations = 0
    victims: list[Victim] = []
    with table.pod_counts.trying():
        try:
            for victim in lower:
                stage.go(victim)
            found = stage.refusal()
            if found is None:
                violating, rest = split_by_budgets(lower, budgets) if budgets else ([], lower)
                victims = [victim for victim in violating if not stage.stays(victim)]
                violations = len(victims)
                victims += [victim for victim in rest if not stage.stays(victim)]
                victims.sort(key=importance)
        finally:
            # All of them, also when a plugin raised.
            for victim in sorted(stage.gone.values(), key=importance):
                stage.come_back(victim)
            table.ports.set_row(row, ports)
    table.rewind(position)
    return Trial(row, tuple(victims), violations, found)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A node that pods leave and come back to, for a trial."""

    shape: Shape
    table: NodeTable
    row: int
    pod: Pod
    filters: Sequence[Filter]
    gone: dict[str, Victim] = field(default_factory=dict)

    def go(self, victim: Victim) -> None:
        self.gone[victim.pod] = victim
        self.table.count_pod(self.row, victim.placed.shape, -1)

    def come_back(self, victim: Victim) -> None:
        del self.gone[victim.pod]
        self.table.count_pod(self.row, victim.placed.shape, 1)

    def refusal(self) -> Refusal | None:
        return refusal_beside_nominees(self.shape, self.table, self.row, self.pod, self.filters)

    def stays(self, victim: Victim) -> bool:
        self.come_back(victim)
        if self.refusal() is None:
            return True
        self.go(victim)
        return False


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
    best = min(trial.badness for trial in helpful)
    return [trial for trial in helpful if trial.badness == best]


def cleared_by(table: NodeTable, pod: Pod, node: str) -> list[str]:
    """Pods of lower priority that lose their nomination to the node."""
    return [n.pod for n in table.nominations.of_node(node) if n.priority < pod.priority]
