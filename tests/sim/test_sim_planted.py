"""Each planted bug is found by the seed of its row, by the checker of the promise it breaks."""

import pytest

from sim.run import run_seed
from tests.sim.planted import BUGS


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found(name: str) -> None:
    bug = BUGS[name]
    outcome = run_seed(bug.seed, "", bug.makers)
    assert outcome.checker == bug.checker, outcome.failure
    assert not run_seed(bug.seed).failure
