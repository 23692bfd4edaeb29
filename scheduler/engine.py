"""Decides for one pod after the other which node is best, and remembers what it worked out: pods
of one shape are filtered and scored once, then only the rows that changed in between.

The outcome is that of looking at every node for every pod (``scheduler.explain``); a property test
holds the two together.
"""

from collections import OrderedDict
from typing import TypeVar

import numpy as np

from scheduler.coupling import Coupling, coupling_of
from scheduler.division_book import DivisionBook
from scheduler.explain import NOBODY, Pod
from scheduler.kernel import Kernel
from scheduler.node_classes import ClassBook, NodeClasses, best_by_classes, stand_for_nodes
from scheduler.node_table import IntArray, NodeTable
from scheduler.pod_shape import Shape
from scheduler.sampling import ALL, NodeSampler
from scheduler.tie import FIRST
from scheduler.views import NOWHERE, ShapeView, StaticView

V = TypeVar("V")
NO_ROWS: IntArray = np.zeros(0, np.int64)

VIEW_CELLS_MAX = 1 << 25
"""Rows of all remembered shapes together; a row of a shape takes about 40 bytes at most."""
VIEWS_MAX = 4096
FRESH_MAX = 32
"""Views of shapes that were asked about once."""
ASKED_MAX = 1 << 16
CLASSES_ROWS_MIN = 4096
"""Smaller tables are scored as fast row by row."""
KERNEL_ROWS = 16384
"""The same with the compiled kernel."""
ROWS_AN_ASK = 4096
"""Scoring so many nodes costs as much as asking the classes."""


class Engine:
    """Views of the shapes seen lately over one node table."""

    def __init__(
        self, table: NodeTable, affinity_index: bool = True, kernel: Kernel | None = None
    ) -> None:
        """``affinity_index``: numbers of placed pods are kept from one pod to the next; without it
        they are counted anew for each, as before Kubernetes 1.18."""
        self.table = table
        self._kernel = kernel
        self._classes_rows_min = CLASSES_ROWS_MIN if kernel is None else KERNEL_ROWS
        self._affinity_index = affinity_index
        self.sampler = NodeSampler(table)
        """For profiles that do not score every node."""
        self._views: OrderedDict[int, ShapeView] = OrderedDict()
        self._fresh: OrderedDict[int, ShapeView] = OrderedDict()
        """Of shapes that were asked about once. Where all pods differ nobody asks again, and the
        memory of a few goes round."""
        self._once: OrderedDict[int, None] = OrderedDict()
        """These shapes, and others that were before."""
        self._static: OrderedDict[int, StaticView] = OrderedDict()
        self._book = ClassBook()
        self._divisions = DivisionBook()
        self._asked: OrderedDict[int, int] = OrderedDict()
        """Shape to how often classes answered for it."""

    def choose(self, shape: Shape, salt: int, pod: Pod = NOBODY) -> int:
        """The row of the best node, NOWHERE when none is feasible. ``salt``: see scheduler.tie."""
        if not self.table.rows:
            return NOWHERE
        if not self._affinity_index:
            self.table.pod_counts.forget()
        coupling = coupling_of(shape, self.table, pod)
        if coupling is None and shape.profile.percentage_of_nodes_to_score != ALL:
            coupling = Coupling(shape, self.table, pod, (), [])
        if coupling is not None:
            return self._choose_coupled(shape, coupling, salt)
        table, view = self.table, self._views.get(shape.number)
        if view is not None:
            # As ``view`` finds it: this is on the way of every pod.
            if view.static.is_current(shape, table) and view.catch_up(table):
                self._views.move_to_end(shape.number)
                return view.best(table, salt)
        else:
            classes = self._classes(shape)
            if classes is not None:
                return best_by_classes(shape, classes, table, salt)
        return self.view(shape).best(table, salt)

    def _choose_coupled(self, shape: Shape, coupling: Coupling, salt: int) -> int:
        """Where plugins look at more than the node itself."""
        view, table = self.view(shape), self.table
        if coupling.stopped():
            return NOWHERE
        percentage = shape.profile.percentage_of_nodes_to_score
        if percentage == ALL and salt != FIRST:
            row = self._divisions.choose(table, coupling, view, salt)
            if row is not None:
                return row
        feasible = view.base != NOWHERE
        for plugin in coupling.filters:
            feasible &= plugin.passes(shape, table, slice(0, table.rows))
        for row in coupling.reserved:
            feasible[row] = coupling.admits(row)
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
        self._fresh.pop(shape.number, None)
        self._static.pop(shape.place, None)
        self.table.remembered.clear()

    def has_view(self, shape: Shape) -> bool:
        return shape.number in self._views or shape.number in self._fresh

    def _classes(self, shape: Shape) -> NodeClasses | None:
        """Unless it is better to score every node once and follow what changes."""
        table, number = self.table, shape.number
        if table.rows < self._classes_rows_min or self.has_view(shape):
            return None
        asked = self._asked.get(number, 0)
        if asked * ROWS_AN_ASK > table.rows or not stand_for_nodes(shape, table):
            return None
        found = self._book.classes(shape, self.static_view(shape), table)
        if found is not None:
            self._asked[number] = asked + 1
            _trim(self._asked, ASKED_MAX)
        return found

    def view(self, shape: Shape) -> ShapeView:
        """The present scores of a shape."""
        table, number = self.table, shape.number
        view = self._views.get(number)
        if view is None and number in self._fresh:
            view = self._views[number] = self._fresh.pop(number)
        if view is not None and view.static.is_current(shape, table) and view.catch_up(table):
            self._views.move_to_end(number)
            return view
        view = ShapeView(shape, table, self.static_view(shape), self._kernel)
        most = self._views_max()
        if number in self._views or number in self._once:
            self._views[number] = view
            self._views.move_to_end(number)
            _trim(self._views, most)
        else:
            self._once[number] = None
            _trim(self._once, ASKED_MAX)
            self._fresh[number] = view
            _trim(self._fresh, min(FRESH_MAX, most))
        return view

    def _views_max(self) -> int:
        return min(VIEWS_MAX, max(4, VIEW_CELLS_MAX // max(self.table.rows, 1)))

    def static_view(self, shape: Shape) -> StaticView:
        """What the Node objects say now."""
        static = self._static.get(shape.place)
        if static is None or not static.is_current(shape, self.table):
            static = self._static[shape.place] = StaticView(shape, self.table)
        self._static.move_to_end(shape.place)
        _trim(self._static, self._views_max())
        return static


def _trim(memory: OrderedDict[int, V], most: int) -> None:
    while len(memory) > most:
        memory.popitem(last=False)
