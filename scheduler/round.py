"""The answers of all partitions about one batch, merged: for each pod the nodes named, best first.

Totals need the maxima of the levels over all feasible nodes, which no partition knows; the leader
has them when all answers are in. A list of nodes leaves out worse ones of the same levels, so the
merged order holds down to the worst node of the best list that leaves some out. All pods of a batch
are merged at once, by columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.node_table import IntArray, NodeTable
from scheduler.partition import Scored
from scheduler.pod_shape import Shape
from scheduler.rating import Levels, weighted_levels
from scheduler.tie import FIRST, tie_places_each

NO_BOUND = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What partitions were asked, and about which state of the table."""

    pods: Sequence[tuple[int, Shape, int]]
    """(number in the batch, shape, salt)."""
    index: Mapping[int, int]
    """Number of the pod in the batch to its place in ``pods``."""
    position: int
    image_version: int
    tie_bits: int
    images_told: Mapping[str, None]
    places: Mapping[int, None]
    """Of shapes that come so often that it pays to look at all Node objects for them."""


@dataclass(frozen=True, slots=True)
class Lists:
    """All lists of all partitions, one after the other: see partition.Scored."""

    pods: IntArray
    levels: IntArray
    """[list]: index in ``kinds``."""
    feasible: IntArray
    starts: IntArray
    """[list or the end]: where in ``rows``."""
    kinds: Sequence[Levels]
    rows: IntArray
    """[node named], of the leader."""
    bases: IntArray

    @property
    def named(self) -> IntArray:
        """[list]."""
        return np.diff(self.starts)


def lists_of(answers: Sequence[Scored | None]) -> Lists:
    kinds: dict[Levels, int] = {}
    parts: list[IntArray] = [np.zeros((4, 0), np.int64)]
    rows, bases = [parts[0][0]], [parts[0][0]]
    for number, answer in enumerate(answers):
        if answer is not None:
            known = [kinds.setdefault(levels, len(kinds)) for levels in answer.levels]
            lists = answer.lists.copy()
            lists[1] = np.array(known, np.int64)[lists[1]]
            parts.append(lists)
            rows.append(answer.rows * len(answers) + number)
            bases.append(answer.bases)
    pods, levels, feasible, named = np.concatenate(parts, axis=1)
    starts = np.concatenate(([0], np.cumsum(named)))
    return Lists(
        pods, levels, feasible, starts, list(kinds), np.concatenate(rows), np.concatenate(bases)
    )


