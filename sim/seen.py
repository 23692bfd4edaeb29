"""What watchers parse, parsed once for all of them: most events go to several components.

Real components live in processes of their own, each with its own copy. Here they share it, which
holds as long as none of them changes what it was shown; that is looked at now and then.
"""

from typing import Final

import orjson

from api.core import JsonObject
from sim.topics import Violation

KEPT: Final = 1024
"""Objects kept at a time. The watchers of one server hear of a change within a few steps."""
LOOK_EVERY: Final = 32
"""Of objects that are shown unchanged a second time, one in this many is compared with its text."""


class Seen:
    """Parsed objects by their text."""

    __slots__ = ("_again", "_parsed")

    def __init__(self) -> None:
        self._parsed: dict[bytes, JsonObject] = {}
        self._again = 0

    def forget(self) -> None:
        self._parsed.clear()

    def parsed(self, encoded: bytes) -> JsonObject:
        """The object, which is not to be changed."""
        found = self._parsed.get(encoded)
        if found is None:
            if len(self._parsed) >= KEPT:
                self._parsed.clear()
            fresh: JsonObject = orjson.loads(encoded)
            self._parsed[encoded] = fresh
            return fresh
        self._again += 1
        if self._again % LOOK_EVERY == 0 and orjson.dumps(found) != encoded:
            message = f"a watcher changed what it was shown: {encoded!r:.200} is now {found!r:.200}"
            raise Violation("watchers", message)
        return found
