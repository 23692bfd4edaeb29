"""Whether a campaign's nodes and pods fit into memory, before anything is started.

What they need is a plane through measured runs: so much for the programs alone, so much for each
node and so much for each pod that is there at the same time: of all processes of a run together in
real time, of the one process in virtual time. ``python -m benchmarks.bench_preflight`` measures it.
What has been deleted stays in the store for a while and is not counted, so a campaign that is
refused would not have fitted.
"""

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loadtest.compiled import Compiled
from loadtest.fields import CampaignError
from loadtest.schedule import Arrival

MIB, KIB = 1 << 20, 1 << 10
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class MemoryCosts:
    """In bytes."""

    base: int
    node: int
    pod: int

    def of(self, nodes: int, pods: int = 0) -> int:
        return self.base + nodes * self.node + pods * self.pod

    def plus(self, times: int, more: "MemoryCosts") -> "MemoryCosts":
        return MemoryCosts(
            self.base + times * more.base,
            self.node + times * more.node,
            self.pod + times * more.pod,
        )


COSTS = {
    "real": MemoryCosts(base=1113 * MIB, node=108 * KIB, pod=48 * KIB),
    "virtual": MemoryCosts(base=145 * MIB, node=47 * KIB, pod=40 * KIB),
}
"""Measured on Linux 6, Python 3.11, November 2026: in real time 500 to 4,000 nodes and up to 8,000
pods, in virtual time 1,000 to 10,000 nodes and up to 20,000 pods."""

FURTHER_SERVER = {
    "real": MemoryCosts(base=86 * MIB, node=17 * KIB, pod=25 * KIB),
    "virtual": MemoryCosts(base=0, node=8 * KIB, pod=6 * KIB),
}
"""Of each API server but the first: it keeps all nodes and pods too. Measured with one
and with five, in real time up to 4,000 nodes and 8,000 pods, in virtual time 1,500 and 2,000."""


def costs_of(compiled: Compiled, shell: Literal["real", "virtual"]) -> MemoryCosts:
    further = compiled.cluster.api_servers - 1
    return COSTS[shell].plus(further, FURTHER_SERVER[shell])


def check_memory(
    compiled: Compiled, shell: Literal["real", "virtual"], available: int | None = None
) -> None:
    """Errors: CampaignError saying what is needed, what there is and how much would fit.

    ``available``: bytes; what the machine and our own limits leave, if not given.
    """
    room = available_bytes() if available is None else available
    costs, nodes, pods = costs_of(compiled, shell), compiled.nodes, pods_at_once(compiled.arrivals)
    needed = costs.of(nodes, pods)
    if needed <= room:
        return
    what = f"{nodes:,} nodes" + (f" and {pods:,} pods at a time" if pods else "")
    raise CampaignError(
        f"{what} need about {needed / GIB:.1f} GiB of memory, {room / GIB:.1f} available: "
        + _advice(costs, nodes, pods, room)
    )


def _advice(costs: MemoryCosts, nodes: int, pods: int, room: int) -> str:
    """The largest size that fits: fewer pods if that is enough, or else fewer nodes."""
    fitting = (room - costs.of(nodes)) // costs.pod
    if pods and fitting >= 1:
        return f"at most {_rounded(fitting):,} pods at a time on so many nodes"
    fitting = (room - costs.base) // costs.node
    if fitting < 1:
        return "not even without nodes"
    return f"at most {_rounded(fitting):,} nodes" + (", without pods" if pods else "")


def pods_at_once(arrivals: Sequence[Arrival]) -> int:
    """The most pods that there are at a time if all is done when it is due; ``arrivals`` in order
    of time."""
    made: dict[tuple[str, str, str], int] = {}
    now = most = 0
    for arrival in arrivals:
        if arrival.verb not in ("create", "scale", "delete"):
            continue
        key = (arrival.resource, arrival.namespace, arrival.name)
        gone = arrival.verb == "delete"
        count = 0 if gone else int(dict(arrival.value).get("replicas", 1))
        now += count - made.pop(key, 0)
        if count:
            made[key] = count
        most = max(most, now)
    return most


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
