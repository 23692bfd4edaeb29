"""The leader's side of the scoring pool: whom it asks, who answered, and the choice.

Rounds of questions overlap by one: while the pods of a round are decided, partitions score those of
the next. A row that changed after a round was sent is rated by the leader itself, as are the rows
of a lost partition, so the choice is that of a leader that scores alone. With a quorum below 100 %
a round closes when so many have answered: the rows of the others do not count in it, and they are
not asked again before they have answered.

How many nodes are named. Between a question and the decision about a pod so many rows change as
pods are decided meanwhile: those of the batch before, and those of its own batch before it. One
more node is named than so many, so one of them is unchanged, and the leader need not score all. A
partition names only the share of that many which it had of the changed rows lately, or its even
share if that is more, and SPARE. So with one partition the leader never scores all for want of
named nodes; with more, only for a pod before which a partition had a larger share of the changes
than in the rounds before, and by more than SPARE rows. ``fallbacks`` counts that.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scheduler.changed_rows import AHEAD, ChangedRows
from scheduler.engine import Engine
from scheduler.explain import NOBODY, Pod
from scheduler.node_table import IntArray, NodeTable
from scheduler.partition import SHARES
from scheduler.partition_rows import partition_of
from scheduler.partition_wire import STALE, answer_from, question_body, request_body
from scheduler.pod_shape import Shape, ShapeKey
from scheduler.rating import Levels, rate, weighted_levels
from scheduler.round import NO_KEY, Question, Round
from scheduler.telling import Telling
from scheduler.tie import FIRST, tie_bits, tie_place
from scheduler.views import NOWHERE

RETRY_AFTER_NS = 1_000_000_000
"""A lost partition is asked again after this."""
PLACE_ASKS_MIN = 4
"""All Node objects are looked at for the pods of a place that was asked about so often."""
PLACES_MAX = 4096


@dataclass(slots=True)
class PartitionState:
    """How it stands with a partition."""

    waiting: bool = False
    late: bool = False
    """It owes the answer to a round that was closed without it."""
    asked: bool = False
    """In the open round."""
    left_out: bool = False
    """Its rows do not count in the open round."""
    answer: Any = None
    """Body; None: none."""
    retry_ns: int = 0


class ScoringPool:
    """Questions and answers: ``ask``; ``answered`` or ``lost`` until nothing is waited for;
    ``close``; then ``choose`` for the pods of the round, before or after the next ``ask``."""

    def __init__(
        self, table: NodeTable, engine: Engine, partitions: int, quorum_percent: int = 100
    ) -> None:
        assert partitions > 0 and 0 < quorum_percent <= 100
        self._quorum_percent = quorum_percent
        self._table = table
        self._engine = engine
        self._partitions = [PartitionState() for _ in range(partitions)]
        self._telling = Telling(table, partitions)
        self._open: Question | None = None
        self._closed: tuple[Question, list[Any], list[bool]] | None = None
        """Not merged yet: the question, the answers, and whose rows do not count."""
        self._round: Round | None = None
        self._changed = ChangedRows(table, engine, 0)
        self._places: Counter[int] = Counter()
        """How often pods of a place were asked about."""
        self._shares = [-(-SHARES // partitions)] * partitions
        """Of SHARES: how many of the rows that change may be theirs."""
        self._position = 0
        """Of the table at the last question."""
        self.fallbacks = 0
        """Decisions for which the leader scored all nodes itself."""
        self.by_levels = 0
        """Decisions for which maxima may have changed, so that no merged order holds."""

    @property
    def waiting(self) -> bool:
        return any(partition.waiting for partition in self._partitions)

    def ask(
        self, pods: Sequence[tuple[int, Shape, int]], undecided: int, now_ns: int
    ) -> list[tuple[int, Any]]:
        """Open a round about (number in the batch, shape, salt); (partition, body) to send.
        ``undecided``: pods that are decided before the batch."""
        assert not self.waiting and self._open is None
        self._set_shares()
        self._open = self._question(pods)
        shapes: dict[int, int] = {}
        keys: list[ShapeKey] = []
        asked: list[tuple[int, int]] = []
        for _, shape, salt in pods:
            index = shapes.setdefault(shape.number, len(keys))
            if index == len(keys):
                keys.append(shape.key)
            asked.append((index, salt))
        count = len(self._partitions)
        # Of this batch only those that partitions are asked about have an index there.
        unasked = pods[-1][0] + 1 - len(pods) if pods else 0
        question = question_body(undecided + unasked, self._open.tie_bits, keys, asked)
        images = _image_counts(self._table, keys)
        orders = []
        for number, partition in enumerate(self._partitions):
            partition.answer, partition.left_out = None, partition.late
            partition.asked = partition.retry_ns <= now_ns and not partition.late
            if partition.asked:
                partition.waiting = True
                changed = self._telling.changes(number, images)
                share = self._shares[number]
                orders.append((number, request_body(changed, number, count, share, question)))
        return orders

    def answered(self, number: int, body: Any, now_ns: int) -> None:
        partition = self._partitions[number]
        if not (partition.waiting or partition.late):
            return
        if body == STALE:
            self._forget(number, now_ns)
        elif self._open is not None and partition.asked:
            partition.answer, partition.left_out = body, False
        partition.waiting = partition.late = False
        answers = sum(partition.answer is not None for partition in self._partitions)
        if answers * 100 >= self._quorum_percent * len(self._partitions):
            # No more are waited for than are wanted.
            for partition in self._partitions:
                partition.late |= partition.waiting
                partition.left_out |= partition.waiting
                partition.waiting = False

    def lost(self, number: int, now_ns: int) -> None:
        partition = self._partitions[number]
        partition.waiting = partition.late = False
        self._forget(number, now_ns + RETRY_AFTER_NS)

    def close(self) -> None:
        """The answers are in. They are merged when the first pod is chosen for, so that the next
        round can be asked before."""
        assert not self.waiting
        if self._open is not None:
            left_out = [partition.left_out for partition in self._partitions]
            bodies = [partition.answer for partition in self._partitions]
            self._closed = (self._open, bodies, left_out)
            self._open = self._round = None

    def _merge(self) -> None:
        if self._closed is not None:
            question, bodies, left_out = self._closed
            answers = [None if body is None else answer_from(body) for body in bodies]
            self._round = Round(question, answers, left_out, self._table)
            self._changed = ChangedRows(self._table, self._engine, question.position)
            self._closed = None

    def choose(self, number: int, shape: Shape, salt: int, pod: Pod = NOBODY) -> int:
        """The row of the best node for a pod of the round, NOWHERE when none is feasible."""
        if self._engine.is_coupled(shape, pod):
            return self._engine.choose(shape, salt, pod)
        self._merge()
        one = self._round
        index = None if one is None else one.question.index.get(number)
        if one is None or index is None or not self._holds(one, index, shape):
            return self._alone(shape, salt)
        maxima = one.maxima(index)
        own = None
        if (
            shape.place in one.question.places
            and not one.lost
            and one.support(index) > len(self._changed.slot_of)
        ):
            coming = [asked for _, asked, _ in one.question.pods[index : index + AHEAD]]
            own = self._changed.best(coming, maxima[: len(shape.profile.levels)])
        if own is not None:
            return self._merged(one, index, own, shape, salt)
        self.by_levels += 1
        return self._choose_by_levels(one, index, shape, salt)

    def _holds(self, one: Round, index: int, shape: Shape) -> bool:
        """What the partitions said is still true of the rows that have not changed."""
        question, table = one.question, self._table
        return (
            self._changed.follow()
            and index not in one.raised
            and question.tie_bits == tie_bits(table.rows)
            and not self._images_moved(question, shape)
        )

    def _merged(
        self,
        one: Round,
        index: int,
        own: tuple[int, IntArray | list[int]],
        shape: Shape,
        salt: int,
    ) -> int:
        """The better one of the best among the changed rows and among the others."""
        top, rows = own
        key, row = one.best(index, self._changed.mask)
        if top != NOWHERE and (key == NO_KEY or top >= one.total(key)):
            mine = self._table.first_of(np.asarray(rows), salt)
            key, row = max((key, row), (one.key(top, mine, salt), mine))
        if key < one.bound(index) or (key == NO_KEY and one.any_left_out):
            # One that was not named, or of those who are late, may do better.
            return self._alone(shape, salt)
        return row if key != NO_KEY else NOWHERE

    def _choose_by_levels(self, one: Round, index: int, shape: Shape, salt: int) -> int:
        """Vector of levels by vector of levels: which of them still have a feasible node says what
        the maxima are."""
        lists, changed = one.lists, self._changed.slot_of
        candidates: list[tuple[Levels, int, int]] = []
        for at in range(one.lists_begin.item(index), one.lists_begin.item(index + 1)):
            begin, end = lists.starts.item(at), lists.starts.item(at + 1)
            rows, bases = lists.rows[begin:end].tolist(), lists.bases[begin:end].tolist()
            left = [(-b, self._rank(r, salt), r) for r, b in zip(rows, bases, strict=True)
                    if r not in changed]  # fmt: skip
            if left:
                base, place, row = min(left)
                bound = -lists.bounds.item(at), lists.places.item(at)
                if lists.feasible.item(at) > end - begin and (base, place) > bound:
                    # One that was not named may come before it in the draw.
                    return self._alone(shape, salt)
                candidates.append((lists.kinds[lists.levels.item(at)], -base, row))
            elif lists.feasible.item(at) > end - begin:
                return self._alone(shape, salt)
        own = self._own_rows(one)
        if len(own):
            rating = rate(shape, self._table, own)
            levels = [tuple(column) for column in rating.levels.T.tolist()]
            candidates += zip(levels, rating.bases.tolist(), rating.rows.tolist(), strict=True)
        if not candidates and one.any_left_out:
            return self._alone(shape, salt)
        return self._winner(candidates, shape, salt)

    def _winner(
        self, candidates: Sequence[tuple[Levels, int, int]], shape: Shape, salt: int
    ) -> int:
        if not candidates:
            return NOWHERE
        maxima = tuple(max(column) for column in zip(*(c[0] for c in candidates), strict=True))
        gains: dict[Levels, int] = {}
        best: tuple[int, int, int] | None = None
        for levels, base, row in candidates:
            gain = gains.get(levels)
            if gain is None:
                gain = gains[levels] = weighted_levels(levels, maxima, shape, self._table)
            if best is not None and -base - gain > best[0]:
                continue
            bid = (-base - gain, self._rank(row, salt), row)
            if best is None or bid < best:
                best = bid
        assert best is not None
        return best[2]

    def _question(self, pods: Sequence[tuple[int, Shape, int]]) -> Question:
        table, places = self._table, self._places
        for _, shape, _ in pods:
            places[shape.place] += 1
        often = {s.place: None for _, s, _ in pods if places[s.place] >= PLACE_ASKS_MIN}
        if len(places) > PLACES_MAX:
            places.clear()
        names = (name for _, shape, _ in pods for name in shape.key.images)
        return Question(
            pods=pods,
            index={number: index for index, (number, _, _) in enumerate(pods)},
            position=table.position,
            image_version=table.image_version,
            tie_bits=tie_bits(table.rows),
            images_told=dict.fromkeys(name for name in names if name in table.images),
            places=often,
        )

    def _set_shares(self) -> None:
        """What share of the rows that change each partition has had lately: at least its even one,
        and what it had in the last rounds, which count less the longer ago they are."""
        table, count = self._table, len(self._partitions)
        changed = table.changed_since(self._position)
        self._position = table.position
        if not changed:
            return
        theirs = np.bincount(partition_of(np.array(changed, np.int64), count), minlength=count)
        for number, rows in enumerate(theirs.tolist()):
            seen = -(-SHARES * rows // len(changed))
            before = self._shares[number]
            self._shares[number] = max(seen, (before + seen) // 2, -(-SHARES // count))

    def _images_moved(self, question: Question, shape: Shape) -> bool:
        """Image scores of all nodes depend on how many of all nodes have an image."""
        return question.image_version != self._table.image_version and any(
            name in self._table.images or name in question.images_told for name in shape.key.images
        )

    def _rank(self, row: int, salt: int) -> int:
        if salt == FIRST:
            return self._table.order.item(row)
        return tie_place(row, salt, tie_bits(self._table.rows))

    def _alone(self, shape: Shape, salt: int) -> int:
        self.fallbacks += 1
        return self._engine.choose(shape, salt)

    def _own_rows(self, one: Round) -> IntArray:
        """Rows that the leader rates: changed ones, and those of lost partitions."""
        rows = np.array(list(self._changed.slot_of), np.int64)
        if one.lost:
            everyone = np.arange(self._table.rows)
            whose = partition_of(everyone, len(self._partitions))
            theirs = everyone[np.isin(whose, one.lost)]
            rows = np.unique(np.concatenate((rows, theirs)))
        return rows

    def _forget(self, number: int, retry_ns: int) -> None:
        self._telling.forget(number)
        self._partitions[number].answer = None
        self._partitions[number].retry_ns = retry_ns


def _image_counts(table: NodeTable, keys: Sequence[ShapeKey]) -> list[tuple[str, int, int]]:
    names = dict.fromkeys(name for key in keys for name in key.images)
    return [
        (name, table.images[name].size, table.images[name].nodes)
        for name in names
        if name in table.images
    ]
