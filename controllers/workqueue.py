"""A queue of keys that need attention, with the guarantees of Kubernetes' work queues.

- A key waits at most once, however often it is added before it is taken.
- A key that is being processed is not given out again; added meanwhile, it waits until ``done``.
- Keys come out in the order in which they were first added.
- ``add_rate_limited`` delays a key by the longer of its own exponential back-off and a bucket that
  all keys share; ``forget`` resets the back-off of a key.

Source: client-go util/workqueue (queue.go, default_rate_limiters.go), v0.36.
"""

import heapq
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")

MS = 1_000_000
SECOND = 1_000_000_000


class TokenBucket:
    """``qps`` tokens a second, at most ``burst`` saved. qps 0 or less: no limit."""

    __slots__ = ("_burst", "_filled_ns", "_period_ns")

    def __init__(self, qps: float, burst: int) -> None:
        self._period_ns = int(SECOND / qps) if qps > 0 else 0
        self._burst = burst
        self._filled_ns: int | None = None
        """When the bucket was or will be empty plus ``burst`` periods: one number is the state."""

    def reserve(self, now_ns: int) -> int:
        """Take a token, if need be one of the future; returns when it may be used."""
        if self._period_ns == 0:
            return now_ns
        oldest = now_ns - self._burst * self._period_ns
        empty = oldest if self._filled_ns is None else max(self._filled_ns, oldest)
        self._filled_ns = empty + self._period_ns
        return max(now_ns, self._filled_ns)

    def try_take(self, now_ns: int) -> bool:
        """Take a token if there is one now."""
        if self._period_ns and self.next_ns(now_ns) > now_ns:
            return False
        self.reserve(now_ns)
        return True

    def next_ns(self, now_ns: int) -> int:
        """When the next token is there."""
        if self._period_ns == 0:
            return now_ns
        oldest = now_ns - self._burst * self._period_ns
        empty = oldest if self._filled_ns is None else max(self._filled_ns, oldest)
        return max(now_ns, empty + self._period_ns)


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """Delays of ``add_rate_limited``. Source: DefaultTypedControllerRateLimiter."""

    delay_ns_min: int = 5 * MS
    delay_ns_max: int = 1000 * SECOND
    qps: float = 10.0
    burst: int = 100


class WorkQueue(Generic[K]):
    """Keys to process. Time is an argument; the owner asks ``next_wakeup_ns`` for its timer."""

    __slots__ = (
        "_bucket",
        "_delayed",
        "_dirty",
        "_due",
        "_failures",
        "_limits",
        "_processing",
        "_ready",
        "_sequence",
    )

    def __init__(self, limits: RetryLimits | None = None) -> None:
        self._limits = limits or RetryLimits()
        self._bucket = TokenBucket(self._limits.qps, self._limits.burst)
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._delayed: list[tuple[int, int, K]] = []
        self._due: dict[K, int] = {}
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def processing(self) -> int:
        """How many keys were taken and are not done."""
        return len(self._processing)

    def add(self, key: K) -> None:
        """The key needs attention as soon as possible."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._ready.append(key)

    def add_at(self, key: K, due_ns: int) -> None:
        """The key needs attention at ``due_ns``; the earliest of several such times counts."""
        known = self._due.get(key)
        if known is not None and known <= due_ns:
            return
        self._due[key] = due_ns
        self._sequence += 1
        heapq.heappush(self._delayed, (due_ns, self._sequence, key))

    def add_rate_limited(self, key: K, now_ns: int) -> None:
        """The key failed: try again after its back-off."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        backoff = min(self._limits.delay_ns_min << min(failures, 60), self._limits.delay_ns_max)
        self.add_at(key, max(now_ns + backoff, self._bucket.reserve(now_ns)))

    def forget(self, key: K) -> None:
        """The key succeeded: its back-off starts anew."""
        self._failures.pop(key, None)

    def ripen(self, now_ns: int) -> None:
        """Delayed keys that are due wait in line, whether anyone is free to take them or not."""
        while self._delayed and self._delayed[0][0] <= now_ns:
            due_ns, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == due_ns:
                del self._due[key]
                self.add(key)

    def take(self, now_ns: int) -> K | None:
        """The next key, now being processed; None when nothing is due."""
        self.ripen(now_ns)
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: K) -> None:
        """Processing of the key ended; it waits again if it was added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty:
            self._ready.append(key)

    def drop(self, key: K) -> None:
        """Forget the key, with its failures: this process is no longer responsible for it."""
        self._failures.pop(key, None)
        self._due.pop(key, None)

    def next_wakeup_ns(self) -> int | None:
        """When the earliest delayed key is due."""
        while self._delayed and self._due.get(self._delayed[0][2]) != self._delayed[0][0]:
            heapq.heappop(self._delayed)
        return self._delayed[0][0] if self._delayed else None
