"""Scores before normalisation, in a form that can be merged from several places.

A node's rating for a shape is its base (the weighted scores that no other node influences) and its
levels (the raw scores that are normalised over all feasible nodes). Nodes of equal levels are
ranked by base alone, whatever the maxima turn out to be; so of each distinct vector of levels only
the best nodes matter, and merging them over partitions is exact.
"""

from typing import NamedTuple

import numpy as np

from scheduler.framework import share
from scheduler.node_table import IntArray, NodeTable
from scheduler.pod_shape import Shape

Levels = tuple[int, ...]
"""Raw scores of one node, parallel to ``Profile.levels``; 0 where a plugin has nothing to say."""


class Rating(NamedTuple):
    """Feasible rows. bases: [position in rows]; levels: [level, position in rows]."""

    rows: IntArray
    bases: IntArray
    levels: IntArray


def rate(shape: Shape, table: NodeTable, rows: IntArray) -> Rating:
    """Rate some rows, each once; those without a node and those not feasible are left out."""
    rows = rows[table.alive[rows]]
    for plugin in shape.profile.node_filters:
        if len(rows) and plugin.applies(shape, table):
            rows = rows[plugin.passes(shape, table, rows)]
    bases = np.zeros(len(rows), np.int64)
    normalised = shape.profile.levels
    levels = np.zeros((len(normalised), len(rows)), np.int64)
    if len(rows):
        for score in shape.profile.node_scores:
            if score.applies(shape, table):
                raw = score.raw(shape, table, rows)
                if score.normalise == "as is":
                    bases += raw * score.weight
                else:
                    levels[normalised.index(score)] = raw
    return Rating(rows, bases, levels)


def weighted_levels(levels: Levels, maxima: Levels, shape: Shape, table: NodeTable) -> int:
    """What the levels add to the base, once the maxima over all feasible nodes are known."""
    return sum(
        share(level, maximum, score.normalise) * score.weight
        for score, level, maximum in zip(shape.profile.levels, levels, maxima, strict=True)
        if score.applies(shape, table)
    )
