"""Everything that makes one run different from another, drawn from its seed."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from api.streams import Stream

SECOND: Final = 1_000_000_000

FAULTS: Final = (
    "crash store",
    "crash apiserver",
    "crash scheduler",
    "crash partition",
    "crash controllers",
    "crash hollow",
    "power loss",
    "slow disk",
    "full disk",
    "reset",
    "partition",
    "slow link",
    "stuck reader",
    "clock jump",
    "move store",
    "doubled calls",
    "late calls",
)
"""Kinds of faults. A crash is that of a process, at a boundary of two effects; a power loss takes a
shard's machine."""
FAULTS_OF_LEADERS: Final = ("pause scheduler", "isolate scheduler")
"""Those for worlds with two schedulers."""

LARGE_ONE_IN: Final = 5
"""One world in this many has twice as many pods. Pods cost more than all else in a run."""


@dataclass(frozen=True, slots=True)
class Options:
    """One run."""

    seed: int
    store_shards: int
    shard_by: Literal["kind", "hash"]
    durability: Literal["fsync", "buffered"]
    api_servers: int
    partitions: int
    controllers: int
    """Processes of controllers, and as many shards of their keys."""
    schedulers: int
    """Scheduler programs. They share a Lease; only its holder schedules."""
    hollow_actors: int
    nodes: int
    deployments: int
    replicas_max: int
    changes: int
    """Most changes that users make to one Deployment; most of them start a rollout."""
    bare_pods: int
    cordons: int
    """Nodes that take no pods for a while."""
    spare_nodes: int
    """Nodes without a kubelet that come and go."""
    zones: int
    """Parts of the cluster to which pods are tied in turn; 1: all may run anywhere."""
    pod_delay_ms: int
    retain_s: int
    """History that a shard keeps. Short: watches expire and have to list anew."""
    segment_bytes: int
    snapshot_bytes: int
    """A log longer than this, and twice as long as after the last snapshot, is worth one."""
    backlog_frames_max: int
    delay_us: tuple[int, int]
    pace_percent: int
    """Service times, in percent of the cost profile."""
    skew_ms_max: int
    """Clocks of programs differ by at most twice this."""
    fault_seconds: int
    """How long the safety phase lasts, in which faults happen and users work."""
    faults: tuple[str, ...]
    """Kinds that happen, of FAULTS."""
    faults_count: int
    probes: int
    """Clients that hammer a few keys of the store, and as many that hammer ConfigMaps, for the
    checker of linearizability."""
    keepers: int
    """Clients of the shards with leases, transactions, reads in the past and compactions."""
    mirrors: int
    """Watches on shards that break off and go on."""
    readers: int
    """Watches with selectors that break off and go on at another API server."""


def options_of(seed: int) -> Options:
    """The options that belong to a seed."""
    chance = Stream(seed, "sim/options")

    def between(low: int, high: int) -> int:
        return low + chance.below(high - low + 1)

    durability: Literal["fsync", "buffered"] = "fsync" if chance.below(4) else "buffered"
    faults = [kind for kind in FAULTS if chance.below(5) < 2]
    if durability == "buffered" and "power loss" in faults:
        # What is only in the page cache may be lost with the machine: nothing to check then.
        faults.remove("power loss")
    shards = between(1, 4)
    servers = between(1, 3)
    large = chance.below(LARGE_ONE_IN) == 0
    drawn = Options(
        seed=seed,
        store_shards=shards,
        shard_by="hash" if chance.below(2) else "kind",
        durability=durability,
        api_servers=servers,
        partitions=between(0, 3),
        controllers=between(1, 2),
        hollow_actors=between(1, 2),
        nodes=between(10, 12),
        deployments=between(5, 6) if large else between(4, 5),
        replicas_max=between(10, 12) if large else between(9, 10),
        changes=2 if large else 1,
        bare_pods=between(14, 16) if large else between(18, 20),
        pod_delay_ms=(0, 200)[chance.below(2)],
        retain_s=(3, 300)[chance.below(2)],
        segment_bytes=(16 << 10, 64 << 20)[chance.below(2)],
        snapshot_bytes=(64 << 10, 64 << 20)[chance.below(2)],
        backlog_frames_max=(50, 2000)[chance.below(2)],
        delay_us=(between(50, 300), between(50, 3000)),
        pace_percent=(30, 100, 400)[chance.below(3)],
        skew_ms_max=(0, 20, 2000)[chance.below(3)],
        # The fewer of either, the fewer steps in a second.
        fault_seconds=between(8, 9) if 1 in (shards, servers) else between(6, 7),
        faults=tuple(faults),
        faults_count=between(4, 12) if faults else 0,
        probes=2,
        keepers=between(0, 2),
        mirrors=between(1, 2),
        readers=between(1, 2),
        cordons=between(0, 2),
        spare_nodes=(0, 0, 1, 2)[chance.below(4)],
        zones=between(1, 2),
        schedulers=between(1, 2),
    )
    if drawn.schedulers == 1:
        return drawn
    more = tuple(kind for kind in FAULTS_OF_LEADERS if chance.below(5) < 3)
    count = drawn.faults_count or between(4, 12)
    return replace(drawn, faults=(*faults, *more), faults_count=count if faults or more else 0)
