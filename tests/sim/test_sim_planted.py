"""Each planted bug is found, by a checker of a promise that it breaks."""

import pytest

from tests.sim.planted import BUGS, first_find

SEEDS_MAX = 25
"""Any change of a core moves the moments at which faults strike: a bug that needs one of them may
need a few seeds more than the one in its row."""


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found(name: str) -> None:
    bug = BUGS[name]
    outcome = first_find(bug, range(bug.seed, bug.seed + SEEDS_MAX))
    assert outcome is not None, f"not found by {SEEDS_MAX} seeds from {bug.seed} on"
    assert outcome.checker in bug.checkers, outcome.failure


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
        "leases",
        "linearizable",
        "store reads",
        "store watches",
        "timers",
    }
