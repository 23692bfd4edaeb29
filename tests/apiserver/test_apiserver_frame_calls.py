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
    none, there, web = Answer(404, b"none", 5), Answer(200, b"there", 7), Answer(200, b"web", 6)
    assert not calls.answered([12, last], [none, there])
    assert told == {"second": [(200, 7, b"there")]}
    # 10 never came in a frame, 12 was answered before.
    assert calls.answered([10, 11, 12], [there, web, none]) == [(10, there), (12, none)]
    assert told["first"] == [(200, 6, b"web"), (404, 5, b"none")]


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
