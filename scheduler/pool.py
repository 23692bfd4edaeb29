"""The leader's side of the scoring pool: what each partition was told, what it answered, and the
merge of the answers into the globally best node.

Node ``row`` belongs to partition ``row % partitions``. One round of questions is open at a time. A
row that changed after a round was sent is rated by the leader itself, as are the rows of a lost
partition, so the choice is that of a leader that scores alone. With a quorum below 100 % a round
closes when so many have answered: the rows of the others do not count in it, and they are not asked
again before they have answered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scheduler.engine import Engine
from scheduler.explain import NOBODY, Pod
from scheduler.node_facts import NodeFacts
from scheduler.node_table import IntArray, NodeTable
from scheduler.partition import (
    RowsChanged,
    Scored,
    ScoreRequested,
    Stale,
    answer_from,
    request_body,
)
from scheduler.pod_shape import Port, Shape, ShapeKey
from scheduler.rating import Levels, rate, weighted_levels
from scheduler.tie import FIRST, tie_bits, tie_place
from scheduler.views import NOWHERE

SPARE = 32
"""More nodes asked for than pods that will go to them, for rows that change in the meantime."""
RETRY_AFTER_NS = 1_000_000_000
"""A lost partition is asked again after this."""


@dataclass(slots=True)
class PartitionState:
    """What the leader knows of a partition."""

    sequence: int = 0
    position: int = 0
    """Change log of the table up to here was told."""
    told: bool = False
    """It knows its rows as the pool's columns say; otherwise nothing, or it is not known what."""
    with_ports: dict[int, None] | None = None
    """Rows told to have host ports in use."""
    waiting: bool = False
    late: bool = False
    """Its round was closed without its answer."""
    answer: Scored | None = None
    retry_ns: int = 0


