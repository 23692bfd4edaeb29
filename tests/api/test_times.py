"""Times: Go's leniency in, Kubernetes' form out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.times import (
    TimeError,
    is_stored_micro_time,
    is_stored_time,
    micro_time,
    parse_micro_time,
    parse_time,
    rfc3339,
)

NOON = 1_795_262_400_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00.000000Z",
        "2026-11-21T12:00:00,0Z",
        "2026-11-21T12:00:00+00:00",
        "2026-11-21T14:30:00+02:30",
        "2026-11-21T07:00:00-05:00",
    ],
)
def test_forms_of_one_moment(text: str) -> None:
    assert parse_time(text) == NOON


def test_out() -> None:
    assert rfc3339(NOON + 999_999_999) == "2026-11-21T12:00:00Z"
    assert micro_time(NOON + 1_999) == "2026-11-21T12:00:00.000001Z"
    assert micro_time(NOON + 999_999_999) == "2026-11-21T12:00:00.999999Z"
    assert rfc3339(parse_time("0001-01-01T00:00:00Z")) == "0001-01-01T00:00:00Z"


def test_fractions_are_kept_to_the_nano() -> None:
    assert parse_time("2026-11-21T12:00:00.5Z") == NOON + 500_000_000
    assert parse_time("2026-11-21T12:00:00.1234567899Z") == NOON + 123_456_789
    assert parse_time("1969-12-31T23:59:59.25Z") == -750_000_000


def test_a_micro_time_has_six_decimals() -> None:
    assert parse_micro_time("2026-11-21T12:00:00.000001Z") == NOON + 1000
    for text, rest, element in [
        ("2026-11-21T12:00:00Z", "Z", ".000000"),
        ("2026-11-21T12:00:00.123Z", ".123Z", ".000000"),
        ("2026-11-21T12:00:00.1234567Z", "7Z", "Z07:00"),
    ]:
        with pytest.raises(TimeError) as caught:
            parse_micro_time(text)
        assert str(caught.value) == (
            f'parsing time "{text}" as "2006-01-02T15:04:05.000000Z07:00": '
            f'cannot parse "{rest}" as "{element}"'
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", 'as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
        ("2026-11-21", 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2026-11-21T12:00:00", 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'),
        ("2026-13-21T12:00:00Z", ": month out of range"),
        ("2026-02-30T12:00:00Z", ": day out of range"),
        ("2026-11-21T24:00:00Z", ": hour out of range"),
        ("2026-11-21T12:60:00Z", ": minute out of range"),
        ("2026-11-21T12:00:00Z!", ': extra text: "!"'),
    ],
)
def test_errors_are_worded_as_in_go(text: str, message: str) -> None:
    with pytest.raises(TimeError) as caught:
        parse_time(text)
    assert str(caught.value).removeprefix(f'parsing time "{text}"').removeprefix(" ") in (
        message,
        message.removeprefix(" "),
    )


@given(st.integers(-(10**9), 10**10).map(lambda seconds: seconds * 10**9))
def test_round_trip(moment: int) -> None:
    assert parse_time(rfc3339(moment)) == moment
    assert parse_micro_time(micro_time(moment + 5000)) == moment + 5000


@given(st.text(alphabet="0123456789-:TZ.+", max_size=30))
def test_any_text_is_a_time_or_one_error(text: str) -> None:
    try:
        parse_time(text)
    except TimeError:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.123456Z",
        "2026-01-02T03:04:05,123456Z",
        "2026-01-02T3:04:05.1234567Z",
        "2026-01-02T03:04:05.12345678",
        "2026-13-02T03:04:05.123456Z",
        "2026-13-02T03:04:05Z",
        "2026-01-02T3:04:05Z",
        "2026-01-02T03:04:051",
        "",
    ],
)
def test_what_is_stored_as_it_is_is_what_would_be_written(text: str) -> None:
    try:
        moment = parse_time(text)
    except TimeError:
        assert not is_stored_time(text) and not is_stored_micro_time(text)
    else:
        assert is_stored_time(text) == (text == rfc3339(moment))
        assert is_stored_micro_time(text) == (text == micro_time(moment))
