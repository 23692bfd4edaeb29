"""A shard moves to another program, with its log and snapshot, over a frame stream.

The new owner opens ("handover", its name) at the present one. While that one still serves it sends
what its directory holds, and ("ready",). When the new owner has all that he calls ("handover",).
Then the present one stops, sends the rest, marks its directory as handed over, says ("done",) and
closes its port, so that clients look for the shard's name again. Whatever was acknowledged is in
the files by then. If the new owner is lost before his call, nothing has happened; if he is lost
after it, the present one ends and is started again from its log.

Other bodies: ("file", name, bytes) adds to a file, ("drop", name) takes one back.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final

from actors.disk import DirectoryError
from actors.disk.directory import HANDED_OVER
from actors.net import FrameClient, ServerStream
from actors.plan import StoreConfig
from actors.program import Resolve
from store.journal import HEADER_BYTES

PIECE_BYTES: Final = 1 << 20
UNSENT_BYTES_MAX: Final = 8 << 20
UNDER_WAY: Final = ".receiving"
"""Ending of the new directory until it is whole."""
_NAME: Final = re.compile(r"(log|snapshot)-\d{20}")


class Sender:
    """The present owner's side. ``run`` ends early with its task, when the reader is gone."""

    def __init__(
        self, stream: ServerStream, directory: Path, log_sizes: Callable[[], Mapping[str, int]]
    ) -> None:
        """``log_sizes``: how far the records of each log file go by now, by name."""
        self.called = asyncio.Event()
        """The new owner wants the rest."""
        self.frozen = False
        """The shard has stopped: there is no way back but a new start."""
        self.stream = stream
        self._directory = directory
        self._log_sizes = log_sizes
        self._sent: dict[str, int] = {}
        """Bytes of each file that are sent."""

    async def run(self, to: str, freeze: Callable[[], Awaitable[None]]) -> None:
        """``freeze`` stops the shard, with everything that it acknowledged in its files."""
        await self._send_files()
        await self._send(("ready",))
        await self.called.wait()
        self.frozen = True
        await freeze()
        await self._send_files()
        mark_handed_over(self._directory, to)
        await self._send(("done",))

    async def _send_files(self) -> None:
        with ExitStack() as opened:
            # Open all at once: while one is sent, a snapshot may take the place of others.
            files = {
                path.name: opened.enter_context(path.open("rb"))
                for path in sorted(self._directory.iterdir())
                if _NAME.fullmatch(path.name)
            }
            for name in [name for name in self._sent if name not in files]:
                del self._sent[name]
                await self._send(("drop", name))
            for name, file in files.items():
                await self._send_file(name, file)

    async def _send_file(self, name: str, file: BinaryIO) -> None:
        at = self._sent.get(name, 0)
        size = os.fstat(file.fileno()).st_size
        # Asked for afterwards: a log that is not known then has no record yet, or none that counts.
        unknown = HEADER_BYTES if name.startswith("log-") else size
        size = min(size, self._log_sizes().get(name, unknown))
        file.seek(at)
        while at < size or name not in self._sent:
            piece = file.read(min(PIECE_BYTES, size - at))
            at += len(piece)
            self._sent[name] = at
            await self._send(("file", name, piece))

    async def _send(self, body: tuple[Any, ...]) -> None:
        if self.stream.backlog_bytes > UNSENT_BYTES_MAX:
            drained = asyncio.Event()
            self.stream.when_drained(drained.set)
            await drained.wait()
        if not self.stream.send(body):
            raise ConnectionError("the new owner of the shard is gone")


def mark_handed_over(directory: Path, to: str) -> None:
    """From now on the directory cannot be opened."""
    with (directory / HANDED_OVER).open("w", encoding="utf-8") as mark:
        mark.write(f"{to}\n")
        mark.flush()
        os.fsync(mark.fileno())
    _sync(directory)


async def receive(config: StoreConfig, resolve: Resolve) -> None:
    """Fetch the directory of ``config`` from its present owner, unless it is there already.
    DirectoryError, ConnectionError when the owner was lost on the way."""
    directory = Path(config.directory)
    if directory.exists():
        return
    under_way = directory.with_name(directory.name + UNDER_WAY)
    shutil.rmtree(under_way, ignore_errors=True)
    under_way.mkdir(mode=0o700, parents=True)
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    client = FrameClient(config.take_from, config.security, resolve, f"store-{config.shard}")

    def came(body: Any) -> None:
        if done.done():
            return
        try:
            if body == ["ready"]:
                client.send(("handover",)).add_done_callback(called)
            elif _take(under_way, body):
                done.set_result(None)
        except OSError as error:
            done.set_exception(DirectoryError(f"cannot write to {under_way}: {error}"))

    def ended(reason: str) -> None:
        if not done.done():
            message = f"{config.take_from} did not hand over its shard: {reason}"
            done.set_exception(ConnectionError(message))

    def called(answer: "asyncio.Future[Any]") -> None:
        if not answer.cancelled() and answer.exception() is not None:
            ended(str(answer.exception()))

    try:
        client.open(("handover", f"store-{config.shard} in {directory}"), came, ended)
        await done
    finally:
        await client.close()
    for path in under_way.iterdir():
        _sync(path)
    _sync(under_way)
    under_way.replace(directory)
    _sync(directory.parent)


def _take(directory: Path, body: Any) -> bool:
    """Do what a body says; True for the last one. OSError."""
    match body:
        case ["file", str(name), bytes(piece)] if _NAME.fullmatch(name):
            with (directory / name).open("ab") as file:
                file.write(piece)
        case ["drop", str(name)] if _NAME.fullmatch(name):
            (directory / name).unlink()
        case ["done"]:
            return True
        case _:
            raise OSError(f"not a part of a shard: {str(body)[:100]}")
    return False


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
