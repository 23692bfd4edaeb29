"""What repetitions say: medians with bootstrap intervals, from a named stream of a seed.

A bootstrap draws as many repetitions as there are, with replacement, RESAMPLES times; the interval
is the middle CONFIDENCE of what the statistic then is. Source: Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from api.streams import Stream

RESAMPLES = 1000
CONFIDENCE = 0.95
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and where it may lie."""

    value: float
    low: float
    high: float
    count: int
    """Repetitions."""


def median_interval(values: Sequence[float], stream: Stream) -> Interval:
    """The median of repetitions. One repetition has no interval: its bounds are infinite."""
    data = np.array(values, np.float64)
    assert len(data)
    if len(data) == 1:
        return Interval(float(data[0]), -np.inf, np.inf, 1)
    low, high = _middle(_medians(data, stream))
    return Interval(float(np.median(data)), low, high, len(data))


def ratio_interval(before: Sequence[float], after: Sequence[float], stream: Stream) -> Interval:
    """``after`` over ``before``, of their medians. Not for medians of 0."""
    old, new = np.array(before, np.float64), np.array(after, np.float64)
    value = float(np.median(new) / np.median(old))
    count = min(len(old), len(new))
    if count == 1:
        return Interval(value, -np.inf, np.inf, 1)
    ratios = _medians(new, stream) / _medians(old, stream)
    low, high = _middle(ratios)
    return Interval(value, low, high, count)


def noise_floor(values: Sequence[float], stream: Stream) -> float:
    """How far apart the medians of two draws from the same repetitions may lie, as a share: what
    no comparison with them can tell from nothing. 0 for fewer than two."""
    data = np.array(values, np.float64)
    if len(data) < 2 or not np.median(data):
        return 0.0
    ratios = _medians(data, stream) / _medians(data, stream)
    low, high = _middle(ratios)
    return max(1 - low, high - 1)


def _medians(data: Floats, stream: Stream) -> Floats:
    """Of RESAMPLES draws with replacement. One number of the stream is spread out by SHAKE-128:
    drawing each by itself would take a second for a page of figures."""
    count = len(data)
    seed = stream.next_u64().to_bytes(8, "little")
    spread = hashlib.shake_128(seed).digest(8 * RESAMPLES * count)
    picks = np.frombuffer(spread, dtype="<u8").reshape(-1, count) % count
    medians: Floats = np.median(data[picks], axis=1)
    return medians


def _middle(values: Floats) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(values, (tail, 100 - tail))
    return float(low), float(high)
