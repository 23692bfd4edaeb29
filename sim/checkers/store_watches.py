"""Promise: a reader of a shard hears each change under its prefix once, in order, up to its
watermark, over lost connections, restarts and compactions; and only a new list lets it skip any.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.checkers.history import Change, History
from sim.topics import Topics, Violation

NAME = "store watches"
PREVIOUS = 7
"""Place in an event: what was replaced, as an item of a range."""
VALUE = 5
"""Place in an item."""


@dataclass(slots=True)
class Stream:
    """What one reader follows of one shard, over all its re-openings."""

    prefix: bytes
    previous: bool
    told: int
    """The greatest watermark that it was told, or the revision of its list."""
    place: int = 0
    """Of what comes next in the shard's history."""


class StoreWatches:
    """Follows the newest stream of each reader to each shard."""

    def __init__(self, topics: Topics, history: History) -> None:
        self.events = 0
        self._history = history
        self._listed: dict[tuple[str, int], int] = {}
        self._streams: dict[tuple[str, int], Stream] = {}
        topics.store_listed.append(self._has_list)
        topics.store_watch_opened.append(self._opened)
        topics.store_watched.append(self._watched)

    def _has_list(self, name: str, shard: int, revision: int) -> None:
        self._listed[name, shard] = revision

    def _opened(self, name: str, shard: int, prefix: bytes, revision: int, previous: bool) -> None:
        before = self._streams.get((name, shard))
        told = before.told if before is not None else -1
        if revision not in (told, self._listed.get((name, shard), -1)):
            message = f"{name} follows shard {shard} from {revision}, which is no list"
            raise Violation(NAME, f"{message} and not {told}, which it was told")
        changes = self._history.by_shard[shard]
        place = bisect_right(changes, revision, key=lambda one: one.revision)
        self._streams[name, shard] = Stream(prefix, previous, revision, place)

    def _watched(self, name: str, shard: int, events: Sequence[Any], watermark: int) -> None:
        stream = self._streams[name, shard]
        for event in events:
            self.events += 1
            deleted, key, revision = event[:3]
            due = self._next(shard, stream)
            if due is None:
                message = f"{name} hears of {key!r} at {revision} from shard {shard} too early"
                raise Violation(NAME, message)
            if (due.revision, due.key, due.new is None) != (revision, key, bool(deleted)):
                message = (
                    f"{name} hears of {key!r} at {revision} from shard {shard}, where "
                    f"{due.key!r} at {due.revision} is next"
                )
                raise Violation(NAME, message)
            if stream.previous:
                _compare_previous(name, event, due)
            stream.place += 1
        owed = self._next(shard, stream)
        if owed is not None and owed.revision <= watermark:
            message = f"shard {shard} tells {name} {watermark} and owes {owed.key!r}"
            raise Violation(NAME, message)
        if watermark > stream.told:
            stream.told = watermark

    def _next(self, shard: int, stream: Stream) -> Change | None:
        changes = self._history.by_shard[shard]
        while stream.place < len(changes):
            change = changes[stream.place]
            if change.key.startswith(stream.prefix):
                return change
            stream.place += 1
        return None

    def owed(self, until_ns: int) -> list[str]:
        """What was on disk at ``until_ns`` and has not been told to somebody."""
        out = []
        for (name, shard), stream in self._streams.items():
            due = self._next(shard, stream)
            if due is not None and due.at_ns <= until_ns:
                out.append(f"{name} was not told of {due.key.decode()} at {due.revision}")
        return out


def _compare_previous(name: str, event: Sequence[Any], due: Change) -> None:
    told = event[PREVIOUS]
    value = None if told is None else told[VALUE]
    if value != (None if due.old is None else due.old.value):
        message = f"{name} hears that {due.key!r} at {due.revision} replaced {value!r:.80}"
        raise Violation(NAME, message)
