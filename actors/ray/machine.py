"""What a cluster keeps on each machine that is not its driver's, and how that ends.

A ``Machine`` is an actor of its own there. It puts the cluster's secrets in place, hears the lives
of the programs, and tells the driver of them and of their log. As long as the driver asks, its
lease is renewed. A machine that is cut off fences itself: when the lease has run out it kills the
cluster's programs, so that nobody acts for a cluster that has given it up. Nothing of it is left.
"""

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from actors.lives import Life, Lives
from actors.ray.port import lasting_port
from actors.ray.reaper import Reaper

LEASE_S = 10.0
"""Without a word of the driver. Ray takes 14 s by default to give up a machine and to start its
programs elsewhere: those here are dead by then."""
NEWS_S = 1.0
"""How long a question for news waits for some."""
FENCED = 71
"""Exit code of a machine that has fenced itself."""
PIECE_BYTES = 4 << 20
LOG_BYTES_MAX = 1 << 20
"""Of the log that one answer brings."""


def actor_name(address: str) -> str:
    """Of the machine with this address, in the cluster's Ray namespace."""
    return f"machine@{address}"


@dataclass(frozen=True, slots=True)
class Papers:
    """What a machine has to know and to hold. Paths are the same on every machine."""

    cluster_id: str
    run_directory: str
    security_directory: str
    log: str
    files: tuple[tuple[str, bytes], ...]
    """Of the security directory: name and content."""

    @classmethod
    def of(cls, cluster_id: str, run_directory: Path, security: Path, log: Path) -> "Papers":
        files = tuple((path.name, path.read_bytes()) for path in sorted(security.iterdir()))
        return cls(cluster_id, str(run_directory), str(security), str(log), files)


class Machine:
    """Wrapped by ``ray.remote`` in machines.py; max_concurrency lets its calls overlap."""

    def __init__(self, address: str, papers: Papers) -> None:
        self.lease_s = LEASE_S
        self._address = address
        self._place = Path(papers.run_directory)
        self._log = Path(papers.log)
        bundle = self._place.parent
        ours = (self._place,) if bundle.exists() else (self._place, bundle)
        self._reaper = Reaper(*ours)
        _write_files(Path(papers.security_directory), dict(papers.files))
        self._lives = Lives(papers.cluster_id)
        self._asked = threading.Event()
        self._ending = threading.Event()
        threading.Thread(target=self._keep_lease, name="lease", daemon=True).start()

    def ready(self) -> None:
        """Answers once all is in place."""

    def port(self) -> int:
        """See actors.ray.port.lasting_port."""
        return lasting_port(self._address)

    def put(self, path: str, data: bytes) -> None:
        """A file that only its owner can read."""
        _write_files(Path(path).parent, {Path(path).name: data})

    def news(self, known: list[Life], log_bytes: int) -> tuple[list[Life], bytes]:
        """The lives here, as soon as they are not ``known`` any more, and the log from a position
        on. Renews the lease."""
        self._asked.set()
        self._lives.wait(lambda lives: lives != known, NEWS_S)
        written = b""
        with suppress(FileNotFoundError), self._log.open("rb") as log:
            log.seek(log_bytes)
            written = log.read(LOG_BYTES_MAX)
        return self._lives.all(), written

    def signal(self, pid: int, number: int) -> None:
        """To a program's process, if it lives."""
        if any(life.pid == pid and not life.ended_ns for life in self._lives.all()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def await_end(self, timeout_s: float) -> list[str]:
        """Until no program runs here; names of those that had to be killed. Ends the lease."""
        self._ending.set()
        self._asked.set()
        self._lives.wait(_all_ended, timeout_s)
        left = [life.program for life in self._lives.all() if not life.ended_ns]
        self._kill_all()
        return left

    def files(self, pattern: str) -> list[tuple[str, int]]:
        """What the programs have written, below the run's directory: names and bytes."""
        found = sorted(path for path in self._place.glob(pattern) if path.is_file())
        return [(str(path.relative_to(self._place)), path.stat().st_size) for path in found]

    def read(self, name: str, offset: int) -> bytes:
        """A piece of one of them."""
        with (self._place / name).open("rb") as file:
            file.seek(offset)
            return file.read(PIECE_BYTES)

    def leave(self) -> None:
        """Nothing of the cluster is left here."""
        self._lives.close()
        self._reaper.dismiss()

    def _keep_lease(self) -> None:
        while self._asked.wait(self.lease_s):
            if self._ending.is_set():
                return
            self._asked.clear()
        self._kill_all()
        os._exit(FENCED)  # The reaper does the rest.

    def _kill_all(self) -> None:
        for life in self._lives.all():
            if not life.ended_ns:
                with suppress(ProcessLookupError):
                    os.kill(life.pid, signal.SIGKILL)
        self._lives.wait(_all_ended, LEASE_S)


def _all_ended(lives: list[Life]) -> bool:
    return all(life.ended_ns for life in lives)


def _write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, data in files.items():
        descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
