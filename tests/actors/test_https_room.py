"""What all connections of the HTTPS shell together may take: memory, descriptors, places."""

import asyncio
import resource
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from actors.net.exchange import Exchange
from actors.net.https import HttpsBounds
from actors.plan import Security
from actors.security import client_ssl_context, create_security
from tests.actors.https_rig import CALM, Streams, connect, rest, start
from tests.actors.loopback import run


@pytest.fixture(scope="module")
def security(tmp_path_factory: pytest.TempPathFactory) -> Security:
    return create_security(str(tmp_path_factory.mktemp("security")))


def test_what_many_readers_leave_unread_is_bounded(security: Security) -> None:
    """Of two hundred who asked for a long list and read nothing, all answers were kept."""
    body = bytes(40_000_000)  # Far more than the kernel takes of one.

    async def scenario() -> None:
        bounds = replace(CALM, owed_bytes_max=2 * len(body))

        def large(exchange: Exchange) -> None:
            exchange.answer(200, b"", body)

        async def ask() -> Streams:
            streams = await connect(server, security)
            streams[1].write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await streams[0].readuntil(b"\r\n\r\n")
            return streams

        server = await start(security, large, bounds)
        silent = [await ask() for _ in range(6)]
        assert len(await rest(silent[0])) < len(body)
        reader, writer = await ask()
        assert await reader.readexactly(len(body)) == body
        assert server.refused > 3
        for streams in silent[1:]:
            streams[1].transport.abort()
        writer.close()
        await server.stop()

    run(scenario())


def test_connections_are_bounded(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security, bounds=HttpsBounds(connections_max=1))
        first = await connect(server, security)
        first[1].write(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n")
        await first[0].readuntil(b"\r\n\r\n/a")
        assert await rest(await connect(server, security)) == b""
        first[1].close()
        await server.stop()

    run(scenario())


def test_what_large_bodies_took_is_given_back_when_no_more_come(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        assert server._sweeper is not None
        server._sweeper.cancel()
        reader, writer = await connect(server, security)
        for size in (10, 300_000):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
            writer.write(b"x" * size)
            await reader.readuntil(b"\r\n\r\n/" + b"x" * 10)
            await reader.readexactly(size - 10)
        assert server.bulky_bodies == 2, "a large body and its large echo"
        given = [server.gauges()["https_memory_given_back_total"]]
        for _ in range(3):
            server._sweep()
            server._sweeper.cancel()
            given.append(server.gauges()["https_memory_given_back_total"])
        assert given == [0, 0, 1, 1]
        writer.close()
        await server.stop()

    run(scenario())


def test_strangers_make_room_when_descriptors_run_out(security: Security) -> None:
    """Some are silent from the start, some in the middle of a head: whoever comes has an answer,
    though nothing of theirs is overdue."""

    async def scenario() -> None:
        server = await start(security)
        context = client_ssl_context(f"{security.directory}/ca.crt")
        known = await connect(server, security)
        known[1].write(b"GET /known HTTP/1.1\r\nhost: x\r\n\r\n")
        await known[0].readuntil(b"/known")
        slow = [await connect(server, security) for _ in range(3)]
        for _, writer in slow:
            writer.write(b"GET / HTTP/1.1\r\n")
        address = ("127.0.0.1", server.port)
        silent = [socket.create_connection(address) for _ in range(100)]
        last = socket.create_connection(address)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken = {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}
        free = [number for number in range(limits[0]) if number not in taken]
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[10], limits[1]))
        try:
            reader, writer = await asyncio.open_connection(
                sock=last, ssl=context, server_hostname="127.0.0.1"
            )
            writer.write(b"GET /last HTTP/1.1\r\nhost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n/last")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        shed = server.gauges()["https_shed_total"]
        # Who has been served is none of them.
        known[1].write(b"GET /again HTTP/1.1\r\nhost: x\r\n\r\n")
        await known[0].readuntil(b"/again")
        for one in silent:
            one.close()
        for _, each in (known, (reader, writer), *slow):
            each.transport.abort()
        await server.stop()
        assert shed > 3

    run(scenario())
