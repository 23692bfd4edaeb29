"""A real etcd of one member, as a child process on free ports of the loopback interface."""

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from actors.disk import DirectoryError
from actors.etcd.client import EtcdClient

PROGRAM: Final = "etcd"
HOST: Final = "127.0.0.1"
START_S: Final = 30.0
STOP_S: Final = 10.0
TRIES: Final = 3
"""A port that was free may be taken before etcd listens on it."""
QUOTA_BYTES: Final = 8 << 30
"""etcd's own default of 2 GiB is reached by a campaign of an hour. Source: etcd.io, "System
limits", suggests 8 GiB at most."""
_DIE_WITH_PARENT: Final = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"
)
"""PR_SET_PDEATHSIG, SIGTERM, then etcd: it may not outlive a program that was killed."""


class NoEtcd(Exception):
    """There is no etcd on this machine, or it did not start: the message says which."""


class EtcdProcess:
    """A running etcd. ``on_death(code)`` is called on the loop when it ends by itself."""

    def __init__(self, directory: Path, on_death: Callable[[int], None]) -> None:
        self.address = ""
        self._directory = directory
        self._on_death = on_death
        self._process: subprocess.Popen[bytes] | None = None
        self._running = False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """NoEtcd, DirectoryError."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise NoEtcd(
                "no etcd on the PATH: install it, on Debian by apt-get install etcd-server"
            )
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DirectoryError(f"cannot use {self._directory}: {error}") from error
        for _ in range(TRIES):
            if await self._started(program):
                return
        raise NoEtcd(f"etcd did not start, see {self._directory / 'etcd.log'}")

    async def stop(self) -> None:
        """SIGTERM and wait. Idempotent."""
        self._running = False
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, STOP_S)

    async def _started(self, program: str) -> bool:
        """Whether it answers before it ends."""
        client_port, peer_port = _free_ports(2)
        self.address = f"{HOST}:{client_port}"
        process = self._spawn(program, peer_port)
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()
        # Not by asyncio: its watchers of children want the main thread, where Ray is.
        threading.Thread(target=_await_end, args=(process, loop, ended), daemon=True).start()
        client = EtcdClient(self.address)
        ready = asyncio.ensure_future(client.ready(START_S))
        either: set[asyncio.Future[Any]] = {ready, ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        answered = ready.done() and ready.exception() is None
        ready.cancel()
        await asyncio.gather(ready, return_exceptions=True)
        await client.close()
        if not answered:
            process.kill()
            await ended
            return False
        self._process, self._running = process, True
        ended.add_done_callback(self._ended)
        return True

    def _spawn(self, program: str, peer_port: int) -> "subprocess.Popen[bytes]":
        url, peer = f"http://{self.address}", f"http://{HOST}:{peer_port}"
        command = [program, "--name", "default", "--data-dir", str(self._directory / "data")]
        command += ["--listen-client-urls", url, "--advertise-client-urls", url]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        command += ["--initial-cluster", f"default={peer}", "--log-level", "warn"]
        command += ["--logger", "zap", "--quota-backend-bytes", str(QUOTA_BYTES)]
        with (self._directory / "etcd.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _ended(self, ended: "asyncio.Future[int]") -> None:
        if self._running:
            self._running = False
            self._on_death(ended.result())


def _await_end(
    process: "subprocess.Popen[bytes]",
    loop: asyncio.AbstractEventLoop,
    ended: "asyncio.Future[int]",
) -> None:
    """On a thread of its own."""
    code = process.wait()
    with suppress(RuntimeError):  # The loop is gone: nobody is left to be told.
        loop.call_soon_threadsafe(_settle, ended, code)


def _settle(ended: "asyncio.Future[int]", code: int) -> None:
    if not ended.done():
        ended.set_result(code)


def _free_ports(count: int) -> list[int]:
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind((HOST, 0))
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
