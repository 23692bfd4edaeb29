"""Nodes in equal state form one class and are scored once: exact, not a sample.

Two nodes are of one class for pods of a place when the Node objects say the same about such pods
(``StaticView``) and when they have the same amounts, free and in all, and the same number of pods.
So a class can stand for its nodes wherever plugins look at nothing else. Kept up to date by the
rows that changed; a row that changed moves to another class, perhaps one of its own.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scheduler.framework import normalised
from scheduler.node_table import IntArray, NodeTable
from scheduler.pod_shape import Shape
from scheduler.tie import BLOCK, FIRST, tie_bits, walk
from scheduler.views import NOWHERE, StaticView

NO_CLASS = -1
ASKS_MIN = 8
"""Classes are made for a place that was asked about so often."""
ROWS_A_CLASS_MIN = 4
"""With fewer rows a class every row is scored instead."""
SAMPLE = 4096
"""Rows looked at before classes are made."""
PLACES_MAX = 8
"""Of the newest so many places classes are kept."""
WALK_BLOCKS = 4
"""Up to so many blocks of the shuffle are walked rather than listing the tied rows."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


@dataclass(slots=True)
class Members:
    """Rows that were in the class at some time: those it began with, from ``begin`` on, and those
    that joined. Whether they still are says ``NodeClasses.of_row``."""

    first: IntArray
    begin: int = 0
    joined: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """What is known of a place as long as no Node changes."""

    static: StaticView
    asks: int = 0
    classes: "NodeClasses | None" = None
    useless: bool = False


class NodeClasses:
    """Over the admitted rows of one static view."""

    def __init__(self, static: StaticView, table: NodeTable) -> None:
        self.static = static
        self._resources = len(table.resource_index)
        self._position = table.position
        self._signature = _signatures(static)
        columns = [self._signature, *_state_columns(table, self._resources)]
        rows = np.flatnonzero(static.admitted)
        numbers, order, starts = group([column[rows] for column in columns])
        self.of_row: npt.NDArray[np.int32] = np.full(len(static.admitted), NO_CLASS, np.int32)
        """[row]; NO_CLASS where static filters refuse the pod."""
        self.of_row[rows] = numbers
        parts = np.split(rows[order], starts[1:]) if len(rows) else []
        self._members = [Members(part) for part in parts]
        self._numbers = {self._key(table, int(part[0])): n for n, part in enumerate(parts)}
        self._keys: list[tuple[object, ...]] = list(self._numbers)
        self.sizes: IntArray = np.array([len(part) for part in parts], np.int64)
        """[class]."""
        self.representatives: IntArray = np.array([part[0] for part in parts], np.int64)
        """[class]: a row; of no meaning where the size is 0."""
        self._unused: list[int] = []

    @property
    def count(self) -> int:
        return len(self._numbers)

    def catch_up(self, table: NodeTable) -> bool:
        """Move the rows that changed. False: make it anew."""
        changed = table.changed_since(self._position)
        if changed is None or len(changed) * 8 > table.rows + 64:
            return False
        if self._resources != len(table.resource_index):
            return False
        self._position = table.position
        for row in dict.fromkeys(changed):
            before = self.of_row.item(row)
            if before != NO_CLASS:
                key = self._key(table, row)
                if key != self._keys[before]:
                    self._leave(row, before)
                    self._join(row, key)
        return True

    def rows_of(self, number: int) -> IntArray:
        """Its rows, each once."""
        members = self._members[number]
        rows = np.concatenate((members.first[members.begin :], members.joined)).astype(np.int64)
        rows = np.unique(rows[self.of_row[rows] == number])
        self._members[number] = Members(rows)
        return rows

    def _key(self, table: NodeTable, row: int) -> tuple[object, ...]:
        return (
            self._signature.item(row),
            table.allocatable[:, row].tobytes(),
            table.free[:, row].tobytes(),
            table.nonzero_free[:, row].tobytes(),
            table.pods.item(row),
            table.pods_allowed.item(row),
        )

    def _join(self, row: int, key: tuple[object, ...]) -> None:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._new_class(row, key)
        else:
            self._members[number].joined.append(row)
        self.of_row[row] = number
        self.sizes[number] += 1

    def _new_class(self, row: int, key: tuple[object, ...]) -> int:
        members = Members(np.array([row], np.int64))
        if self._unused:
            number = self._unused.pop()
            self._members[number], self._keys[number] = members, key
        else:
            number = len(self._members)
            self._members.append(members)
            self._keys.append(key)
            if number == len(self.sizes):
                more = (0, max(64, number))
                self.sizes = np.pad(self.sizes, more)
                self.representatives = np.pad(self.representatives, more)
        self.representatives[number] = row
        return number

    def _leave(self, row: int, number: int) -> None:
        self.of_row[row] = NO_CLASS
        size = self.sizes.item(number) - 1
        self.sizes[number] = size
        if not size:
            del self._numbers[self._keys[number]]
            self._members[number] = Members(np.zeros(0, np.int64))
            self._unused.append(number)
            return
        if self.representatives.item(number) == row:
            self.representatives[number] = self._some_member(number)
        if len(self._members[number].joined) > 2 * size + 64:
            self.rows_of(number)

    def _some_member(self, number: int) -> int:
        members = self._members[number]
        while members.begin < len(members.first):
            row = members.first.item(members.begin)
            if self.of_row.item(row) == number:
                return row
            members.begin += 1
        while self.of_row.item(members.joined[-1]) != number:
            members.joined.pop()
        return members.joined[-1]


