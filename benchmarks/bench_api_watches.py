"""What open watches weigh, and how long API server and store take until they answer.

    python -m benchmarks.bench_api_watches [--https 8000] [--frames 50000]

Watches over HTTPS have a connection each; those over frames share one. Each follows one object by
its name; at the end one of these is created, which one of them must hear.
"""

import argparse
import asyncio
import resource
from typing import Any

import uvloop

from actors.net import FrameClient
from actors.security import admin_token, client_ssl_context
from benchmarks.api_stack import Stack, running_stack

AT_ONCE = 64
"""Watches that are being opened."""
PATH = "/api/v1/namespaces/default/configmaps"


class _Watch(asyncio.Protocol):
    """One connection with one watch. ``heard`` is set by each chunk after the head."""

    def __init__(self, request: bytes, heard: asyncio.Event) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._heard = heard

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.answered.done():
            self._heard.set()
            return
        assert data.startswith(b"HTTP/1.1 200"), data
        self.answered.set_result(None)


async def over_https(stack: Stack, count: int) -> None:
    loop, tls = asyncio.get_running_loop(), client_ssl_context(f"{stack.security.directory}/ca.crt")
    bearer = f"host: localhost\r\nauthorization: Bearer {admin_token(stack.security)}\r\n"
    heard, slots, kept = asyncio.Event(), asyncio.Semaphore(AT_ONCE), []

    async def open_one(number: int) -> None:
        query = f"watch=1&fieldSelector=metadata.name%3Dn{number}"
        request = f"GET {PATH}?{query} HTTP/1.1\r\nhost: localhost\r\n{bearer}\r\n".encode()
        async with slots:
            transport, watch = await loop.create_connection(
                lambda: _Watch(request, heard), "127.0.0.1", stack.api.https_port, ssl=tls
            )
            await watch.answered
        kept.append(transport)

    before, cpu = stack.memory_mib()[0], stack.cpu_s()[0]
    await asyncio.gather(*[open_one(number) for number in range(count)])
    _line(stack, f"{count} watches over HTTPS", count, before, cpu)
    await _create(stack, "n7", heard)
    for transport in kept:
        transport.abort()


async def over_frames(stack: Stack, count: int) -> None:
    async def resolve(name: str) -> str:
        return stack.api.address

    client = FrameClient("apiserver-0", stack.security, resolve, "bench")
    await client.connect()
    slots, heard = asyncio.Semaphore(AT_ONCE), asyncio.Event()

    def on_body(body: Any) -> None:
        if body[0] == "synced":
            slots.release()
        elif body[0] == "items":
            heard.set()

    before, cpu = stack.memory_mib()[0], stack.cpu_s()[0]
    for number in range(count):
        await slots.acquire()
        words = ("watch", "configmaps", "default", "", f"metadata.name=f{number}", 0)
        client.open(words, on_body, _no_end)
    for _ in range(AT_ONCE):
        await slots.acquire()
    _line(stack, f"{count} watches over frames", count, before, cpu)
    await _create(stack, "f7", heard)
    await client.close()


def _no_end(reason: str) -> None:
    raise AssertionError(f"a watch ended: {reason}")


async def _create(stack: Stack, name: str, heard: asyncio.Event) -> None:
    async def resolve(program: str) -> str:
        return stack.api.address

    client = FrameClient("apiserver-0", stack.security, resolve, "bench")
    body = b'{"metadata":{"name":"%b"}}' % name.encode()
    words = ["create", "configmaps", "default", "", "", "", body, "", True]
    (reply,) = await client.call(("api", [words]))
    assert reply[0] == 201, reply
    await heard.wait()
    await client.close()


def _line(stack: Stack, name: str, count: int, before: float, cpu: float) -> None:
    now = stack.memory_mib()[0]
    each_kib = (now - before) * 1024 / count
    each_us = (stack.cpu_s()[0] - cpu) / count * 1e6
    print(
        f"{name:<28}{now:>7.0f} MiB API server, each {each_kib:.1f} KiB, {each_us:.0f} µs of CPU",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--https", type=int, default=8000)
    parser.add_argument("--frames", type=int, default=50_000)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with running_stack("fsync") as stack:
        print(f"API server and two shards ready after {stack.ready_s:.2f} s")
        uvloop.run(over_https(stack, arguments.https))
        uvloop.run(over_frames(stack, arguments.frames))


if __name__ == "__main__":
    main()
