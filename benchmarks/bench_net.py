"""Calls per second between two processes over the frame port, and the CPU each call costs.

    python -m benchmarks.bench_net [--seconds 2]

The server echoes bodies of the size of a Lease update. Prints one line for each number of calls in
flight.
"""

import argparse
import asyncio
import multiprocessing as mp
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from actors.net import FrameClient, FrameServer, ServerStream
from actors.plan import Security
from actors.security import create_security

BODY = ["put", b"/registry/leases/kube-node-lease/hollow-1", b"h" * 60, b"v" * 300, 1, 0]
IN_FLIGHT = (1, 16, 256)


class _Echo:
    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        reply(time.process_time_ns() if body == "cpu" else body)

    def on_open(self, stream: ServerStream, body: Any) -> None:
        stream.end("no streams here")

    def on_closed(self, stream: ServerStream) -> None: ...


async def _serve(security: Security, pipe: Connection) -> None:
    server = await FrameServer.start("127.0.0.1", 0, security, _Echo())
    pipe.send(server.address)
    await asyncio.to_thread(pipe.recv)
    await server.stop()


def _server(security: Security, pipe: Connection) -> None:
    uvloop.run(_serve(security, pipe))


async def _drive(client: FrameClient, in_flight: int, seconds: float) -> int:
    """Keep ``in_flight`` calls open for ``seconds``; how many were answered."""
    end = time.perf_counter() + seconds

    async def caller() -> int:
        done = 0
        while time.perf_counter() < end:
            await client.call(BODY)
            done += 1
        return done

    return sum(await asyncio.gather(*(caller() for _ in range(in_flight))))


async def _measure(security: Security, address: str, seconds: float) -> None:
    async def resolve(_: str) -> str:
        return address

    client = FrameClient("echo", security, resolve, "bench")
    await client.connect()
    print(f"{'in flight':>9} {'calls/s':>9} {'caller µs CPU':>14} {'server µs CPU':>14}")
    for in_flight in IN_FLIGHT:
        await _drive(client, in_flight, 0.3)
        server_cpu = await client.call("cpu")
        cpu, start = time.process_time_ns(), time.perf_counter()
        calls = await _drive(client, in_flight, seconds)
        elapsed = time.perf_counter() - start
        cpu = time.process_time_ns() - cpu
        server_cpu = await client.call("cpu") - server_cpu
        print(
            f"{in_flight:>9} {calls / elapsed:>9.0f} {cpu / calls / 1000:>14.1f}"
            f" {server_cpu / calls / 1000:>14.1f}"
        )
    await client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as directory:
        security = create_security(directory)
        context = mp.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_server, args=(security, theirs))
        process.start()
        uvloop.run(_measure(security, ours.recv(), seconds))
        ours.send("stop")
        process.join()


if __name__ == "__main__":
    main()
