"""The columns of the hollow nodes of one actor."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from api.core import InvariantError
from hollow_node.node_list import NodeShape

ABSENT: Final = 0
"""No Node object yet."""
NO_LEASE: Final = 1
NOT_READY: Final = 2
READY: Final = 3
DEREGISTERED: Final = 4
"""Its Node was deleted by somebody: a kubelet registers at its start only, so it stays away."""


class NodeRows:
    """Row i of each column belongs to node i.

    ``due_ns`` is when a node next wants something done; NEVER while an answer is awaited.
    """

    NEVER: Final = np.iinfo(np.int64).max

    def __init__(self, shapes: Sequence[NodeShape]) -> None:
        count = len(shapes)
        self.shapes = tuple(shapes)
        self.names = [shape.name for shape in shapes]
        self.index = {name: row for row, name in enumerate(self.names)}
        if len(self.index) != count:
            raise ValueError("node names: two nodes have one name; give each NodeSpec a prefix")
        self.uids = [""] * count
        self.renewals = [(b"", b"")] * count
        """See documents.lease_renewal; empty until the uid is known."""
        self.state: NDArray[np.int8] = np.zeros(count, np.int8)
        self.due_ns: NDArray[np.int64] = np.zeros(count, np.int64)
        self.lease_due_ns: NDArray[np.int64] = np.full(count, self.NEVER, np.int64)
        self.lease_revision: NDArray[np.int64] = np.zeros(count, np.int64)
        self.status_due_ns: NDArray[np.int64] = np.full(count, self.NEVER, np.int64)
        self.unwell: NDArray[np.bool_] = np.zeros(count, np.bool_)
        """(nodes,) the node was last seen with a condition Ready that is not True."""

    def enter(self, row: int, state: int, due_ns: int) -> None:
        """Move a node to a state; its next action is due then."""
        self.state[row] = state
        self.due_ns[row] = due_ns

    def due(self, now_ns: int) -> NDArray[np.int64]:
        """Rows that want something done by ``now_ns``, in order. Shape (k,), int64."""
        return np.flatnonzero(self.due_ns <= now_ns)

    def next_due_ns(self) -> int | None:
        if not len(self.names):
            return None
        soonest = int(np.minimum.reduce(self.due_ns))
        return None if soonest == self.NEVER else soonest

    def check(self) -> None:
        """A ready node has a uid and a lease; a state is one of five."""
        if not ((self.state >= ABSENT) & (self.state <= DEREGISTERED)).all():
            raise InvariantError("a node is in an unknown state")
        for row in np.flatnonzero(self.state == READY).tolist():
            if not self.uids[row] or not self.lease_revision[row]:
                raise InvariantError(f"node {self.names[row]} is ready without uid or lease")
