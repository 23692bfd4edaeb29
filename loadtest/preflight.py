"""Whether a campaign's nodes fit into memory, before anything is started.

What they need is a straight line through measured runs: so much for the programs alone, and so much
for each node: of all processes of a run together in real time, of the one process in virtual time.
Pods come on top, so a campaign that is refused would not have fitted, and one that is let through
may still be too large. ``python -m benchmarks.bench_preflight`` measures the lines.
"""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loadtest.compiled import Compiled
from loadtest.fields import CampaignError

MIB, KIB = 1 << 20, 1 << 10
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class MemoryCosts:
    """In bytes."""

    base: int
    node: int

    def of(self, nodes: int) -> int:
        return self.base + nodes * self.node


COSTS = {
    "real": MemoryCosts(base=1113 * MIB, node=108 * KIB),
    "virtual": MemoryCosts(base=144 * MIB, node=72 * KIB),
}
"""Measured on Linux 6, Python 3.11, November 2026, with 500 to 4,000 and 1,000 to 10,000 nodes."""


def check_memory(
    compiled: Compiled, shell: Literal["real", "virtual"], available: int | None = None
) -> None:
    """Errors: CampaignError saying what is needed, what there is and how many nodes would fit.

    ``available``: bytes; what the machine and our own limits leave, if not given.
    """
    room = available_bytes() if available is None else available
    costs = COSTS[shell]
    needed = costs.of(compiled.nodes)
    if needed <= room:
        return
    fitting = (room - costs.base) // costs.node
    advice = f"at most {_rounded(fitting):,} nodes" if fitting >= 1 else "not even without nodes"
    raise CampaignError(
        f"{compiled.nodes:,} nodes need about {needed / GIB:.1f} GiB of memory, "
        f"{room / GIB:.1f} available: {advice}"
    )


def _rounded(count: int) -> int:
    """Down to two figures: the costs are no more exact."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return count // unit * unit


def available_bytes() -> int:
    """What the kernel says can be had without swapping, or less by a limit of ours: that of the
    control group, or of the address space."""
    found = [_kernel(), *_group()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        found.append(soft)
    return min(found)


def _kernel() -> int:
    """Source: proc(5), /proc/meminfo, MemAvailable."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * KIB
    raise AssertionError("no MemAvailable: Linux 3.14 or later has it")


def _group() -> list[int]:
    """Of control groups, version 2. Source: kernel Documentation/admin-guide/cgroup-v2.rst."""
    found = []
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line.partition("::")[2] for line in lines if line.startswith("0::"))
        place = Path("/sys/fs/cgroup") / own.lstrip("/")
        limit = (place / "memory.max").read_text().strip()
        if limit != "max":
            found.append(int(limit) - int((place / "memory.current").read_text()))
    except (OSError, StopIteration, ValueError):
        # No such group, or none of version 2: there is no such limit then.
        return []
    return found
