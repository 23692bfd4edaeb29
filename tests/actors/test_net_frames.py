"""The frame port over real loopback sockets: calls, streams, loss, bounds."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.net import (
    CallTimeout,
    FrameClient,
    FrameServer,
    InsecureAddress,
    PeerError,
    PeerLost,
    PeerRefused,
    PortInUse,
    TooManyCalls,
)
from actors.net.link import HELLO_BYTES_MAX, split_address
from api.frames import (
    CALL,
    ERROR,
    FRAME_VERSION,
    HELLO,
    OPEN,
    WELCOME,
    Frame,
    FrameDecoder,
    FrameError,
    encode,
)
from tests.actors.loopback import BRISK, SECURITY, Echo, client_of, run, serve

HELLO_BODY = {
    "magic": "hollowfleet",
    "versions": [FRAME_VERSION, FRAME_VERSION],
    "cluster": SECURITY.cluster_id,
    "identity": "raw",
    "token": SECURITY.frame_token,
}


async def raw_exchange(server: FrameServer, data: bytes) -> list[Frame]:
    """Write bytes, return the frames that came before the server closed."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(data)
    got = FrameDecoder().feed(await reader.read())
    writer.close()
    await writer.wait_closed()
    return got


def test_calls_are_multiplexed_and_carry_the_identity_of_the_peer() -> None:
    async def scenario() -> None:
        server = await serve(Echo())
        client = client_of(server)
        bodies = [[number, b"x" * number, {"k": None}] for number in range(200)]
        assert await asyncio.gather(*(client.call(body) for body in bodies)) == bodies
        assert await client.call("who") == "tester"
        with pytest.raises(PeerError, match="not today"):
            await client.call("refuse")
        assert server.gauges()["frame_calls_total"] == 202
        await client.close()
        await server.stop()

    run(scenario())


def test_a_large_frame_crosses_whole_and_one_over_the_bound_is_refused_by_the_sender() -> None:
    async def scenario() -> None:
        options = replace(BRISK, frame_bytes_max=3 << 20)
        server = await serve(Echo(), options)
        client = client_of(server, options=options)
        body = bytes(range(256)) * 10_000
        assert await client.call(body) == body
        with pytest.raises(FrameError, match="over the limit"):
            await client.call(bytes(4 << 20))
        assert await client.call("alive") == "alive"
        await client.close()
        await server.stop()

    run(scenario())


@pytest.mark.parametrize(
    ("security", "reason"),
    [
        (replace(SECURITY, frame_token="wrong"), "wrong token"),
        (replace(SECURITY, cluster_id="cluster-b"), "wrong cluster"),
    ],
)
def test_a_stranger_is_refused_with_the_reason(security: Any, reason: str) -> None:
    async def scenario() -> None:
        server = await serve(Echo())
        client = client_of(server, security)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        client.open("stream", lambda _: None, ended.set_result)
        with pytest.raises(PeerRefused, match=reason):
            await client.call("hello")
        assert reason in await ended
        await client.close()
        assert server.gauges()["frame_refusals_total"] >= 1
        await server.stop()

    run(scenario())


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        ({**HELLO_BODY, "versions": [FRAME_VERSION + 1, FRAME_VERSION + 2]}, "versions"),
        ({**HELLO_BODY, "magic": "http"}, "no hollowfleet peer"),
        ({**HELLO_BODY, "token": 7}, "malformed"),
        ({**HELLO_BODY, "versions": ["1", "1"]}, "versions"),
        ("GET / HTTP/1.1", "no hollowfleet peer"),
    ],
)
def test_a_wrong_hello_is_answered_with_a_reason(hello: object, reason: str) -> None:
    async def scenario() -> None:
        server = await serve(Echo())
        (answer,) = await raw_exchange(server, encode(Frame(HELLO, 0, hello)))
        assert reason in answer.body
        await server.stop()

    run(scenario())


def test_without_the_handshake_no_frame_is_served_and_no_large_one_kept() -> None:
    async def scenario() -> None:
        server = await serve(Echo())
        (answer,) = await raw_exchange(server, encode(Frame(CALL, 1, ["hello"])))
        assert "expected HELLO" in answer.body
        large = encode(Frame(HELLO, 0, "x" * (HELLO_BYTES_MAX + 1)))
        assert await raw_exchange(server, large[:100]) == []
        hello_and_more = encode(Frame(HELLO, 0, HELLO_BODY)) + b"\0"
        assert await raw_exchange(server, hello_and_more) == []
        assert server.gauges()["frame_calls_total"] == 0
        await server.stop()

    run(scenario())


