"""ImageLocality: nodes that have the pod's images score by size, damped for images that few nodes
have, so that a pod's first node does not draw all its siblings.
Source: plugins/imagelocality/image_locality.go, v1.36. Image volumes are not counted."""

import numpy as np

from scheduler.framework import SCORE_MAX, Score, always
from scheduler.node_table import IntArray, NodeTable, Rows
from scheduler.pod_shape import Shape

MEBIBYTE = 1024 * 1024
SIZE_MIN = 23 * MEBIBYTE
"""Below it an image is too small to matter."""
SIZE_MAX_PER_CONTAINER = 1000 * MEBIBYTE


def locality(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    present = np.zeros(len(table.alive), np.int64)
    for name in shape.key.images:
        state = table.images.get(name)
        if state is not None:
            share = state.nodes / table.cluster_nodes
            present[list(state.rows)] += int(float(state.size) * share)
    size_max = SIZE_MAX_PER_CONTAINER * max(len(shape.key.images), 1)
    sizes = np.clip(present[rows], SIZE_MIN, size_max)
    return (sizes - SIZE_MIN) * SCORE_MAX // (size_max - SIZE_MIN)


SCORE = Score(
    name="ImageLocality",
    weight=1,
    static=True,
    normalise="as is",
    applies=always,
    raw=locality,
)
