"""Strict reading of configuration: every key is asked for once, what was not asked for is an error.

A ``Section`` remembers which keys its reader asked for; ``done()`` refuses the rest and names the
nearest key that would have been known. Errors carry the file and the path of the key.
"""

import difflib
import re
import reprlib
from collections.abc import Mapping, Sequence

SECOND_NS = 1_000_000_000

_DURATION_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3600 * SECOND_NS,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h)")
_RATE_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


_SHOWN = reprlib.Repr()
_SHOWN.maxlevel = 3
_SHOWN.maxstring = _SHOWN.maxother = 80


def shown(value: object) -> str:
    """A value that somebody wrote, for an error: so much of it as makes a sentence. Aliases can
    make it exponentially long."""
    return _SHOWN.repr(value)


class ConfigurationError(Exception):
    """A configuration that cannot be used; the text is one sentence for the user."""


def parse_duration(text: object) -> int:
    """A duration as Go writes it ("90s", "1m30s", "250ms"), in ns. Plain 0 is allowed.

    Errors: ValueError. Source: the syntax of Go's time.ParseDuration.
    """
    if text in (0, "0"):
        return 0
    if not isinstance(text, str):
        raise ValueError(f"{shown(text)} is not a duration such as 90s or 1m30s")
    total, end = 0.0, 0
    for part in _DURATION_PART.finditer(text):
        if part.start() != end:
            break
        total += float(part[1]) * _DURATION_UNITS_NS[part[2]]
        end = part.end()
    if not text or end != len(text):
        raise ValueError(f"{shown(text)} is not a duration such as 90s or 1m30s")
    if total >= 2**63:
        raise ValueError(f"{shown(text)} is above 292 years")
    return round(total)


def parse_rate(text: object) -> float:
    """Arrivals per second: a number, or "30/s", "90/m", "10/h". Errors: ValueError."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        rate = float(text)
    elif isinstance(text, str) and (match := _RATE.fullmatch(text)):
        rate = float(match[1]) / _RATE_UNITS_S[match[2]]
    else:
        raise ValueError(f"{shown(text)} is not a rate such as 20, 20/s or 90/m")
    if not 0 < rate <= 1e6:
        raise ValueError(f"{shown(text)} must be above 0 and at most 1000000/s")
    return rate


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint for the user: "; did you mean 'x'?", or the list of what is known."""
    lowered = {key.lower(): key for key in known}
    close = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{lowered[close[0]]}'?"
    return f"; known: {', '.join(known)}"


class Section:
    """One mapping of a configuration, read key by key."""

    def __init__(self, source: str, path: str, value: object) -> None:
        self.source = source
        self.path = path
        if not isinstance(value, Mapping):
            raise self.error("", f"must be a mapping, not {shown(value)}")
        self._value = value
        self._asked: list[str] = []

    def error(self, key: str, text: str) -> ConfigurationError:
        """An error to raise, which names the file and the place of ``key`` in it."""
        place = ".".join(part for part in (self.path, key) if part)
        return ConfigurationError(
            f"{self.source}: {place}: {text}" if place else f"{self.source}: {text}"
        )

    def raw(self, key: str) -> object:
        """The value as parsed from YAML, None when absent."""
        self._asked.append(key)
        return self._value.get(key)

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self._value.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty; without a default it must be there."""
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            raise self.error(key, "must be a text" if value is not None else "is required")
        return value

    def file(self, key: str) -> str:
        """Path of a file, empty when absent."""
        return "" if self.raw(key) is None else self.text(key)

    def choice(self, key: str, known: Sequence[str], default: str | None = None) -> str:
        """A text that is one of ``known``; the error names the nearest."""
        value = self.text(key, default)
        if value not in known:
            raise self.error(key, f"unknown value {shown(value)}{nearest(value[:80], known)}")
        return value

    def integer(self, key: str, default: int, low: int = 0, high: int = 10_000_000) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(
                key, f"must be a whole number from {low} to {high}, not {shown(value)}"
            )
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number from ``low`` to ``high``, whole or not."""
        value = self.raw(key)
        if value is None:
            return default
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not low <= value <= high
        ):
            raise self.error(key, f"must be a number from {low:g} to {high:g}, not {shown(value)}")
        return float(value)

    def duration(self, key: str, default: str | None = None) -> int:
        """Nanoseconds."""
        value = self.raw(key)
        if value is None and default is None:
            raise self.error(key, "is required")
        try:
            return parse_duration(default if value is None else value)
        except ValueError as error:
            raise self.error(key, str(error)) from None

    def rate(self, key: str) -> float:
        """Per second."""
        try:
            return parse_rate(self.raw(key))
        except ValueError as error:
            raise self.error(key, "is required" if not self.has(key) else str(error)) from None

    def section(self, key: str) -> "Section":
        """A nested mapping; empty when absent."""
        value = self.raw(key)
        place = f"{self.path}.{key}" if self.path else key
        return Section(self.source, place, {} if value is None else value)

    def sections(self, key: str) -> "list[Section]":
        """A list of mappings."""
        value = self.raw(key)
        if not isinstance(value, list):
            raise self.error(key, "must be a list" if value is not None else "is required")
        place = f"{self.path}.{key}" if self.path else key
        return [Section(self.source, f"{place}[{i}]", item) for i, item in enumerate(value)]

    def optional_sections(self, key: str) -> "list[Section]":
        """The same, empty when absent."""
        return [] if self.raw(key) is None else self.sections(key)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {shown(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty when absent."""
        values = self.raw(key)
        if values is None:
            return ()
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise self.error(key, f"must be a list of texts, not {shown(values)}")
        return tuple(values)

    def with_texts(self, key: str, more: Sequence[str]) -> "Section":
        """The same section with more texts in one of its lists."""
        texts = [*self.texts(key), *more]
        return Section(self.source, self.path, {**self._value, key: texts} if more else self._value)

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self._value:
            if key not in self._asked:
                raise self.error(str(key), f"unknown key{nearest(str(key), self._asked)}")
