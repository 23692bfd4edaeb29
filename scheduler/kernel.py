"""The optional compiled kernel: for pods whose node plugins are NodeResourcesFit and
NodeResourcesBalancedAllocation without arguments, all rows are filtered and scored in one go by
loops that numba compiles. Same arithmetic and results as the plugins' vectors, which do the work
for all other pods and wherever numba is not installed (``make kernel`` installs it).
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scheduler.framework import Filter, Score
from scheduler.kernel_choice import KernelChoice, numba_installed
from scheduler.node_table import FloatArray, IntArray, Mask, NodeTable
from scheduler.plugins import balanced_allocation, node_resources_fit
from scheduler.pod_shape import Shape
from scheduler.tie import CUTS, ODD, tie_bits

Narrow = npt.NDArray[np.int32]
ROWS_AT_ONCE = 1024
"""So many rows at a time go through all loops, and stay in the cache meanwhile."""


class KernelError(Exception):
    """numba is asked for and not installed."""


class Nodes(NamedTuple):
    """Columns of the node table."""

    left: FloatArray
    """[cpu or memory, row], as its namesakes in the table."""
    capacity: FloatArray
    used: FloatArray
    balance: IntArray
    """[row]: points without the pod."""
    lacking: Mask
    pods: IntArray
    pods_allowed: IntArray
    free: IntArray
    """[resource, row]."""


class Wanted(NamedTuple):
    """Of one shape."""

    columns: IntArray
    """Which resources it requests ..."""
    amounts: IntArray
    """... and how much of each."""
    scored_cpu: float
    scored_memory: float
    cpu: float
    memory: float
    weights: tuple[int, int]
    """Of LeastAllocated and of the balance."""


class Draw(NamedTuple):
    """What scheduler.tie works out from a salt."""

    keys: tuple[int, int, int, int]
    """One for each round."""
    mask: int
    half: int


class Loops(NamedTuple):
    """The two below, compiled or not."""

    score_rows: Callable[[Nodes, Wanted, Mask, Narrow], None]
    best_row: Callable[[Narrow, Draw], int]


def score_rows(nodes: Nodes, wanted: Wanted, admitted: Mask, total: Narrow) -> None:
    """``total``, [row], comes with what is fixed and leaves with all; -1: the pod cannot go there.
    Loops are short so that each becomes vector instructions."""
    first, second = np.empty(ROWS_AT_ONCE, np.float64), np.empty(ROWS_AT_ONCE, np.float64)
    fit_weight, balance_weight = wanted.weights
    for begin in range(0, len(total), ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, len(total))
        cpu, memory = nodes.capacity[0, begin:end], nodes.capacity[1, begin:end]
        cpu_left, memory_left = nodes.left[0, begin:end], nodes.left[1, begin:end]
        for at in range(end - begin):
            cpu_free = cpu_left[at] - wanted.scored_cpu
            memory_free = memory_left[at] - wanted.scored_memory
            cpu_free = cpu_free if cpu_free > 0.0 else 0.0
            memory_free = memory_free if memory_free > 0.0 else 0.0
            cpu_free = np.floor(cpu_free * 100.0 / cpu[at])
            first[at] = cpu_free + np.floor(memory_free * 100.0 / memory[at])
        cpu_used, memory_used = nodes.used[0, begin:end], nodes.used[1, begin:end]
        for at in range(end - begin):
            cpu_share = (cpu_used[at] + wanted.cpu) / cpu[at]
            memory_share = (memory_used[at] + wanted.memory) / memory[at]
            cpu_share = cpu_share if cpu_share < 1.0 else 1.0
            memory_share = memory_share if memory_share < 1.0 else 1.0
            second[at] = (abs(cpu_share - memory_share) * -0.5 + 1.0) * 100.0
        out, lacking, before = total[begin:end], nodes.lacking[begin:end], nodes.balance[begin:end]
        for at in range(end - begin):
            fit, balance = np.int32(first[at]), np.int32(second[at])
            fit = fit if lacking[at] else np.int32(fit >> 1)
            balance = np.int32(100) if lacking[at] else balance
            balance = ((balance - before[at] + 50) >> 1) + 50
            out[at] += fit * fit_weight + balance * balance_weight
        may, pods, allowed = (
            admitted[begin:end], nodes.pods[begin:end], nodes.pods_allowed[begin:end],
        )  # fmt: skip
        for at in range(end - begin):
            out[at] = out[at] if may[at] & (pods[at] < allowed[at]) else -1
        for number in range(len(wanted.columns)):
            free, amount = nodes.free[wanted.columns[number], begin:end], wanted.amounts[number]
            for at in range(end - begin):
                out[at] = out[at] if free[at] >= amount else -1


def best_row(total: Narrow, draw: Draw) -> int:
    """The row with the highest total that wins the draw, -1 when none is 0 or more. The same as
    scheduler.tie, row by row."""
    most = np.int32(-1)
    for row in range(len(total)):
        most = max(most, total[row])
    winner, least = -1, draw.mask + 1
    if most < 0:
        return winner
    first, second, third, fourth = draw.keys
    for row in range(len(total)):
        if total[row] == most:
            place = (row ^ first) * ODD[0] & draw.mask
            place ^= place >> draw.half
            place = (place ^ second) * ODD[1] & draw.mask
            place ^= place >> draw.half
            place = (place ^ third) * ODD[2] & draw.mask
            place ^= place >> draw.half
            place = (place ^ fourth) * ODD[3] & draw.mask
            place ^= place >> draw.half
            if place < least:
                winner, least = row, place
    return winner


class Kernel:
    """The loops, compiled or not, over a node table."""

    def __init__(self, name: str, loops: Loops) -> None:
        self.name = name
        self._loops = loops

    def base(
        self,
        shape: Shape,
        table: NodeTable,
        admitted: Mask,
        fixed: Narrow,
        plugins: tuple[Sequence[Filter], Sequence[Score]],
    ) -> Narrow | None:
        """[row]: ``fixed`` and the weighted scores, -1 where the pod cannot go. ``plugins``: those
        that apply. None: they are not the ones that this knows, or amounts are too large."""
        filters, scores = plugins
        if table.amounts_wide or len(filters) != 1 or len(scores) != 2:
            return None
        if (
            filters[0].passes is not node_resources_fit.passes
            or scores[0].raw is not node_resources_fit.least_allocated
            or scores[1].raw is not balanced_allocation.balance_gain
        ):
            return None
        asked = [(table.resource(name), amount) for name, amount in shape.key.requests]
        if any(column < 0 for column, _ in asked):
            return None
        wanted = Wanted(
            columns=np.array([column for column, _ in asked], np.int64),
            amounts=np.array([amount for _, amount in asked], np.int64),
            scored_cpu=float(shape.key.scored[0]),
            scored_memory=float(shape.key.scored[1]),
            cpu=float(shape.cpu),
            memory=float(shape.memory),
            weights=(scores[0].weight, scores[1].weight),
        )
        total = fixed.copy()
        self._loops.score_rows(_nodes(table), wanted, admitted, total)
        return total

    def best(self, total: Narrow, salt: int) -> int:
        """As ``Standings.best``."""
        bits = tie_bits(len(total))
        mask = (1 << bits) - 1
        first, second, third, fourth = CUTS
        keys = (
            salt >> first & mask,
            salt >> second & mask,
            salt >> third & mask,
            salt >> fourth & mask,
        )
        return int(self._loops.best_row(total, Draw(keys, mask, (bits + 1) >> 1)))


def kernel_of(choice: KernelChoice) -> Kernel | None:
    """None: the vectors of the plugins. Raises KernelError."""
    if choice == "numpy" or (choice == "auto" and not numba_installed()):
        return None
    if not numba_installed():
        raise KernelError("the scheduler's kernel is numba, which is not installed: make kernel")
    return _compiled()


def kernel_named(kernel: Kernel | None) -> str:
    """For reports."""
    return f"kernel: {kernel.name if kernel else 'numpy'}"


@cache
def _compiled() -> Kernel:
    """Compiled, or read from numba's cache, now and not in the middle of a decision."""
    compiled = partial(import_module("numba").njit, cache=True, error_model="numpy")
    loops = Loops(compiled(score_rows), compiled(best_row))
    table = NodeTable()
    none, nothing = np.zeros(0, np.int64), np.zeros(0, np.int32)
    wanted = Wanted(none, none, 0.0, 0.0, 0.0, 0.0, (1, 1))
    loops.score_rows(_nodes(table), wanted, np.zeros(0, np.bool_), nothing)
    kernel = Kernel("numba", loops)
    kernel.best(nothing, 1)
    return kernel


def _nodes(table: NodeTable) -> Nodes:
    return Nodes(
        table.nonzero_left,
        table.capacity,
        table.used,
        balanced_allocation.balance_now(table),
        table.lacking,
        table.pods,
        table.pods_allowed,
        table.free,
    )
