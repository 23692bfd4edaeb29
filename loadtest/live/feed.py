"""The moments of a run, kept for whoever looks, and told as they come."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from api.core import JsonObject
from loadtest.progress import Progress

KEPT_MAX = 7200
"""Moments; older ones are forgotten, and pages opened later begin with what is kept."""
BEAT_S = 15.0


class Moment(NamedTuple):
    """One state of the run."""

    number: int
    """From 1, without gaps."""
    data: JsonObject


class Feed:
    """Written by one thread, read by many."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last: Progress | None = None
        self._moments: deque[Moment] = deque(maxlen=KEPT_MAX)
        self._news = threading.Condition()
        self._count = 0
        self._ended = False

    def publish(self, progress: Progress) -> None:
        with self._news:
            before = self.last
            self.last = progress
            self._count += 1
            self._moments.append(Moment(self._count, data_of(progress, before)))
            self._news.notify_all()

    def end(self) -> None:
        """Followers get what they have not seen, and end."""
        with self._news:
            self._ended = True
            self._news.notify_all()

    def follow(self, after: int) -> Iterator[Moment | None]:
        """Moments beyond number ``after``; None when there was none for BEAT_S."""
        while True:
            with self._news:
                if not self._ended and self._count <= after:
                    self._news.wait(BEAT_S)
                fresh = [one for one in self._moments if one.number > after]
                ended = self._ended
            yield from fresh
            if fresh:
                after = fresh[-1].number
            elif ended:
                return
            else:
                yield None


def data_of(progress: Progress, before: Progress | None) -> JsonObject:
    """What the page draws of one moment."""
    gap_s = progress.elapsed_s - before.elapsed_s if before else 0.0
    done = progress.requests_done - before.requests_done if before else 0
    load = progress.load
    return {
        "phase": progress.phase,
        "t": round(progress.elapsed_s, 3),
        "total": progress.total_s,
        "nodes": [progress.nodes_ready, progress.nodes_expected],
        "pods": [progress.created, progress.bound, progress.running],
        "pod_rates": [
            round(rate, 2)
            for rate in (progress.created_per_s, progress.bound_per_s, progress.running_per_s)
        ],
        "requests": progress.requests_done,
        "request_rate": round(done / gap_s, 2) if gap_s > 0 else 0.0,
        "in_flight": progress.in_flight,
        "overflow": progress.overflow,
        "watches": load.get("watches", 0),
        "lateness_ms": load.get("lateness_p99_ms", 0.0),
        "latency_ms": {kind: load.get(f"{kind}_p99_ms") for kind in ("mutating", "get", "list")},
        "components": [
            [one.name, round(one.cores, 3), one.queue, one.pss_bytes] for one in progress.components
        ],
    }
