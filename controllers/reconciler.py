"""What the core asks of each controller, with the answers that most of them give."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from controllers.events import EventRecorder
from controllers.sync import Sync
from controllers.view import Change


class Reconciler(Protocol):
    """Which keys a change concerns, and how to sync a key."""

    name: str
    recorders: Sequence[EventRecorder] = ()

    @abstractmethod
    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        """Keys that a change concerns."""

    @abstractmethod
    def all_keys(self) -> Sequence[str]:
        """For a shard that has just been taken over."""

    @abstractmethod
    def sync(self, key: str, now_ns: int) -> Sync: ...

    def home(self, key: str) -> str:
        """What decides the key's shard: its namespace, or its name if it has none."""
        return key.partition("/")[0]

    def relisted(self, resource: str) -> None:
        """The collection was listed anew. Most remember nothing between syncs."""
        return

    def due(self, now_ns: int) -> Sequence[str]:
        """Keys that time alone concerns."""
        return ()

    def next_due_ns(self) -> int | None:
        """When ``due`` has to be asked again; None: never."""
        return None
