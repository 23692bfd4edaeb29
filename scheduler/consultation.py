"""Asks extenders about pods: each that filters in turn about what the ones before left, then all
that give points, at last the one that binds; and about a pod that fits nowhere, each that has a say
in preemption.

One pod is being talked about at a time, as in kube-scheduler, and others like it wait in line; pods
that no extender cares for are scheduled meanwhile. When the last answer is in, plugins are asked
again, because the cluster went on: the pod goes to the best node that both leave it now.

Source: pkg/scheduler/schedule_one.go (findNodesThatPassExtenders, prioritizeNodes), v1.36.
"""

from collections import deque
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from api.core import JsonObject
from scheduler.bargain import Bargain, Subject, offers_of
from scheduler.explain import Explanation, Pod, Rejected, choose, explain, score
from scheduler.extender import (
    POINTS_FACTOR,
    AskExtender,
    Extender,
    ExtenderAnswered,
    Filtered,
    Verb,
    WrongAnswer,
    arguments,
    binding_arguments,
    check_bound,
    filtered,
    points,
    preemption_arguments,
    victims_of,
)
from scheduler.follower import NODES, PODS
from scheduler.framework import Reason
from scheduler.node_table import NodeTable
from scheduler.pod_book import PodRecord, PodRecords
from scheduler.preemption import Judged, Trial
from scheduler.supervision import Raised, asked
from scheduler.views import NOWHERE

LINE_MAX = 256
"""Pods that wait for the one that is talked about; more than that are tried again later."""
NOT_KEPT = "node(s) were left out by an extender"
"""For nodes that an extender neither keeps nor says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it ended. None of all: the cluster has changed too much."""

    subject: Subject
    row: int = -1
    refused: Explanation | None = None
    """With what the extenders refused."""
    judged: Judged | None = None
    """It fits nowhere, and this is left of the nodes where preemption helps."""
    trouble: str = ""
    """An extender that may not be ignored gave no answer, or a wrong one."""
    raised: Exception | None = None
    """By a plugin."""


@dataclass(slots=True)
class Talk:
    """One pod's way through the extenders."""

    subject: Subject
    record: PodRecord
    document: JsonObject
    nodes: list[str]
    """What plugins and extenders have left so far."""
    filters: list[int]
    """Numbers of extenders that have not filtered yet."""
    scorers: list[int]
    refused: dict[str, tuple[str, str, bool]] = field(default_factory=dict)
    """Node to extender, reason, and whether preemption cannot help."""
    gains: dict[str, int] = field(default_factory=dict)
    """Points of extenders by node, weighed."""
    open: dict[int, tuple[int, Verb]] = field(default_factory=dict)
    """Questions without an answer: extender and verb."""
    nominated: bool = False
    """It is about the node that is kept for the pod alone."""


