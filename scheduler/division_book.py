"""Which pods rows are divided for, and for how long what was worked out holds."""

from collections import OrderedDict
from dataclasses import dataclass
from operator import is_

from scheduler.coupling import Coupling
from scheduler.divisions import Divisions, opinions
from scheduler.node_table import NodeTable
from scheduler.views import ShapeView

ASKS_MIN = 3
"""Rows are divided for pods that were asked about so often while nothing but pods changed."""
ENTRIES_MAX = 4096
CELLS_MAX = 1 << 23
"""Rows of all divisions kept together; a row takes about 10 bytes."""


@dataclass(slots=True)
class Entry:
    """What is known of pods of one shape and relations."""

    anchors: list[object]
    asks: int = 0
    divisions: Divisions | None = None
    useless: bool = False


class DivisionBook:
    """Divisions of the pods asked about lately, by the numbers of their shape and relations."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[int, int], Entry] = OrderedDict()
        self._divided: OrderedDict[tuple[int, int], Entry] = OrderedDict()

    def choose(
        self, table: NodeTable, coupling: Coupling, view: ShapeView, salt: int
    ) -> int | None:
        """The row of the best node, NOWHERE when none is feasible; None: look at every row.
        ``salt``: not FIRST."""
        shape = coupling.shape
        key = (shape.number, shape.relations.number)
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = Entry([])
            if len(self._entries) > ENTRIES_MAX:
                self._divided.pop(self._entries.popitem(last=False)[0], None)
            return None
        now = opinions(shape, table, coupling)
        if now is None:
            return None
        anchors = now.anchors(view)
        if len(anchors) != len(entry.anchors) or not all(map(is_, anchors, entry.anchors)):
            entry.anchors, entry.asks, entry.divisions, entry.useless = anchors, 0, None, False
        entry.asks += 1
        if entry.useless or entry.asks < ASKS_MIN:
            return None
        divisions = entry.divisions
        if divisions is None or not divisions.follow(table, now):
            divisions = entry.divisions = Divisions(shape, table, view, now)
            self._keep(key, entry, table.rows)
        if divisions.too_many:
            entry.divisions, entry.useless = None, True
            return None
        return divisions.best(table, now, salt)

    def _keep(self, key: tuple[int, int], entry: Entry, rows: int) -> None:
        """The oldest are forgotten when it becomes too much."""
        self._divided[key] = entry
        self._divided.move_to_end(key)
        while len(self._divided) > max(2, CELLS_MAX // max(rows, 1)):
            _, oldest = self._divided.popitem(last=False)
            oldest.divisions = None
