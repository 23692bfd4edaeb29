"""Two hundred clusters with their faults: every promise is kept in each of them.

Twenty tests run ten worlds each and put what they came to into one record; the last test judges
what the two hundred were worth together, and says so when some of them are not there.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
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

SEEDS = 200
BLOCK = 10
BLOCKS = [range(first, first + BLOCK) for first in range(1, SEEDS + 1, BLOCK)]
PODS_MIN, NODES_MIN, STEPS_MIN = 50, 10, 2000
STRUCK_MIN = 20
"""Each kind of fault strikes in at least so many of the seeds."""

Record = dict[int, tuple[Outcome, float]]
"""Seed to what its world came to and the CPU seconds that it took."""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    context = get_context("forkserver")
    with ProcessPoolExecutor(os.cpu_count(), context, settle_gc) as workers:
        yield workers


@pytest.fixture(scope="module")
def record() -> Record:
    """Filled by the tests of the blocks that run, read by the one that judges."""
    return {}


def measured(seed: int) -> tuple[Outcome, float]:
    begin = time.process_time()
    outcome = run_seed(seed)
    return outcome, time.process_time() - begin


def named(seeds: range) -> str:
    return f"{seeds[0]}..{seeds[-1]}"


@pytest.mark.parametrize("seeds", BLOCKS, ids=named)
def test_every_promise_is_kept(pool: ProcessPoolExecutor, record: Record, seeds: range) -> None:
    done = dict(zip(seeds, pool.map(measured, seeds), strict=True))
    record.update(done)
    failed = {seed: outcome.failure for seed, (outcome, _) in done.items() if outcome.failure}
    assert not failed


def test_the_worlds_are_worth_it(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    """Every one is large enough, and each kind of fault strikes often enough."""
    absent = [named(block) for block in BLOCKS if not record.keys() >= {*block}]
    assert not absent, f"no judgement of all {SEEDS} seeds: {', '.join(absent)} did not finish"
    outcomes = [outcome for outcome, _ in record.values()]
    with capsys.disabled():
        cpu_s = sum(seconds for _, seconds in record.values())
        print(f"\n{SEEDS} seeds took {cpu_s:.1f} s of CPU")
    weak = {one.options.seed: weakness(one) for one in outcomes if weakness(one)}
    assert not weak
    struck = Counter(kind for one in outcomes for kind in one.faults)
    assert min(struck[kind] for kind in KINDS) >= STRUCK_MIN, struck


def weakness(outcome: Outcome) -> str:
    """What a world has too little of; empty: nothing."""
    has = (outcome.options.nodes, outcome.counts["pods created"], outcome.steps)
    wanted = (NODES_MIN, PODS_MIN, STEPS_MIN)
    enough = all(count >= least for count, least in zip(has, wanted, strict=True))
    return "" if enough else f"(nodes, pods, steps) are {has}, wanted are {wanted}"


def test_revision_zero_is_the_present() -> None:
    reads = StoreReads(Topics(), History(Topics(), 1, lambda: 0))
    reads.old_read(0, 0, 7, (OK, 9, False, []))
    reads.old_read(0, 6, 7, (COMPACTED, 7))
    with pytest.raises(Violation):
        reads.old_read(0, 6, 7, (OK, 6, False, []))
