"""docs/fidelity.md says nothing that is not so: exact rows name their test, counts are measured."""

import re

from controllers.core import ControllersCore
from controllers.limits import limits_of
from scheduler.profile import FILTERS, LACKING, SCORES
from tests.docs.fidelity_counts import DOCUMENT, ROOT, parts_of_document, recorded

VERDICTS = ("exact", "approximate", "absent")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
CHECKS = 65
"""Acceptance checks of clients."""


def rows() -> list[list[str]]:
    """Rows of the tables of behaviour: behaviour, verdict, test, note."""
    before, _, _ = parts_of_document()
    cells = [
        [cell.strip() for cell in line.strip()[1:-1].split("|")]
        for line in before.splitlines()
        if line.startswith("| ")
    ]
    return [row for row in cells if row[1] != "fidelity"]


def test_every_row_has_a_verdict_and_every_exact_one_a_test() -> None:
    assert len(rows()) > 80
    for row in rows():
        assert len(row) == 4, row
        assert row[1] in VERDICTS, row
        if row[1] == "exact":
            assert _TEST.search(row[2]), row
        if row[1] == "absent":
            assert row[3], row


def test_every_test_that_is_named_exists() -> None:
    lacking = []
    for row in rows():
        for file, function in _TEST.findall(row[2]):
            path = ROOT / file
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if not text or (function and f"def {function}(" not in text):
                lacking.append((row[0], file, function))
    assert lacking == []


def test_every_acceptance_check_has_a_row() -> None:
    numbered = [row[0].partition(":")[0] for row in rows()]
    assert [int(text) for text in numbered if text.isdecimal()] == [*range(1, CHECKS + 1)]


def test_no_behaviour_is_told_twice() -> None:
    names = [row[0] for row in rows()]
    assert len(names) == len(set(names))


def test_every_plugin_and_controller_is_there() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    plugins = [plugin.name for plugin in (*FILTERS, *SCORES)] + list(LACKING)
    core = ControllersCore("c-0", 1, limits_of("kubernetes"))
    controllers = [name.removesuffix("_queue") for name in core.gauges() if name.endswith("_queue")]
    assert [name for name in (*plugins, *controllers) if f"`{name}`" not in text] == []


def test_counts_are_what_the_recordings_give() -> None:
    _, block, _ = parts_of_document()
    assert block == recorded(), "run: python -m tests.docs.fidelity_counts --write"
