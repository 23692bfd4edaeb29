"""Which of several equally good nodes is taken: a lottery that does not depend on how the nodes
are searched.

Each decision has a salt, drawn from a seeded stream. Each node has a key, made from its place in
node order. The winner is the node whose mix of key and salt is least: uniform over the tied nodes
up to the quality of the mix, and the same whether nodes are looked at in one table, in batches or
in partitions. Source of the lottery: pkg/scheduler/schedule_one.go, selectHost (a uniform draw).
"""

import numpy as np
import numpy.typing as npt

FIRST = 0
"""The salt that asks for the earliest in node order instead of a draw."""

_MASK = (1 << 64) - 1
_SPREAD = 0x9E3779B97F4A7C15
_MIX = 0xD6E8FEB86659FD93
_MIX_U64 = np.uint64(_MIX)
_SHIFT = np.uint64(32)


def tie_key(order: int) -> int:
    """A fixed 64-bit key of a node. Distinct nodes have distinct keys."""
    return (order + 1) * _SPREAD & _MASK


def tie_ranks(keys: npt.NDArray[np.uint64], salt: int) -> npt.NDArray[np.uint64]:
    """Ranks of nodes in one draw; the least wins. Distinct keys have distinct ranks."""
    ranks = keys ^ np.uint64(salt)
    ranks *= _MIX_U64
    ranks ^= ranks >> _SHIFT
    ranks *= _MIX_U64
    return ranks


def tie_rank(key: int, salt: int) -> int:
    """The same for one node."""
    rank = (key ^ salt) * _MIX & _MASK
    rank ^= rank >> 32
    return rank * _MIX & _MASK
