"""The program of one store shard: frames in, the shard's answers out."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from actors.clock import WallClock
from actors.handover import Sender, receive
from actors.hold import Hold
from actors.net import FrameServer, PeerError, ServerStream, send_to_all
from actors.plan import StoreConfig
from actors.program import Line, Resolve
from actors.shard import Shard, configured_shard
from actors.span_points import WriteSpans
from actors.spans import span_log


async def start(config: StoreConfig, resolve: Resolve) -> "Store":
    """Recover the shard's directory, or take it over first, and serve it.

    DirectoryError, JournalError: the directory cannot be used, or nothing is left in that of a
    shard which has served before. ConnectionError: its owner was lost while he handed it over.
    PortInUse. ``resolve`` is only asked for that owner."""
    if config.take_from:
        await receive(config, resolve)
    shard = await configured_shard(config, send_frames)
    store = Store(shard, Path(config.directory))
    try:
        await store.listen(config)
    except BaseException:
        await store.stop()
        raise
    return store


class FrameSink:
    """A watch whose reader is the other end of a frame stream."""

    __slots__ = ("_ended", "stream")

    def __init__(self, stream: ServerStream, ended: Callable[[ServerStream], None]) -> None:
        self.stream = stream
        self._ended = ended

    def send(self, events: Sequence[Any], watermark: int) -> bool:
        return self.stream.send((events, watermark))

    def end(self, reason: str) -> None:
        self._ended(self.stream)
        self.stream.end(reason)


def send_frames(
    sinks: Mapping[int, FrameSink], events: Sequence[Any], watermark: int
) -> Sequence[int]:
    """One body for many streams: see ``actors.net.server.send_to_all``."""
    streams = [sink.stream for sink in sinks.values()]
    if len(streams) == 1:
        sent = streams[0].send((events, watermark))
        return () if sent else list(sinks)
    behind = dict.fromkeys(send_to_all(streams, (events, watermark)))
    return [number for number, sink in sinks.items() if sink.stream in behind] if behind else ()


class Store:
    """The frame port of a running shard."""

    def __init__(self, shard: Shard, directory: Path) -> None:
        self._shard = shard
        self._directory = directory
        self._sender: Sender | None = None
        self._sending: asyncio.Task[None] | None = None
        self._server: FrameServer | None = None
        self._watchers: dict[ServerStream, int] = {}
        self._spans: WriteSpans | None = None
        self.hold = Hold()

    async def listen(self, config: StoreConfig) -> None:
        log = span_log(config.spans, WallClock())
        self._spans = WriteSpans(log) if log else None
        self._server = await FrameServer.start(config.host, config.port, config.security, self)
        self._shard.before_step, self._shard.after_step = self._server.hold, self._server.let_go

    @property
    def address(self) -> str:
        assert self._server is not None
        return self._server.address

    @property
    def lines(self) -> Sequence[Line]:
        return [self._server] if self._server is not None else []

    def gauges(self) -> Mapping[str, float]:
        gauges = {**self._shard.gauges(), **self.hold.gauges()}
        gauges |= self._spans.log.gauges() if self._spans is not None else {}
        return gauges | (self._server.gauges() if self._server is not None else {})

    async def stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        if self._server is not None:
            await self._server.stop()
        self.hold.close()
        await self._shard.stop()
        if self._spans is not None:
            self._spans.log.flush()

    # The frame server's handler.

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        if self._sender is not None and body == ["handover"]:
            self._sender.called.set()
            reply(True)
            return
        if type(body) is not list or len(body) != 2 or body[0] != "store":
            reply(PeerError('a call to a store is ("store", [request, ...])'))
            return
        if type(body[1]) is not list:
            reply(PeerError("the requests are not an array"))
            return
        if self._spans is not None:
            reply = self._spans.noted(body[1], reply)
        self.hold.enter(len(body[1]), partial(self._shard.call, body[1], reply))

    def on_open(self, stream: ServerStream, body: Any) -> None:
        match body:
            case ["watch", bytes(prefix), int(start), bool(want_previous)]:
                sink = FrameSink(stream, self._ended)
                form = "previous" if want_previous else ""
                self._watchers[stream] = self._shard.open_watch(sink, (prefix, None), start, form)
            case ["handover", str(to)]:
                self._hand_over(stream, to)
            case _:
                stream.end('invalid: open ("watch", prefix, start_revision, want_previous)')

    def on_closed(self, stream: ServerStream) -> None:
        if self._sender is not None and self._sender.stream is stream:
            assert self._sending is not None
            self._sending.cancel()
        watcher = self._watchers.pop(stream, None)
        if watcher is not None:
            self._shard.close_watch(watcher)

    def _hand_over(self, stream: ServerStream, to: str) -> None:
        if self._sender is not None or self._shard.core.settings.durability == "none":
            stream.end("invalid: already being handed over, or nothing of the shard is on a disk")
            return
        self._sender = sender = Sender(stream, self._directory, self._shard.log_sizes)
        self._sending = asyncio.get_running_loop().create_task(sender.run(to, self._shard.stop))
        self._sending.add_done_callback(partial(self._handed_over, sender))

    def _handed_over(self, sender: Sender, task: "asyncio.Task[None]") -> None:
        """The port closes, so that clients ask where the shard is; or, if the new owner was lost
        after the shard had stopped, this program ends and is started again."""
        if not task.cancelled() and task.exception() is None:
            assert self._server is not None
            sender.stream.end("handed over")
            self._closing = asyncio.get_running_loop().create_task(self._server.stop())
        elif sender.frozen:
            raise RuntimeError("the new owner of the shard was lost when it had to take over")
        else:
            self._sender = None

    def _ended(self, stream: ServerStream) -> None:
        del self._watchers[stream]
