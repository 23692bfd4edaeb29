"""The arithmetic of Deployments: how many pods each ReplicaSet should have next.

Plain numbers in, plain numbers out. Source: pkg/controller/deployment/util/deployment_util.go,
rolling.go, sync.go (v1.36); rounding as there: surge up, unavailable down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from api.core import JsonObject


@dataclass(frozen=True, slots=True)
class Old:
    """An old ReplicaSet, oldest first wherever a sequence of them is asked for."""

    replicas: int
    available: int


def scaled(value: int | str, total: int, up: bool) -> int:
    """A number, or a percentage of ``total`` rounded up or down."""
    if isinstance(value, int):
        return value
    part = int(value.removesuffix("%")) * total
    return -(-part // 100) if up else part // 100


def fence_posts(spec: JsonObject) -> tuple[int, int]:
    """Surge and unavailable of a Deployment's spec, never both 0; (0, 0) unless RollingUpdate."""
    strategy = spec.get("strategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    total = spec.get("replicas", 1)
    surge = scaled(rolling.get("maxSurge", "25%"), total, up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), total, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


def max_surge(spec: JsonObject) -> int:
    return fence_posts(spec)[0]


def max_unavailable(spec: JsonObject) -> int:
    """At most the number of replicas; 0 when none are asked for."""
    total: int = spec.get("replicas", 1)
    return min(fence_posts(spec)[1], total)


def new_replicas(spec: JsonObject, all_now: int, new_now: int) -> int:
    """Size of the new ReplicaSet. ``all_now``: pods asked for by all of them, the new included."""
    wanted: int = spec.get("replicas", 1)
    strategy = (spec.get("strategy") or {}).get("type", "RollingUpdate")
    if strategy != "RollingUpdate":
        return wanted
    room = wanted + max_surge(spec) - all_now
    if room <= 0:
        return new_now
    return new_now + min(room, wanted - new_now)


def clean_up_unhealthy(olds: Sequence[Old], limit: int) -> tuple[list[int], bool]:
    """Sizes after taking away at most ``limit`` pods that are not available, oldest first.

    The second is False when a ReplicaSet reports more available pods than it should have: its
    status lags behind, and what follows must wait for it.
    """
    sizes = [old.replicas for old in olds]
    left = limit
    for index, old in enumerate(olds):
        if left <= 0:
            break
        if old.replicas and old.available > old.replicas:
            return sizes, False
        taken = min(left, old.replicas - old.available)
        sizes[index] -= taken
        left -= taken
    return sizes, True


def scale_down(sizes: Sequence[int], limit: int) -> list[int]:
    """Sizes after taking away at most ``limit`` pods, oldest ReplicaSet first."""
    out = []
    left = max(0, limit)
    for size in sizes:
        taken = min(left, size)
        out.append(size - taken)
        left -= taken
    return out


def old_steps(spec: JsonObject, olds: Sequence[Old], new: Old) -> list[list[int]]:
    """Sizes of the old ReplicaSets after each part of one step of a rolling update: first the
    pods that are not available go, then as many available ones as can be spared."""
    sizes = [old.replicas for old in olds]
    if sum(sizes) == 0:
        return []
    available_min = spec.get("replicas", 1) - max_unavailable(spec)
    new_unavailable = new.replicas - new.available
    removable = sum(sizes) + new.replicas - available_min - new_unavailable
    if removable <= 0:
        return []
    cleaned, current = clean_up_unhealthy(olds, removable)
    if not current:
        return [cleaned]
    # What was cleaned up was not available, so the count of available pods still holds.
    available = sum(old.available for old in olds) + new.available
    return [cleaned, scale_down(cleaned, available - available_min)]


def proportional(
    spec: JsonObject, sizes: Sequence[int], before: Sequence[int], status_replicas: int
) -> list[int]:
    """Sizes after a change of ``spec.replicas`` in the middle of a rollout.

    ``sizes``: active ReplicaSets in order of preference; ``before``: for each the maximum of pods
    that the Deployment allowed when it was last scaled, 0 if unknown. What rounding leaves over
    goes to the first.
    """
    wanted = spec.get("replicas", 1)
    allowed = wanted + max_surge(spec) if wanted > 0 else 0
    to_add = allowed - sum(sizes)
    added = 0
    out = []
    for size, maximum in zip(sizes, before, strict=True):
        share = 0
        if to_add and size and to_add != added:
            fraction = _fraction(size, wanted, allowed, maximum or status_replicas)
            rest = to_add - added
            share = min(fraction, rest) if to_add > 0 else max(fraction, rest)
        out.append(size + share)
        added += share
    if out and to_add:
        out[0] = max(0, out[0] + to_add - added)
    return out


def _fraction(size: int, wanted: int, allowed: int, before: int) -> int:
    """Change of a ReplicaSet of this size when the maximum goes from before to allowed."""
    if wanted == 0:
        return -size
    if before == 0:
        return 0
    exact = size * allowed / before
    return int(exact + 0.5) - size
