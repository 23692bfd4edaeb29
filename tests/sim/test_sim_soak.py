"""The search over many seeds says what failed and how to see it again."""

import pytest

from tests.sim.planted import search
from tests.sim.soak import main, told


def test_a_failing_seed_is_told() -> None:
    outcome = search("event dropped", 1, 5)
    assert outcome is not None
    text = told(outcome)
    assert f"hollowfleet sim --seed {outcome.options.seed} --trace" in text
    assert outcome.failure in text and outcome.digest in text


@pytest.mark.parametrize("words", [[], ["1"], ["9..1"], ["1..x"], ["1..2", "3..4"]])
def test_what_is_no_range_is_refused(words: list[str]) -> None:
    assert main(words) == 2