def test_a_silent_newcomer_is_dropped_after_the_handshake_time() -> None:
    async def scenario() -> None:
        server = await serve(Echo(), replace(BRISK, handshake_s=0.02))
        assert await raw_exchange(server, b"") == []
        assert await raw_exchange(server, encode(Frame(HELLO, 0, HELLO_BODY))[:20]) == []
        await server.stop()
        assert server.gauges()["frame_connections"] == 0

    run(scenario())


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (b"\xff\xff\xff\xff", "oversized"),
        (b"\0\0\0\3abc", "garbage"),
        (encode(Frame(CALL, 1, ["hold"]))[:-2], "truncated"),
        (encode(Frame(WELCOME, 0)), "of a kind that clients do not send"),
    ],
)
def test_a_damaged_frame_ends_its_connection_and_no_other(damage: bytes, name: str) -> None:
    async def scenario() -> None:
        server = await serve(Echo())
        client = client_of(server)
        assert await client.call(name) == name
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(encode(Frame(HELLO, 0, HELLO_BODY)))
        welcome = encode(Frame(WELCOME, 0, {"version": FRAME_VERSION}))
        assert await reader.readexactly(len(welcome)) == welcome
        writer.write(damage)
        writer.write_eof()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(1)
        writer.close()
        assert await client.call("alive") == "alive"
        await client.close()
        await server.stop()

    run(scenario())


def test_a_call_that_expired_on_its_way_is_not_carried_out() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler)
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(encode(Frame(HELLO, 0, HELLO_BODY)))
        await reader.readexactly(len(encode(Frame(WELCOME, 0, {"version": FRAME_VERSION}))))
        writer.write(encode(Frame(CALL, 1, ["hold"], deadline_ns=1)))
        (answer,) = FrameDecoder().feed(await reader.read(1000))
        assert (answer.kind, answer.stream) == (ERROR, 1)
        assert "expired" in answer.body and handler.held == []
        writer.close()
        await writer.wait_closed()
        await server.stop()

    run(scenario())


def test_pending_calls_fail_and_streams_end_when_the_peer_is_lost() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler)
        client = client_of(server)
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        client.open("follow", lambda _: None, ended.set_result)
        held = [client.send("hold") for _ in range(3)]
        await handler.until(lambda: len(handler.held) == 3)
        for peer in list(server.peers):
            peer.link.fail("crash")
        for future in held:
            with pytest.raises(PeerLost):
                await future
        assert await ended == "lost"
        assert await client.call("again") == "again"
        await handler.until(lambda: len(handler.closed) == 1)
        await client.close()
        await server.stop()

    run(scenario())


def test_a_client_finds_a_server_that_moved() -> None:
    async def scenario() -> None:
        first = await serve(Echo())
        where = first.address

        async def resolve(name: str) -> str:
            if not where:
                raise LookupError(name)
            return where

        client = FrameClient("echo", SECURITY, resolve, "tester", BRISK)
        assert await client.call(1) == 1
        held = client.send("hold")
        where = ""
        await first.stop()
        await lost(held)
        waiting = client.send(2)
        second = await serve(Echo())
        assert second.address != first.address
        where = second.address
        assert await waiting == 2
        assert client.gauges()["peer_echo_connections_total"] == 2
        await client.close()
        await second.stop()

    run(scenario())


def test_a_call_times_out_with_and_without_a_connection() -> None:
    async def scenario() -> None:
        server = await serve(Echo())
        client = client_of(server)
        with pytest.raises(CallTimeout):
            await client.call("hold", timeout_s=0.02)
        assert await client.call("alive") == "alive"
        held = client.send("hold")
        await server.stop()
        await lost(held)
        with pytest.raises(CallTimeout, match="not reachable"):
            await client.call("late", timeout_s=0.1)
        with pytest.raises(CallTimeout):
            await client.connect(timeout_s=0.02)
        await client.close()
        with pytest.raises(PeerLost, match="closed"):
            await client.call("too late")

    run(scenario())


def test_pending_calls_are_bounded_on_both_sides() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler, replace(BRISK, calls_pending_max=2))
        client = client_of(server, options=replace(BRISK, calls_pending_max=3))
        held = [client.send("hold") for _ in range(3)]
        with pytest.raises(TooManyCalls):
            await client.call("one more")
        with pytest.raises(PeerError, match="too many pending"):
            await held[2]
        for reply in handler.held:
            reply("done")
        assert await asyncio.gather(*held[:2]) == ["done", "done"]
        await client.close()
        await server.stop()

    run(scenario())


