"""The answers of all partitions about one batch, merged: for each pod the nodes named, and how good
what is left out may be.

Totals need the maxima of the levels over all feasible nodes, which no partition knows; the leader
has them when all answers are in. A node's key is its total and then its place in the draw, so the
highest key wins. All pods of a batch are merged at once, by columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.node_table import LOG_MAX, IntArray, Mask, NodeTable
from scheduler.partition import Scored
from scheduler.partition_rows import leaders_rows
from scheduler.pod_shape import Shape
from scheduler.rating import Levels, weighted_levels
from scheduler.tie import FIRST, tie_place, tie_places_each

NO_BOUND = (1 << 63) - 1
NO_KEY = -(1 << 63)
KEY_BITS = 62


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
    """All lists of all partitions, those of one pod side by side: see partition.Scored."""

    pods: IntArray
    feasible: IntArray
    named: IntArray
    bounds: IntArray
    places: IntArray
    levels: IntArray
    """[list]: index in ``kinds``."""
    kinds: Sequence[Levels]
    starts: IntArray
    """[list or the end]: where in ``rows``."""
    rows: IntArray
    """[node named], of the leader."""
    bases: IntArray


def lists_of(answers: Sequence[Scored | None]) -> Lists:
    kinds: dict[Levels, int] = {}
    parts: list[IntArray] = [np.zeros((6, 0), np.int64)]
    rows, bases = [parts[0][0]], [parts[0][0]]
    for number, answer in enumerate(answers):
        if answer is not None:
            known = [kinds.setdefault(levels, len(kinds)) for levels in answer.levels]
            lists = answer.lists.copy()
            lists[5] = np.array(known, np.int64)[lists[5]]
            parts.append(lists)
            rows.append(leaders_rows(answer.rows, number, len(answers)))
            bases.append(answer.bases)
    lists = np.concatenate(parts, axis=1)
    order = np.argsort(lists[0], kind="stable")
    came_at = (np.cumsum(lists[2]) - lists[2])[order]
    pods, feasible, named, bounds, places, levels = lists[:, order]
    starts = np.concatenate(([0], np.cumsum(named)))
    # Nodes move with their list.
    at = np.arange(starts[-1]) + np.repeat(came_at - starts[:-1], named)
    return Lists(
        pods, feasible, named, bounds, places, levels, list(kinds), starts,
        np.concatenate(rows)[at], np.concatenate(bases)[at],
    )  # fmt: skip


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
        self._table = table
        self.any_left_out = any(left_out)
        self.lost = [n for n, a in enumerate(answers) if a is None and not left_out[n]]
        """Partitions whose rows the leader has to rate."""
        self.raised = {pod: None for a in answers if a is not None for pod in a.raised}
        self.lists = lists_of(answers)
        self.lists_begin: IntArray = np.searchsorted(
            self.lists.pods, np.arange(len(question.pods) + 1)
        )
        """[pod or the end]: where its lists begin."""
        self._set_maxima()
        self._set_keys(table)

    def maxima(self, pod: int) -> Levels:
        """Over the feasible nodes of all partitions that answered."""
        return tuple(self._maxima[pod].tolist())

    def support(self, pod: int) -> int:
        """Fewer rows than so many may change, and the maxima do not become lower."""
        return int(self._support[pod])

    def best(self, pod: int, changed: Mask) -> tuple[int, int]:
        """(key, row) of the best named row that has not changed; NO_KEY when there is none."""
        part = slice(self._begins.item(pod), self._begins.item(pod + 1))
        rows = self.lists.rows[part]
        if not len(rows):
            return NO_KEY, 0
        keys = np.where(changed[rows], NO_KEY, self._keys[part])
        at = int(keys.argmax())
        return keys.item(at), rows.item(at)

    def bound(self, pod: int) -> int:
        """No row that is left out has a higher key; NO_KEY: none is left out."""
        return int(self._bounds[pod])

    def key(self, total: int, row: int, salt: int) -> int:
        """Of any row."""
        place = self._table.order.item(row)
        if salt != FIRST:
            place = tie_place(row, salt, self.question.tie_bits)
        return (total + 1 << self._place_bits) - 1 - place

    def total(self, key: int) -> int:
        return key >> self._place_bits

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

    def _set_keys(self, table: NodeTable) -> None:
        """Of named rows, and of the best that may be left out for each pod."""
        pods, lists = self.question.pods, self.lists
        gains = self._gains(table)
        totals = lists.bases + np.repeat(gains, lists.named)
        bounds = lists.bounds + gains
        places = self._places(table, np.repeat(lists.pods, lists.named))
        # Nodes may come, and with them their numbers, until the last pod is decided.
        latest = int(table.order.max(initial=0)) + LOG_MAX
        highest = max(latest, (1 << self.question.tie_bits) - 1)
        self._place_bits = highest.bit_length()
        most = int(max(totals.max(initial=0), bounds.max(initial=0)))
        assert self._place_bits + most.bit_length() < KEY_BITS
        self._keys = (totals + 1 << self._place_bits) - 1 - places
        self._bounds = np.full(len(pods), NO_KEY)
        out = lists.feasible > lists.named
        keys = (bounds + 1 << self._place_bits) - 1 - lists.places
        np.maximum.at(self._bounds, lists.pods[out], keys[out])
        self._begins = lists.starts[self.lists_begin]

    def _gains(self, table: NodeTable) -> IntArray:
        """[list]: what its levels add to the bases."""
        lists, kinds = self.lists, max(len(self.lists.kinds), 1)
        alike: dict[tuple[int, bytes], int] = {}
        examples: list[int] = []
        of_pod = []
        for pod, (_, shape, _) in enumerate(self.question.pods):
            number = alike.setdefault((shape.place, self._maxima[pod].tobytes()), len(examples))
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
        drawn = tie_places_each(rows, salts, of_pod, self.question.tie_bits)
        places = drawn.astype(np.int64)
        if FIRST in salts:
            places = np.where(
                np.array(salts, np.uint64)[of_pod] == FIRST, table.order[rows], places
            )
        return places
