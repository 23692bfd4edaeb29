"""The HTTPS shell: an ASGI application over TLS, and what it refuses to wait for."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

import pytest
from loopback import run

from actors.net import PortInUse
from actors.net.https import HttpsBounds, HttpsServer, serve_https
from actors.plan import Security
from actors.security import client_ssl_context, create_security, server_ssl_context

QUICK = HttpsBounds(head_s=0.05, handshake_s=0.05, idle_s=5.0, head_bytes_max=2000)


@dataclass
class App:
    """Echoes bodies; ``/watch`` streams until the client or the server goes."""

    disconnects: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": []}
        if scope["path"] == "/watch":
            await send(start)
            await send({"type": "http.response.body", "body": b"ADDED\n", "more_body": True})
            message = await receive()
            while message["type"] != "http.disconnect":
                message = await receive()
            self.disconnects += 1
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await send(start)
        await send({"type": "http.response.body", "body": scope["path"].encode() + body})


@pytest.fixture(scope="module")
def security(tmp_path_factory: pytest.TempPathFactory) -> Security:
    return create_security(str(tmp_path_factory.mktemp("security")))


async def start(security: Security, app: Any = None, bounds: HttpsBounds = QUICK) -> HttpsServer:
    context = server_ssl_context(security)
    return await serve_https(app or App(), "127.0.0.1", 0, context, bounds)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(server: HttpsServer, security: Security) -> Streams:
    context = client_ssl_context(f"{security.directory}/ca.crt")
    return await asyncio.open_connection("127.0.0.1", server.port, ssl=context)


async def rest(streams: Streams) -> bytes:
    """Everything until the server closes, however it does."""
    reader, writer = streams
    got = b""
    try:
        while piece := await reader.read(65536):
            got += piece
    except (ConnectionResetError, ssl.SSLError):
        pass
    writer.transport.abort()
    return got


def test_requests_share_a_connection_and_carry_a_date(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        reader, writer = await connect(server, security)
        for number in range(3):
            writer.write(b"POST /%d HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi" % number)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ") and b"uvicorn" not in head
            await reader.readuntil(b"\r\n")
            assert await reader.readuntil(b"\r\n") == b"/%dhi\r\n" % number
            await reader.readuntil(b"0\r\n\r\n")
        assert server.gauges()["https_requests_total"] == 3
        writer.close()
        await server.stop()

    run(scenario())


@pytest.mark.parametrize("first_bytes", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n", b"\r\n"])
def test_a_slow_head_is_cut_off(security: Security, first_bytes: bytes) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        streams[1].write(first_bytes)
        assert await rest(streams) == b""
        assert server.gauges()["https_refused_total"] == 1
        await server.stop()

    run(scenario())


def test_a_head_that_dribbles_in_is_cut_off_also_on_a_used_connection(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        streams[1].write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await streams[0].readuntil(b"0\r\n\r\n")
        loop = asyncio.get_running_loop()

        def dribble() -> None:
            if not streams[1].is_closing():
                streams[1].write(b"G" if server.gauges()["https_refused_total"] else b"\r\n")
                loop.call_later(0.005, dribble)

        dribble()
        assert await rest(streams) == b""
        assert server.gauges()["https_refused_total"] == 1
        await server.stop()

    run(scenario())


def test_an_answer_may_take_longer_than_a_head(security: Security) -> None:
    async def scenario() -> None:
        release = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await release.wait()
            await App()(scope, receive, send)

        server = await start(security, slow)
        reader, writer = await connect(server, security)
        writer.write(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n")
        asyncio.get_running_loop().call_later(3 * QUICK.head_s, release.set)
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"/late\r\n0\r\n\r\n")
        writer.close()
        await server.stop()

    run(scenario())


def test_a_tls_handshake_that_never_comes_is_cut_off(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await asyncio.open_connection("127.0.0.1", server.port)
        assert await rest(streams) == b""
        await server.stop()

    run(scenario())


@pytest.mark.parametrize("finished", [True, False])
def test_a_huge_head_is_431_however_it_arrives(security: Security, finished: bool) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        end = b"\r\n\r\n" if finished else b""
        streams[1].write(b"GET / HTTP/1.1\r\nhost: x\r\nx-large: " + b"y" * 3000 + end)
        assert (await rest(streams)).startswith(b"HTTP/1.1 431 ")
        await server.stop()

    run(scenario())


def test_what_is_not_http_is_400(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        streams[1].write(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert (await rest(streams)).startswith(b"HTTP/1.1 400 ")
        await server.stop()

    run(scenario())


def test_connections_are_bounded(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security, bounds=HttpsBounds(connections_max=1))
        first = await connect(server, security)
        first[1].write(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n")
        await first[0].readuntil(b"0\r\n\r\n")
        assert await rest(await connect(server, security)) == b""
        first[1].close()
        await server.stop()

    run(scenario())


def test_stop_disconnects_open_watches_and_frees_the_port(security: Security) -> None:
    async def scenario() -> None:
        app = App()
        server = await start(security, app)
        reader, writer = await connect(server, security)
        writer.write(b"GET /watch HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"ADDED\n\r\n")
        await server.stop(grace_s=0.01)
        await server.stop()
        assert app.disconnects == 1
        assert await rest((reader, writer)) == b""
        again = await serve_https(app, "127.0.0.1", server.port, None)
        await again.stop()

    run(scenario())


def test_a_taken_port_is_one_clear_error(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        with pytest.raises(PortInUse, match=f"port {server.port} on 127.0.0.1 is already in use"):
            await serve_https(App(), "127.0.0.1", server.port, None)
        await server.stop()

    run(scenario())