def stand_for_nodes(shape: Shape, table: NodeTable) -> bool:
    """Whether no plugin for single nodes looks at anything that a class leaves out."""
    return all(
        plugin.static or plugin.amounts or not plugin.applies(shape, table)
        for plugins in (shape.profile.node_filters, shape.profile.node_scores)
        for plugin in plugins
    )


class ClassBook:
    """Classes by place, for shapes that are asked about too seldom to score every node."""

    def __init__(self) -> None:
        self._entries: OrderedDict[int, Entry] = OrderedDict()

    def classes(self, shape: Shape, static: StaticView, table: NodeTable) -> NodeClasses | None:
        """None: there are too many classes, or nobody knows yet whether it pays."""
        entry = self._entries.get(shape.place)
        if entry is None or entry.static is not static:
            entry = self._entries[shape.place] = Entry(static)
            if len(self._entries) > PLACES_MAX:
                self._entries.popitem(last=False)
        self._entries.move_to_end(shape.place)
        if entry.asks < ASKS_MIN:
            entry.asks += 1
            return None
        if entry.useless:
            return None
        classes = entry.classes
        if classes is None and mostly_different(static, table):
            entry.useless = True
            return None
        if classes is None or not classes.catch_up(table):
            classes = entry.classes = NodeClasses(static, table)
        if classes.count * ROWS_A_CLASS_MIN > table.rows:
            entry.classes, entry.useless = None, True
            return None
        return classes


def best_by_classes(shape: Shape, classes: NodeClasses, table: NodeTable, salt: int) -> int:
    """The row of the best node, NOWHERE when none is feasible. Cost: by the number of classes."""
    profile, static = shape.profile, classes.static
    numbers = np.flatnonzero(classes.sizes)
    for plugin in profile.node_filters:
        if not plugin.static and plugin.applies(shape, table):
            numbers = numbers[plugin.passes(shape, table, classes.representatives[numbers])]
    if not len(numbers):
        return NOWHERE
    rows = classes.representatives[numbers]
    total = static.fixed[rows].astype(np.int64)
    for score in profile.node_scores:
        if not score.static and score.applies(shape, table):
            total += score.raw(shape, table, rows) * score.weight
    for score, raw in static.levels:
        of_class = raw[rows]
        total += normalised(of_class, int(of_class.max()), score.normalise) * score.weight
    best = total == total.max()
    return _draw(classes, numbers[best], table, salt)


def _draw(classes: NodeClasses, tied: IntArray, table: NodeTable, salt: int) -> int:
    """One of all rows of these classes."""
    many = int(classes.sizes[tied].sum())
    if salt == FIRST or many * BLOCK * WALK_BLOCKS <= 1 << tie_bits(table.rows):
        return table.first_of(np.concatenate([classes.rows_of(n) for n in tied.tolist()]), salt)
    wins = np.zeros(len(classes.sizes) + 1, np.bool_)
    # Rows of no class find the last.
    wins[tied] = True
    of_row = classes.of_row
    return walk(len(of_row), salt, lambda rows: wins[of_row[rows]])


def mostly_different(static: StaticView, table: NodeTable) -> bool:
    """Whether so many nodes of a sample have a state of their own that classes are of no use.
    Classes are exact whatever this guesses."""
    rows = np.flatnonzero(static.admitted)
    rows = rows[:: max(1, len(rows) // SAMPLE)]
    states = mixed_columns(
        [column[rows] for column in _state_columns(table, len(table.resource_index))]
    )
    return len(np.unique(states)) * 2 > len(rows) >= SAMPLE


def _signatures(static: StaticView) -> IntArray:
    """[row]: equal where all that the view says is."""
    found = static.fixed.astype(np.int64)
    for _, raw in static.levels:
        _, numbers = np.unique(raw, return_inverse=True)
        _, found = np.unique(found * (int(numbers.max()) + 1) + numbers, return_inverse=True)
    return found


def _state_columns(table: NodeTable, resources: int) -> list[IntArray]:
    rows = slice(0, table.rows)
    return [
        *table.allocatable[:resources, rows],
        *table.free[:resources, rows],
        *table.nonzero_free[:, rows],
        table.pods[rows],
        table.pods_allowed[rows],
    ]


def mixed_columns(columns: Sequence[IntArray]) -> npt.NDArray[np.uint64]:
    """One number for each position, equal where all columns are, and hardly ever elsewhere."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        mixed = (mixed ^ column.astype(np.uint64)) * _ODD
        mixed = (mixed ^ mixed >> _HALF) * _MIX
    return mixed


def group(columns: Sequence[IntArray]) -> tuple[IntArray, IntArray, IntArray]:
    """Number of the group of each position, positions in order of groups, and where each group
    begins in these. Positions are of one group where all columns are equal."""
    varying = [c for c in columns if len(c) and c.min() != c.max()] or columns[:1]
    mixed = mixed_columns(varying)
    _, first, numbers = np.unique(mixed, return_index=True, return_inverse=True)
    if not all((column == column[first][numbers]).all() for column in varying):
        # Two states have one mix.
        _, first, numbers = np.unique(
            np.array(varying), axis=1, return_index=True, return_inverse=True
        )
        numbers = numbers.reshape(-1)
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(len(first)))
    return numbers.astype(np.int64), order, starts
