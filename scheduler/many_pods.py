"""Many pods of which only the amounts differ, filtered and scored together: one pass over rows for
all of them costs little more than one for each alone did in calls."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scheduler.framework import Amounts, Filter, Score
from scheduler.node_table import Mask, NodeTable
from scheduler.pod_shape import Shape
from scheduler.standings import Scores
from scheduler.views import NOWHERE, dynamic_plugins

CELLS = 1 << 14
"""Pods times rows worked on at once, which stay in a core's own cache."""


class Likeness(NamedTuple):
    """What pods scored together have in common."""

    place: int
    resources: tuple[str, ...]
    filters: tuple[Filter, ...]
    scores: tuple[Score, ...]


def likeness(shape: Shape, table: NodeTable) -> Likeness | None:
    """None: a plugin looks at more of the pod than its amounts."""
    if table.amounts_wide:
        return None
    filters, scores = dynamic_plugins(shape, table)
    if any(p.passes_many is None for p in filters) or any(s.raw_many is None for s in scores):
        return None
    resources = tuple([name for name, _ in shape.key.requests])
    return Likeness(shape.place, resources, tuple(filters), tuple(scores))


def at_once(rows: int) -> int:
    """Pods to be scored together over so many rows."""
    return max(1, CELLS // max(rows, 1))


def base_scores_of(
    shapes: Sequence[Shape], like: Likeness, table: NodeTable, admitted: Mask, fixed: Scores
) -> Scores:
    """[pod, row], as views.base_scores. ``admitted`` and ``fixed`` say over how many rows."""
    rows, of = slice(0, len(admitted)), _amounts(shapes, like)
    base = np.broadcast_to(fixed, (len(shapes), len(fixed))).copy()
    for score in like.scores:
        assert score.raw_many is not None
        raw = score.raw_many(of, table, rows)
        base += raw if score.weight == 1 else raw * score.weight
    feasible = admitted
    for plugin in like.filters:
        assert plugin.passes_many is not None
        feasible = feasible & plugin.passes_many(of, table, rows)
    np.copyto(base, NOWHERE, where=~feasible)
    return base


def _amounts(shapes: Sequence[Shape], like: Likeness) -> Amounts:
    keys = [shape.key for shape in shapes]
    requests = np.array([[amount for _, amount in key.requests] for key in keys], np.int64)
    scored = np.array([key.scored for key in keys], np.int64)
    asked = np.array([(shape.cpu, shape.memory) for shape in shapes], np.float64)
    return Amounts(
        requests=tuple((name, requests[:, at, None]) for at, name in enumerate(like.resources)),
        scored=(scored[:, 0, None], scored[:, 1, None]),
        cpu=asked[:, 0, None],
        memory=asked[:, 1, None],
    )
