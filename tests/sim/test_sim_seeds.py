"""Two hundred clusters with their faults: every promise is kept in each of them."""

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from actors.clock import settle_gc
from sim.overrides import KINDS
from sim.run import Outcome, run_seed

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
