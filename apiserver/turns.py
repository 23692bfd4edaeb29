"""Requests of one server that have to go one after the other: each waits for its turn at a key."""

from collections import deque
from collections.abc import Callable


class Turns:
    """Who has the turn at each key, and who waits for it, in order.

    Bound: a request waits for at most one turn, so no more wait than are in flight.
    """

    __slots__ = ("_freed", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[Callable[[], bool]]] = {}
        """Key that a request holds -> requests that wait for it, in order of arrival."""
        self._freed: list[bytes] = []

    def take(self, key: bytes, begin: Callable[[], bool]) -> None:
        """``begin`` is called when it is his turn; it says whether he is still there."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(begin)
            return
        self._waiting[key] = deque()
        if not begin():
            self.release(key)

    def release(self, key: bytes) -> None:
        """Whoever had it goes on without it. The next one begins when ``run`` is called."""
        self._freed.append(key)

    def run(self) -> None:
        """Let those begin whose turn has come."""
        while self._freed:
            key = self._freed.pop(0)
            waiting = self._waiting[key]
            while waiting:
                if waiting.popleft()():
                    break
            else:
                del self._waiting[key]
