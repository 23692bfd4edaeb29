"""Documents say what to type: each command, its options, and each decision record are there."""

import re
from pathlib import Path

import click
import pytest

from loadtest.cli import MODULES, cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "campaigns" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "changelog.d").glob("*.md")),
]
TARGETS = frozenset(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))

_COMMAND = re.compile(r"(?:`|^ +(?:\$ )?)(?P<program>hollowfleet|make) (?P<rest>[^`#\n]*)", re.M)
_MODULE = re.compile(r"python -m\s+(?P<module>(?:tests|benchmarks|loadtest)[\w.]*)")
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")


def missing(text: str) -> list[str]:
    """What is to be typed and is not there: modules, targets, commands, options."""
    found = []
    for match in _MODULE.finditer(text):
        path = ROOT.joinpath(*match["module"].rstrip(".").split("."))
        if not (path.with_suffix(".py").exists() or (path / "__main__.py").exists()):
            found.append(match[0])
    for match in _COMMAND.finditer(text.replace("\\\n", " ")):
        word = match["rest"].partition(" ")[0]
        if match["program"] == "make":
            known = word in TARGETS or "=" in word
        else:
            known = word in MODULES and not unknown_options(word, match["rest"])
            known = known or word.startswith("-")
        if not known:
            found.append(match[0].strip())
    return found


def unknown_options(command: str, rest: str) -> set[str]:
    """Those written behind a command of ``hollowfleet`` that it does not take."""
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    known = {
        name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)
    }
    return {*_OPTION.findall(rest)} - known - {"--help"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_to_be_typed_is_there(document: Path) -> None:
    assert missing(document.read_text(encoding="utf-8")) == []


def test_what_is_gone_is_found() -> None:
    text = """
    python -m benchmarks.nothing
    hollowfleet nothing
    $ hollowfleet up --nodes 5 \\
        --no-such-option
    make nothing
`hollowfleet run FILE --seed 7` `make test` `python -m tests.sim.soak`
"""
    assert [one.split()[-1] for one in missing(text)] == [
        "benchmarks.nothing", "nothing", "--no-such-option", "nothing",
    ]  # fmt: skip


def test_every_decision_is_in_the_index() -> None:
    records = ROOT / "docs" / "adr"
    index = (records / "README.md").read_text(encoding="utf-8")
    for record in sorted(records.glob("0*.md")):
        number, title = record.read_text(encoding="utf-8").splitlines()[0].split(". ", 1)
        assert f"| {number.removeprefix('# ')} | [{title}]({record.name}) |" in index


@pytest.mark.parametrize("command", sorted(MODULES))
def test_every_option_says_what_it_is(command: str) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    options = [one for one in found.params if isinstance(one, click.Option)]
    assert [one.opts[0] for one in options if not one.help] == []
