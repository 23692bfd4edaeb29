"""What the leader does for a pod that fits nowhere: choose victims, keep the node for it, and
remember who was told to go.

Source: framework/preemption/preemption.go (PodEligibleToPreemptOthers) and executor.go, v1.36.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.diagnosis import (
    NEVER,
    NO_CANDIDATE,
    NOT_TRIED,
    TERMINATING,
    fruitless_preemption,
)
from scheduler.explain import HOPELESS, Explanation, Pod
from scheduler.node_table import NodeTable
from scheduler.placed import Nominee
from scheduler.pod_book import PodBook, PodRecord
from scheduler.preemption import (
    Budget,
    Judged,
    Trial,
    best_trials,
    cleared_by,
    enough_of,
    trials,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Outcome for one pod."""

    after: str
    """What the message says of it; empty when a node was found."""
    node: str = ""
    victims: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    """Pods that lose their nomination to the node."""
    gives_up: bool = False
    """It had a node kept for it and has none any more."""


class Preemptor:
    """Keeps track of victims on their way out."""

    def __init__(self, table: NodeTable, book: PodBook) -> None:
        self._table = table
        self._book = book
        self._leaving: dict[str, str] = {}
        """Victim to its uid, from the order to go until it is gone."""

    def plan(
        self,
        pod: Pod,
        record: PodRecord,
        explanation: Explanation,
        budgets: Sequence[Budget],
        start: int,
    ) -> Plan:
        """Decide and take down the nomination. ``start``: where to begin looking."""
        excuse = self._excuse(pod, record, explanation)
        if excuse is not None:
            return Plan(excuse)
        tried = self._tried(pod, record, explanation, budgets, start)
        best = best_trials(tried)
        if not best:
            gives_up = pod.name in self._table.nominations.node_of
            self._table.nominations.drop(pod.name)
            return Plan(fruitless_preemption(explanation, tried), gives_up=gives_up)
        return self._take(pod, record, best[0])

    def candidates(
        self,
        pod: Pod,
        record: PodRecord,
        explanation: Explanation,
        budgets: Sequence[Budget],
        start: int,
    ) -> list[Trial]:
        """Nodes where preemption helps, for extenders to judge. Changes nothing."""
        if self._excuse(pod, record, explanation) is not None:
            return []
        tried = self._tried(pod, record, explanation, budgets, start)
        return [trial for trial in tried if trial.victims]

    def choose(self, pod: Pod, record: PodRecord, judged: Judged) -> Plan:
        """Decide among what extenders left. Without a choice a nomination stays, as in Kubernetes:
        only a search that finds nothing takes it back."""
        best = best_trials(judged.left)
        return self._take(pod, record, best[0]) if best else Plan(NO_CANDIDATE)

    def _excuse(self, pod: Pod, record: PodRecord, explanation: Explanation) -> str | None:
        """Why no victims are looked for; None: they are."""
        if explanation.stopped is not None or not explanation.nodes:
            return ""
        if record.never_preempts:
            return NEVER
        if self._waits_for_victims(pod, explanation):
            return TERMINATING
        return NOT_TRIED if record.shape.profile.preemption is None else None

    def _tried(
        self,
        pod: Pod,
        record: PodRecord,
        explanation: Explanation,
        budgets: Sequence[Budget],
        start: int,
    ) -> list[Trial]:
        limits = record.shape.profile.preemption
        assert limits is not None
        enough = enough_of(explanation.nodes, start, limits)
        return trials(record.shape, self._table, pod, explanation, budgets, enough)

    def _take(self, pod: Pod, record: PodRecord, best: Trial) -> Plan:
        node = self._table.names[best.row]
        cleared = cleared_by(self._table, pod, node)
        for other in cleared:
            self._table.nominations.drop(other)
        self._table.nominations.add(Nominee(pod.name, record.shape, pod.priority), node)
        victims = [v.pod for v in best.victims if not self.is_leaving(v.pod)]
        for victim in victims:
            self._leaving[victim] = self._book.records[victim].reference.uid
        return Plan("", node, tuple(victims), tuple(cleared))

    def is_leaving(self, pod: str) -> bool:
        """It was told to go and is still there."""
        uid = self._leaving.get(pod)
        if uid is None:
            return False
        record = self._book.records.get(pod)
        if record is not None and record.reference.uid == uid:
            return True
        del self._leaving[pod]
        return False

    def refused(self, victim: str) -> None:
        """The order to go was not carried out."""
        self._leaving.pop(victim, None)

    def _waits_for_victims(self, pod: Pod, explanation: Explanation) -> bool:
        node = self._table.nominations.node_of.get(pod.name)
        row = None if node is None else self._table.row_of.get(node)
        if node is None or row is None or code_of(explanation, row) == HOPELESS:
            return False
        return any(
            placed.shape.relations.key.terminating or self.is_leaving(name)
            for name, placed in self._table.pods_on(node, pod.priority).items()
        )


def code_of(explanation: Explanation, row: int) -> str:
    """Status code of a rejected row; empty when it was not looked at."""
    for rejected in explanation.rejected:
        found = (rejected.rows == row).nonzero()[0]
        if len(found):
            at = int(found[0])
            hopeless = any(r.rows[at] and r.hopeless[at] for r in rejected.reasons)
            return HOPELESS if hopeless else "Unschedulable"
    return ""
