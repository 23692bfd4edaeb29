"""Promise: no two objects that ever existed have the same uid."""

from api.calls import ADDED
from sim.checkers.history import Change, History
from sim.topics import Violation

NO_OBJECTS = (b"/registry/probes/", b"/registry/leased/", b"/registry/pair/")
"""Keys of clients that ask the shards directly."""


class Identities:
    """Looks at every creation."""

    def __init__(self, history: History) -> None:
        self._key_of: dict[str, tuple[bytes, int]] = {}
        history.changed.append(self._changed)

    def created(self, resource: str) -> int:
        """How many objects of a resource were made so far."""
        prefix = f"/registry/{resource}/".encode()
        return sum(key.startswith(prefix) for key, _ in self._key_of.values())

    def _changed(self, change: Change) -> None:
        if change.kind != ADDED or change.new is None or change.key.startswith(NO_OBJECTS):
            return
        uid = change.new.glance()["metadata"]["uid"]
        before = self._key_of.get(uid)
        if before is not None:
            message = f"{change.key!r} at {change.revision} has the uid of {before[0]!r}"
            raise Violation("identities", f"{message} at {before[1]}: {uid}")
        self._key_of[uid] = (change.key, change.revision)
