"""Schedules: what they mean as bits, and what is refused with which words."""

import pytest

from api.cron import ScheduleError, parse_schedule


def values(bits: int) -> list[int]:
    return [n for n in range(64) if bits >> n & 1]


def test_fields() -> None:
    found = parse_schedule("*/20 1-3 1,15 jan-mar sun")
    assert values(found.minutes) == [0, 20, 40]
    assert values(found.hours) == [1, 2, 3]
    assert values(found.days) == [1, 15]
    assert values(found.months) == [1, 2, 3]
    assert values(found.weekdays) == [0]
    assert not found.any_day and not found.any_weekday


def test_words_and_stars() -> None:
    assert parse_schedule("@hourly") == parse_schedule("0 * * * *")
    assert parse_schedule("@weekly") == parse_schedule("0 0 ? * 0")
    found = parse_schedule("5/10 * * * *")
    assert values(found.minutes) == [5, 15, 25, 35, 45, 55]
    assert found.any_day and found.any_weekday


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty spec string"),
        ("bad", "expected exactly 5 fields, found 1: [bad]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        (
            "x * * * *",
            'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax',
        ),
        ("@never", "unrecognized descriptor: @never"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert str(caught.value) == message
