"""How an API server reaches the shards of its store: programs of their own, or its own process.

The two arms tell the core the same in the same order. Between processes a batch of requests is a
frame; within one it is handed over as it is, and each side only reads what it is given: requests,
replies and events are made for one step and kept by nobody but in parts that never change.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from actors.clock import WallClock
from actors.net import FrameClient, NetError
from actors.plan import ApiServerConfig, StoreConfig
from actors.program import Line, Resolve
from actors.shard import Shard, configured_shard
from actors.span_points import WriteSpans
from actors.spans import span_log
from actors.turns import Round, Soon
from api.frames import FrameError
from api.merge import StoreEvent
from api.storage import StoreReply, StoreRequest

REGISTRY = b"/registry/"
Heard = Callable[[Sequence[StoreReply] | None], None]
"""Told the replies to a batch, or None: the shard was lost and nobody knows the outcome."""
Follow = Callable[[Sequence[StoreEvent], int], None]
"""Told events, and the watermark up to which they are complete."""
Ended = Callable[[str], None]


class ShardLink(Protocol):
    """One shard, as its API server knows it. What it tells, it tells on the loop and never before
    the method returns that asked for it."""

    def ask(self, requests: Sequence[StoreRequest], heard: Heard) -> None:
        """The only batch for this shard in this turn."""
        ...

    def follow(self, start_revision: int, told: Follow, ended: Ended) -> Callable[[], None]:
        """Every event after the revision, until ``ended(reason)`` or until what this returns is
        called, after which nothing is told."""
        ...

    @property
    def lines(self) -> Sequence[Line]:
        """See actors.program.Running; none of a shard in this process."""
        ...

    def gauges(self) -> dict[str, float]: ...

    async def close(self) -> None: ...


def soon_of(config: ApiServerConfig) -> Soon:
    """When a core of this program takes its next step. With shards of its own a turn has room for
    what came, for what that asks of the shards, and for their answers."""
    shards = len(config.embedded)
    return Round(shards + 2).soon if shards else asyncio.get_running_loop().call_soon


async def shard_links(config: ApiServerConfig, resolve: Resolve, soon: Soon) -> list[ShardLink]:
    """In order of shard number. DirectoryError, JournalError: an embedded one cannot be opened."""
    if not config.embedded:
        return [
            FrameShard(FrameClient(name, config.security, resolve, config.name))
            for name in config.stores
        ]
    opened: list[ShardLink] = []
    try:
        for name, each in zip(config.stores, config.embedded, strict=True):
            opened.append(EmbeddedShard(name, each, await configured_shard(each, soon=soon)))
    except BaseException:
        for link in opened:
            await link.close()
        raise
    return opened


class FrameShard:
    """A shard behind its frame port."""

    def __init__(self, client: FrameClient) -> None:
        self._client = client
        self.lines = (client,)
        self.gauges = client.gauges
        self.close = client.close

    def ask(self, requests: Sequence[StoreRequest], heard: Heard) -> None:
        self._client.ask(("store", requests), partial(_replied, heard), at_once=True)

    def follow(self, start_revision: int, told: Follow, ended: Ended) -> Callable[[], None]:
        def on_body(body: Any) -> None:
            told(body[0], body[1])

        body = ("watch", REGISTRY, start_revision, False)
        return self._client.open(body, on_body, ended).close


def _replied(heard: Heard, replies: Any, error: NetError | FrameError | None) -> None:
    heard(replies if error is None else None)


class EmbeddedShard:
    """A shard of this program. It is never lost alone: what breaks it ends the program."""

    lines: Sequence[Line] = ()

    def __init__(self, name: str, config: StoreConfig, shard: Shard) -> None:
        assert not config.take_from, "a shard moves between programs of its kind only"
        self._name = name
        self._shard = shard
        log = span_log(config.spans, WallClock())
        self._spans = WriteSpans(log) if log else None

    def ask(self, requests: Sequence[StoreRequest], heard: Heard) -> None:
        if self._spans is not None:
            heard = self._spans.noted(requests, heard)
        self._shard.call(requests, heard)

    def follow(self, start_revision: int, told: Follow, ended: Ended) -> Callable[[], None]:
        number = self._shard.open_watch(_Follower(told, ended), (REGISTRY, None), start_revision)
        return partial(self._shard.close_watch, number)

    def gauges(self) -> dict[str, float]:
        """Those of the shard, each with its name."""
        gauges = dict(self._shard.gauges())
        gauges |= self._spans.log.gauges() if self._spans is not None else {}
        return {f"{self._name}_{key}": value for key, value in gauges.items()}

    async def close(self) -> None:
        await self._shard.stop()
        if self._spans is not None:
            self._spans.log.flush()


class _Follower:
    """The API server as the reader of a watch. It never falls behind: the next step of the round
    takes whatever was sent."""

    __slots__ = ("_told", "end")

    def __init__(self, told: Follow, ended: Ended) -> None:
        self._told = told
        self.end = ended

    def send(self, events: Sequence[StoreEvent], watermark: int) -> bool:
        self._told(events, watermark)
        return True