def test_a_stream_delivers_in_order_and_either_side_ends_it() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler)
        client = client_of(server)
        got: list[Any] = []
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        client.open("a", got.append, ended.set_result)
        other = client.open("b", got.append, lambda _: None)
        await handler.until(lambda: len(handler.streams) == 2)
        assert all(handler.streams[0].send(number) for number in range(1000))
        handler.streams[0].end("that was all")
        assert await ended == "that was all"
        assert got == list(range(1000))
        assert not handler.streams[0].send("more")
        other.close()
        await handler.until(lambda: handler.closed == [other.id])
        assert not handler.streams[1].send("more")
        await client.close()
        await server.stop()

    run(scenario())


def test_a_reader_that_falls_behind_is_told_from_the_backlog_and_drains_again() -> None:
    async def scenario() -> None:
        handler = Echo()
        options = replace(BRISK, backlog_bytes_max=1 << 20)
        server = await serve(handler, options)
        _, port = split_address(server.address)
        with socket.create_connection(("127.0.0.1", port)) as raw:
            await shake_hands(raw)
            raw.sendall(encode(Frame(OPEN, 1, "follow")))
            await handler.until(lambda: len(handler.streams) == 1)
            stream, sent = handler.streams[0], 0
            while stream.send(bytes(1 << 16)):
                sent += 1
                assert sent < 1000, "the backlog has no bound"
                await asyncio.sleep(0)  # Frames are written once a turn.
            assert stream.backlog_bytes <= (1 << 20) + (1 << 17)
            assert server.gauges()["frame_slow_readers_total"] == 1
            drained = asyncio.Event()
            stream.when_drained(drained.set)
            reading = asyncio.create_task(read_on(raw))
            await drained.wait()
            assert stream.send("more")
            reading.cancel()
        await handler.until(lambda: handler.closed == [1])
        await server.stop()

    run(scenario())


async def shake_hands(raw: socket.socket) -> None:
    """Say HELLO and hear WELCOME; ``raw`` is left as asyncio wants it."""
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(raw, encode(Frame(HELLO, 0, HELLO_BODY)))
    (frame,) = FrameDecoder().feed(await loop.sock_recv(raw, 1 << 16))
    assert frame.kind == WELCOME


async def read_on(raw: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(raw, 1 << 20):
        pass


async def lost(call: "asyncio.Future[Any]") -> None:
    """Until the client has seen that the connection of a pending call is gone."""
    with pytest.raises(PeerLost):
        await call


def test_a_dead_peer_is_noticed_by_its_silence() -> None:
    async def scenario() -> None:
        # Long enough that the living one is heard in time on a busy machine.
        server = await serve(Echo(), replace(BRISK, keepalive_s=0.2))
        client = client_of(server, options=replace(BRISK, keepalive_s=0.2))
        await client.connect()
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            await shake_hands(raw)
            mute = list(server.peers)[1]
            await mute.gone
        assert client.connected and await client.call("alive") == "alive"
        await client.close()
        await server.stop()

    run(scenario())


def test_stop_ends_streams_with_the_reason_and_frees_the_port() -> None:
    async def scenario() -> None:
        handler = Echo()
        server = await serve(handler)
        client = client_of(server)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        client.open("follow", lambda _: None, ended.set_result)
        await handler.until(lambda: len(handler.streams) == 1)
        await server.stop()
        await server.stop()
        assert await ended == "stopping"
        again = await FrameServer.start("127.0.0.1", server.port, SECURITY, handler, BRISK)
        await again.stop()
        await client.close()

    run(scenario())


def test_a_taken_port_and_an_unsafe_address_are_clear_errors() -> None:
    async def scenario() -> None:
        server = await serve(Echo())
        with pytest.raises(PortInUse, match=str(server.port)):
            await FrameServer.start("127.0.0.1", server.port, SECURITY, Echo())
        with pytest.raises(InsecureAddress, match="TLS"):
            await FrameServer.start("0.0.0.0", 0, SECURITY, Echo())

        async def resolve(name: str) -> str:
            return "192.0.2.1:7001"

        client = FrameClient("far", SECURITY, resolve, "tester", BRISK)
        with pytest.raises(PeerRefused, match="TLS"):
            await client.call("hello")
        await client.close()
        await server.stop()

    run(scenario())


def test_a_receiver_that_raises_is_told_to_the_host_of_the_loop_and_loses_its_connection() -> None:
    class Broken(Echo):
        def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
            raise ZeroDivisionError("a bug")

    async def scenario() -> None:
        told: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.set_result(context)
        )
        server = await serve(Broken())
        client = client_of(server)
        with pytest.raises(PeerLost):
            await client.call("anything")
        context = await told
        assert isinstance(context["exception"], ZeroDivisionError) and "handle" in context
        await client.close()
        await server.stop()

    run(scenario())
