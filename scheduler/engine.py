"""Decides for one pod after the other which node is best, and remembers what it worked out: pods
of one shape are filtered and scored once, then only the rows that changed in between.

The outcome is that of looking at every node for every pod (``scheduler.explain``); a property test
holds the two together.
"""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scheduler.coupling import Coupling, coupling_of
from scheduler.explain import NOBODY, Pod
from scheduler.framework import Score, normalised, share
from scheduler.node_table import SINGLE_ROWS_MAX, IntArray, Mask, NodeTable
from scheduler.pod_shape import Shape
from scheduler.sampling import ALL, NodeSampler
from scheduler.tie import FIRST

NOWHERE = -1
"""No node is feasible. Also the total of a row that is not."""

NO_ROWS: IntArray = np.zeros(0, np.int64)

VIEW_CELLS_MAX = 1 << 25
"""Rows of all remembered shapes together; a row of a shape takes about 40 bytes at most."""
VIEWS_MAX = 4096
SHARES_MAX = 64
"""Normalised levels of one static view kept."""

Scores = npt.NDArray[np.int32]


class StaticView:
    """What the Node objects alone say about a shape."""

    __slots__ = (
        "_descending", "_groups", "_shares", "admitted", "constant", "fixed", "images_matter",
        "levels", "version",
    )  # fmt: skip

    def __init__(self, shape: Shape, table: NodeTable) -> None:
        rows = slice(0, table.rows)
        self.version = (table.static_version, table.image_version)
        self._groups: list[tuple[dict[str, int], IntArray]] | None = None
        self._descending: list[list[tuple[int, IntArray]]] | None = None
        self._shares: dict[tuple[int, int], Scores] = {}
        self.images_matter = any(name in table.images for name in shape.key.images)
        self.admitted: Mask = table.alive[rows].copy()
        """[row]: passes the static filters."""
        for plugin in shape.profile.node_filters:
            if plugin.static and plugin.applies(shape, table):
                self.admitted &= plugin.passes(shape, table, rows)
        self.fixed: Scores = np.zeros(table.rows, np.int32)
        """[row]: weighted static scores that need no normalising."""
        self.levels: list[tuple[Score, IntArray]] = []
        """Scores that are shares of the maximum over the feasible nodes, raw, [row]."""
        self.constant = 0
        """Part of ``fixed`` that stands for such scores where they are 0 on all nodes."""
        for score in shape.profile.node_scores:
            if not (score.static and score.applies(shape, table)):
                continue
            raw = score.raw(shape, table, rows)
            if score.normalise == "as is":
                self.fixed += (raw * score.weight).astype(np.int32)
            elif raw.any():
                self.levels.append((score, raw))
            else:
                self.constant += share(0, 0, score.normalise) * score.weight
        self.fixed += self.constant

    def weighted_shares(self, level: int, maximum: int) -> Scores:
        """[row]: what a level adds to the total when this is the maximum. Worked out once."""
        known = self._shares.get((level, maximum))
        if known is None:
            score, raw = self.levels[level]
            known = (normalised(raw, maximum, score.normalise) * score.weight).astype(np.int32)
            if len(self._shares) >= SHARES_MAX:
                self._shares.clear()
            self._shares[level, maximum] = known
        return known

    def descending(self) -> list[list[tuple[int, IntArray]]]:
        """For each level its values among the admitted rows, highest first, and their rows."""
        if self._descending is None:
            rows = np.flatnonzero(self.admitted)
            self._descending = []
            for _, raw in self.levels:
                own = raw[rows]
                values = np.unique(own)[::-1].tolist()
                self._descending.append([(value, rows[own == value]) for value in values])
        return self._descending

    def groups(self) -> list[tuple[dict[str, int], IntArray]]:
        """Admitted rows by equal levels: raw score by plugin, and the rows. Worked out once."""
        if self._groups is None:
            rows = np.flatnonzero(self.admitted)
            parts: list[tuple[dict[str, int], IntArray]] = [({}, rows)]
            for score, raw in self.levels:
                parts = [
                    ({**levels, score.name: int(value)}, members[raw[members] == value])
                    for levels, members in parts
                    for value in np.unique(raw[members])
                ]
            self._groups = parts
        return self._groups

    def is_current(self, shape: Shape, table: NodeTable) -> bool:
        static, images = self.version
        if static != table.static_version:
            return False
        return images == table.image_version or not (
            self.images_matter or any(name in table.images for name in shape.key.images)
        )