class Consultation:
    """Keeps the objects that extenders want to see: of nodes, and of pods that concern one."""

    def __init__(
        self, extenders: Sequence[Extender], table: NodeTable, records: PodRecords
    ) -> None:
        self._extenders = extenders
        self._table = table
        self._records = records
        self._nodes: dict[str, JsonObject] = {}
        self._pods: dict[str, tuple[JsonObject, tuple[int, ...]]] = {}
        """Pods without a node, and the extenders that they concern."""
        self._shows_victims = any(
            "preempt" in one.verbs and not one.node_cache_capable for one in extenders
        )
        self._possible_victims: dict[str, JsonObject] = {}
        """All pods, when an extender is shown whole ones."""
        self._line: deque[Subject] = deque()
        self._talk: Talk | None = None
        self._bargain: Bargain | None = None
        """Instead of a talk."""
        self._orders: list[AskExtender] = []
        self._last_ask = 0
        self._binding: dict[int, int] = {}
        """Requests to bind without an answer, and the extender that was asked."""
        self.ignored = 0
        """Answers of extenders that were missing or wrong and could be ignored."""

    # What it is told

    def see(self, watch: str, key: str, item: JsonObject | None) -> None:
        """An object of a watch. None: it is gone."""
        if watch == PODS:
            self._see_pod(key, item)
        elif watch == NODES and item is None:
            self._nodes.pop(key, None)
        elif watch == NODES and any(not one.node_cache_capable for one in self._extenders):
            self._nodes[key] = item or {}

    def _see_pod(self, key: str, pod: JsonObject | None) -> None:
        if pod is None:
            self._possible_victims.pop(key, None)
        elif self._shows_victims:
            self._possible_victims[key] = pod
        concerns = (
            ()
            if pod is None or pod["spec"].get("nodeName")
            else tuple(
                number
                for number, extender in enumerate(self._extenders)
                if extender.is_interested(pod["spec"])
            )
        )
        if pod is None or not concerns:
            self._pods.pop(key, None)
        else:
            self._pods[key] = (pod, concerns)

    def keep_only(self, nodes: Container[str], pods: Container[str]) -> None:
        """A list is complete: others are gone."""
        for name in [name for name in self._nodes if name not in nodes]:
            del self._nodes[name]
        for key in [key for key in self._pods if key not in pods]:
            del self._pods[key]
        for key in [key for key in self._possible_victims if key not in pods]:
            del self._possible_victims[key]

    def concerns(self, pod: str) -> bool:
        """Whether an extender has a say in where this pod goes."""
        found = self._pods.get(pod)
        return found is not None and bool(
            self._with("filter", found[1]) or self._with("prioritize", found[1])
        )

    def judges(self, pod: str) -> bool:
        """Whether an extender has a say in who leaves for this pod."""
        found = self._pods.get(pod)
        return found is not None and bool(self._with("preempt", found[1]))

    def bind(self, record: PodRecord) -> bool:
        """Have a pod bound by the extender that binds it, under the number of its open request;
        False when none does."""
        reference = record.reference
        found = self._pods.get(f"{reference.namespace}/{reference.name}")
        binders = self._with("bind", found[1]) if found else []
        for number in binders:
            words = (reference.namespace, reference.name, reference.uid, record.node)
            self._orders.append(
                AskExtender(number, record.request, "bind", binding_arguments(*words))
            )
            self._binding[record.request] = number
        return bool(binders)

    def is_binding(self, ask: int) -> bool:
        """Whether a question was one to bind."""
        return ask in self._binding

    def bound(self, event: ExtenderAnswered) -> tuple[int, str] | None:
        """Code and message of an answer to bind; None: whoever may be ignored failed."""
        extender = self._extenders[self._binding.pop(event.ask)]
        try:
            if not event.trouble:
                check_bound(event.body)
                return 201, ""
        except WrongAnswer as wrong:
            code, message = 409, str(wrong)
        else:
            code, message = 0, event.trouble
        if extender.ignorable:
            self.ignored += 1
            return None
        return code, f"extender {extender.url}: {message}"

    # The line

    def queue(self, subject: Subject) -> bool:
        """Put a pod in line; False when the line is full."""
        if len(self._line) >= LINE_MAX:
            return False
        self._line.append(subject)
        return True

    def next_subject(self) -> Subject | None:
        """Whose turn it is; None while another one is talked about."""
        idle = self._talk is None and self._bargain is None
        return self._line.popleft() if self._line and idle else None

    def begin(
        self, subject: Subject, record: PodRecord, nominated: int = NOWHERE
    ) -> Verdict | None:
        """None: extenders are being asked. ``nominated``: the row kept for the pod, where it passes
        the plugins; if extenders leave it too, they are asked no more.
        Source: schedule_one.go, evaluateNominatedNode, v1.36."""
        if subject.pod not in self._pods:
            return Verdict(subject)
        document, concerned = self._pods[subject.pod]
        if nominated != NOWHERE:
            nodes, filters = [self._table.names[nominated]], self._with("filter", concerned)
            self._talk = Talk(subject, record, document, nodes, filters, [], nominated=True)
            return self._go_on(self._talk)
        found = asked(explain, record.shape, self._table, Pod(subject.pod, record.priority))
        if isinstance(found, Raised):
            return Verdict(subject, raised=found.error)
        if not len(found.feasible):
            return Verdict(subject, refused=found)
        self._talk = Talk(
            subject,
            record,
            document,
            nodes=[self._table.names[row] for row in found.feasible.tolist()],
            filters=self._with("filter", concerned),
            scorers=self._with("prioritize", concerned),
        )
        return self._go_on(self._talk)

    def answered(self, event: ExtenderAnswered) -> Verdict | None:
        """None: there is more to ask."""
        bargain = self._bargain
        if bargain is not None and event.ask == bargain.ask:
            return self._haggle(bargain, event)
        talk = self._talk
        if talk is None or event.ask not in talk.open:
            return None
        number, verb = talk.open.pop(event.ask)
        extender = self._extenders[number]
        try:
            if event.trouble:
                raise WrongAnswer(event.trouble)
            if verb == "filter":
                self._narrow(talk, extender, filtered(event.body, extender, talk.nodes))
            else:
                for node, gain in points(event.body).items():
                    weighed = gain * extender.weight * POINTS_FACTOR
                    talk.gains[node] = talk.gains.get(node, 0) + weighed
        except WrongAnswer as wrong:
            # Points are a wish; who filters must be heard unless it may be ignored.
            if verb == "filter" and not extender.ignorable:
                if talk.nominated:
                    return self.begin(talk.subject, talk.record)
                self._talk = None
                return Verdict(talk.subject, trouble=f"extender {extender.url}: {wrong}")
            self.ignored += 1
        return None if talk.open else self._go_on(talk)

    def bargain(self, subject: Subject, refused: Explanation, candidates: Sequence[Trial]) -> None:
        """Extenders are asked which pods may leave for the one that is talked about no longer."""
        assert self._talk is None and self._bargain is None and candidates
        document, concerned = self._pods[subject.pod]
        extenders = self._with("preempt", concerned)
        offers = offers_of(candidates, self._table, self._records)
        self._bargain = Bargain(subject, document, refused, extenders, offers)
        self._offer(self._bargain)

    def take_orders(self) -> list[AskExtender]:
        orders, self._orders = self._orders, []
        return orders

    # The bargain

    def _offer(self, bargain: Bargain) -> None:
        number = bargain.extenders.pop(0)
        extender = self._extenders[number]
        shown = {}
        for node, offer in bargain.offers.items():
            pods: list[JsonObject] = [{"UID": uid} for uid in offer.victims]
            if not extender.node_cache_capable:
                pods = [self._victim(pod, node) for pod in offer.victims.values()]
            shown[node] = victims_of(pods, offer.violations)
        self._last_ask -= 1
        body = preemption_arguments(extender, bargain.document, shown)
        self._orders.append(AskExtender(number, self._last_ask, "preempt", body))
        bargain.asked, bargain.ask = number, self._last_ask

    def _victim(self, pod: str, node: str) -> JsonObject:
        """With its node, which a pod whose binding is under way does not have."""
        found = self._possible_victims.get(pod, {})
        return {**found, "spec": {**found.get("spec", {}), "nodeName": node}}

    def _haggle(self, bargain: Bargain, event: ExtenderAnswered) -> Verdict | None:
        """Take in an answer; None: the next extender is asked."""
        extender = self._extenders[bargain.asked]
        bargain.ask = 0
        try:
            if event.trouble:
                raise WrongAnswer(event.trouble)
            bargain.narrow(event.body, extender.ignorable, self._table, self._records)
        except WrongAnswer as wrong:
            if not extender.ignorable:
                self._bargain = None
                trouble = f"extender {extender.url}: {wrong}"
                return Verdict(bargain.subject, judged=Judged(bargain.refused, trouble=trouble))
            self.ignored += 1
        if bargain.offers and bargain.extenders:
            self._offer(bargain)
            return None
        self._bargain = None
        left = bargain.left(self._table, self._records)
        if bargain.offers and not left:
            return Verdict(bargain.subject)
        return Verdict(bargain.subject, judged=Judged(bargain.refused, left))

    # The talk

    def _with(self, verb: Verb, concerned: Sequence[int]) -> list[int]:
        return [number for number in concerned if verb in self._extenders[number].verbs]

    def _go_on(self, talk: Talk) -> Verdict | None:
        if talk.filters and talk.nodes:
            self._put(talk, talk.filters.pop(0), "filter")
            return None
        if talk.nominated and not talk.nodes:
            return self.begin(talk.subject, talk.record)
        if len(talk.nodes) > 1 and talk.scorers:
            scorers, talk.scorers = talk.scorers, []
            for number in scorers:
                self._put(talk, number, "prioritize")
            return None
        self._talk = None
        verdict = asked(self._conclude, talk)
        return (
            Verdict(talk.subject, raised=verdict.error) if isinstance(verdict, Raised) else verdict
        )

    def _put(self, talk: Talk, number: int, verb: Verb) -> None:
        extender = self._extenders[number]
        nodes: Mapping[str, JsonObject] = {name: self._nodes.get(name, {}) for name in talk.nodes}
        body = arguments(extender, talk.document, nodes)
        # Downwards: requests to bind have the numbers of requests.
        self._last_ask -= 1
        self._orders.append(AskExtender(number, self._last_ask, verb, body))
        talk.open[self._last_ask] = (number, verb)

    def _narrow(self, talk: Talk, extender: Extender, answer: Filtered) -> None:
        kept = dict.fromkeys(answer.kept)
        for name in talk.nodes:
            if name not in kept:
                reason, hopeless = answer.refused.get(name, (NOT_KEPT, False))
                talk.refused[name] = (extender.url, reason, hopeless)
        talk.nodes = list(answer.kept)

    def _conclude(self, talk: Talk) -> Verdict:
        """With the nodes as they are now."""
        table, record = self._table, talk.record
        found = explain(record.shape, table, Pod(talk.subject.pod, record.priority))
        names = [table.names[row] for row in found.feasible.tolist()]
        kept = dict.fromkeys(talk.nodes)
        left = np.array([name in kept for name in names], np.bool_)
        if left.any():
            found.feasible = found.feasible[left]
            if len(found.feasible) > 1:
                found.scored = []
                score(record.shape, table, found)
                gains = [talk.gains.get(name, 0) for name in names if name in kept]
                found.total = found.total + np.array(gains, np.int64)
            return Verdict(talk.subject, choose(found, table, talk.subject.salt))
        if talk.nodes or any(name not in talk.refused for name in names):
            # What was left is taken by now, or others have come.
            return Verdict(talk.subject)
        for row, name in zip(found.feasible.tolist(), names, strict=True):
            url, reason, hopeless = talk.refused[name]
            yes = np.ones(1, np.bool_)
            why = Reason(reason, yes, yes if hopeless else ~yes)
            found.rejected.append(Rejected(url, np.array([row], np.int64), (why,)))
        found.feasible = found.feasible[:0]
        return Verdict(talk.subject, refused=found)
