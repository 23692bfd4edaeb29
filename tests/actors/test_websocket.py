"""WebSockets on the HTTPS server: the upgrade, messages of any shape, and who is cut off."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from actors.net.exchange import Exchange
from actors.net.https import serve_https
from actors.net.websocket import MESSAGE_BYTES_MAX, WebSocket, refusal_of, subprotocols_of
from tests.actors.loopback import run

Messages = Sequence[bytes]


class Server:
    """Repeats what it is sent; the word "close" ends it."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.gone = asyncio.Event()

    def __call__(self, exchange: Exchange) -> None:
        if b"upgrade" not in exchange.headers:
            exchange.answer(200, b"", exchange.target)
            return
        if exchange.target == b"/watch":
            exchange.on_gone = self.gone.set
            exchange.start(200, b"")
            exchange.write(b"ADDED\n")
            return
        if refusal_of(exchange.headers) or exchange.target == b"/no":
            exchange.answer(400, b"", b"no")
            return
        exchange.on_gone = self.gone.set
        protocol = subprotocols_of(exchange.listed)[0]

        def repeat(messages: Messages) -> None:
            self.got += messages
            socket.send(messages)
            if messages[-1] == b"close":
                socket.close()

        socket = WebSocket(exchange, protocol, repeat)


class Client:
    """A client by the library that real ones are made with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.frames = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    def send(self, *events: Event) -> None:
        self.writer.write(b"".join(self.frames.send(event) for event in events))

    async def next(self) -> Event:
        while not self._events:
            data = await self.reader.read(65536)
            self.frames.receive_data(data or None)
            self._events = list(self.frames.events())
        return self._events.pop(0)

    async def message(self) -> bytes:
        parts = b""
        while True:
            event = await self.next()
            assert isinstance(event, BytesMessage), event
            parts += event.data
            if event.message_finished:
                return parts


def scenario(test: Callable[[Server, Client], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        handler = Server()
        server = await serve_https(handler, "127.0.0.1", 0, None)
        client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
        try:
            await test(handler, client)
        finally:
            client.writer.close()
            await server.stop()

    run(main())


async def opened(client: Client, *protocols: str) -> None:
    client.send(Request(host="x", target="/ws", subprotocols=list(protocols or ("a", "b"))))
    event = await client.next()
    assert isinstance(event, AcceptConnection) and event.subprotocol == (protocols or ("a",))[0]


def test_messages_of_all_sizes_come_back_whole() -> None:
    async def test(server: Server, client: Client) -> None:
        await opened(client)
        sizes = (0, 1, 125, 126, 65535, 65536, MESSAGE_BYTES_MAX)
        for size in sizes:
            client.send(BytesMessage(data=b"x" * size))
            assert await client.message() == b"x" * size
        client.send(TextMessage(data="\u00e9"))
        assert await client.message() == b"\xc3\xa9"

    scenario(test)


def test_a_message_in_fragments_and_a_ping_between_them() -> None:
    async def test(server: Server, client: Client) -> None:
        await opened(client)
        client.send(BytesMessage(data=b"a", message_finished=False), Ping(payload=b"?"))
        assert await client.next() == Pong(payload=b"?")
        client.send(BytesMessage(data=b"b", message_finished=True))
        assert await client.message() == b"ab"

    scenario(test)


def test_what_comes_with_the_request_is_not_lost() -> None:
    async def test(server: Server, client: Client) -> None:
        head = client.frames.send(Request(host="x", target="/ws", subprotocols=["a"]))
        masked = b"\x82\x81\0\0\0\0z"
        client.writer.write(head + masked)
        assert isinstance(await client.next(), AcceptConnection)
        assert await client.message() == b"z"

    scenario(test)


def test_each_side_may_end_it() -> None:
    async def by_client(server: Server, client: Client) -> None:
        await opened(client)
        client.send(CloseConnection(code=1000))
        assert await client.next() == CloseConnection(code=1000, reason="")
        await server.gone.wait()

    async def by_server(server: Server, client: Client) -> None:
        await opened(client)
        client.send(BytesMessage(data=b"close"))
        assert await client.message() == b"close"
        assert await client.next() == CloseConnection(code=1000, reason="")

    async def by_neither(server: Server, client: Client) -> None:
        await opened(client)
        client.writer.transport.abort()
        await server.gone.wait()

    for test in (by_client, by_server, by_neither):
        scenario(test)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x82\x05hello", 1002),
        (b"\xf2\x80\0\0\0\0", 1002),
        (b"\x8b\x80\0\0\0\0\x83\x80\0\0\0\0", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
    ],
    ids=["unmasked", "reserved bits", "unknown opcode", "no UTF-8"],
)
def test_what_is_no_websocket_frame_ends_it(frames: bytes, code: int) -> None:
    async def test(server: Server, client: Client) -> None:
        await opened(client)
        client.writer.write(frames)
        event = await client.next()
        assert isinstance(event, CloseConnection) and event.code == code
        await server.gone.wait()

    scenario(test)


def test_a_message_beyond_the_bound_ends_it() -> None:
    async def test(server: Server, client: Client) -> None:
        await opened(client)
        half = BytesMessage(data=b"x" * (MESSAGE_BYTES_MAX // 2 + 1), message_finished=False)
        client.send(half, half)
        event = await client.next()
        assert isinstance(event, CloseConnection) and event.code == 1009
        assert server.got == []

    scenario(test)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"sec-websocket-version", b"13")],
        [(b"sec-websocket-version", b"13"), (b"sec-websocket-key", b"short")],
        [(b"sec-websocket-version", b"8"), (b"sec-websocket-key", b"MDEyMzQ1Njc4OWFiY2RlZg==")],
    ],
)
def test_half_an_upgrade_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    async def test(server: Server, client: Client) -> None:
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        head = b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        client.writer.write(head + lines + b"\r\n")
        answer = await client.reader.read()
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"\r\n\r\nno")

    scenario(test)


def test_a_stream_that_takes_up_no_upgrade_hears_when_its_reader_leaves() -> None:
    async def test(server: Server, client: Client) -> None:
        client.writer.write(
            b"GET /watch HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nmore"
        )
        head = await client.reader.readuntil(b"ADDED\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK") and b"connection: close\r\n" in head
        client.writer.transport.abort()
        await server.gone.wait()

    scenario(test)


def test_an_upgrade_that_is_refused_is_the_last_request() -> None:
    async def test(server: Server, client: Client) -> None:
        client.send(Request(host="x", target="/no", subprotocols=["a"]))
        client.writer.write(b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
        event = await client.next()
        assert isinstance(event, RejectConnection) and event.status_code == 400
        rest = await client.reader.read()
        assert b"smuggled" not in rest

    scenario(test)
