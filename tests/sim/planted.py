"""Bugs planted into real cores and disks, to show that the simulator finds such bugs.

Nothing of the product knows of them: each is a subclass that breaks one promise. ``BUGS`` is the
table; ``python -m tests.sim.planted NAME SEED...`` runs one and prints digests and what was found.

A bug that only shows in some corner has a world that is mostly that corner: it is found in less
than a second, and by many seeds, so that a change of a core does not hide it.
"""

import sys
from dataclasses import dataclass

from sim.options import options_of
from sim.overrides import changed
from sim.run import Outcome, run_options
from sim.world import Makers
from tests.sim import planted_programs as programs
from tests.sim import planted_store as stores
from tests.sim.planted_store import leases_of, store_of, store_with


@dataclass(frozen=True, slots=True)
class Bug:
    """One row of the table."""

    makers: Makers
    checkers: tuple[str, ...]
    """Which promises it breaks; the first one that is found ends a run."""
    seed: int
    """The first seed from 1 that found it."""
    world: tuple[str, ...] = ()
    """Options that are not left to the seed, as ``hollowfleet sim --set`` takes them."""


SHARD = (
    "store_shards=1",
    "deployments=0",
    "bare_pods=0",
    "nodes=1",
    "hollow_actors=1",
    "cordons=0",
    "spare_nodes=0",
    "zones=1",
    "api_servers=1",
    "partitions=0",
    "controllers=1",
)
"""One shard and its clients; hardly a cluster."""
CLUSTER = (
    "store_shards=1",
    "api_servers=1",
    "partitions=0",
    "hollow_actors=1",
    "spare_nodes=0",
    "cordons=0",
    "zones=1",
    "probes=0",
    "keepers=0",
    "mirrors=1",
    "readers=0",
    "bare_pods=0",
)
"""A small cluster on one shard, and nobody who asks that shard."""
TWO_SCHEDULERS = (
    "schedulers=2",
    "nodes=5",
    "deployments=0",
    "bare_pods=50",
    "fault_seconds=30",
)
"""Time enough for their Lease to change hands while pods come."""

