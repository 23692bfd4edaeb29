"""Frames of components: numbered on, one event of a step, answered when they are whole."""

import pytest

from apiserver.frame_calls import FrameCalls, Replies, end_of_watch
from apiserver.messages import Answer, CallsArrived, Event

GET = ("get", "pods", "default", "web", "", "", None, "", False)


def test_a_frame_is_answered_once_when_the_last_of_its_requests_is() -> None:
    calls = FrameCalls()
    told: dict[str, Replies] = {}
    last = calls.take(10, [GET, GET], lambda replies: told.update(first=replies), "hollow-0")
    last = calls.take(last, [GET], lambda replies: told.update(second=replies))
    events: list[Event] = []
    calls.tell(events)
    calls.tell(events)
    (arrived,) = events
    assert isinstance(arrived, CallsArrived)
    assert [(one.id, one.user_agent) for one in arrived.calls] == [
        (11, "hollow-0"),
        (12, "hollow-0"),
        (13, ""),
    ]
    assert calls.answered(12, Answer(404, b"none", 5))
    assert calls.answered(last, Answer(200, b"there", 7))
    assert told == {"second": [(200, 7, b"there")]}
    assert calls.answered(11, Answer(200, b"web", 6))
    assert told["first"] == [(200, 6, b"web"), (404, 5, b"none")]
    # Answered before, or never in a frame.
    assert not calls.answered(11, Answer(200, b"", 6))
    assert not calls.answered(10, Answer(200, b"", 6))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (410, "expired"),
        (429, "unavailable"),
        (500, "unavailable"),
        (504, "unavailable"),
        (403, "invalid: why"),
    ],
)
def test_only_what_the_asker_did_wrong_is_invalid(code: int, reason: str) -> None:
    assert end_of_watch(Answer(code, b"why")) == reason
