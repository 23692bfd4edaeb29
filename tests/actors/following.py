"""What a test waits on: what a stream said, and the present objects of a watched collection."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from actors.net import FrameClient
from actors.net.transport import FrameTransport
from api.calls import DELETED, WatchSpec
from api.core import JsonObject


class Heard:
    """The bodies of a frame stream, as ``on_body``."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self._news = asyncio.Event()

    def __call__(self, body: Any) -> None:
        self.bodies.append(body)
        self._news.set()

    async def until(self, word: str, count: int = 1) -> list[Any]:
        """The bodies that begin with a word, once there are so many of them."""
        while len(found := [body for body in self.bodies if body[0] == word]) < count:
            self._news.clear()
            await self._news.wait()
        return found


class Followed:
    """The present objects of a collection, by name: a watch from the present state on."""

    def __init__(self, client: FrameClient, resource: str, namespace: str = "") -> None:
        self.objects: dict[str, JsonObject] = {}
        self._news = asyncio.Event()
        self._complete = False
        spec = WatchSpec("test", resource, namespace)
        self._watch = FrameTransport(client).watch(spec, 0, self)

    def items(
        self, types: Sequence[int], revisions: Sequence[int], objects: Sequence[JsonObject]
    ) -> None:
        for kind_of_event, item in zip(types, objects, strict=True):
            name = item["metadata"]["name"]
            if kind_of_event == DELETED:
                self.objects.pop(name, None)
            else:
                self.objects[name] = item
        self._news.set()

    def synced(self, revision: int) -> None:
        self._complete = True
        self._news.set()

    def bookmark(self, revision: int) -> None:
        pass

    def ended(self, reason: str) -> None:
        raise AssertionError(f"the watch ended: {reason}")

    async def until(self, holds: Callable[[dict[str, JsonObject]], bool], limit_s: float) -> None:
        """Return when the objects are as they shall be. TimeoutError."""
        async with asyncio.timeout(limit_s):
            while not (self._complete and holds(self.objects)):
                self._news.clear()
                await self._news.wait()

    def close(self) -> None:
        self._watch.close()