class Round:
    """A question and its answers."""

    def __init__(
        self,
        question: Question,
        answers: Sequence[Scored | None],
        left_out: Sequence[bool],
        table: NodeTable,
    ) -> None:
        """``left_out``: partitions whose rows do not count, because nobody waits for them."""
        self.question = question
        self.any_left_out = any(left_out)
        self.lost = [n for n, a in enumerate(answers) if a is None and not left_out[n]]
        """Partitions whose rows the leader has to rate."""
        self.raised = {pod: None for a in answers if a is not None for pod in a.raised}
        self.lists = lists_of(answers)
        self._set_maxima()
        self._set_order(table)

    def maxima(self, pod: int) -> Levels:
        """Over the feasible nodes of all partitions that answered."""
        return tuple(self._maxima[pod].tolist())

    def support(self, pod: int) -> int:
        """Fewer rows than so many may change, and the maxima do not become lower."""
        return int(self._support[pod])

    def best(self, pod: int, changed: Mapping[int, int]) -> tuple[int, int, int] | None:
        """(total, row, how many before it had changed) of the best named row that has not; None
        when there is none."""
        begin, end = self._begins.item(pod), self._begins.item(pod + 1)
        for first in range(begin, end, 32):
            for at, row in enumerate(self._rows[first : min(first + 32, end)].tolist(), first):
                if row not in changed:
                    return self._totals.item(at), row, at - begin
        return None

    def bound(self, pod: int) -> tuple[int, int] | None:
        """(-total, place in the draw) of a node that comes before all that are left out; None: none
        is."""
        packed = self._bounds.item(pod)
        if packed == NO_BOUND:
            return None
        place = packed & (1 << self._place_bits) - 1
        below = packed >> self._place_bits & (1 << self._total_bits) - 1
        return below - self._highest, place

    def _set_maxima(self) -> None:
        """maxima: [pod, level]; support: [pod]."""
        pods, lists = len(self.question.pods), self.lists
        width = max((len(s.profile.levels) for _, s, _ in self.question.pods), default=0)
        kinds = np.zeros((len(lists.kinds), width), np.int64)
        for number, levels in enumerate(lists.kinds):
            kinds[number, : len(levels)] = levels
        own = kinds[lists.levels]
        self._maxima = np.zeros((pods, width), np.int64)
        np.maximum.at(self._maxima, lists.pods, own)
        having = np.zeros((pods, width), np.int64)
        highest = own == self._maxima[lists.pods]
        np.add.at(having, lists.pods, highest * lists.feasible[:, None])
        # A maximum of 0 cannot become lower.
        having[self._maxima == 0] = NO_BOUND
        self._support = having.min(axis=1, initial=NO_BOUND)

    def _set_order(self, table: NodeTable) -> None:
        """Named rows of each pod, best first, down to its bound."""
        pods, lists, named = self.question.pods, self.lists, self.lists.named
        totals = lists.bases + np.repeat(self._gains(table), named)
        of_pod = np.repeat(lists.pods, named)
        places = self._places(table, of_pod)
        self._highest = int(totals.max(initial=0))
        self._place_bits = int(places.max(initial=0)).bit_length()
        self._total_bits = (self._highest - int(totals.min(initial=0))).bit_length()
        assert self._place_bits + self._total_bits + len(pods).bit_length() < 63
        keys = of_pod << self._total_bits | self._highest - totals
        keys = keys << self._place_bits | places
        self._bounds = np.full(len(pods), NO_BOUND)
        if len(named):
            # Every list names a row.
            worst = np.maximum.reduceat(keys, lists.starts[:-1])
            left_out = lists.feasible > named
            np.minimum.at(self._bounds, lists.pods[left_out], worst[left_out])
        kept = np.flatnonzero(keys <= self._bounds[of_pod])
        kept = kept[np.argsort(keys[kept])]
        self._rows, self._totals = lists.rows[kept], totals[kept]
        self._begins = np.searchsorted(of_pod[kept], np.arange(len(pods) + 1))

    def _gains(self, table: NodeTable) -> IntArray:
        """[list]: what its levels add to the bases."""
        lists, kinds = self.lists, max(len(self.lists.kinds), 1)
        alike: dict[tuple[int, Levels], int] = {}
        examples: list[int] = []
        of_pod = []
        for pod, (_, shape, _) in enumerate(self.question.pods):
            number = alike.setdefault((shape.place, self.maxima(pod)), len(examples))
            if number == len(examples):
                examples.append(pod)
            of_pod.append(number)
        pairs = np.array(of_pod, np.int64)[lists.pods] * kinds + lists.levels
        distinct, which = np.unique(pairs, return_inverse=True)
        gains = []
        for number, levels in (divmod(pair, kinds) for pair in distinct.tolist()):
            pod = examples[number]
            shape = self.question.pods[pod][1]
            count = len(lists.kinds[levels])
            maxima = self.maxima(pod)[:count]
            gains.append(weighted_levels(lists.kinds[levels], maxima, shape, table))
        return np.array(gains, np.int64)[which]

    def _places(self, table: NodeTable, of_pod: IntArray) -> IntArray:
        """[node named]: its place in the draw of its pod."""
        rows, salts = self.lists.rows, [salt for _, _, salt in self.question.pods]
        places = tie_places_each(rows, salts, of_pod, self.question.tie_bits)
        if FIRST in salts:
            places = np.where(
                np.array(salts, np.uint64)[of_pod] == FIRST, table.order[rows], places
            )
        return places
