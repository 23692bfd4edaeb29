"""Bugs planted into real cores and disks, to show that the simulator finds such bugs.

Nothing of the product knows of them: each is a subclass that breaks one promise. ``BUGS`` is the
table; ``python -m tests.sim.planted NAME SEED...`` runs one and prints digests and what was found.
"""

import sys
from dataclasses import dataclass

from sim.run import Outcome, run_seed
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
    "fsync skipped": Bug(Makers(disk=stores.SkipsFsync), ("durability",), 3),
    "newest record forgotten": Bug(Makers(store=stores.forgets_newest), ("durability",), 1),
    "event duplicated": Bug(Makers(api_server=programs.DuplicatesEvent), ("api watches",), 1),
    "event dropped": Bug(Makers(api_server=programs.DropsEvent), ("api watches",), 1),
    "events out of order": Bug(Makers(api_server=programs.SwapsEvents), ("api watches",), 1),
    "stale read": Bug(Makers(api_server=programs.ReadsStale), ("linearizable",), 2),
    "uids repeated": Bug(Makers(api_server=programs.RepeatsUids), ("identities",), 1),
    "over-commit": Bug(Makers(scheduler=programs.OverCommits), ("bindings",), 2),
    "taint ignored": Bug(Makers(scheduler=programs.IgnoresTaints), ("bindings",), 1),
    "requeue lost": Bug(Makers(scheduler=programs.LosesRequeue), ("core", "convergence"), 1),
    "timer runs away": Bug(Makers(scheduler=programs.RunsAway), ("timers",), 1),
    "status write not retried": Bug(Makers(hollow=programs.GivesUp), ("convergence",), 11),
    "garbage not collected": Bug(Makers(controllers=programs.NeverCollects), ("convergence",), 1),
    "lease never expires": Bug(Makers(store=leases_of(stores.NeverExpires)), ("convergence",), 1),
    "keepalive ignored": Bug(Makers(store=leases_of(stores.IgnoresKeepAlive)), ("leases",), 1),
    "keys of a lease stay": Bug(Makers(store=leases_of(stores.ForgetsKeys)), ("convergence",), 1),
    "compaction forgotten": Bug(Makers(store=stores.forgets_compaction), ("store reads",), 2),
    "snapshot lacks a key": Bug(
        Makers(store=store_of(stores.SnapshotsLackAKey)), ("store reads", "store watches"), 23
    ),
    "previous state forgotten": Bug(
        Makers(store=store_of(stores.ForgetsPrevious)), ("store watches",), 1
    ),
    "replay skipped": Bug(Makers(store=store_of(stores.SkipsReplay)), ("store watches",), 1),
    "list cut short": Bug(Makers(store=stores.lists_too_little), ("store reads",), 1),
    "double bind": Bug(Makers(api_server=programs.BindsAgain), ("bindings",), 1),
    "expectation never cleared": Bug(
        Makers(controllers=programs.ExpectsForEver), ("convergence",), 2
    ),
    "orphan after crash": Bug(Makers(controllers=programs.LeavesOrphans), ("convergence",), 46),
}

NOISE: dict[str, Makers] = {
    "clock read": Makers(scheduler=programs.ReadsClock),
    "hash order": Makers(scheduler=programs.OrdersByHash),
}
"""Bugs that only show as another digest."""


def table_rows() -> list[str]:
    """The table as docs/bugs.md shows it."""
    return [f"| {name} | {', '.join(bug.checkers)} | {bug.seed} |" for name, bug in BUGS.items()]


def search(name: str, first: int, count: int) -> Outcome | None:
    """Run seeds until one finds the bug."""
    for seed in range(first, first + count):
        outcome = run_seed(seed, "", BUGS[name].makers)
        if outcome.failure:
            return outcome
    return None


def main() -> None:
    name, *seeds = sys.argv[1:]
    makers = BUGS[name].makers if name in BUGS else NOISE.get(name, Makers())
    for seed in seeds:
        outcome = run_seed(int(seed), "", makers)
        print("digest", outcome.digest, outcome.checker, outcome.failure[:300])


if __name__ == "__main__":
    main()
