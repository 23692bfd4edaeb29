"""What the scheduler measures as it works: counts and durations, as kube-scheduler keeps them.

Durations between two steps are differences of the time that the core is told; how long a step
itself took only its shell knows, which tells it after the step. A core that nobody tells keeps no
durations of steps.

Source: pkg/scheduler/metrics/metrics.go, v1.36 (names, labels and bounds of buckets).
"""

from bisect import bisect_left
from collections import Counter
from typing import Literal, NamedTuple

Result = Literal["scheduled", "unschedulable", "error"]
"""Of one attempt, in the words of kube-scheduler's metrics."""
Labels = tuple[str, ...]
SECOND_NS = 1_000_000_000
ATTEMPTS_NAMED_MAX = 15
"""More attempts than that are labelled 15+. Source: schedule_one.go, getAttemptsLabel."""


class Attempt(NamedTuple):
    """A popped pod's."""

    profile: str
    number: int
    """1: its first."""
    queued_ns: int
    """When it first became ready to be tried."""
    popped_ns: int


class Histogram:
    """Observations by labels in buckets of a Prometheus histogram."""

    def __init__(self, name: str, labels: Labels, bounds: tuple[float, ...]) -> None:
        self.name = name
        self.labels = labels
        self.bounds = bounds
        """Upper ones, inclusive, in the unit of the name; the last bucket has none."""
        self.counts: dict[Labels, list[int]] = {}
        """[bucket], not cumulative."""
        self.sums: dict[Labels, float] = {}

    def observe(self, value: float, labels: Labels = (), times: int = 1) -> None:
        """The same value so many times."""
        counts = self.counts.get(labels)
        if counts is None:
            assert len(labels) == len(self.labels), (self.name, labels)
            counts = self.counts[labels] = [0] * (len(self.bounds) + 1)
            self.sums[labels] = 0.0
        counts[bisect_left(self.bounds, value)] += times
        self.sums[labels] += value * times


def exponential(first: float, factor: float, count: int) -> tuple[float, ...]:
    """Bounds of buckets, each so many times the one before."""
    bounds = [first]
    # One after the other as in Go, so that they are the same to the last digit.
    while len(bounds) < count:
        bounds.append(bounds[-1] * factor)
    return tuple(bounds)


class Measures:
    """Of one scheduler since its start."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, Result]] = Counter()
        """By profile and how they ended."""
        self.evaluations: Counter[tuple[str, str, str]] = Counter()
        """Nodes that a plugin was asked about, by plugin, extension point and profile; told by the
        shell."""
        seconds = exponential(0.001, 2, 15)
        self.attempt = Histogram(
            "scheduler_scheduling_attempt_duration_seconds", ("result", "profile"), seconds
        )
        self.algorithm = Histogram("scheduler_scheduling_algorithm_duration_seconds", (), seconds)
        self.pod = Histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            ("attempts",),
            exponential(0.01, 2, 20),
        )
        self.tries = Histogram("scheduler_pod_scheduling_attempts", (), exponential(1, 2, 5))
        self.victims = Histogram("scheduler_preemption_victims", (), exponential(1, 2, 7))
        self.permit = Histogram("scheduler_permit_wait_duration_seconds", ("result",), seconds)
        self.extension_point = Histogram(
            "scheduler_framework_extension_point_duration_seconds",
            ("extension_point", "status", "profile"),
            exponential(0.0001, 2, 12),
        )
        self.plugin = Histogram(
            "scheduler_plugin_execution_duration_seconds",
            ("plugin", "extension_point", "status"),
            exponential(0.00001, 1.5, 20),
        )
        self._failed: list[tuple[Attempt, Result, int]] = []
        """Attempts of the step under way that failed, and the time of that step."""
        self._decided: Counter[str] = Counter()
        """Attempts decided in the step under way, by profile."""

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        return (
            self.attempt,
            self.algorithm,
            self.pod,
            self.tries,
            self.victims,
            self.permit,
            self.extension_point,
            self.plugin,
        )

    def begin_step(self) -> None:
        self._failed.clear()
        self._decided.clear()

    def decided(self, profile: str) -> None:
        """A node was chosen for a pod."""
        self._decided[profile] += 1

    def failed(self, attempt: Attempt, result: Result, now_ns: int) -> None:
        """No node was."""
        self.attempts[attempt.profile, result] += 1
        self._decided[attempt.profile] += 1
        self._failed.append((attempt, result, now_ns))

    def bind_answered(self, attempt: Attempt, bound: bool, sent_ns: int, now_ns: int) -> None:
        """``sent_ns``: when its binding was."""
        profile = attempt.profile
        result: Result = "scheduled" if bound else "error"
        self.attempts[profile, result] += 1
        self.attempt.observe(_seconds(now_ns - attempt.popped_ns), (result, profile))
        status = "Success" if bound else "Error"
        self.extension_point.observe(_seconds(now_ns - sent_ns), ("Bind", status, profile))
        if bound:
            named = str(attempt.number) if attempt.number < ATTEMPTS_NAMED_MAX else "15+"
            self.pod.observe(_seconds(now_ns - attempt.queued_ns), (named,))
            self.tries.observe(attempt.number)

    def permit_awaited(
        self, result: Literal["Success", "Unschedulable"], since_ns: int, now_ns: int
    ) -> None:
        """A placed pod of a gang goes on to its binding, or gives its node back."""
        self.permit.observe(_seconds(now_ns - since_ns), (result,))

    def volumes_awaited(self, attempt: Attempt, bound: bool, since_ns: int, now_ns: int) -> None:
        """The claims of a placed pod were bound, or its attempt ends here."""
        status = "Success" if bound else "Error"
        labels = ("PreBind", status, attempt.profile)
        self.extension_point.observe(_seconds(now_ns - since_ns), labels)
        if not bound:
            self.attempts[attempt.profile, "error"] += 1
            waited = _seconds(now_ns - attempt.popped_ns)
            self.attempt.observe(waited, ("error", attempt.profile))

    def end_step(self, took_ns: int, points: dict[str, int]) -> None:
        """The shell: how long the step took, and of that the plugins of each extension point. Each
        pod that was decided gets an equal share."""
        decided = self._decided.total()
        if decided:
            self.algorithm.observe(_seconds(took_ns / decided), times=decided)
            for point, spent_ns in points.items():
                share = _seconds(spent_ns / decided)
                for profile, count in self._decided.items():
                    self.extension_point.observe(share, (point, "Success", profile), count)
        for attempt, result, now_ns in self._failed:
            took = now_ns - attempt.popped_ns + took_ns
            self.attempt.observe(_seconds(took), (result, attempt.profile))


def _seconds(nanoseconds: float) -> float:
    return max(nanoseconds, 0) / SECOND_NS
