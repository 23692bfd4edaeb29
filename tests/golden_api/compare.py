"""Compare an answer with a recorded one in which some values are placeholders."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

_PLACEHOLDERS = {
    "<uid>": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "<rv>": r"[1-9]\d*",
    "<continue>": r"[A-Za-z0-9_=-]+",
    "<clusterIP>": r"10\.96\.\d+\.\d+",
    "<nodePort>": r"3[0-2]\d{3}",
    "<rand>": r"[a-z0-9]+",
    "<age>": r"[0-9a-z<>]+",
    "<hash>": r"[A-Za-z0-9+/]{11}=",
    "<server>": r"[A-Za-z0-9.\[\]-]+:\d+",
    "<rv-bookmark>": r"[1-9]\d*",
}
_DUMP = re.compile(r"\s*(?:&|\*)?[a-z0-9]+\.[A-Z]\w+\{|\n")
_MARK = re.compile(
    r"<(?:uid|time|rv|continue|clusterIP|nodePort|rand|age|hash|server|rv-bookmark|rv\d+)>"
)


class Versions:
    """What ``<rvN>`` stand for: one value each, in the order of their numbers."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}

    def fits(self, mark: str, value: str) -> bool:
        number, version = int(mark[3:-1]), int(value)
        return self.known.setdefault(number, version) == version

    def disorder(self) -> str | None:
        """What is wrong with their order, or None."""
        pairs = sorted(self.known.items())
        for (low, before), (high, after) in pairwise(pairs):
            if before >= after:
                return f"<rv{low}> is {before}, <rv{high}> is {after}"
        return None


def first_difference(
    expected: Any, actual: Any, versions: Versions | None = None, path: str = ""
) -> str | None:
    """The first place where they differ, as text; None when there is none."""
    return next(_differences(expected, actual, versions or Versions(), path), None)


def _differences(expected: Any, actual: Any, versions: Versions, path: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        actual = _keys_as_expected(expected, actual, versions)
        for key in [*expected, *(key for key in actual if key not in expected)]:
            where = f"{path}.{key}"
            if key not in actual:
                yield f"{where}: missing, expected {_short(expected[key])}"
            elif key not in expected:
                yield f"{where}: {_short(actual[key])}, expected none"
            else:
                yield from _differences(expected[key], actual[key], versions, where)
    elif isinstance(expected, list) and isinstance(actual, list):
        if path.endswith(".managedFields"):
            expected, actual = _by_owner(expected), _by_owner(actual)
        for index, (left, right) in enumerate(zip(expected, actual, strict=False)):
            yield from _differences(left, right, versions, f"{path}[{index}]")
        if len(expected) != len(actual):
            yield f"{path}: {len(actual)} items, expected {len(expected)}"
    elif isinstance(expected, str) and _MARK.search(expected):
        if not _matches(expected, str(actual), versions):
            yield f"{path}: {_short(actual)}, expected {_short(expected)}"
    elif path.endswith(".message") and isinstance(expected, str) and _DUMP.search(expected):
        # A dump of a Go struct: the text before it is compared.
        before = expected[: _DUMP.search(expected).start()]  # type: ignore[union-attr]
        if not str(actual).startswith(before):
            yield f"{path}: {_short(actual)}, expected {_short(expected)}"
    elif expected != actual or isinstance(expected, bool) is not isinstance(actual, bool):
        yield f"{path}: {_short(actual)}, expected {_short(expected)}"


def _by_owner(entries: list[Any]) -> list[Any]:
    """In an order of its own: that of the server is by second, and which second a write falls
    into is chance. tests/api/test_apply_golden.py compares the server's."""
    words = ("operation", "manager", "apiVersion", "subresource")
    return sorted(entries, key=lambda entry: [str(entry.get(word, "")) for word in words])


def _keys_as_expected(
    expected: dict[str, Any], actual: dict[str, Any], versions: Versions
) -> dict[str, Any]:
    """``actual`` with the keys that fit an expected one with placeholders named like it: owned
    fields that name uids, of which several became one when they were recorded."""
    named: dict[str, str] = {}
    for pattern in expected:
        if pattern not in actual and _MARK.search(pattern):
            named |= {key: pattern for key in actual if _matches(pattern, key, versions)}
    return {named.get(key, key): value for key, value in actual.items()} if named else actual


def _matches(pattern: str, text: str, versions: Versions) -> bool:
    regex, marks, position = "", [], 0
    for found in _MARK.finditer(pattern):
        regex += re.escape(pattern[position : found.start()])
        regex += f"({_PLACEHOLDERS.get(found[0], '[1-9][0-9]*')})"
        marks.append(found[0])
        position = found.end()
    match = re.fullmatch(regex + re.escape(pattern[position:]), text, re.DOTALL)
    return match is not None and all(
        versions.fits(mark, value)
        for mark, value in zip(marks, match.groups(), strict=True)
        if mark not in _PLACEHOLDERS
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."


def without_managed_fields(value: Any) -> Any:
    """A copy without any metadata.managedFields."""
    if isinstance(value, dict):
        return {
            key: without_managed_fields(item)
            for key, item in value.items()
            if key != "managedFields"
        }
    if isinstance(value, list):
        return [without_managed_fields(item) for item in value]
    return value
