"""The guarantees of the work queue, each as a test."""

from dataclasses import replace

import pytest

from api.calls import ApiRequest
from controllers.limits import limits_of
from controllers.workqueue import MS, SECOND, RetryLimits, TokenBucket, WorkQueue
from tests.controllers.world import Program, World


def drain(queue: WorkQueue[str], now_ns: int = 0) -> list[str]:
    out = []
    while (key := queue.take(now_ns)) is not None:
        out.append(key)
        queue.done(key)
    return out


def test_a_key_waits_once_and_order_is_that_of_adding() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("b", "a", "b", "c", "a"):
        queue.add(key)
    assert drain(queue) == ["b", "a", "c"]


def test_a_key_in_work_is_not_given_out_and_not_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert queue.take(0) == "a"
    queue.add("a")
    queue.add("a")
    assert queue.take(0) is None
    assert queue.processing == 1
    queue.done("a")
    assert drain(queue) == ["a"]


def test_failures_double_the_delay_up_to_the_limit_and_forget_resets_it() -> None:
    queue: WorkQueue[str] = WorkQueue(RetryLimits(qps=0))
    now, waits = 0, []
    for _ in range(20):
        queue.add_rate_limited("a", now)
        due = queue.next_wakeup_ns()
        assert due is not None
        waits.append(due - now)
        now = due
        assert queue.take(now) == "a"
        queue.done("a")
    assert waits[:4] == [5 * MS, 10 * MS, 20 * MS, 40 * MS]
    assert waits[-1] == 1000 * SECOND
    queue.forget("a")
    queue.add_rate_limited("a", now)
    assert queue.next_wakeup_ns() == now + 5 * MS


def test_the_shared_bucket_delays_what_exceeds_the_burst() -> None:
    queue: WorkQueue[str] = WorkQueue(RetryLimits(qps=10, burst=2))
    for key in ("a", "b", "c", "d"):
        queue.add_rate_limited(key, 0)
    assert drain(queue, 5 * MS) == ["a", "b"]
    assert drain(queue, 99 * MS) == []
    assert drain(queue, 100 * MS) == ["c"]
    assert drain(queue, 200 * MS) == ["d"]


def test_the_earliest_of_several_times_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_at("a", 300)
    queue.add_at("a", 100)
    queue.add_at("a", 200)
    assert queue.next_wakeup_ns() == 100
    assert drain(queue, 100) == ["a"]
    assert drain(queue, 1000) == []
    assert queue.next_wakeup_ns() is None


@pytest.mark.parametrize(("qps", "burst"), [(20.0, 30), (0.1, 1)])
def test_a_bucket_grants_burst_and_then_its_rate(qps: float, burst: int) -> None:
    bucket = TokenBucket(qps, burst)
    period = int(SECOND / qps)
    assert [bucket.try_take(0) for _ in range(burst + 1)] == [True] * burst + [False]
    assert bucket.next_ns(0) == period
    assert not bucket.try_take(period - 1)
    assert bucket.try_take(period)
    assert sum(bucket.try_take(10**15) for _ in range(burst + 5)) == burst


def test_a_key_that_is_due_asks_for_no_step_while_nobody_is_free() -> None:
    limits = limits_of("kubernetes")
    world = World()
    for name in ("kube-system", "first", "second"):
        body = {"metadata": {"name": name}}
        assert world.call(ApiRequest(0, "create", "namespaces", body=body)).code == 201
    program = Program(
        world, "controllers-0", 1, replace(limits, namespace_workers=1), ["namespace"]
    )
    world.run(world.now_ns + SECOND)
    for name in ("first", "second"):
        world.call(ApiRequest(0, "delete", "namespaces", "", name))
        world.run(world.now_ns + SECOND)
    # Both wait for their grace to end, one a second after the other; no call is answered any more.
    program.kill()
    first_ns = world.now_ns - 2 * SECOND + limits.namespace_grace_ns
    assert program.core.step([], first_ns), "the first is being emptied"
    assert program.core.gauges()["namespace_queue"] == 0
    program.core.step([], first_ns + SECOND)
    assert program.core.gauges()["namespace_syncs_open"] == 1
    assert program.core.gauges()["namespace_queue"] == 1
    wakeup_ns = program.core.next_wakeup_ns()
    assert wakeup_ns is not None and wakeup_ns > first_ns + SECOND
