"""An API server with two store shards, each in a process of its own, for benchmarks."""

import asyncio
import multiprocessing as mp
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from actors import apiserver, store
from actors.plan import ApiServerConfig, Durability, Security, StoreConfig
from actors.processes import cpu_seconds, pss_bytes
from actors.security import create_security


@dataclass
class Program:
    """A started process and what it told of itself."""

    process: Any
    end: Connection
    address: str
    https_port: int


@dataclass
class Stack:
    """Everything that answers requests."""

    security: Security
    api: Program
    stores: list[Program]

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.api.https_port}"

    def cpu_s(self) -> tuple[float, float]:
        """CPU seconds so far: API server, and the shards together."""
        shards = sum(cpu_seconds(one.process.pid) for one in self.stores)
        return cpu_seconds(self.api.process.pid), shards

    def memory_mib(self) -> tuple[float, float]:
        """Proportional set size: API server, and the shards together."""
        shards = sum(pss_bytes(one.process.pid) for one in self.stores)
        return pss_bytes(self.api.process.pid) / 2**20, shards / 2**20


@contextmanager
def running_stack(durability: Durability) -> Iterator[Stack]:
    with tempfile.TemporaryDirectory() as home:
        security = create_security(f"{home}/security")
        stores = [
            _spawn(store.start, StoreConfig(n, f"{home}/store-{n}", security, durability), {})
            for n in range(2)
        ]
        addresses = {f"store-{n}": one.address for n, one in enumerate(stores)}
        config = ApiServerConfig("apiserver-0", ("store-0", "store-1"), security, seed=1)
        api = _spawn(apiserver.start, config, addresses)
        try:
            yield Stack(security, api, stores)
        finally:
            for program in (api, *stores):
                program.end.send("stop")
                program.process.join()


def _spawn(start: Callable[..., Any], config: Any, addresses: dict[str, str]) -> Program:
    ours, theirs = mp.Pipe()
    process = mp.get_context("spawn").Process(
        target=_serve, args=(start, config, addresses, theirs)
    )
    process.start()
    address, port = ours.recv()
    return Program(process, ours, address, port)


def _serve(
    start: Callable[..., Any], config: Any, addresses: dict[str, str], end: Connection
) -> None:
    """Run one program until the parent says so."""

    async def resolve(name: str) -> str:
        return addresses[name]

    async def serve() -> None:
        running = await start(config, resolve)
        end.send((running.address, getattr(running, "https_port", 0)))
        await asyncio.get_running_loop().run_in_executor(None, end.recv)
        await running.stop()

    uvloop.run(serve())
