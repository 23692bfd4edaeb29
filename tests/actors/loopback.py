"""Small real peers for the tests of actors/net: echo servers, clients, raw sockets."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from actors.net import FrameClient, FrameOptions, FrameServer, PeerError, ServerStream
from actors.plan import Security

PATIENCE_S = 120.0
"""No test takes this long, on a busy machine either; it turns a hang into a failure."""
SECURITY = Security("cluster-a", "right-token", "/nonexistent")
BRISK = FrameOptions(back_off_s=(0.005, 0.02))


def run(coroutine: Coroutine[Any, Any, None], patience_s: float = PATIENCE_S) -> None:
    """Run a test on uvloop with an upper bound of time."""

    async def bounded() -> None:
        await asyncio.wait_for(coroutine, patience_s)

    uvloop.run(bounded())


class Echo:
    """Answers calls with their body; keeps "hold" calls and all streams for the test."""

    def __init__(self) -> None:
        self.held: list[Callable[[object], None]] = []
        self.streams: list[ServerStream] = []
        self.closed: list[int] = []
        self.news = asyncio.Event()

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        if body == "hold":
            self.held.append(reply)
        elif body == "refuse":
            reply(PeerError("not today"))
        elif body == "who":
            reply(peer)
        else:
            reply(body)
        self.news.set()

    def on_open(self, stream: ServerStream, body: Any) -> None:
        self.streams.append(stream)
        self.news.set()

    def on_closed(self, stream: ServerStream) -> None:
        self.closed.append(stream.id)
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that this server was told makes the condition true."""
        while not condition():
            self.news.clear()
            await self.news.wait()


async def serve(handler: Echo, options: FrameOptions = BRISK) -> FrameServer:
    return await FrameServer.start("127.0.0.1", 0, SECURITY, handler, options)


def client_of(
    server: FrameServer, security: Security = SECURITY, options: FrameOptions = BRISK
) -> FrameClient:
    async def resolve(name: str) -> str:
        return server.address

    return FrameClient("echo", security, resolve, "tester", options)
