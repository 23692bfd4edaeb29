"""The servers that bench_store measures, each in processes of its own on loopback.

CPU is user and system time of the server's processes as the kernel counts them (/proc/PID/stat,
hundredths of a second), for every server in the same way.
"""

import asyncio
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import uvloop

from actors.clock import settle_table_gc
from actors.disk.journal_file import SYNC_BUCKETS_S
from actors.plan import Durability, Security, StoreConfig
from actors.store import Store, start

SECURITY = Security("bench", "bench-token", "")
ETCD = shutil.which("etcd")
START_S = 60.0
LONGEST_STEP = "longest_step_s"
LONGEST_SYNC = "longest_sync_s"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_S


def resident_bytes(pids: Sequence[int], kind: str = "VmRSS") -> int:
    """``kind``: VmRSS for all, RssAnon without mapped files."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                total += int(line.split()[1]) * 1024
    return total


@dataclass
class Shards:
    """Our store by its frame port: one process for each shard."""

    directory: Path
    durability: Durability
    count: int = 1
    retain_s: float = 300.0
    addresses: list[str] = field(default_factory=list)
    _processes: list[BaseProcess] = field(default_factory=list)
    _pipes: list[Connection] = field(default_factory=list)

    def start(self) -> None:
        """Begin anew, or again from what is on disk; returns when every shard answers."""
        context = multiprocessing.get_context("spawn")
        for shard in range(self.count):
            ours, theirs = context.Pipe()
            path = str(self.directory / f"{self.durability}-{self.count}-{shard}")
            config = StoreConfig(
                shard, path, SECURITY, self.durability, retain_revisions_s=self.retain_s
            )
            process = context.Process(target=_serve, args=(theirs, config))
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        self.addresses = [str(pipe.recv()) for pipe in self._pipes]

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes if process.pid is not None]

    def gauges(self) -> dict[str, float]:
        """Sums over the shards; the longest step and sync so far of any."""
        total: dict[str, float] = {}
        for pipe in self._pipes:
            pipe.send("gauges")
            for name, value in pipe.recv().items():
                before = total.get(name, 0)
                longest = name in (LONGEST_STEP, LONGEST_SYNC)
                total[name] = max(before, value) if longest else before + value
        return total

    def stop(self) -> None:
        for pipe in self._pipes:
            pipe.send("stop")
        for process in self._processes:
            process.join()
        self._pipes.clear()
        self._processes.clear()


class Longest:
    """What a shard's writers have waited for at most: the longest step so far, orders carried out,
    in CPU time of its thread, which other programs and the disk do not lengthen; and the longest
    sync, by its bucket."""

    def __init__(self, store: Store) -> None:
        self._step_s = 0.0
        self._syncs = store._shard.journal.sync_times
        turns = store._shard._turns
        step, clock = turns._step, time.thread_time

        def timed(now_ns: int) -> int | None:
            begun = clock()
            wakeup_ns = step(now_ns)
            self._step_s = max(self._step_s, clock() - begun)
            return wakeup_ns

        turns._step = timed

    def gauges(self) -> dict[str, float]:
        taken = [
            bound
            for bound, count in zip((*SYNC_BUCKETS_S, inf), self._syncs.counts, strict=True)
            if count
        ]
        return {LONGEST_STEP: self._step_s, LONGEST_SYNC: max(taken, default=0.0)}


def _serve(pipe: Connection, config: StoreConfig) -> None:
    async def unused(name: str) -> str:
        raise AssertionError(name)

    async def main() -> None:
        store = await start(config, unused)
        settle_table_gc()
        longest = Longest(store)
        pipe.send(store.address)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, pipe.recv) == "gauges":
            pipe.send({**store.gauges(), **longest.gauges()})
        await store.stop()

    uvloop.run(main())


@dataclass
class Etcd:
    """A server of etcd's API as a command: the real etcd, or our own door."""

    command: list[str]
    endpoint: str
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        host, _, port = self.endpoint.partition(":")
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"does not start: {' '.join(self.command)}") from None
                time.sleep(0.01)

    @property
    def pids(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


def real_etcd(directory: Path) -> Etcd:
    assert ETCD
    endpoint, peer = f"127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    command = [ETCD, "--data-dir", str(directory / "etcd"), "--log-level", "error"]
    command += ["--listen-client-urls", f"http://{endpoint}"]
    command += ["--advertise-client-urls", f"http://{endpoint}", "--listen-peer-urls", peer]
    command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    command += ["--quota-backend-bytes", str(8 << 30)]
    return Etcd(command, endpoint)


def door(directory: Path) -> Etcd:
    """Our own server of etcd's API, on one shard."""
    endpoint = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "loadtest", "etcd", "--listen", endpoint]
    return Etcd([*command, "--data", str(directory / "door")], endpoint)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


Server = Shards | Etcd
