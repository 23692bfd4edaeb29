"""What the leader has told each partition about its rows, and what it has to tell it now.

Which rows belong to whom: see scheduler.partition_rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.node_facts import NodeFacts
from scheduler.node_table import IntArray, NodeTable
from scheduler.partition import RowsChanged
from scheduler.partition_rows import own_rows, partition_of, rows_of
from scheduler.pod_shape import Port


@dataclass(slots=True)
class Told:
    """What a partition knows."""

    sequence: int = 0
    position: int = 0
    """Change log of the table up to here was told."""
    informed: bool = False
    """It knows its rows as the columns here say; otherwise nothing, or it is not known what."""
    with_ports: dict[int, None] | None = None
    """Rows told to have host ports in use."""


class Telling:
    """Finds what changed for each partition. Cost: by the rows that changed."""

    def __init__(self, table: NodeTable, partitions: int) -> None:
        self._table = table
        self._partitions = partitions
        self._told = [Told() for _ in range(partitions)]
        self._known: IntArray = np.zeros((2, 0), np.int64)
        """[stamp or order, row] of the nodes that partitions were told; stamp 0: none."""
        self._changed: tuple[tuple[int, int], IntArray] = ((0, 0), np.zeros(0, np.int64))
        """Where in the change log from and to, and the rows in between, each once."""

    def forget(self, number: int) -> None:
        """Nobody knows what this one knows."""
        self._told[number].informed = False

    def changes(self, number: int, images: Sequence[tuple[str, int, int]]) -> RowsChanged:
        """What to tell it, which counts as told."""
        table, told = self._table, self._told[number]
        short = len(table.stamp) - len(self._known[0])
        self._known = np.pad(self._known, ((0, 0), (0, short)))
        stamps, orders = self._known
        reset = not told.informed
        if reset:
            stamps[rows_of(number, self._partitions, len(stamps))] = 0
            told.with_ports = {}
        rows = self._rows_of(number, told)
        alive, order = table.alive[rows], table.order[rows]
        gone = rows[(stamps[rows] != 0) & ~(alive & (order == orders[rows]))]
        stamps[gone] = 0
        counted = rows[alive]
        fresh = counted[table.stamp[counted] != stamps[counted]]
        nodes = [(row, table.order.item(row), table.facts(row)) for row in fresh.tolist()]
        stamps[fresh], orders[fresh] = table.stamp[fresh], table.order[fresh]
        ports = self._ports(told, gone.tolist(), counted)
        told.informed, told.position = True, table.position
        told.sequence += 1
        return RowsChanged(
            sequence=told.sequence,
            reset=reset,
            cluster_nodes=table.cluster_nodes,
            gone=own_rows(gone, self._partitions).tolist(),
            nodes=[self._theirs(row, order, facts) for row, order, facts in nodes],
            resources=list(table.resource_index),
            rows=own_rows(counted, self._partitions),
            counts=table.counts(counted),
            ports=ports,
            images=images,
        )

    def _theirs(self, row: int, order: int, facts: NodeFacts) -> tuple[int, int, NodeFacts]:
        return row // self._partitions, order, facts

    def _rows_of(self, number: int, told: Told) -> IntArray:
        table, count = self._table, self._partitions
        span = (told.position, table.position)
        if told.informed and self._changed[0] != span:
            changed = table.changed_since(told.position)
            if changed is None:
                return rows_of(number, count, table.rows)
            self._changed = (span, np.unique(np.array(changed, np.int64)))
        if not told.informed:
            return rows_of(number, count, table.rows)
        rows = self._changed[1]
        own: IntArray = rows[partition_of(rows, count) == number]
        return own

    def _ports(
        self, told: Told, gone: Sequence[int], counted: IntArray
    ) -> list[tuple[int, Sequence[Port]]]:
        """(row of the partition, host ports in use) where there are or were some."""
        had = told.with_ports or {}
        for row in gone:
            had.pop(row, None)
        found: list[tuple[int, Sequence[Port]]] = []
        if self._table.ports or had:
            for row in counted.tolist():
                held = self._table.ports.of_row(row)
                if held or row in had:
                    found.append((row // self._partitions, held))
                    had.pop(row, None)
                    had.update({row: None} if held else {})
        told.with_ports = had
        return found
