"""The HTTPS shell: requests over TLS, and what it refuses to wait for."""

import asyncio
from dataclasses import replace

import pytest

from actors.net import PortInUse
from actors.net.exchange import Exchange
from actors.net.https import HttpsBounds, serve_https
from actors.plan import Security
from actors.security import create_security
from tests.actors.https_rig import CALM, App, connect, rest, start
from tests.actors.loopback import run

QUICK_HEAD = replace(CALM, head_s=0.05)


@pytest.fixture(scope="module")
def security(tmp_path_factory: pytest.TempPathFactory) -> Security:
    return create_security(str(tmp_path_factory.mktemp("security")))


def test_requests_share_a_connection_and_carry_a_date(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        reader, writer = await connect(server, security)
        for number in range(3):
            writer.write(b"POST /%d HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi" % number)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
            assert await reader.readexactly(4) == b"/%dhi" % number
        assert server.gauges()["https_requests_total"] == 3
        writer.close()
        await server.stop()

    run(scenario())


@pytest.mark.parametrize("first_bytes", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n", b"\r\n"])
def test_a_slow_head_is_cut_off(security: Security, first_bytes: bytes) -> None:
    async def scenario() -> None:
        server = await start(security, bounds=QUICK_HEAD)
        streams = await connect(server, security)
        streams[1].write(first_bytes)
        assert await rest(streams) == b""
        assert server.gauges()["https_refused_total"] == 1
        await server.stop()

    run(scenario())


def test_a_head_that_dribbles_in_is_cut_off_also_on_a_used_connection(security: Security) -> None:
    async def scenario() -> None:
        # The first head must come in time.
        server = await start(security, bounds=replace(CALM, head_s=0.5))
        streams = await connect(server, security)
        streams[1].write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await streams[0].readuntil(b"\r\n\r\n/")
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
        head_s = 0.4

        def slow(exchange: Exchange) -> None:
            asyncio.get_running_loop().call_later(1.5 * head_s, App(), exchange)

        server = await start(security, slow, replace(CALM, head_s=head_s))
        reader, writer = await connect(server, security)
        writer.write(b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n/late")
        writer.close()
        await server.stop()

    run(scenario())


def test_a_tls_handshake_that_never_comes_is_cut_off(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security, bounds=replace(CALM, handshake_s=0.05))
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


def test_a_body_that_dribbles_in_is_cut_off(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security, bounds=replace(CALM, body_s=0.05))
        for head in (b"content-length: 100", b"transfer-encoding: chunked"):
            streams = await connect(server, security)
            streams[1].write(b"POST / HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % head)
            assert await rest(streams) == b""
        assert server.gauges()["https_refused_total"] == 2
        await server.stop()

    run(scenario())


@pytest.mark.parametrize("framing", [b"0\r\nt: ", b"2;", b"0\r\n" + b"t: y\r\n" * 200 + b"t: "])
def test_what_comes_beside_a_body_is_bounded(security: Security, framing: bytes) -> None:
    """Trailers and extensions of chunks, which may be as long as one likes, are never kept."""

    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"
        streams[1].write(head + framing)
        await streams[1].drain()
        streams[1].write(b"y" * 1_000_000)
        assert b"200 OK" not in await rest(streams)
        assert server.gauges()["https_refused_total"] == 1
        await server.stop()

    run(scenario())


def test_trailers_are_no_headers_and_other_codings_are_refused(security: Security) -> None:
    seen: list[list[bytes]] = []
    answers: list[bool] = []

    def app(exchange: Exchange) -> None:
        seen.append([name for name, _ in exchange.listed])
        exchange.answer(200, b"", b"")

    async def scenario() -> None:
        server = await start(security, app)
        twice = b"gzip\r\ntransfer-encoding: chunked"
        for coding, code in ((b"Chunked", 200), (b"gzip, chunked", 501), (twice, 501)):
            streams = await connect(server, security)
            head = (
                b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: %b\r\n\r\n"
                % coding
            )
            streams[1].write(head + b"2\r\n{}\r\n0\r\nimpersonate-user: x\r\n\r\n")
            answers.append((await rest(streams))[:13] == b"HTTP/1.1 %d " % code)
        await server.stop()

    run(scenario())
    assert answers == [True, True, True]
    assert seen == [[b"host", b"connection", b"transfer-encoding"]]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_answered_and_held_nowhere(
    security: Security, declared: bool
) -> None:
    bounds = HttpsBounds(body_bytes_max=1000, dropped_bytes_max=5000)

    async def scenario() -> None:
        server = await start(security, bounds=bounds)
        head = b"content-length: %d" if declared else b"transfer-encoding: chunked"
        for size, closes in ((1001, False), (5001, True)):
            streams = await connect(server, security)
            line = head % size if declared else head
            streams[1].write(b"POST / HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % line)
            body = b"x" * size
            streams[1].write(body if declared else b"%x\r\n%b\r\n0\r\n\r\n" % (size, body))
            answer = await streams[0].readuntil(b"too large")
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert (b"connection: close" in answer) is closes
            assert streams[0].at_eof() or not closes or await rest(streams) == b""
            streams[1].close()
        await server.stop()

    run(scenario())


def test_a_large_answer_waits_for_its_reader(security: Security) -> None:
    body = bytes(range(256)) * 40_000

    async def scenario() -> None:
        begun: list[Exchange] = []

        def large(exchange: Exchange) -> None:
            begun.append(exchange)
            exchange.answer(200, b"", body)

        server = await start(security, large)
        reader, writer = await connect(server, security)
        writer.write(b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert len(begun) == 1
        piece = len(body) // 10
        for at in range(0, len(body), piece):
            assert begun[0].backlog_bytes < 2_000_000
            assert await reader.readexactly(piece) == body[at : at + piece]
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(body)) == body
        assert len(begun) == 2
        writer.close()
        await server.stop()

    run(scenario())


def test_pipelined_requests_are_answered_in_order(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        reader, writer = await connect(server, security)
        count = 3000
        writer.write(b"".join(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % n for n in range(count)))
        for number in range(count):
            await reader.readuntil(b"\r\n\r\n")
            path = b"/%d" % number
            assert await reader.readexactly(len(path)) == path
        writer.close()
        await server.stop()

    run(scenario())


@pytest.mark.parametrize(
    "head",
    [
        b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
        b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n",
        b"GET /a HTTP/1.1\nhost: x\n\n",
        b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /a\0b HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nuser-agent: y\r\n\r\n",
    ],
)
def test_what_a_proxy_may_read_otherwise_is_400(security: Security, head: bytes) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        streams[1].write(head)
        assert (await rest(streams)).startswith(b"HTTP/1.1 400 ")
        await server.stop()

    run(scenario())


def test_an_upgrade_is_answered_as_the_request_it_is_and_ends(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        streams[1].write(
            b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
            b"\x81\x05"
        )
        answer = await rest(streams)
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n/ws")
        await server.stop()

    run(scenario())


def test_old_clients_get_plain_bytes(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        streams[1].write(b"GET /watch HTTP/1.0\r\n\r\n")
        answer = await streams[0].readuntil(b"ADDED\n")
        assert b"chunked" not in answer and answer.endswith(b"\r\n\r\nADDED\n")
        streams[1].close()
        await server.stop()

    run(scenario())


def test_a_head_request_has_no_body(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        streams[1].write(b"HEAD /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await rest(streams)
        assert b"content-length: 2\r\n" in answer and answer.endswith(b"\r\n\r\n")
        await server.stop()

    run(scenario())


def test_a_request_of_http_1_0_needs_no_host(security: Security) -> None:
    async def scenario() -> None:
        server = await start(security)
        streams = await connect(server, security)
        streams[1].write(b"GET /a HTTP/1.0\r\n\r\n")
        assert (await rest(streams)).endswith(b"\r\n\r\n/a")
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