class ShapeView:
    """Total scores of all nodes for one shape, as of ``position`` of the table's change log."""

    __slots__ = (
        "_filters",
        "_row_filters",
        "_row_scores",
        "_scores",
        "_shares",
        "_witnesses",
        "base",
        "maxima",
        "position",
        "shape",
        "static",
        "total",
    )

    def __init__(self, shape: Shape, table: NodeTable, static: StaticView) -> None:
        self.shape = shape
        self.static = static
        profile = shape.profile
        self._filters = [
            p for p in profile.node_filters if not p.static and p.applies(shape, table)
        ]
        self._scores = [s for s in profile.node_scores if not s.static and s.applies(shape, table)]
        self._row_filters = [p.passes_row for p in self._filters if p.passes_row is not None]
        self._row_scores = [(s.raw_row, s.weight) for s in self._scores if s.raw_row is not None]
        assert len(self._row_filters) == len(self._filters)
        assert len(self._row_scores) == len(self._scores)
        self.position = table.position
        rows = slice(0, table.rows)
        feasible = static.admitted.copy()
        for plugin in self._filters:
            feasible &= plugin.passes(shape, table, rows)
        base = static.fixed.copy()
        for score in self._scores:
            raw = score.raw(shape, table, rows)
            base += raw if score.weight == 1 else raw * score.weight
        np.copyto(base, NOWHERE, where=~feasible)
        self.base: Scores = base
        """[row]: weighted score without the levels; NOWHERE where the pod cannot go."""
        self.maxima: list[int] = []
        self._shares: list[Scores] = []
        """What each level adds under its maximum, [row]."""
        self._witnesses: dict[int, int] = {}
        """Level to a row that has its maximum."""
        self.total: Scores = self.base
        """[row]: the whole score; the same array as ``base`` when there are no levels."""
        self._set_levels()

    def catch_up(self, table: NodeTable) -> bool:
        """Rescore the rows that changed. False: too many, make a new view."""
        if self.position == table.position:
            return True
        changed = table.changed_since(self.position)
        if changed is None:
            return False
        self.position = table.position
        if len(changed) > SINGLE_ROWS_MAX:
            changed = list(dict.fromkeys(changed))
            if len(changed) * 2 > table.rows:
                return False
        if len(changed) <= SINGLE_ROWS_MAX:
            moved = False
            for row in changed:
                moved |= self._rescore_row(table, row)
        else:
            moved = self._rescore_rows(table, np.array(changed, np.int64))
        if self.static.levels:
            self._follow_levels(changed, moved)
        return True

    def _rescore_row(self, table: NodeTable, row: int) -> bool:
        """Whether it became feasible or ceased to be."""
        before = self.base.item(row)
        score = NOWHERE
        shape = self.shape
        if self.static.admitted.item(row):
            for passes_row in self._row_filters:
                if not passes_row(shape, table, row):
                    break
            else:
                score = self.static.fixed.item(row)
                for raw_row, weight in self._row_scores:
                    score += raw_row(shape, table, row) * weight
        self.base[row] = score
        return (before == NOWHERE) != (score == NOWHERE)

    def _rescore_rows(self, table: NodeTable, rows: IntArray) -> bool:
        before = self.base[rows] != NOWHERE
        feasible = self.static.admitted[rows]
        for plugin in self._filters:
            feasible &= plugin.passes(self.shape, table, rows)
        base = self.static.fixed[rows].astype(np.int64)
        for score in self._scores:
            base += score.raw(self.shape, table, rows) * score.weight
        base[~feasible] = NOWHERE
        self.base[rows] = base
        return bool((before != feasible).any())

    def _set_levels(self) -> None:
        """Maxima over the feasible nodes, and all totals."""
        if not self.static.levels:
            return
        feasible = self.base != NOWHERE
        self.maxima = self._present_maxima(feasible)
        self._shares = [self.static.weighted_shares(*pair) for pair in enumerate(self.maxima)]
        self.total = self._totals(self.maxima, feasible)

    def _totals(self, maxima: Sequence[int], feasible: Mask) -> Scores:
        total = self.base.copy()
        for level, maximum in enumerate(maxima):
            total += self.static.weighted_shares(level, maximum)
        np.copyto(total, NOWHERE, where=~feasible)
        return total

    def _present_maxima(self, feasible: Mask) -> list[int]:
        """The levels' maxima over the feasible rows; 0 where there are none."""
        found = []
        for parts in self.static.descending():
            found.append(next((value for value, rows in parts if feasible[rows].any()), 0))
        return found

    def totals_over(self, feasible: Mask) -> Scores:
        """[row]: totals when only these of the feasible rows count."""
        for at, ((_, raw), maximum) in enumerate(zip(self.static.levels, self.maxima, strict=True)):
            seen = self._witnesses.get(at, 0)
            if feasible.item(seen) and raw.item(seen) == maximum:
                continue
            others = (feasible & (raw == maximum)).nonzero()[0]
            if not len(others):
                return self._totals(self._present_maxima(feasible), feasible)
            self._witnesses[at] = int(others[0])
        return self.total

    def _follow_levels(self, changed: Sequence[int], moved: bool) -> None:
        """A node that comes or goes may change a maximum, and with it every total."""
        if moved and self._present_maxima(self.base != NOWHERE) != self.maxima:
            self._set_levels()
            return
        shares = self._shares
        for row in changed if len(changed) <= SINGLE_ROWS_MAX else ():
            total = self.base.item(row)
            if total != NOWHERE:
                for part in shares:
                    total += part.item(row)
            self.total[row] = total
        if len(changed) > SINGLE_ROWS_MAX:
            rows = np.array(changed, np.int64)
            totals = self.base[rows]
            feasible = totals != NOWHERE
            for part in shares:
                totals += np.where(feasible, part[rows], 0)
            self.total[rows] = totals


