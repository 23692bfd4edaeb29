"""Each planted bug is found, by a checker of a promise that it breaks."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from actors.clock import settle_gc
from sim.overrides import KINDS
from sim.run import Outcome
from tests.sim.planted import BUGS, search, table_rows

SEEDS_MAX = 25
"""Any change of a core moves the moments at which faults strike: a bug that needs one of them may
need a few seeds more than the one in its row."""

Searches = dict[str, "Future[Outcome | None]"]


@pytest.fixture(scope="module")
def searches() -> Iterator[Searches]:
    """All of them, side by side."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("forkserver"), settle_gc) as pool:
        yield {name: pool.submit(search, name, bug.seed, SEEDS_MAX) for name, bug in BUGS.items()}


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found(searches: Searches, name: str) -> None:
    outcome, bug = searches[name].result(), BUGS[name]
    assert outcome is not None, f"not found by {SEEDS_MAX} seeds from {bug.seed} on"
    assert outcome.checker in bug.checkers, outcome.failure


def test_the_document_has_the_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "bugs.md").read_text()
    table = [row for row in text.splitlines() if row in {*table_rows()}]
    assert table == table_rows()


def test_the_document_names_every_fault() -> None:
    text = (Path(__file__).parents[2] / "docs" / "bugs.md").read_text()
    first, last = text.index("## Faults"), text.index("## Planted bugs")
    rows = [row.split("|")[1] for row in text[first:last].splitlines() if row.startswith("| ")]
    named = [kind.strip() for row in rows[1:] for kind in row.split(",")]
    assert sorted(named) == sorted(KINDS)


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
        "leaders",
        "leases",
        "linearizable",
        "store reads",
        "store watches",
        "timers",
        "watchers",
    }
