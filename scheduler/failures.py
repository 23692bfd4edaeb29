"""Why a pod was not placed: worked out once for equal pods that fail in a row, told to its object
and by an event, and acted upon when other pods can make room for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from api.streams import Stream
from scheduler.diagnosis import broken_preemption_message, failure_message, unsupported_message
from scheduler.engine import Engine
from scheduler.explain import Explanation, Pod, explain
from scheduler.outgoing import Outgoing
from scheduler.pod_book import PodBook, PodRecord
from scheduler.preemption import Judged, Trial
from scheduler.preemptor import Plan, Preemptor
from scheduler.supervision import Raised, asked, raised
from scheduler.surroundings import Surroundings
from scheduler.writes import (
    SCHEDULER_ERROR,
    Why,
    disruption_condition,
    eviction,
    failed_event,
    nomination_cleared,
    preempted_event,
    unschedulable_condition,
)

NO_PLAN = Plan("")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a pod was not placed, and what is done about it."""

    message: str
    plan: Plan = NO_PLAN
    plugins: tuple[str, ...] = ()
    """Who refused the nodes; none: nobody in particular."""
    error: bool = False
    """Not the nodes but the scheduler is at fault: tried again after a back-off, whatever
    happens to the nodes."""


class Failures:
    """Remembers the last reason of all."""

    def __init__(
        self,
        engine: Engine,
        book: PodBook,
        around: Surroundings,
        outgoing: Outgoing,
        starts: Stream,
    ) -> None:
        """``starts``: where to begin looking for victims."""
        self._table = book.table
        self._book = book
        self._engine = engine
        self._preemptor = Preemptor(book.table, book)
        self._surroundings = around
        self._outgoing = outgoing
        self._starts = starts
        self._told: tuple[tuple[int, ...], Failure] = ((), Failure(""))
        self.errors = 0
        """Of plugins."""
        self.preemptions = self.victims = 0

    def handle(
        self, pod: str, record: PodRecord, now_ns: int, known: Explanation | Judged | None = None
    ) -> Failure:
        """Find out why, tell it, and send victims away where that helps. ``known``: why."""
        found = asked(self._found, pod, record, known)
        failure = self.plugin_raised(record, found.error) if isinstance(found, Raised) else found
        if failure.plan.node:
            self._preempt(record, failure.plan, now_ns)
        self.tell(record, failure, now_ns)
        return failure

    def _found(self, pod: str, record: PodRecord, known: Explanation | Judged | None) -> Failure:
        match known:
            case None:
                return self._why(pod, record)
            case Judged():
                return self._judged(pod, record, known)
            case Explanation():
                return self._plan(pod, record, known)
            case _:
                assert_never(known)

    def candidates(self, pod: str, record: PodRecord, known: Explanation) -> Sequence[Trial]:
        """Nodes where preemption helps, for extenders to judge."""
        who, start = Pod(pod, record.priority), self._starts.next_u64()
        budgets = self._surroundings.budgets
        found = asked(self._preemptor.candidates, who, record, known, budgets, start)
        # What raised raises again when the failure is handled.
        return () if isinstance(found, Raised) else found

    def plugin_raised(self, record: PodRecord, error: Exception) -> Failure:
        """A plugin raised when it was asked about this pod."""
        self.errors += 1
        self._engine.forget(record.shape)
        return Failure(raised(record.shape.profile, error), error=True)

    def tell(self, record: PodRecord, failure: Failure, now_ns: int) -> None:
        """Write why a pod was not placed, unless that is known."""
        plan, reference, out = failure.plan, record.reference, self._outgoing
        if failure.message == record.message and not plan.node and not plan.gives_up:
            return
        record.message = failure.message
        record.failing_since_ns = record.failing_since_ns or now_ns
        out.send(failed_event(out.number("write"), reference, failure.message, now_ns))
        nominated = plan.node if plan.node or plan.gives_up else None
        since = record.failing_since_ns
        why = Why(failure.message, SCHEDULER_ERROR) if failure.error else Why(failure.message)
        out.send(unschedulable_condition(out.number("write"), reference, why, since, nominated))

    def _preempt(self, record: PodRecord, plan: Plan, now_ns: int) -> None:
        """Tell the victims to go."""
        records, out = self._book.records, self._outgoing
        for other in plan.cleared:
            if other in records:
                out.send(nomination_cleared(out.number("write"), records[other].reference))
        self.preemptions += 1
        self.victims += len(plan.victims)
        for victim in plan.victims:
            reference = records[victim].reference
            request = out.number("write")
            out.send(disruption_condition(request, reference, record.reference, now_ns))
            out.send(eviction(out.number("evict", victim), reference))
            out.send(
                preempted_event(out.number("write"), reference, record.reference, plan.node, now_ns)
            )

    def _why(self, pod: str, record: PodRecord) -> Failure:
        """Worked out once for equal pods that fail in a row."""
        if record.problem:
            return Failure(record.problem)
        if waits := self._book.gangs.too_few(pod):
            return Failure(waits)
        if lacking := self.unsupported(record):
            message = unsupported_message(self._table.count, lacking)
            return Failure(message)
        known = self._state_for(record)
        if self._told[0] == known and pod not in self._table.nominations.node_of:
            return self._told[1]
        explanation = explain(record.shape, self._table, Pod(pod, record.priority))
        failure = self._plan(pod, record, explanation)
        plan = failure.plan
        if not plan.node and not plan.gives_up:
            self._told = (known, failure)
        return failure

    def _plan(self, pod: str, record: PodRecord, explanation: Explanation) -> Failure:
        who, start = Pod(pod, record.priority), self._starts.next_u64()
        budgets = self._surroundings.budgets
        plan = record.shape.profile.around_post_filter(
            lambda: self._preemptor.plan(who, record, explanation, budgets, start)
        )
        return Failure(failure_message(explanation, plan.after), plan, explanation.plugins())

    def _judged(self, pod: str, record: PodRecord, judged: Judged) -> Failure:
        explanation = judged.explanation
        if judged.trouble:
            message = broken_preemption_message(explanation, judged.trouble)
            return Failure(message, plugins=explanation.plugins())
        plan = self._preemptor.choose(Pod(pod, record.priority), record, judged)
        return Failure(failure_message(explanation, plan.after), plan, explanation.plugins())

    def refused(self, victim: str) -> None:
        """The order to go was not carried out."""
        self._preemptor.refused(victim)

    def unsupported(self, record: PodRecord) -> tuple[str, ...]:
        """Plugins that would have to do what we cannot."""
        return record.shape.key.unsupported

    def _state_for(self, record: PodRecord) -> tuple[int, ...]:
        """All that the reasons of a failure depend on, for pods that are not nominated."""
        return (
            record.shape.number,
            record.shape.relations.number,
            record.priority,
            record.never_preempts,
            self._table.position,
            self._table.static_version,
            self._table.nominations.version,
            self._surroundings.version,
        )
