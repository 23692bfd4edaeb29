"""Promise: a watch stream of a shard carries each change once, in order, up to its watermark."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from sim.checkers.history import History
from sim.topics import Topics, Violation


class StoreWatches:
    """Follows the newest stream of each API server to each shard."""

    def __init__(self, topics: Topics, history: History) -> None:
        self.events = 0
        self._history = history
        self._next: dict[tuple[str, int], int] = {}
        """(API server, shard) to the position in the shard's history of what comes next."""
        topics.store_watch_opened.append(self._opened)
        topics.store_watched.append(self._watched)

    def _opened(self, name: str, shard: int, revision: int) -> None:
        changes = self._history.by_shard[shard]
        self._next[name, shard] = bisect_right(changes, revision, key=lambda one: one.revision)

    def _watched(self, name: str, shard: int, events: Sequence[Any], watermark: int) -> None:
        changes = self._history.by_shard[shard]
        place = self._next[name, shard]
        for deleted, key, revision, *_ in events:
            self.events += 1
            if place >= len(changes):
                message = f"{name} hears of {key!r} at {revision} from shard {shard} too early"
                raise Violation("store watches", message)
            due = changes[place]
            if (due.revision, due.key, due.new is None) != (revision, key, bool(deleted)):
                message = (
                    f"{name} hears of {key!r} at {revision} from shard {shard}, where "
                    f"{due.key!r} at {due.revision} is next"
                )
                raise Violation("store watches", message)
            place += 1
        if place < len(changes) and changes[place].revision <= watermark:
            message = f"shard {shard} tells {name} {watermark} and owes {changes[place].key!r}"
            raise Violation("store watches", message)
        self._next[name, shard] = place
