"""Each planted bug is found, by a checker of a promise that it breaks."""

import pytest

from sim.run import run_seed
from tests.sim.planted import BUGS

SEEDS_MAX = 25
"""Any change of a core moves the moments at which faults strike: a bug that needs one of them may
need a few seeds more than the one in its row."""


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found(name: str) -> None:
    bug = BUGS[name]
    for seed in range(bug.seed, bug.seed + SEEDS_MAX):
        outcome = run_seed(seed, "", bug.makers)
        if outcome.failure:
            assert outcome.checker in bug.checkers, outcome.failure
            return
    pytest.fail(f"not found by the seeds from {bug.seed} on")


def test_each_checker_is_shown_to_catch() -> None:
    shown = dict.fromkeys(checker for bug in BUGS.values() for checker in bug.checkers)
    assert set(shown) >= {
        "acknowledged",
        "api watches",
        "bindings",
        "convergence",
        "core",
        "durability",
        "identities",
        "linearizable",
        "store watches",
        "timers",
    }
