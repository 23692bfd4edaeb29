"""An API server with two store shards, for benchmarks: in three processes, or all in one."""

import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from actors.plan import ApiServerConfig, Durability, Security, StoreConfig
from actors.processes import cpu_seconds, pss_bytes
from actors.security import create_security
from apiserver.keys import CacheIndex

Placement = Literal["own", "apiserver"]
"""Of the shards: processes of their own, or that of the API server."""
PLACEMENTS: tuple[Placement, ...] = ("own", "apiserver")
SHARDS = ("store-0", "store-1")


@dataclass
class Program:
    """A started process and what it told of itself."""

    process: subprocess.Popen[bytes]
    address: str
    https_port: int

    def stop(self) -> None:
        self.process.communicate()


@dataclass
class Stack:
    """Everything that answers requests."""

    security: Security
    api: Program
    stores: list[Program]
    ready_s: float
    """From the first process to the last one's being ready."""

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
def running_stack(
    durability: Durability, index: CacheIndex = "btree", placement: Placement = "own"
) -> Iterator[Stack]:
    with tempfile.TemporaryDirectory() as home:
        security = create_security(f"{home}/security")
        begun = time.perf_counter()
        # Each is told its configuration while it, and the others, still import.
        serving = born("actors.apiserver")
        shards = [
            StoreConfig(number, f"{home}/{name}", security, durability)
            for number, name in enumerate(SHARDS)
        ]
        embedded = tuple(shards) if placement == "apiserver" else ()
        waiting = [started("actors.store", one, {}) for one in shards if not embedded]
        stores = [ready(process) for process in waiting]
        addresses = dict(zip(SHARDS, [one.address for one in stores], strict=False))
        config = ApiServerConfig(
            *("apiserver-0", SHARDS, security), seed=1, watch_cache_index=index, embedded=embedded
        )
        api = ready(configured(serving, config, addresses))
        try:
            yield Stack(security, api, stores, time.perf_counter() - begun)
        finally:
            for program in (api, *stores):
                program.stop()


@contextmanager
def running_floor() -> Iterator[Stack]:
    """The least that a create costs: see ``benchmarks.api_floor``."""
    with tempfile.TemporaryDirectory() as home:
        security = create_security(f"{home}/security")
        begun = time.perf_counter()
        config = ApiServerConfig("floor", SHARDS, security, seed=1)
        floor = ready(started("benchmarks.api_floor", config, {}))
        try:
            yield Stack(security, floor, [], time.perf_counter() - begun)
        finally:
            floor.stop()


def started(module: str, config: object, addresses: dict[str, str]) -> subprocess.Popen[bytes]:
    """``addresses``: of the programs that it calls, by name."""
    return configured(born(module), config, addresses)


def born(module: str) -> subprocess.Popen[bytes]:
    """A process that waits for its configuration."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.api_program", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def configured(
    process: subprocess.Popen[bytes], config: object, addresses: dict[str, str]
) -> subprocess.Popen[bytes]:
    assert process.stdin is not None
    pickle.dump((config, addresses), process.stdin)
    process.stdin.flush()
    return process


def ready(process: subprocess.Popen[bytes]) -> Program:
    """Blocks until it is."""
    assert process.stdout is not None
    address, port = json.loads(process.stdout.readline())
    return Program(process, address, port)
