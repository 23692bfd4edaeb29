"""Two hundred clusters with their faults: every promise is kept in each of them."""

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from actors.clock import settle_gc
from api.storage import COMPACTED, OK
from sim.checkers.history import History
from sim.checkers.store_reads import StoreReads
from sim.overrides import KINDS
from sim.run import Outcome, run_seed
from sim.topics import Topics, Violation

SEEDS = range(1, 201)
PODS_MIN, NODES_MIN, STEPS_MIN = 50, 10, 2000
STRUCK_MIN = 20
"""Each kind of fault strikes in at least so many of the seeds."""


def test_two_hundred_seeds_keep_every_promise() -> None:
    context = get_context("forkserver")
    with ProcessPoolExecutor(os.cpu_count(), context, settle_gc) as pool:
        outcomes: list[Outcome] = list(pool.map(run_seed, SEEDS))
    failed = {one.options.seed: one.failure for one in outcomes if one.failure}
    assert not failed
    assert min(one.options.nodes for one in outcomes) >= NODES_MIN
    assert min(one.counts["pods created"] for one in outcomes) >= PODS_MIN
    assert min(one.steps for one in outcomes) >= STEPS_MIN
    struck = Counter(kind for one in outcomes for kind in one.faults)
    assert min(struck[kind] for kind in KINDS) >= STRUCK_MIN, struck


def test_revision_zero_is_the_present() -> None:
    reads = StoreReads(Topics(), History(Topics(), 1, lambda: 0))
    reads.old_read(0, 0, 7, (OK, 9, False, []))
    reads.old_read(0, 6, 7, (COMPACTED, 7))
    with pytest.raises(Violation):
        reads.old_read(0, 6, 7, (OK, 6, False, []))