BUGS: dict[str, Bug] = {
    "reply before persist": Bug(
        Makers(store=store_of(stores.RepliesBeforePersist)), ("store watches", "acknowledged"), 2
    ),
    "watermark too high": Bug(
        Makers(store=store_of(stores.TellsTooHighWatermarks)), ("store watches", "watermarks"), 1
    ),
    "compare-and-swap ignored": Bug(
        Makers(store=store_with(stores.ignores_expected_revision)),
        ("identities", "linearizable", "bindings"),
        1,
    ),
    "acknowledged and not done": Bug(
        Makers(store=store_with(stores.forgets_some_writes)), ("acknowledged",), 1
    ),
    "fsync skipped": Bug(
        Makers(disk=stores.SkipsFsync),
        ("durability",),
        1,
        (*SHARD, "durability=fsync", "faults_count=6", "faults=power loss"),
    ),
    "newest record forgotten": Bug(
        Makers(store=stores.forgets_newest),
        ("durability",),
        1,
        (*SHARD, "faults_count=6", "faults=move store"),
    ),
    "event duplicated": Bug(Makers(api_server=programs.DuplicatesEvent), ("api watches",), 1),
    "event dropped": Bug(Makers(api_server=programs.DropsEvent), ("api watches",), 1),
    "events out of order": Bug(Makers(api_server=programs.SwapsEvents), ("api watches",), 1),
    "stale read": Bug(
        Makers(api_server=programs.ReadsStale),
        ("linearizable",),
        1,
        (*SHARD, "store_shards=2", "shard_by=hash", "api_servers=3"),
    ),
    "uids repeated": Bug(
        Makers(api_server=programs.RepeatsUids),
        ("identities",),
        1,
        (
            *CLUSTER,
            "nodes=3",
            "deployments=2",
            "replicas_max=3",
            "bare_pods=20",
            "faults_count=8",
            "faults=crash apiserver",
        ),
    ),
    "over-commit": Bug(
        Makers(scheduler=programs.OverCommits),
        ("bindings",),
        1,
        (*CLUSTER, "nodes=3", "deployments=0", "bare_pods=27"),
    ),
    "taint ignored": Bug(Makers(scheduler=programs.IgnoresTaints), ("bindings",), 1),
    "shown object changed": Bug(Makers(scheduler=programs.ChangesNodes), ("watchers",), 1),
    "requeue lost": Bug(
        Makers(scheduler=programs.LosesRequeue),
        ("core", "convergence"),
        1,
        (*CLUSTER, "nodes=2", "cordons=2", "deployments=0", "bare_pods=18"),
    ),
    "timer runs away": Bug(Makers(scheduler=programs.RunsAway), ("timers",), 1),
    "leads when its Lease is lost": Bug(
        Makers(elected=programs.LeadsForEver),
        ("leaders",),
        1,
        (*CLUSTER, *TWO_SCHEDULERS, "faults_count=10", "faults=pause scheduler"),
    ),
    "leads before its lists are complete": Bug(
        Makers(scheduler=programs.DecidesUnloaded),
        ("leaders",),
        2,
        (
            *CLUSTER,
            *TWO_SCHEDULERS,
            "store_shards=4",
            "shard_by=kind",
            "faults_count=40",
            "faults=pause scheduler,partition",
        ),
    ),
    "status write not retried": Bug(
        Makers(hollow=programs.GivesUp),
        ("convergence",),
        1,
        (
            *CLUSTER,
            "nodes=3",
            "deployments=0",
            "bare_pods=27",
            "fault_seconds=20",
            "faults_count=30",
            "faults=full disk",
        ),
    ),
    "garbage not collected": Bug(
        Makers(controllers=programs.NeverCollects),
        ("convergence",),
        1,
        (*CLUSTER, "nodes=2", "deployments=9", "replicas_max=2"),
    ),
    "lease never expires": Bug(
        Makers(store=leases_of(stores.NeverExpires)),
        ("convergence",),
        1,
        (*SHARD, "keepers=2"),
    ),
    "keepalive ignored": Bug(
        Makers(store=leases_of(stores.IgnoresKeepAlive)),
        ("leases",),
        1,
        (*SHARD, "keepers=4"),
    ),
    "keys of a lease stay": Bug(
        Makers(store=leases_of(stores.ForgetsKeys)),
        ("convergence",),
        1,
        (*SHARD, "keepers=2"),
    ),
    "compaction forgotten": Bug(
        Makers(store=stores.forgets_compaction),
        ("store reads",),
        1,
        (
            *SHARD,
            "keepers=4",
            "probes=0",
            "retain_s=300",
            "fault_seconds=30",
            "faults_count=20",
            "faults=crash store",
        ),
    ),
    "snapshot lacks a key": Bug(
        Makers(store=store_of(stores.SnapshotsLackAKey)),
        ("store reads", "store watches"),
        4,
        (
            *SHARD,
            "keepers=4",
            "probes=4",
            "retain_s=2",
            "segment_bytes=2048",
            "snapshot_bytes=4096",
            "fault_seconds=12",
            "faults_count=12",
            "faults=crash store,move store",
        ),
    ),
    "previous state forgotten": Bug(
        Makers(store=store_of(stores.ForgetsPrevious)),
        ("store watches",),
        1,
        (*SHARD, "mirrors=8"),
    ),
    "replay skipped": Bug(Makers(store=store_of(stores.SkipsReplay)), ("store watches",), 1),
    "list cut short": Bug(Makers(store=stores.lists_too_little), ("store reads",), 1),
    "double bind": Bug(Makers(api_server=programs.BindsAgain), ("bindings",), 1),
    "expectation never cleared": Bug(
        Makers(controllers=programs.ExpectsForEver),
        ("convergence",),
        1,
        (*CLUSTER, "nodes=3", "deployments=2", "replicas_max=4"),
    ),
    "orphan after crash": Bug(
        Makers(controllers=programs.LeavesOrphans),
        ("convergence",),
        1,
        (
            *CLUSTER,
            "nodes=3",
            "deployments=20",
            "replicas_max=1",
            "controllers=1",
            "fault_seconds=20",
            "faults_count=30",
            "faults=crash controllers",
        ),
    ),
}

NOISE: dict[str, Makers] = {
    "clock read": Makers(scheduler=programs.ReadsClock),
    "hash order": Makers(scheduler=programs.OrdersByHash),
}
"""Bugs that only show as another digest."""


def table_rows() -> list[str]:
    """The table as docs/bugs.md shows it."""
    return [
        f"| {name} | {', '.join(bug.checkers)} | {bug.seed} | {_shown(bug)} |"
        for name, bug in BUGS.items()
    ]


def _shown(bug: Bug) -> str:
    """Of an option that is named twice, the last word."""
    last = dict(text.split("=") for text in bug.world)
    return f"`{' '.join(f'{key}={value}' for key, value in last.items())}`" if last else ""


def run_bug(bug: Bug, seed: int) -> Outcome:
    """One seed in the world of the bug."""
    return run_options(changed(options_of(seed), bug.world), "", bug.makers)


def search(name: str, first: int, count: int) -> Outcome | None:
    """Run seeds until one finds the bug."""
    for seed in range(first, first + count):
        outcome = run_bug(BUGS[name], seed)
        if outcome.failure:
            return outcome
    return None


def main() -> None:
    name, *seeds = sys.argv[1:]
    bug = BUGS.get(name) or Bug(NOISE.get(name, Makers()), (), 1)
    for seed in seeds:
        outcome = run_bug(bug, int(seed))
        print("digest", outcome.digest, outcome.checker, outcome.failure[:300])


if __name__ == "__main__":
    main()
