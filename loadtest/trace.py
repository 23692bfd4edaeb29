"""Pod traces on the clock of a run: a window of one, compressed, amplified, or drawn anew."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from api.streams import Stream
from loadtest.fields import SECOND_NS, CampaignError

PODS_MAX = 5_000_000
"""That one load makes of a trace: they are compiled in memory before the run."""
BLOCKS_MAX = 1_000_000


class TracePod(NamedTuple):
    """One pod of a trace; times are trace time in seconds."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_share_milli: int
    """Share of each GPU, 1000 is a whole one."""
    created_s: float
    deleted_s: float
    """0: never."""


class TimedPod(NamedTuple):
    """A pod of a trace on another clock."""

    pod: TracePod
    created_ns: int
    deleted_ns: int
    """0: never."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How a trace is played in one phase."""

    start_ns: int
    """Trace time at the start of the phase."""
    length_ns: int
    """Of the phase, in run time."""
    compression: float
    """Seconds of the trace per second of the run."""
    amplify: float = 1.0
    """Arrivals per arrival of the trace."""
    bootstrap_ns: int = 0
    """Trace time of one block; 0: the trace as it is."""

    @property
    def changed(self) -> bool:
        """Whether a pod of the trace may come more than once."""
        return self.amplify != 1.0 or self.bootstrap_ns > 0


def replayed(pods: Iterable[TracePod], how: Replay, stream: Stream) -> list[TimedPod]:
    """The pods that arrive in the phase, in order, their times since its start.

    Deletions may lie beyond it. ``stream`` is drawn from only where the trace is changed. Errors:
    CampaignError for what would be too many.
    """
    if not how.changed:
        return window(pods, how.start_ns, how.length_ns, how.compression)
    kept = window(pods, how.start_ns, 1 << 63, 1.0)
    length_ns = round(how.length_ns * how.compression)
    if how.bootstrap_ns:
        blocks = -(-length_ns // how.bootstrap_ns)
        if blocks > BLOCKS_MAX:
            raise CampaignError(f"bootstrap: makes {blocks} blocks, of at most {BLOCKS_MAX}")
        kept = bootstrapped(kept, length_ns, how.bootstrap_ns, stream)
    kept = [one for one in kept if one.created_ns < length_ns]
    if len(kept) * how.amplify > PODS_MAX:
        count = round(len(kept) * how.amplify)
        raise CampaignError(f"amplify: makes {count} pods of the trace, of at most {PODS_MAX}")
    kept = amplified(kept, how.amplify, stream)
    out = [
        TimedPod(pod, round(created / how.compression), round(deleted / how.compression))
        for pod, created, deleted in kept
    ]
    out = [one for one in out if one.created_ns < how.length_ns]
    return sorted(out, key=lambda timed: (timed.created_ns, timed.pod.name))


def window(
    pods: Iterable[TracePod], start_ns: int, length_ns: int, compression: float
) -> list[TimedPod]:
    """The pods that arrive in a window of the run, times compressed and relative to its start.

    ``start_ns``: trace time at the start of the window. ``length_ns``: run time. Deletions may
    lie beyond the window.
    """
    out: list[TimedPod] = []
    for pod in pods:
        created_ns = round((pod.created_s * SECOND_NS - start_ns) / compression)
        if not 0 <= created_ns < length_ns:
            continue
        deleted_ns = round((pod.deleted_s * SECOND_NS - start_ns) / compression)
        out.append(TimedPod(pod, created_ns, max(0, deleted_ns)))
    out.sort(key=lambda timed: (timed.created_ns, timed.pod.name))
    return out


def bootstrapped(
    pods: Sequence[TimedPod], length_ns: int, block_ns: int, stream: Stream
) -> list[TimedPod]:
    """A trace of ``length_ns`` put together from blocks of ``pods``, drawn with replacement.

    Within a block arrivals keep their order and distances, so bursts stay bursts; lives stay as
    long. ``pods``: in order of arrival. Source: Künsch, The Jackknife and the Bootstrap for
    General Stationary Observations, 1989 (moving blocks).
    """
    if not pods:
        return []
    times = [pod.created_ns for pod in pods]
    starts = max(1, times[-1] + 1 - block_ns)
    out = []
    for place_ns in range(0, length_ns, block_ns):
        from_ns = stream.below(starts)
        first, last = bisect_left(times, from_ns), bisect_left(times, from_ns + block_ns)
        shift_ns = place_ns - from_ns
        for pod, created, deleted in pods[first:last]:
            out.append(TimedPod(pod, created + shift_ns, deleted + shift_ns if deleted else 0))
    return out


def amplified(pods: Sequence[TimedPod], factor: float, stream: Stream) -> list[TimedPod]:
    """``factor`` arrivals for each, on average: a whole number of copies, and one more by chance.

    The first stays where it is; the others come before the next arrival of the trace, so what was
    busy becomes busier. Below 1 some are left out.
    """
    whole = math.floor(factor)
    out = []
    for place, one in enumerate(pods):
        copies = whole + (stream.fraction() < factor - whole)
        following = pods[place + 1].created_ns if place + 1 < len(pods) else one.created_ns
        gap_ns = max(0, following - one.created_ns)
        for copy in range(copies):
            shift_ns = int(stream.fraction() * gap_ns) if copy else 0
            deleted = one.deleted_ns + shift_ns if one.deleted_ns else 0
            out.append(TimedPod(one.pod, one.created_ns + shift_ns, deleted))
    return out
