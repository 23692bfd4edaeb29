"""docs/bugs.md: each bug has its number, in its own table."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "bugs.md").read_text(encoding="utf-8")


def test_bugs_are_numbered_in_the_table_of_bugs() -> None:
    """A row that is added at the end of the file lands in the table of planted bugs."""
    table, _, others = TEXT.partition("\n## ")
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert not re.findall(r"^\| \d+ \|", others, re.MULTILINE)
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}, "five columns each"