class Engine:
    """Views of the shapes seen lately over one node table."""

    def __init__(self, table: NodeTable) -> None:
        self.table = table
        self.sampler = NodeSampler(table)
        """For profiles that do not score every node."""
        self._views: OrderedDict[int, ShapeView] = OrderedDict()
        self._static: OrderedDict[int, StaticView] = OrderedDict()

    def choose(self, shape: Shape, salt: int, pod: Pod = NOBODY) -> int:
        """The row of the best node, NOWHERE when none is feasible. ``salt``: see scheduler.tie."""
        if not self.table.rows:
            return NOWHERE
        coupling = coupling_of(shape, self.table, pod)
        if coupling is None and shape.profile.percentage_of_nodes_to_score != ALL:
            coupling = Coupling(shape, self.table, pod, (), [])
        if coupling is not None:
            return self._choose_coupled(shape, coupling, salt)
        total = self.view(shape).total
        row = int(total.argmax())
        best = total.item(row)
        if best == NOWHERE:
            return NOWHERE
        if salt == FIRST and self.table.in_order:
            return row
        tied = total == best
        if np.count_nonzero(tied) == 1:
            return row
        return self.table.first_of(tied.nonzero()[0], salt)

    def _choose_coupled(self, shape: Shape, coupling: Coupling, salt: int) -> int:
        """Where plugins look at more than the node itself."""
        view, table = self.view(shape), self.table
        if coupling.stopped():
            return NOWHERE
        feasible = view.base != NOWHERE
        for plugin in coupling.filters:
            feasible &= plugin.passes(shape, table, slice(0, table.rows))
        for row in coupling.reserved:
            feasible[row] = coupling.admits(row)
        percentage = shape.profile.percentage_of_nodes_to_score
        if percentage != ALL:
            feasible = self.sampler.take(feasible, percentage)
        scores = tuple(coupling.scores())
        if not scores:
            total = np.where(feasible, view.totals_over(feasible), NOWHERE)
            best = int(total.max(initial=NOWHERE))
            rows = np.flatnonzero(total == best) if best != NOWHERE else NO_ROWS
            return table.first_of(rows, salt) if len(rows) else NOWHERE
        rows = np.flatnonzero(feasible)
        if len(rows) < 2:
            return int(rows[0]) if len(rows) else NOWHERE
        part = view.totals_over(feasible).take(rows)
        for score in scores:
            assert score.shares is not None
            if score.at_once is not None:
                points = score.at_once(shape, table, rows)
            else:
                points = score.shares(shape, table, rows, score.raw(shape, table, rows))
            part += points * score.weight
        return table.first_of(rows[part == part.max()], salt)

    def is_coupled(self, shape: Shape, pod: Pod = NOBODY) -> bool:
        """Whether nodes cannot be looked at one by one for it at present."""
        sampled = shape.profile.percentage_of_nodes_to_score != ALL
        return sampled or coupling_of(shape, self.table, pod) is not None

    def forget(self, shape: Shape) -> None:
        """What was worked out for it may be wrong, because a plugin raised in between."""
        self._views.pop(shape.number, None)
        self._static.pop(shape.place, None)
        self.table.remembered.clear()

    def has_view(self, shape: Shape) -> bool:
        return shape.number in self._views

    def view(self, shape: Shape) -> ShapeView:
        """The present scores of a shape."""
        table = self.table
        view = self._views.get(shape.number)
        if view is not None and view.static.is_current(shape, table) and view.catch_up(table):
            self._views.move_to_end(shape.number)
            return view
        view = ShapeView(shape, table, self._static_view(shape))
        self._views[shape.number] = view
        self._views.move_to_end(shape.number)
        most = min(VIEWS_MAX, max(4, VIEW_CELLS_MAX // max(table.rows, 1)))
        while len(self._views) > most:
            self._views.popitem(last=False)
        while len(self._static) > most:
            self._static.popitem(last=False)
        return view

    def _static_view(self, shape: Shape) -> StaticView:
        static = self._static.get(shape.place)
        if static is None or not static.is_current(shape, self.table):
            static = self._static[shape.place] = StaticView(shape, self.table)
        self._static.move_to_end(shape.place)
        return static
