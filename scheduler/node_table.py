"""The scheduler's picture of all nodes: one row a node, numpy columns, kept up to date by deltas.

A row stays with its node until the node goes; then it is free for another. ``order`` says which
node came earlier. Pods are counted on the node they name, known or not: a node that comes back
finds its pods.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from api.core import InvariantError
from scheduler import image_counts
from scheduler.cells import RowCells
from scheduler.host_ports import HostPorts
from scheduler.image_counts import ImageState
from scheduler.node_columns import NodeColumns
from scheduler.node_facts import NodeFacts, Taint
from scheduler.placed import NOT_STARTED, Nominations, Placed, PodReference
from scheduler.placed_pods import EVERYBODY, PlacedPods
from scheduler.pod_columns import NONE
from scheduler.pod_counts import PodCounts
from scheduler.pod_shape import Shape
from scheduler.resources import CPU, MEMORY, PLAIN, PODS
from scheduler.tie import FIRST, tie_bits, tie_place, tie_places
from scheduler.volumes import VolumeUse, empty_catalog
from scheduler.workloads import Workloads

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rows = slice | IntArray
"""Which rows a vector function looks at: all, or some by index."""

WIDE = 1 << 45
"""A hundred times as much is still far below 2 ** 53."""
LOG_MAX = 1 << 17
"""Entries of the change log kept; who is further behind starts anew."""
SINGLE_ROWS_MAX = 12
"""Up to so many changed rows are worked out one by one; more of them as a vector."""
FEW_TIES = 6
"""Up to so many tied nodes are ranked one by one."""
GROWTH = 4
"""Columns that are full grow by a fourth."""
REMEMBERED_CELLS_MAX = 1 << 24
"""Rows of all that plugins remember together."""


class NodeTable:
    """Columns are as long as ``capacity``; rows from ``rows`` on were never used."""

    def __init__(self, capacity: int = 64) -> None:
        assert capacity > 0
        self.rows, self.count = 0, 0
        self.cluster_nodes = 0
        """Nodes of the whole cluster; a partition is told, a whole table counts."""
        self.names: list[str] = []
        self.row_of: dict[str, int] = {}
        self.resource_index: dict[str, int] = {name: i for i, name in enumerate(PLAIN)}
        self.alive: Mask = np.zeros(capacity, np.bool_)
        self.order: IntArray = np.zeros(capacity, np.int64)
        resources = len(PLAIN)
        # [resource, row], in the unit of the resource.
        self.allocatable: IntArray = np.zeros((resources, capacity), np.int64)
        self.free: IntArray = np.zeros((resources, capacity), np.int64)
        # [cpu millicores or memory bytes, row]: free, when pods count with non-zero defaults.
        self.nonzero_free: IntArray = np.zeros((2, capacity), np.int64)
        # The same for the vectors, which divide: [cpu or memory, row]. Exact below 2 ** 53.
        self.used: FloatArray = np.zeros((2, capacity))
        self.nonzero_left: FloatArray = np.zeros((2, capacity))
        self.capacity: FloatArray = np.ones((2, capacity))
        """At least 1."""
        self.lacking: Mask = np.zeros(capacity, np.bool_)
        """No cpu or no memory at all."""
        self.amounts_wide = False
        """Some node has more than the vectors can divide exactly."""
        self.pods: IntArray = np.zeros(capacity, np.int64)
        self.pods_allowed: IntArray = np.zeros(capacity, np.int64)
        self.cells = RowCells(self)
        self.unschedulable: Mask = np.zeros(capacity, np.bool_)
        self.taint_set: npt.NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.taint_sets: list[tuple[Taint, ...]] = [()]
        self.stamp: IntArray = np.zeros(capacity, np.int64)
        """Another one whenever what is known of the Node object changes."""
        self.images: dict[str, ImageState] = {}
        self.ports = HostPorts()
        self.static_version = 0
        """Grows when a Node object changes in what filters and scores read of it."""
        self.image_version = 0
        self.in_order = True
        """Rows ascend with ``order``."""
        self.placed = PlacedPods()
        self.pod_counts = PodCounts(self.placed.settled)
        self.workloads = Workloads()
        self.volumes = empty_catalog()
        self.volume_use = VolumeUse()
        self.remembered: OrderedDict[tuple[str, int, int], object] = OrderedDict()
        """What plugins worked out for a pod, to be used again while it holds."""
        self._columns = NodeColumns(capacity)
        self._stamps = 0
        self._free_rows: list[int] = []
        self._next_order = 0
        self._taint_ids: dict[tuple[Taint, ...], int] = {(): 0}
        self._absent: dict[str, int] = {}
        """Nodes that are not there but have settled pods, and the row kept for them."""
        self.nominations = Nominations()
        self._derived: dict[str, tuple[IntArray, int]] = {}
        self._log: list[int] = []
        self.position = 0
        """Where the change log ends."""
        self._log_start = 0

    # Nodes

    def put_node(self, facts: NodeFacts, row: int = -1, order: int = -1) -> bool:
        """Add or replace a node; False when nothing of interest changed. A partition is told the
        row and order that the leader gave."""
        present = self.row_of.get(facts.name)
        if present is None:
            present = self._new_row(facts.name, row, order)
        old = self._columns.get(present, facts.name)
        if old == facts:
            return False
        self._set_images(present, () if old is None else old.images, facts.images)
        self._columns.put(present, facts)
        if old is None or (old.labels, old.taints, old.unschedulable) != (
            facts.labels,
            facts.taints,
            facts.unschedulable,
        ):
            self.taint_set[present] = self._taint_id(facts.taints)
            self.unschedulable[present] = facts.unschedulable
            self.static_version += 1
        self._stamps += 1
        self.stamp[present] = self._stamps
        self._recount(present, facts)
        return True

    def remove_node(self, name: str) -> bool:
        row = self.row_of.pop(name, None)
        if row is None:
            return False
        self._set_images(row, self.facts(row).images, ())
        self._count_uses(row, name, -1)
        self._columns.drop(row)
        self.alive[row] = False
        self.count -= 1
        self.cluster_nodes -= 1
        self.static_version += 1
        self.image_version += 1
        if self.placed.settled.any_on(row):
            self._keep(row, name)
        else:
            self._free(row)
        self.touch(row)
        return True

    def first_of(self, rows: IntArray, salt: int) -> int:
        """The winner among tied rows: see scheduler.tie."""
        if salt == FIRST:
            return int(rows[self.order[rows].argmin()])
        bits = tie_bits(self.rows)
        if len(rows) <= FEW_TIES:
            ranked: list[int] = rows.tolist()
            return min(ranked, key=lambda row: tie_place(row, salt, bits))
        return int(rows[tie_places(rows, salt, bits).argmin()])

    def facts(self, row: int) -> NodeFacts:
        facts = self._columns.get(row, self.names[row])
        assert facts is not None, row
        return facts

    # Pods

    def add_pod(
        self,
        pod: str,
        node: str,
        shape: Shape,
        priority: int = 0,
        started_ns: int = NOT_STARTED,
    ) -> None:
        """Count a pod on the node it names. ``pod``: NAMESPACE/NAME, not yet counted there."""
        self.placed.add(pod, node, Placed(shape, priority, started_ns))
        row = self.row_of.get(node)
        if row is not None:
            self.count_pod(row, shape, 1)

    def remove_pod(self, pod: str, node: str) -> None:
        self.unsettle(pod, node)
        shape = self.placed.pop(pod, node).shape
        row = self.row_of.get(node)
        if row is not None:
            self.count_pod(row, shape, -1)

    def settle(self, pod: PodReference, node: str) -> None:
        """A pod that counts here is bound: from now on it is a row of columns."""
        placed = self.placed.pop(f"{pod.namespace}/{pod.name}", node)
        row = self._row_named(node)
        if row == NONE:
            row = self._row_for(node)
            self._keep(row, node)
            # There may be one row more.
            self.static_version += 1
        elif self.alive.item(row):
            self.pod_counts.settle(row, placed.shape.relations, 1)
        self.placed.settled.add(pod, row, placed)

    def unsettle(self, pod: str, node: str) -> None:
        """The inverse; a pod that is not settled stays as it is."""
        at = self.placed.number(pod, node)
        if at == NONE:
            return
        settled = self.placed.settled
        placed, row = settled.placed(at), settled.row(at)
        assert self.names[row] == node, (pod, node)
        settled.remove(at)
        self.placed.add(pod, node, placed)
        if self.alive.item(row):
            self.pod_counts.settle(row, placed.shape.relations, -1)
        elif not settled.any_on(row):
            del self._absent[node], settled.away[row]
            self._free(row)

    def set_counts(self, rows: IntArray, resources: Sequence[str], counts: IntArray) -> None:
        """For a partition, which is told counts instead of pods. ``counts``: [what, position in
        rows], what being each of ``resources`` free, the two of nonzero_free, and pods."""
        for name, amounts in zip(resources, counts, strict=False):
            column = self._resource_column(name)
            self.free[column, rows] = amounts
        self.nonzero_free[:, rows] = counts[-3:-1]
        self.pods[rows] = counts[-1]
        self.used[:, rows] = self.allocatable[:2, rows] - self.free[:2, rows]
        self.nonzero_left[:, rows] = self.nonzero_free[:, rows]
        for row in rows.tolist():
            self.touch(row)

    def counts(self, rows: IntArray) -> IntArray:
        """What ``set_counts`` takes, all resources in the order of their columns."""
        used = len(self.resource_index)
        parts = (self.free[:used, rows], self.nonzero_free[:, rows], self.pods[None, rows])
        return np.concatenate(parts)

    def known_facts(self, row: int) -> NodeFacts | None:
        """None: no node there now."""
        return self._columns.get(row, self.names[row])

    def pods_on(self, node: str, below: int = EVERYBODY) -> Mapping[str, Placed]:
        """Those of a lower priority than ``below``."""
        return self.placed.on(node, self._row_named(node), below)

    def shapes_on(self, row: int) -> Iterator[Shape]:
        """Of all pods there."""
        return (shape for shape, _ in self.placed.shapes(self.names[row], row))

    # Change log

    def touch(self, row: int) -> None:
        self._log.append(row)
        self.position += 1
        if len(self._log) > LOG_MAX:
            half = len(self._log) // 2
            del self._log[:half]
            self._log_start += half

    def rewind(self, position: int) -> None:
        """Forget the changes since: they were undone, and nobody has looked."""
        if position >= self._log_start:
            del self._log[position - self._log_start :]
            self.position = position

    def changed_since(self, position: int) -> Sequence[int] | None:
        """Rows whose counts changed, with repetitions; None: too far back, take all."""
        if position < self._log_start:
            return None
        return self._log[position - self._log_start :]

    # Columns on demand

    def derived(
        self,
        name: str,
        compute: Callable[["NodeTable", Rows], IntArray],
        compute_row: Callable[["NodeTable", int], int],
    ) -> IntArray:
        """A column worked out from counts, [row], brought up to date by the rows that changed."""
        column, position = self._derived.get(name, (np.zeros(0, np.int64), -1))
        changed = self.changed_since(position)
        if changed is None or len(column) != len(self.alive) or len(changed) > self.rows:
            column = compute(self, slice(0, len(self.alive)))
        elif len(changed) <= SINGLE_ROWS_MAX:
            for row in changed:
                column[row] = compute_row(self, row)
        else:
            rows = np.array(changed, np.int64)
            column[rows] = compute(self, rows)
        self._derived[name] = (column, self.position)
        return column

    def remember(self, key: tuple[str, int, int], value: object) -> None:
        """The oldest are forgotten when it becomes too much."""
        self.remembered[key] = value
        self.remembered.move_to_end(key)
        most = max(64, REMEMBERED_CELLS_MAX // max(self.rows, 1))
        while len(self.remembered) > most:
            self.remembered.popitem(last=False)

    def resource(self, name: str) -> int:
        """Index of a resource's column, -1 when no node or placed pod ever named it."""
        return self.resource_index.get(name, -1)

    def label_column(self, key: str) -> tuple[npt.NDArray[np.int32], Mapping[str, int]]:
        """Value numbers by row (0: absent) and the number of each value."""
        return self._columns.label_column(key, self.row_of)

    def check(self) -> None:
        """Count everything again."""
        for name, row in self.row_of.items():
            facts, pods = self.facts(row), self.pods_on(name)
            if not self.alive[row] or self.names[row] != name or facts.name != name:
                raise InvariantError(f"row {row} is not the row of {name}")
            if self.pods[row] != len(pods):
                raise InvariantError(f"{name}: {self.pods[row]} pods counted, {len(pods)} there")
            for resource, column in self.resource_index.items():
                used = sum(dict(pod.shape.key.requests).get(resource, 0) for pod in pods.values())
                if self.free[column, row] != facts.allocatable.get(resource, 0) - used:
                    raise InvariantError(f"{name}: free {resource} is {self.free[column, row]}")
        placed = [
            (row, pod.shape.relations)
            for name, row in self.row_of.items()
            for pod in self.pods_on(name).values()
        ]
        if not self.pod_counts.check(placed):
            raise InvariantError("counters of pods")
        if self.count != len(self.row_of) or self.count != int(self.alive.sum()):
            raise InvariantError("count of nodes")

    # Internals

    def _new_row(self, name: str, row: int, order: int) -> int:
        if row < 0:
            row = self._absent.pop(name, NONE)
            row = self._row_for(name) if row == NONE else row
            order = self._next_order
        self._next_order = max(self._next_order, order + 1)
        self._reach(row)
        self.in_order = self.in_order and row == self.rows - 1
        self.names[row] = name
        self.row_of[name] = row
        self.alive[row] = True
        self.order[row] = order
        self.count += 1
        self.cluster_nodes += 1
        self.image_version += 1
        self.placed.settled.away.pop(row, None)
        self._count_uses(row, name, 1)
        return row

    def _row_for(self, name: str) -> int:
        row = self._free_rows.pop() if self._free_rows else self.rows
        self._reach(row)
        self.names[row] = name
        return row

    def _reach(self, row: int) -> None:
        while row >= len(self.alive):
            self._grow_rows()
        while self.rows <= row:
            self.names.append("")
            self.rows += 1

    def _keep(self, row: int, name: str) -> None:
        """For a node that is not there and has settled pods."""
        self._absent[name] = row
        self.placed.settled.away[row] = None

    def _free(self, row: int) -> None:
        self.names[row] = ""
        self._free_rows.append(row)

    def _row_named(self, node: str) -> int:
        """NONE: it is not known, and has no settled pods."""
        row = self.row_of.get(node)
        return self._absent.get(node, NONE) if row is None else row

    def _recount(self, row: int, facts: NodeFacts) -> None:
        """Set the counts of a row from its Node object and its pods."""
        for name in facts.allocatable:
            self._resource_column(name)
        for name, column in self.resource_index.items():
            amount = facts.allocatable.get(name, 0)
            self.allocatable[column, row] = self.free[column, row] = amount
        self.pods_allowed[row] = facts.allocatable.get(PODS, 0)
        self.pods[row] = 0
        self.nonzero_free[0, row] = facts.allocatable.get(CPU, 0)
        self.nonzero_free[1, row] = facts.allocatable.get(MEMORY, 0)
        self._recount_floats(row)
        for shape in self.shapes_on(row):
            self._count_requests(row, shape, 1)
        self.touch(row)

    def _recount_floats(self, row: int) -> None:
        for column in (0, 1):
            amount = self.allocatable.item(column, row)
            self.amounts_wide |= amount >= WIDE
            self.capacity[column, row] = max(amount, 1)
            self.used[column, row] = 0.0
            self.nonzero_left[column, row] = amount
        self.lacking[row] = not self.allocatable[:2, row].all()

    def count_pod(self, row: int, shape: Shape, sign: int) -> None:
        """Count a pod there, or no longer; who it is, does not matter."""
        self._count_requests(row, shape, sign)
        self._count_use(row, shape, sign)
        self.touch(row)

    def _count_uses(self, row: int, node: str, sign: int) -> None:
        """The node comes or goes with all its pods."""
        for shape, settled in self.placed.shapes(node, row):
            self._count_use(row, shape, sign, settled)

    def _count_use(self, row: int, shape: Shape, sign: int, settled: bool = False) -> None:
        """All that is counted of a pod on a node besides its requests."""
        if shape.key.ports:
            (self.ports.take if sign > 0 else self.ports.leave)(row, shape.key.ports)
        relations = shape.relations
        self.pod_counts.add(row, relations, sign, settled)
        if relations.key.claims or relations.key.disks or relations.key.attached:
            self.volume_use.add(row, relations, sign)

    def _count_requests(self, row: int, shape: Shape, sign: int) -> None:
        index, key, free = self.resource_index, shape.key, self.cells.free
        for name, amount in key.requests:
            column = index.get(name)
            if column is None:
                column = self._resource_column(name)
                free = self.cells.free
            free[column][row] -= sign * amount
        self.cells.count(row, shape, sign)
        cpu, memory = key.counted
        if cpu >= WIDE or memory >= WIDE:
            self.amounts_wide = True

    def _resource_column(self, name: str) -> int:
        if name == PODS:
            return -1
        column = self.resource_index.get(name)
        if column is None:
            column = self.resource_index[name] = len(self.resource_index)
            if column == len(self.free):
                more = ((0, column), (0, 0))
                self.allocatable = np.pad(self.allocatable, more)
                self.free = np.pad(self.free, more)
                self.cells = RowCells(self)
        return column

    def _grow_rows(self) -> None:
        more = max(64, len(self.alive) // GROWTH)
        for column in (
            "alive", "order", "pods", "pods_allowed", "unschedulable", "lacking",
            "taint_set", "stamp",
        ):  # fmt: skip
            setattr(self, column, np.pad(getattr(self, column), (0, more)))
        for matrix in ("allocatable", "free", "nonzero_free", "used", "nonzero_left"):
            setattr(self, matrix, np.pad(getattr(self, matrix), ((0, 0), (0, more))))
        self.capacity = np.pad(self.capacity, ((0, 0), (0, more)), constant_values=1)
        self._columns.grow(more)
        self.cells = RowCells(self)

    def _taint_id(self, taints: tuple[Taint, ...]) -> int:
        number = self._taint_ids.get(taints)
        if number is None:
            number = self._taint_ids[taints] = len(self.taint_sets)
            self.taint_sets.append(taints)
        return number

    def _set_images(
        self, row: int, old: Sequence[tuple[str, int]], new: Sequence[tuple[str, int]]
    ) -> None:
        if old != new:
            self.image_version += 1
            image_counts.go(self.images, row, old)
            image_counts.come(self.images, row, new)
