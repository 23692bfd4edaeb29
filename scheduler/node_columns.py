"""What Node objects say, by row: numbers of label sets, amounts, taints and images, each kept once
however many nodes say the same. A label whose value is the node's own name, as the host name is,
does not make its set another one.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from scheduler.interned import Interned
from scheduler.node_facts import NodeFacts, Taint

Numbers = npt.NDArray[np.int32]
LabelSet = tuple[tuple[str, str | None], ...]
"""(key, value) by key; None: the name of the node."""
Sums = tuple[tuple[str, int], ...]
LABEL_COLUMNS_MAX = 256
NOTHING = -1


class NodeColumns:
    """Rows are those of the node table, which says when there are more."""

    def __init__(self, capacity: int) -> None:
        self._labels: Interned[LabelSet] = Interned()
        self._allocatable: Interned[Sums] = Interned()
        self._images: Interned[Sums] = Interned()
        self._taints: Interned[tuple[bool, tuple[Taint, ...]]] = Interned()
        """(unschedulable, taints)."""
        self._numbers: Numbers = np.full((4, capacity), NOTHING, np.int32)
        """[labels, allocatable, images or taints; row]; NOTHING where there is no node."""
        self._by_label: dict[str, tuple[Numbers, dict[str, int]]] = {}

    def get(self, row: int, name: str) -> NodeFacts | None:
        """As they were put. Cost: 2 µs."""
        labels, allocatable, images, taints = self._numbers[:, row].tolist()
        if labels == NOTHING:
            return None
        unschedulable, tainted = self._taints[taints]
        return NodeFacts(
            name=name,
            labels={key: name if value is None else value for key, value in self._labels[labels]},
            taints=tainted,
            unschedulable=unschedulable,
            allocatable=dict(self._allocatable[allocatable]),
            images=self._images[images],
        )

    def put(self, row: int, facts: NodeFacts) -> None:
        fresh = (
            self._labels.take(_label_set(facts)),
            self._allocatable.take(tuple(sorted(facts.allocatable.items()))),
            self._images.take(facts.images),
            self._taints.take((facts.unschedulable, facts.taints)),
        )
        self.drop(row)
        self._numbers[:, row] = fresh
        for key, (column, values) in self._by_label.items():
            value = facts.labels.get(key)
            column[row] = 0 if value is None else values.setdefault(value, len(values) + 1)

    def drop(self, row: int) -> None:
        """There is no node any more."""
        labels, allocatable, images, taints = self._numbers[:, row].tolist()
        if labels != NOTHING:
            self._labels.give_back(labels)
            self._allocatable.give_back(allocatable)
            self._images.give_back(images)
            self._taints.give_back(taints)
            self._numbers[:, row] = NOTHING

    def grow(self, more: int) -> None:
        rows = ((0, 0), (0, more))
        self._numbers = np.pad(self._numbers, rows, constant_values=NOTHING)
        self._by_label = {
            key: (np.pad(column, (0, more)), values)
            for key, (column, values) in self._by_label.items()
        }

    def label_column(self, key: str, row_of: Mapping[str, int]) -> tuple[Numbers, dict[str, int]]:
        """Value numbers by row (0: absent) and the number of each value. Built when first asked
        for, one pass over all nodes; kept up to date from then on."""
        known = self._by_label.get(key)
        if known is None:
            if len(self._by_label) >= LABEL_COLUMNS_MAX:
                del self._by_label[next(iter(self._by_label))]
            known = self._by_label[key] = self._column_of(key, row_of)
        return known

    def _column_of(self, key: str, row_of: Mapping[str, int]) -> tuple[Numbers, dict[str, int]]:
        sets = self._numbers[0]
        column: Numbers = np.zeros(len(sets), np.int32)
        values: dict[str, int] = {}
        found: dict[int, str | None] = {}
        """Label set to the value in it, where the key is."""
        for number in np.unique(sets[sets != NOTHING]).tolist():
            for name, value in self._labels[number]:
                if name == key:
                    found[number] = value
        for name, row in row_of.items():
            number = sets.item(row)
            if number in found:
                value = found[number]
                own = name if value is None else value
                column[row] = values.setdefault(own, len(values) + 1)
        return column, values


def _label_set(facts: NodeFacts) -> LabelSet:
    name = facts.name
    return tuple(
        sorted((key, None if value == name else value) for key, value in facts.labels.items())
    )
