"""Requests per second and CPU of a bare application over TLS, by HTTP server.

    python -m benchmarks.bench_https [--server ours|granian] [--seconds 3]

The application parses a 1.1 KB JSON body and writes it back, in the loop of its server's process.
An HTTP load program of this file, in a process of its own, keeps 32 connections busy. granian is to
be installed for the comparison; the project does without it.
"""

import argparse
import asyncio
import contextlib
import multiprocessing as mp
import socket
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson
import uvloop

from actors.net.exchange import Exchange
from actors.net.https import serve_https
from actors.plan import Security
from actors.processes import cpu_seconds
from actors.security import (
    client_ssl_context,
    create_security,
    server_ssl_context,
)

CONNECTIONS = 32
BODY = orjson.dumps({"kind": "Pod", "labels": {f"key-{i}": "v" * 20 for i in range(33)}})
REQUEST = (
    b"POST /api/v1/namespaces/default/pods HTTP/1.1\r\nhost: localhost\r\n"
    b"authorization: Bearer 0123456789abcdef0123456789abcdef\r\ncontent-type: application/json\r\n"
    b"accept: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Parse the body, write it back."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    out = orjson.dumps(orjson.loads(body))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(out)).encode()),
    ]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": out})


def handle(exchange: Exchange) -> None:
    """The same, as our server asks for it."""
    out = orjson.dumps(orjson.loads(exchange.body))
    exchange.answer(201, b"content-type: application/json\r\n", out)


class _Loader(asyncio.Protocol):
    """One connection: the next request leaves when the answer is complete."""

    def __init__(self) -> None:
        self.answers = 0
        self.stopped = False
        self._got = 0
        self._due = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if not self._due:
            self._due = data.index(b"\r\n\r\n") + 4 + len(BODY)
            assert data.startswith(b"HTTP/1.1 201"), data[:80]
        self._got += len(data)
        if self._got >= self._due:
            self._got = self._due = 0
            self.answers += 1
            if self.stopped:
                self._transport.close()
            else:
                self._transport.write(REQUEST)


async def _load(port: int, ca_file: str, seconds: float, pid: int) -> None:
    loop = asyncio.get_running_loop()
    context = client_ssl_context(ca_file)
    loaders = []
    for _ in range(CONNECTIONS):
        _, loader = await loop.create_connection(_Loader, "127.0.0.1", port, ssl=context)
        loaders.append(loader)
    await asyncio.sleep(0.5)
    done = sum(loader.answers for loader in loaders)
    cpu, own = cpu_seconds(pid), time.process_time()
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - start
    done = sum(loader.answers for loader in loaders) - done
    cpu, own = cpu_seconds(pid) - cpu, time.process_time() - own
    for loader in loaders:
        loader.stopped = True
    print(
        f"{done / elapsed:.0f} requests/s, server {cpu / done * 1e6:.0f} µs CPU each,"
        f" loader {own / done * 1e6:.0f} µs, {len(BODY)} bytes, {CONNECTIONS} connections"
    )


def _serve_ours(security: Security, pipe: Connection) -> None:
    async def serve() -> None:
        server = await serve_https(handle, "127.0.0.1", 0, server_ssl_context(security))
        pipe.send(server.port)
        await asyncio.to_thread(pipe.recv)
        await server.stop()

    uvloop.run(serve())


def _serve_granian(security: Security, pipe: Connection) -> None:
    from granian.server.embed import Server

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    home = Path(security.directory)
    options: dict[str, Any] = {
        "port": port,
        "interface": "asginl",
        "websockets": False,
        "log_enabled": False,
        "ssl_cert": home / "apiserver.crt",
        "ssl_key": home / "apiserver.key",
    }

    async def serve() -> None:
        server: Any = Server(app, **options)
        serving = asyncio.create_task(server.serve())
        await asyncio.to_thread(_await_port, port)
        pipe.send(port)
        await asyncio.to_thread(pipe.recv)
        server.stop()
        with contextlib.suppress(asyncio.CancelledError):  # how its stop ends, at times
            await serving

    uvloop.run(serve())


def _await_port(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


SERVERS = {"ours": _serve_ours, "granian": _serve_granian}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=SERVERS, default="ours")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        security = create_security(directory)
        context = mp.get_context("spawn")
        near, far = context.Pipe()
        process = context.Process(target=SERVERS[options.server], args=(security, far))
        process.start()
        assert process.pid is not None
        ca_file = f"{security.directory}/ca.crt"
        uvloop.run(_load(near.recv(), ca_file, options.seconds, process.pid))
        near.send("stop")
        process.join()


if __name__ == "__main__":
    main()
