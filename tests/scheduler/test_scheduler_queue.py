"""The four places of a waiting pod."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.queue import BACKOFF, FLUSH_AFTER_NS, SECOND_NS, SchedulingQueue


def filled(*pods: tuple[str, int]) -> SchedulingQueue:
    queue = SchedulingQueue()
    for pod, priority in pods:
        queue.add(pod, priority, gated=False)
    return queue


def test_priority_then_arrival() -> None:
    queue = filled(("a", 0), ("b", 5), ("c", 0), ("d", 5))
    assert queue.next_wakeup_ns() == 0
    assert queue.pop(3, 0) == ["b", "d", "a"]
    assert queue.pop(3, 0) == ["c"]
    assert queue.next_wakeup_ns() is None


def test_back_off_doubles_up_to_its_bound() -> None:
    queue = filled(("a", 0))
    now, waits = 0, []
    for _ in range(6):
        assert queue.pop(1, now) == ["a"]
        queue.retry("a", now)
        due = queue.next_wakeup_ns()
        assert due is not None and queue.pop(1, due - 1) == []
        waits.append((due - now) // SECOND_NS)
        now = due
    assert waits == [1, 2, 4, 8, 10, 10]
    assert BACKOFF.most_ns == 10 * SECOND_NS


def test_unschedulable_waits_for_an_event_and_its_back_off() -> None:
    queue = filled(("a", 0))
    queue.pop(1, 0)
    queue.failed("a", 0)
    assert queue.lengths()["unschedulable"] == 1
    queue.something_changed(SECOND_NS // 2)
    assert queue.pop(1, SECOND_NS // 2) == []
    assert queue.pop(1, SECOND_NS) == ["a"]
    queue.failed("a", SECOND_NS)
    queue.something_changed(60 * SECOND_NS)
    assert queue.pop(1, 60 * SECOND_NS) == ["a"]


def test_unschedulable_is_tried_anyway_after_five_minutes() -> None:
    queue = filled(("a", 0))
    queue.pop(1, 0)
    queue.failed("a", 0)
    assert queue.next_wakeup_ns() == FLUSH_AFTER_NS == 300 * SECOND_NS
    assert queue.pop(1, FLUSH_AFTER_NS - 1) == []
    assert queue.pop(1, FLUSH_AFTER_NS) == ["a"]


def test_gated_pods_are_not_tried_until_the_gates_are_gone() -> None:
    queue = SchedulingQueue()
    queue.add("a", 0, gated=True)
    queue.something_changed(0)
    assert queue.pop(1, FLUSH_AFTER_NS) == [] and queue.lengths()["gated"] == 1
    queue.add("a", 0, gated=False)
    assert queue.pop(1, 0) == ["a"]


def test_a_popped_pod_is_not_popped_again() -> None:
    queue = filled(("a", 0))
    assert queue.pop(1, 0) == ["a"]
    queue.add("a", 3, gated=False)
    assert queue.pop(1, 0) == [] and "a" in queue
    queue.remove("a")
    queue.failed("a", 0)
    queue.retry("a", 0)
    assert "a" not in queue and queue.next_wakeup_ns() is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "gate", "pop", "fail", "retry", "remove", "event", "wait"]),
            st.integers(0, 3),
        ),
        max_size=60,
    )
)
def test_no_pod_is_lost(actions: list[tuple[str, int]]) -> None:
    queue, now, present = SchedulingQueue(), 0, set[str]()
    for action, number in actions:
        pod = f"p{number}"
        match action:
            case "add" | "gate":
                queue.add(pod, number % 2, gated=action == "gate")
                present.add(pod)
            case "pop":
                queue.pop(number, now)
            case "fail":
                queue.failed(pod, now)
            case "retry":
                queue.retry(pod, now)
            case "remove":
                queue.remove(pod)
                present.discard(pod)
            case "event":
                queue.something_changed(now)
            case _:
                now += number * SECOND_NS
        queue.check()
        assert {p for p in ("p0", "p1", "p2", "p3") if p in queue} == present
    for pod in sorted(present):
        queue.failed(pod, now)
        queue.retry(pod, now)
        queue.add(pod, 0, gated=False)
    assert sorted(queue.pop(10, now + FLUSH_AFTER_NS)) == sorted(present)
