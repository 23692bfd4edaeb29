"""How long an API server and a store of two shards take until /readyz answers 200, without Ray.

    python -m benchmarks.bench_api_ready [--starts 5]

Clock time from before the first process is made; CPU of all three of them together, which other
work on the machine cannot change. ``compiled``: with the .pyc files that a second start finds.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from typing import Any

import uvloop

from actors.security import admin_token, client_ssl_context
from benchmarks.api_stack import Stack, running_stack


class _Ready(asyncio.Protocol):
    """One GET of /readyz."""

    def __init__(self, token: str) -> None:
        self.code: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._request = (
            f"GET /readyz HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        )

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        if not self.code.done():
            self.code.set_result(data.split(b" ", 2)[1])


async def _readyz(stack: Stack) -> None:
    """One request: the port is not open before the server is ready."""
    loop, security = asyncio.get_running_loop(), stack.security
    transport, answer = await loop.create_connection(
        lambda: _Ready(admin_token(security)),
        "127.0.0.1",
        stack.api.https_port,
        ssl=client_ssl_context(f"{security.directory}/ca.crt"),
    )
    assert await answer.code == b"200"
    transport.abort()


def start_once() -> tuple[float, float, float]:
    """Seconds until ready, and CPU seconds of the API server and of the shards by then."""
    before = time.perf_counter()
    with running_stack("fsync") as stack:
        uvloop.run(_readyz(stack))
        return time.perf_counter() - before, *stack.cpu_s()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    starts = parser.parse_args().starts
    with tempfile.TemporaryDirectory() as cache:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        for name in ("first", "compiled"):
            runs = [start_once() for _ in range(1 if name == "first" else starts)]
            seconds, api, store = (statistics.median(column) for column in zip(*runs, strict=True))
            print(
                f"{name:<10}{seconds:6.2f} s until /readyz is 200; CPU: API server {api:.2f} s, "
                f"two shards {store:.2f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
