"""The life of a pod as a table of stages.

A stage says which pods it takes (selector), how long it waits (delay plus jitter) and what comes
next. The fields are those of KWOK's Stage (kwok.x-k8s.io/v1alpha1), so that its files can be read
into this table later. The first stage of the table whose selector matches is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from api.core import JsonObject
from api.streams import Stream

MS = 1_000_000
"""Nanoseconds in a millisecond."""


class Next(Enum):
    """What a stage does to its pod."""

    RUNNING = "running"
    """All containers run and are ready; the pod gets its IP."""
    SUCCEEDED = "succeeded"
    """All containers have ended with exit code 0."""
    FAILED = "failed"
    """All containers have ended with exit code 1."""
    DELETE = "delete"
    """The object is removed with grace period 0."""
    SETTLED = "settled"
    """What was changed of a pod that runs is carried out: see ``settled``."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One row of the table."""

    name: str
    phases: tuple[str, ...]
    """status.phase must be one of these; empty: any."""
    deleting: bool
    """Whether metadata.deletionTimestamp must be set (True) or absent (False)."""
    next: Next
    delay_ms: int = 0
    jitter_ms: int = 0
    """The wait is uniform in [delay_ms, delay_ms + jitter_ms]."""
    labels: tuple[tuple[str, str], ...] = ()
    """Labels that the pod must carry."""

    def matches(self, pod: JsonObject) -> bool:
        meta = pod["metadata"]
        if ("deletionTimestamp" in meta) is not self.deleting:
            return False
        if self.phases and pod.get("status", {}).get("phase", "Pending") not in self.phases:
            return False
        labels = meta.get("labels") or {}
        return all(labels.get(key) == value for key, value in self.labels)

    def delay_ns(self, stream: Stream) -> int:
        jitter = stream.below(self.jitter_ms + 1) if self.jitter_ms else 0
        return (self.delay_ms + jitter) * MS


def general_stages(delay_ms: int = 0, jitter_ms: int = 0) -> tuple[Stage, ...]:
    """A long-running pod: Pending to Running, and away when it is deleted."""
    return (
        Stage("pod-delete", (), True, Next.DELETE, delay_ms, jitter_ms),
        Stage("pod-ready", ("Pending",), False, Next.RUNNING, delay_ms, jitter_ms),
    )


def next_stage(stages: Sequence[Stage], pod: JsonObject) -> Stage | None:
    """The first stage that takes this pod, or None when it stays as it is."""
    for stage in stages:
        if stage.matches(pod):
            return stage
    return None
