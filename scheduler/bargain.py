"""What extenders say about preemption: each that has a say is shown the nodes where other pods
could make room, and which pods; what it names instead is shown to the next one.

An extender may name any node, and any pods on it, whatever their priority. That a node or a pod
went away while it was asked is not its fault; one that was never there is.

Source: framework/preemption/preemption.go (callExtenders) and pkg/scheduler/extender.go
(ProcessPreemption, convertToVictims), v1.36.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from api.core import JsonObject
from scheduler.explain import Explanation
from scheduler.extender import Named, WrongAnswer, victims_named
from scheduler.node_table import NodeTable
from scheduler.pod_book import PodRecords
from scheduler.preemption import Trial, Victim


@dataclass(frozen=True, slots=True)
class Subject:
    """The pod in question."""

    pod: str
    uid: str
    salt: int


class Offer(NamedTuple):
    """What room on one node costs."""

    victims: Mapping[str, str]
    """Uid to pod, most important first."""
    violations: int


@dataclass(slots=True)
class Bargain:
    """One pod's way through the extenders that have a say in preemption."""

    subject: Subject
    document: JsonObject
    refused: Explanation
    """Why it fits nowhere."""
    extenders: list[int]
    """Numbers of those that have not been asked."""
    offers: Mapping[str, Offer]
    """By node, in the order in which they were found."""
    asked: int = 0
    """Who was asked last."""
    ask: int = 0
    """The question without an answer; 0: none."""

    def narrow(self, body: object, ignorable: bool, table: NodeTable, records: PodRecords) -> None:
        """To what an extender answered. WrongAnswer, and then nothing has changed."""
        named = victims_named(body)
        offers: dict[str, Offer] = {}
        for node in dict.fromkeys((*self.offers, *named)):
            if node not in named:
                continue
            offer = self._checked(node, named[node], table, records)
            if offer.victims:
                offers[node] = offer
            elif not ignorable:
                raise WrongAnswer(f"names no victim on node {node!r:.100}")
        self.offers = offers

    def left(self, table: NodeTable, records: PodRecords) -> list[Trial]:
        """What of the offers is still there."""
        result = []
        for node, offer in self.offers.items():
            there = table.pods_on(node) if node in table.row_of else {}
            victims = tuple(
                Victim(pod, there[pod])
                for uid, pod in offer.victims.items()
                if pod in there and records[pod].reference.uid == uid
            )
            if victims:
                result.append(Trial(table.row_of[node], victims, offer.violations))
        return result

    def _checked(self, node: str, named: Named, table: NodeTable, records: PodRecords) -> Offer:
        known: dict[str, str] = {}
        if node in self.offers:
            known |= self.offers[node].victims
        elif node not in table.row_of:
            raise WrongAnswer(f"claims victims on a node {node!r:.100} that does not exist")
        if node in table.row_of:
            known |= {records[pod].reference.uid: pod for pod in table.pods_on(node)}
        for uid in named.uids:
            if uid not in known:
                raise WrongAnswer(f"claims a victim {uid!r:.100} that is not on node {node!r:.100}")
        return Offer({uid: known[uid] for uid in named.uids}, named.violations)


def offers_of(
    candidates: Sequence[Trial], table: NodeTable, records: PodRecords
) -> dict[str, Offer]:
    """By node, in the same order."""
    result: dict[str, Offer] = {}
    for trial in candidates:
        victims = {records[one.pod].reference.uid: one.pod for one in trial.victims}
        result[table.names[trial.row]] = Offer(victims, trial.violations)
    return result
