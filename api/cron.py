"""Schedules of CronJobs: five fields or a word, as bits of the minutes they name.

``parse_schedule`` refuses what Kubernetes refuses, in its words. Source: the parser that
pkg/apis/batch/validation uses (robfig/cron v3, ParseStandard): its grammar and messages.
"""

from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Bounds(NamedTuple):
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, _MONTHS),
    _Bounds(0, 6, _DAYS),
)
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class ScheduleError(ValueError):
    """A schedule that cannot be read; the text says why."""


class Schedule(NamedTuple):
    """For each field the set of its values, as bits: bit n for value n."""

    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    any_day: bool
    """The days of the month are not restricted (``*`` or ``?``)."""
    any_weekday: bool


def parse_schedule(text: str) -> Schedule:
    """The schedule that a text means. ``@every`` is refused here: it has no fields."""
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith("@"):
        if text not in _WORDS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _WORDS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        shown = " ".join(parts)
        raise ScheduleError(f"expected exactly 5 fields, found {len(parts)}: [{shown}]")
    fields = [_field(part, bounds) for part, bounds in zip(parts, _FIELDS, strict=True)]
    bits = [found for found, _ in fields]
    return Schedule(bits[0], bits[1], bits[2], bits[3], bits[4], fields[2][1], fields[4][1])


def _field(text: str, bounds: _Bounds) -> tuple[int, bool]:
    """The bits of a field, and whether one of its parts is a star."""
    bits, star = 0, False
    for part in text.split(","):
        if part:
            found, whole = _range(part, bounds)
            bits, star = bits | found, star or whole
    return bits, star


def _range(text: str, bounds: _Bounds) -> tuple[int, bool]:
    pieces = text.split("/")
    ends = pieces[0].split("-")
    star = False
    if ends[0] in ("*", "?"):
        start, end, star = bounds.low, bounds.high, True
    else:
        start = _number(ends[0], bounds)
        if len(ends) > 2:
            raise ScheduleError(f"too many hyphens: {text}")
        end = _number(ends[1], bounds) if len(ends) == 2 else start
    step = 1
    if len(pieces) > 2:
        raise ScheduleError(f"too many slashes: {text}")
    if len(pieces) == 2:
        step = _integer(pieces[1])
        if len(ends) == 1 and not star:
            end = bounds.high
        star = star and step == 1
    if start < bounds.low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return sum(1 << value for value in range(start, end + 1, step)), star


def _number(text: str, bounds: _Bounds) -> int:
    if text.lower() in bounds.names:
        return bounds.low + bounds.names.index(text.lower())
    return _integer(text)


def _integer(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdecimal()):
        raise ScheduleError(
            f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        )
    number = int(text)
    if number < 0:
        raise ScheduleError(f"negative number ({number}) not allowed: {text}")
    return number
