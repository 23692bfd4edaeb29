"""Which GPU of its node a pod gets, and how fragmented what is left is.

The scheduler counts GPUs by node; which of them a pod gets is a device plugin's affair, and there
is none here. So a share goes to the GPU with the least room that has enough, and whole GPUs to
free ones, the first of equals. A pod that its node has room for but no GPU of it takes what is
free, fullest GPU first, and is counted as split.

Fragmentation is that of Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads
with Fragmentation Gradient Descent", USENIX ATC 2023, section 3: to a task m, which comes with
probability p(m), the free GPU capacity of a node is fragmented
  - all of it, if the node cannot take m, or if m wants no GPU;
  - else that of the GPUs with less room than min(demand of m, 1) for it.
F of a node is the sum over m of p(m) times this, F of the cluster the sum over its nodes, and the
rate of fragmentation F over all free GPU capacity. A node cannot take m if it lacks CPU, memory, or
GPUs with enough room. GPU models are not asked for.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GPU_MILLI = 1000


class Demand(NamedTuple):
    """What one pod asks for."""

    cpu_milli: int
    memory_mib: int
    gpus: int
    share_milli: int
    """Of each GPU; 1000: whole ones."""


class Node(NamedTuple):
    """What one node has."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int


class Devices:
    """The resources that are free on every node, GPU by GPU."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        most = max((node.gpus for node in nodes), default=0)
        self.rows = {node.name: row for row, node in enumerate(nodes)}
        self.cpu_milli = np.array([node.cpu_milli for node in nodes], np.int64)
        """(nodes,) free."""
        self.memory_mib = np.array([node.memory_mib for node in nodes], np.int64)
        self.gpu_milli = np.zeros((len(nodes), most), np.int64)
        """(nodes, GPUs) free; 0 also where a node has fewer GPUs."""
        for row, node in enumerate(nodes):
            self.gpu_milli[row, : node.gpus] = GPU_MILLI
        self.split = 0
        """Pods so far that no GPU of their node had room for."""

    def take(self, row: int, demand: Demand) -> NDArray[np.int64]:
        """Put a pod on a node. Returns what it got of each GPU, for ``give``."""
        self.cpu_milli[row] -= demand.cpu_milli
        self.memory_mib[row] -= demand.memory_mib
        free = self.gpu_milli[row]
        got: NDArray[np.int64] = np.zeros(len(free), np.int64)
        if demand.gpus:
            fits = np.flatnonzero(free >= demand.share_milli)
            best = fits[np.argsort(free[fits], kind="stable")][: demand.gpus]
            got[best] = demand.share_milli
            missing = demand.share_milli * (demand.gpus - len(best))
            if missing:
                self.split += 1
                for gpu in np.argsort(free - got, kind="stable").tolist():
                    part = min(missing, int(free[gpu] - got[gpu]))
                    got[gpu] += part
                    missing -= part
            free -= got
        return got

    def give(self, row: int, demand: Demand, got: NDArray[np.int64]) -> None:
        """A pod has left."""
        self.cpu_milli[row] += demand.cpu_milli
        self.memory_mib[row] += demand.memory_mib
        self.gpu_milli[row] += got

    def fragmented(self, rows: Sequence[int], tasks: Mapping[Demand, float]) -> NDArray[np.float64]:
        """F of each of these nodes in thousandths of a GPU, (rows,). ``tasks``: demand to
        probability."""
        chosen = np.array(rows, np.int64)
        cpu, memory, gpu = self.cpu_milli[chosen], self.memory_mib[chosen], self.gpu_milli[chosen]
        free = gpu.sum(axis=1)
        out = np.zeros(len(chosen), np.float64)
        for task, probability in tasks.items():
            if not task.gpus:
                out += probability * free
                continue
            roomy = gpu >= task.share_milli
            fits = (
                (cpu >= task.cpu_milli)
                & (memory >= task.memory_mib)
                & (roomy.sum(axis=1) >= task.gpus)
            )
            scraps = np.where(roomy, 0, gpu).sum(axis=1)
            out += probability * np.where(fits, scraps, free)
        return out
