"""What checkers can hear, as lists of callbacks by topic.

Shells speak, checkers listen; neither knows the other. A topic that nobody listens to costs a test
of an empty list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.calls import ApiRequest, WatchSpec
from api.storage import StoreReply, StoreRequest
from store.messages import LogRecord


class Violation(AssertionError):
    """A checker found a promise broken, or a core its own state. ``checker`` names the promise."""

    def __init__(self, checker: str, message: str) -> None:
        super().__init__(f"{checker}: {message}")
        self.checker = checker


@dataclass(slots=True)
class Topics:
    persisted: list[Callable[[int, int, Sequence[LogRecord]], None]] = field(default_factory=list)
    """(shard, first index, records): the disk has reported them as persisted."""
    recovered: list[Callable[[int, int, Sequence[LogRecord], int], None]] = field(
        default_factory=list
    )
    """(shard, first index, records, snapshot revision): what a restarted shard found."""
    store_answered: list[Callable[[int, StoreRequest, StoreReply], None]] = field(
        default_factory=list
    )
    """(shard, request, reply): the answer has reached whoever asked."""
    store_listed: list[Callable[[str, int, int], None]] = field(default_factory=list)
    """(reader, shard, revision): it has a list, and may follow the shard from there."""
    store_watch_opened: list[Callable[[str, int, bytes, int, bool], None]] = field(
        default_factory=list
    )
    """(reader, shard, prefix, start revision, whether previous states are wanted)."""
    store_watched: list[Callable[[str, int, Sequence[Any], int], None]] = field(
        default_factory=list
    )
    """(reader, shard, events, watermark)."""
    called: list[Callable[[str, Sequence[ApiRequest]], None]] = field(default_factory=list)
    """(component, requests): they leave it."""
    watch_opened: list[Callable[[str, WatchSpec, int], None]] = field(default_factory=list)
    """(component, spec, revision)."""
    watch_closed: list[Callable[[str, WatchSpec], None]] = field(default_factory=list)
    """(component, spec): by itself, for good."""
    watched: list[Callable[[str, WatchSpec, Sequence[int], Sequence[int], Sequence[Any]], None]] = (
        field(default_factory=list)
    )
    """(component, spec, types, revisions, objects)."""
    synced: list[Callable[[str, WatchSpec, int], None]] = field(default_factory=list)
    """(component, spec, revision)."""
    restarted: list[Callable[[str], None]] = field(default_factory=list)
    """(program): it lost all it knew."""
