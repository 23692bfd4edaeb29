"""Which rows of the leader's table a partition holds, and how it numbers them.

Of each run of as many rows as there are partitions every partition holds one, so all hold equally
many, numbered without gaps. Which one, a mix of the run's number decides: where kinds of nodes
alternate, as they do when a cluster is set up by a loop, each partition still gets some of each.
"""

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
ODD = 0x9E3779B1
CUT = 16


def partition_of(rows: IntArray, partitions: int) -> IntArray:
    """Of rows of the leader."""
    runs, rest = np.divmod(rows, partitions)
    return (rest + _turn(runs)) % partitions


def own_rows(rows: IntArray, partitions: int) -> IntArray:
    """What their partition calls rows of the leader."""
    return rows // partitions


def leaders_rows(rows: IntArray, number: int, partitions: int) -> IntArray:
    """What the leader calls rows of a partition."""
    return rows * partitions + (number - _turn(rows)) % partitions


def rows_of(number: int, partitions: int, rows: int) -> IntArray:
    """The leader's rows below ``rows`` that a partition holds, ascending."""
    found = leaders_rows(np.arange(-(-rows // partitions)), number, partitions)
    return found[found < rows]


def _turn(runs: IntArray) -> IntArray:
    """At least 0; rows are far below 2 ** 31, so products fit."""
    return runs * ODD >> CUT
