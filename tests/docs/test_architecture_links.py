"""Documents name files, functions and bounds; each name is looked up, so that no document rots.

A name is text in backquotes: `path/file.py`, `path/file.py:function`, `path/file.py:Class.method`,
`tests/x.py::test_name`, or a folder with a slash at its end. Paths begin at the project's root.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))
IDS = [str(path.relative_to(ROOT)) for path in DOCUMENTS]

_NAME = re.compile(
    r"`(?P<path>[\w.-]+(?:/[\w.-]+)*/(?:[\w.-]+\.(?:py|md|json|jsonl|gz|yaml|csv|toml))?)"
    r"(?:::?(?P<name>\w+(?:\.\w+)*))?`"
)
_LINK = re.compile(r"\]\((?P<target>[^)#]+)(?:#[^)]*)?\)")
_BOUND = re.compile(r"^\|[^|]+\| `(?P<path>[\w/]+)\.py:(?P<name>[\w.]+)` \| (?P<value>[^|]+) \|")
_UNITS = {
    "": 1.0,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
}


@cache
def defined(path: Path) -> frozenset[str]:
    """Functions, classes, their members, and variables of a module, dotted."""
    return frozenset(_defined(ast.parse(path.read_text(encoding="utf-8")).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.ClassDef(name=name, body=inner):
                yield prefix + name
                yield from _defined(inner, f"{prefix}{name}.")
            case ast.Assign(targets=targets):
                for target in targets:
                    for part in ast.walk(target):
                        if isinstance(part, ast.Name):
                            yield prefix + part.id
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name


def missing(text: str, folder: Path) -> list[str]:
    """Names and links of a document that lead nowhere."""
    found = []
    for match in _NAME.finditer(text):
        path, name = ROOT / match["path"], match["name"]
        exists = path.is_dir() if match["path"].endswith("/") else path.is_file()
        if not exists or (name and (path.suffix != ".py" or name not in defined(path))):
            found.append(match[0])
    for match in _LINK.finditer(text):
        target = match["target"]
        if "://" not in target and not (folder / target).exists():
            found.append(target)
    return found


def bounds() -> list[tuple[str, str, str]]:
    """(module, name, written value) of each row of the table of bounds."""
    lines = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()
    rows = [match for match in map(_BOUND.match, lines) if match]
    return [(m["path"].replace("/", "."), m["name"], m["value"].strip()) for m in rows]


def written(value: str) -> list[float]:
    """``"64 MiB"`` in bytes, ``"50 ms to 2 s"`` in seconds, ``"4,096"`` as it is."""
    numbers = []
    for part in value.split(" to "):
        number, _, unit = part.partition(" ")
        numbers.append(float(number.replace(",", "")) * _UNITS[unit])
    return numbers


def actual(module: str, name: str) -> list[float]:
    """What the code says, times in seconds; empty when it says nothing of that name."""
    owner: object = import_module(module)
    outer, _, last = name.rpartition(".")
    if outer:
        owner = getattr(owner, outer, None)
    if is_dataclass(owner):
        value: object = next((f.default for f in fields(owner) if f.name == last), ())
    else:
        value = getattr(owner, last, ())
    scale = 1e-9 if "ns" in last.lower().split("_") else 1.0
    values = value if isinstance(value, tuple) else (value,)
    return [float(number) * scale for number in values]


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_everything_named_exists(document: Path) -> None:
    assert missing(document.read_text(encoding="utf-8"), document.parent) == []


def test_a_name_that_is_gone_is_found() -> None:
    text = "`api/core.py:Core.step` `api/core.py:Nobody` `api/nothing.py` `api/` `nowhere/`"
    assert missing(text, ROOT) == ["`api/core.py:Nobody`", "`api/nothing.py`", "`nowhere/`"]
    assert missing("[a](README-not-there.md) [b](pyproject.toml)", ROOT) == ["README-not-there.md"]


def test_bounds_have_the_values_of_the_code() -> None:
    rows = bounds()
    assert len(rows) > 40
    wrong = [
        (module, name, value, actual(module, name))
        for module, name, value in rows
        if actual(module, name) != pytest.approx(written(value))
    ]
    assert wrong == []
