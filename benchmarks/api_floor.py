"""The least that a create over HTTPS costs in Python: no API server, but what none can do without.

The same loop, TLS, HTTP parser and log file as an API server with its shards inside; a request is
parsed, written back, appended to a file in one synced write, and answered. Nothing is routed,
allowed, defaulted, checked, kept, indexed or told to anybody. ``bench_apiserver`` prints it beside
its rows of creates: a bar below it cannot be met by any program of this kind.
"""

import os
from pathlib import Path

import orjson

from actors.disk.room import Room
from actors.net.exchange import Exchange
from actors.net.https import HttpsServer, serve_https
from actors.plan import ApiServerConfig
from actors.program import Resolve
from actors.security import server_ssl_context

_PLAIN = b"content-type: application/json\r\ncache-control: no-cache, private\r\n"


async def start(config: ApiServerConfig, resolve: Resolve) -> "Floor":
    """``config``: of the API server that it stands in for. PortInUse, OSError."""
    path = Path(config.security.directory) / "floor.log"
    floor = Floor(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_DSYNC, 0o600))
    context = server_ssl_context(config.security)
    floor.server = await serve_https(floor.handle, config.host, config.https_port, context)
    return floor


class Floor:
    """A running one."""

    address = ""
    server: HttpsServer

    def __init__(self, file: int) -> None:
        self._file = file
        self._room = Room(0)
        self._size = 0

    @property
    def https_port(self) -> int:
        return self.server.port

    def handle(self, exchange: Exchange) -> None:
        body = orjson.dumps(orjson.loads(exchange.body or b"null"))
        self._room.write(self._file, body, self._size, True)
        self._size += len(body)
        exchange.answer(201, _PLAIN, body)

    async def stop(self) -> None:
        await self.server.stop()
        os.close(self._file)
