"""What a watch cache remembers of the recent past, in the batches in which it came."""

from hypothesis import given
from hypothesis import strategies as st

from api.calls import MODIFIED
from apiserver.recent import EVENTS_MAX, WINDOW_NS, CacheEvent, RecentEvents
from apiserver.records import Record

HEADER = b"\x97\x01\xa1a\xa1b\xa1u\xc0\x90\x00"
"""(offset 1, namespace a, name b, uid u, no labels, no fields, no flags)."""


def batch(*revisions: int) -> list[CacheEvent]:
    records = [Record(b"/registry/x", HEADER, b"{}", one, 1) for one in revisions]
    return [CacheEvent(MODIFIED, one.revision, one, None) for one in records]


def revisions_of(events: list[CacheEvent]) -> list[int]:
    return [event.revision for event in events]


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), max_size=6), st.data())
def test_what_is_remembered_is_what_a_plain_list_holds(
    gaps: list[list[int]], data: st.DataObject
) -> None:
    """Revisions of one transaction are equal, also where it is forgotten up to."""
    events, plain, newest = RecentEvents(), [0], 0
    plain.clear()
    for some in gaps:
        came = [newest := newest + gap for gap in some]
        events.add(batch(*came), 0)
        plain += came
    for _ in range(3):
        limit = data.draw(st.integers(0, newest + 1))
        assert revisions_of(events.after(limit)) == [one for one in plain if one > limit]
    limit = data.draw(st.integers(0, newest + 1))
    events.forget(limit)
    events.check()
    assert revisions_of(list(events)) == [one for one in plain if one > limit]
    assert len(events) == len(list(events))


def test_a_batch_is_let_go_of_when_its_time_is_over() -> None:
    events = RecentEvents()
    assert events.add(batch(1, 2), 0) == 0
    assert events.add(batch(3), WINDOW_NS) == 0
    assert events.add(batch(4), WINDOW_NS + 1) == 2
    assert revisions_of(list(events)) == [3, 4]


def test_no_more_are_kept_than_the_bound() -> None:
    events = RecentEvents()
    (one,) = batch(1)
    assert events.add([one] * 2, 0) == 0
    assert events.add([one] * (EVENTS_MAX - 3), 0) == 0
    assert events.add(batch(2), 0) == 0
    assert len(events) == EVENTS_MAX
    assert events.add(batch(3), 0) == 1
    assert len(events) == EVENTS_MAX - 1
    assert events.add([one] * (EVENTS_MAX + 1), 0) == 1
    assert not len(events)