class ScoringPool:
    """Questions and answers of one round."""

    def __init__(
        self, table: NodeTable, engine: Engine, partitions: int, quorum_percent: int = 100
    ) -> None:
        assert partitions > 0 and 0 < quorum_percent <= 100
        self._quorum_percent = quorum_percent
        self._table = table
        self._engine = engine
        self._partitions = [PartitionState() for _ in range(partitions)]
        self._position = self._image_version = self._tie_bits = 0
        self._images_told: dict[str, None] = {}
        self._told: IntArray = np.zeros((2, 0), np.int64)
        """[stamp or order, row] of the nodes that partitions were told; stamp 0: none."""
        self._index: dict[int, int] = {}
        """Number of the pod in the batch to its place in the questions."""
        self.fallbacks = 0
        """Decisions for which too many rows had changed, so the leader scored all itself."""

    @property
    def waiting(self) -> bool:
        return any(partition.waiting for partition in self._partitions)

    def ask(self, pods: Sequence[tuple[int, Shape, int]], now_ns: int) -> list[tuple[int, Any]]:
        """Open a round about (number in the batch, shape, salt); (partition, body) to send."""
        assert not self.waiting
        self._position = self._table.position
        self._image_version = self._table.image_version
        self._tie_bits = tie_bits(self._table.rows)
        self._images_told = dict.fromkeys(
            name for _, shape, _ in pods for name in shape.key.images if name in self._table.images
        )
        self._index = {number: index for index, (number, _, _) in enumerate(pods)}
        shapes: dict[int, int] = {}
        keys: list[ShapeKey] = []
        asked: list[tuple[int, int]] = []
        for _, shape, salt in pods:
            index = shapes.setdefault(shape.number, len(keys))
            if index == len(keys):
                keys.append(shape.key)
            asked.append((index, salt))
        # Pods of a batch go to all partitions alike; where they do not, the leader scores itself.
        best_max = min(len(pods), 2 * len(pods) // len(self._partitions)) + SPARE
        request = ScoreRequested(
            best_max=best_max, tie_bits=self._tie_bits, shapes=keys, pods=asked
        )
        orders = []
        for number, partition in enumerate(self._partitions):
            partition.answer = None
            if partition.retry_ns <= now_ns and not partition.late:
                partition.sequence += 1
                partition.waiting = True
                changed = self._changes(number, partition, keys)
                orders.append((number, request_body(changed, request)))
        return orders

    def answered(self, number: int, body: Any, now_ns: int) -> None:
        partition = self._partitions[number]
        if not (partition.waiting or partition.late):
            return
        answer = answer_from(body)
        if isinstance(answer, Stale):
            self._forget(partition, now_ns)
        elif partition.waiting:
            partition.answer = answer
        partition.waiting = partition.late = False
        self._close_at_quorum()

    def _close_at_quorum(self) -> None:
        """Wait for no more answers than are wanted."""
        answers = sum(partition.answer is not None for partition in self._partitions)
        if answers * 100 >= self._quorum_percent * len(self._partitions):
            for partition in self._partitions:
                partition.late |= partition.waiting
                partition.waiting = False

    def lost(self, number: int, now_ns: int) -> None:
        partition = self._partitions[number]
        partition.waiting = partition.late = False
        self._forget(partition, now_ns + RETRY_AFTER_NS)

    def choose(self, number: int, shape: Shape, salt: int, pod: Pod = NOBODY) -> int:
        """The row of the best node for a pod of the round, NOWHERE when none is feasible."""
        assert not self.waiting
        index = self._index.get(number)
        if self._engine.is_coupled(shape, pod):
            return self._engine.choose(shape, salt, pod)
        changed = self._table.changed_since(self._position)
        if index is None or changed is None or self._images_moved(shape):
            return self._alone(shape, salt)
        if self._tie_bits != tie_bits(self._table.rows):
            return self._alone(shape, salt)
        touched = dict.fromkeys(changed)
        own = self._own_rows(touched)
        candidates: list[tuple[Levels, int, int]] = []
        for partition in self._partitions:
            scored = partition.answer.pods[index] if partition.answer else ()
            if scored is None:
                return self._alone(shape, salt)
            for best in scored:
                pairs = zip(best.rows.tolist(), best.bases.tolist(), strict=True)
                found = next(((r, b) for r, b in pairs if r not in touched), None)
                if found is not None:
                    candidates.append((best.levels, found[1], found[0]))
                elif not best.complete:
                    return self._alone(shape, salt)
        if len(own):
            rating = rate(shape, self._table, own)
            levels = [tuple(column) for column in rating.levels.T.tolist()]
            candidates += zip(levels, rating.bases.tolist(), rating.rows.tolist(), strict=True)
        if not candidates and any(partition.late for partition in self._partitions):
            # A node of theirs may do.
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

    def _images_moved(self, shape: Shape) -> bool:
        """Image scores of all nodes depend on how many of all nodes have an image."""
        return self._image_version != self._table.image_version and any(
            name in self._table.images or name in self._images_told for name in shape.key.images
        )

    def _rank(self, row: int, salt: int) -> int:
        if salt == FIRST:
            return self._table.order.item(row)
        return tie_place(row, salt, self._tie_bits)

    def _alone(self, shape: Shape, salt: int) -> int:
        self.fallbacks += 1
        return self._engine.choose(shape, salt)

    def _own_rows(self, touched: dict[int, None]) -> IntArray:
        """Rows that the leader rates: changed ones, and those of lost partitions."""
        rows = np.fromiter(touched, np.int64, len(touched))
        partitions = enumerate(self._partitions)
        missing = [n for n, p in partitions if p.answer is None and not p.late]
        if missing:
            everyone = np.arange(self._table.rows)
            rows = np.concatenate(
                [rows, everyone[np.isin(everyone % len(self._partitions), missing)]]
            )
            rows = np.unique(rows)
        return rows

    def _forget(self, partition: PartitionState, retry_ns: int) -> None:
        partition.answer = None
        partition.told = False
        partition.retry_ns = retry_ns

    def _changes(
        self, number: int, partition: PartitionState, keys: Sequence[ShapeKey]
    ) -> RowsChanged:
        table = self._table
        count = len(self._partitions)
        reset = not partition.told
        short = len(table.stamp) - len(self._told[0])
        self._told = np.pad(self._told, ((0, 0), (0, short)))
        stamps, orders = self._told
        if reset:
            stamps[number::count] = 0
        ports_told = partition.with_ports if partition.with_ports and not reset else {}
        changed = None if reset else table.changed_since(partition.position)
        rows = range(number, table.rows, count) if changed is None else dict.fromkeys(changed)
        gone: list[int] = []
        nodes: list[tuple[int, int, NodeFacts]] = []
        counted: list[int] = []
        ports: list[tuple[int, Sequence[Port]]] = []
        for row in rows:
            if row % count != number:
                continue
            alive, order = table.alive.item(row), table.order.item(row)
            if stamps.item(row) and not (alive and order == orders.item(row)):
                gone.append(row)
                stamps[row] = 0
                ports_told.pop(row, None)
            if not alive:
                continue
            counted.append(row)
            stamp = table.stamp.item(row)
            if stamp != stamps.item(row):
                nodes.append((row, order, table.facts(row)))
                stamps[row], orders[row] = stamp, order
            held = list(_ports_held(table, row))
            if held or row in ports_told:
                ports.append((row, held))
                ports_told.pop(row, None)
                ports_told.update({row: None} if held else {})
        partition.told, partition.with_ports = True, ports_told
        partition.position = table.position
        counted_rows = np.array(counted, np.int64)
        return RowsChanged(
            sequence=partition.sequence,
            reset=reset,
            cluster_nodes=table.cluster_nodes,
            gone=gone,
            nodes=nodes,
            resources=list(table.resource_index),
            rows=counted_rows,
            counts=table.counts(counted_rows),
            ports=ports,
            images=_image_counts(table, keys),
        )


def _ports_held(table: NodeTable, row: int) -> Iterator[Port]:
    if table.ports:
        for shape in table.shapes_on(row):
            yield from shape.key.ports


def _image_counts(table: NodeTable, keys: Sequence[ShapeKey]) -> list[tuple[str, int, int]]:
    names = dict.fromkeys(name for key in keys for name in key.images)
    return [
        (name, table.images[name].size, table.images[name].nodes)
        for name in names
        if name in table.images
    ]
