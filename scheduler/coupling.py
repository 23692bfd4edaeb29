"""Which of the plugins that couple nodes have something to say about a pod now, and which nodes are
kept for other pods."""

from collections.abc import Iterator
from typing import NamedTuple

from scheduler.explain import Pod, filters_for, refusal_beside_nominees
from scheduler.framework import Filter, Score
from scheduler.node_table import NodeTable
from scheduler.pod_shape import Shape


class Coupling(NamedTuple):
    """For one decision."""

    shape: Shape
    table: NodeTable
    pod: Pod
    filters: tuple[Filter, ...]
    reserved: list[int]
    """Rows with pods nominated that are at least as important."""

    def admits(self, row: int) -> bool:
        """Whether a reserved row takes the pod all the same."""
        if not self.table.alive.item(row):
            return False
        filters = filters_for(self.shape, self.table)
        return not refusal_beside_nominees(self.shape, self.table, row, self.pod, filters)

    def stopped(self) -> bool:
        return any(p.stops is not None and p.stops(self.shape, self.table) for p in self.filters)

    def scores(self) -> Iterator[Score]:
        for score in self.shape.profile.coupled_scores:
            if score.applies(self.shape, self.table):
                yield score


def coupling_of(shape: Shape, table: NodeTable, pod: Pod) -> Coupling | None:
    """None: every node can be looked at by itself."""
    kept, carried = table.nominations.node_of, table.pod_counts.carried
    if shape.relations.plain and not (carried or kept or table.workloads.any):
        return None
    filters = tuple(
        plugin for plugin in shape.profile.coupled_filters if plugin.applies(shape, table)
    )
    reserved = (
        table.nominations.reserved_rows(table.row_of, pod.name, pod.priority)
        if table.nominations.node_of
        else []
    )
    scores = shape.profile.coupled_scores
    if not (filters or reserved) and not any(s.applies(shape, table) for s in scores):
        return None
    return Coupling(shape, table, pod, filters, reserved)
