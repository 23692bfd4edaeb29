"""What a ReplicaSet still expects to see of its own writes.

A sync that created or deleted pods must not count again before the watch has shown them, or it
would create them twice. So each write is expected until it is seen, has failed, or five minutes
have passed. Source: pkg/controller/controller_utils.go (ControllerExpectations).
"""

from typing import Final

TIMEOUT_NS: Final = 300 * 1_000_000_000


class _Expected:
    __slots__ = ("creations", "deletions", "since_ns")

    def __init__(self, creations: int, deletions: dict[str, None], since_ns: int) -> None:
        self.creations = creations
        self.deletions = deletions
        self.since_ns = since_ns


class Expectations:
    """By key of the ReplicaSet."""

    __slots__ = ("_expected",)

    def __init__(self) -> None:
        self._expected: dict[str, _Expected] = {}

    def __len__(self) -> int:
        return len(self._expected)

    def expect_creations(self, key: str, count: int, now_ns: int) -> None:
        self._expected[key] = _Expected(count, {}, now_ns)

    def expect_deletions(self, key: str, pods: list[str], now_ns: int) -> None:
        """``pods``: uids."""
        self._expected[key] = _Expected(0, dict.fromkeys(pods), now_ns)

    def created(self, key: str, count: int = 1) -> None:
        """``count`` expected creations were observed by the watch, or failed."""
        known = self._expected.get(key)
        if known is not None:
            known.creations -= count

    def deleted(self, key: str, pod: str) -> None:
        """The pod was seen on its way out or gone, or its deletion failed."""
        known = self._expected.get(key)
        if known is not None:
            known.deletions.pop(pod, None)

    def satisfied(self, key: str, now_ns: int) -> bool:
        known = self._expected.get(key)
        if known is None:
            return True
        if known.creations <= 0 and not known.deletions:
            return True
        return now_ns - known.since_ns > TIMEOUT_NS

    def forget(self, key: str) -> None:
        self._expected.pop(key, None)

    def clear(self) -> None:
        """The pods were listed anew: what was written before is in that list."""
        self._expected.clear()
