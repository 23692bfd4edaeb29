"""When each program's process began, served and died.

A process holds a connection to the supervisor for as long as it lives, so its death is heard at
once, however it died, and without asking anybody. The name is an abstract Unix one: nothing on a
disk is left of it. Who may speak is told by the kernel (SO_PEERCRED), and so is the pid. Linux.
"""

import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

NAME_BYTES_MAX = 200
BACKLOG = 1024
UP = b"\n"
"""What a program says once it serves; before it came its name and NAMED."""
NAMED = b"\x00"
_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Life:
    """One process of a program. Times are wall clock ns, 0: has not happened."""

    program: str
    pid: int
    began_ns: int
    up_ns: int = 0
    """It recovered what it keeps and serves."""
    ended_ns: int = 0
    machine: str = ""
    """Address of its machine; empty: that of the supervisor, or of who tells."""
    lost: bool = False
    """It ended with its machine, and so did what it kept there."""


@dataclass(slots=True)
class _Speaker:
    connection: socket.socket
    pid: int
    heard: bytes = b""
    number: int = -1
    """Of its life in the list; -1: it has not said its name."""


class Lives:
    """The supervisor's side. ``close`` ends it; deaths after that are not heard."""

    def __init__(self, cluster_id: str) -> None:
        """OSError: another supervisor has this cluster."""
        self._lives: list[Life] = []
        self._elsewhere: dict[str, list[Life]] = {}
        """By who told of them."""
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(_address(cluster_id))
        self._listener.listen(BACKLOG)
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="lives", daemon=True)
        self._thread.start()

    def all(self) -> list[Life]:
        """Every life so far, in order of their beginnings."""
        with self._changed:
            return self._all()

    def _all(self) -> list[Life]:
        if not self._elsewhere:
            return list(self._lives)
        lives = [*self._lives, *chain.from_iterable(self._elsewhere.values())]
        return sorted(lives, key=lambda life: (life.began_ns, life.machine, life.pid))

    def told(self, by: str, machine: str, lives: Sequence[Life]) -> None:
        """What another has heard on a machine, all of it so far. Its clock is not ours: what is
        new happened now. None at all: it is lost, and what lived there is dead."""
        now_ns = time.time_ns()
        with self._changed:
            known = self._elsewhere.get(by, [])
            if not lives:
                lives = [
                    life if life.ended_ns else replace(life, ended_ns=now_ns, lost=True)
                    for life in known
                ]
            self._elsewhere[by] = [
                _by_our_clock(replace(life, machine=machine), known[i : i + 1], now_ns)
                for i, life in enumerate(lives)
            ]
            self._changed.notify_all()

    def wait(self, holds: Callable[[list[Life]], bool], timeout_s: float) -> bool:
        """Until the lives are so; False when the time was up before."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self._all()), timeout_s)

    def close(self) -> None:
        """Idempotent."""
        self._end.close()
        self._thread.join()

    def _run(self) -> None:
        with selectors.DefaultSelector() as ready, self._listener, self._ended:
            ready.register(self._listener, selectors.EVENT_READ)
            ready.register(self._ended, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is self._ended:
                        for other in list(ready.get_map().values()):
                            if isinstance(other.data, _Speaker):
                                other.data.connection.close()
                        return
                    if key.fileobj is self._listener:
                        self._accept(ready)
                    else:
                        self._hear(ready, key.data)

    def _accept(self, ready: selectors.BaseSelector) -> None:
        connection, _ = self._listener.accept()
        option = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, user, _ = _CREDENTIALS.unpack(option)
        if user != os.getuid():
            connection.close()
            return
        connection.setblocking(False)
        ready.register(connection, selectors.EVENT_READ, _Speaker(connection, pid))

    def _hear(self, ready: selectors.BaseSelector, speaker: _Speaker) -> None:
        try:
            data = speaker.connection.recv(NAME_BYTES_MAX)
        except ConnectionResetError:
            data = b""
        now_ns = time.time_ns()
        speaker.heard += data
        with self._changed:
            if speaker.number < 0 and NAMED in speaker.heard:
                name, _, speaker.heard = speaker.heard.partition(NAMED)
                speaker.number = len(self._lives)
                self._lives.append(Life(name.decode(), speaker.pid, now_ns))
            if speaker.number >= 0:
                life = self._lives[speaker.number]
                if UP in speaker.heard and not life.up_ns:
                    life = replace(life, up_ns=now_ns)
                if not data:
                    life = replace(life, ended_ns=now_ns)
                self._lives[speaker.number] = life
                speaker.heard = b""
            self._changed.notify_all()
        if not data or len(speaker.heard) > NAME_BYTES_MAX:
            ready.unregister(speaker.connection)
            speaker.connection.close()


class Pulse:
    """The program's side: alive from here to the end of the process."""

    def __init__(self, cluster_id: str, program: str) -> None:
        """OSError: there is no supervisor."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(_address(cluster_id))
        self._socket.sendall(program.encode() + NAMED)

    def up(self) -> None:
        """The program serves. A supervisor that is gone does not hear it, and nobody else asks."""
        try:
            self._socket.sendall(UP)
        except (BrokenPipeError, ConnectionResetError):
            pass


def _by_our_clock(life: Life, known: Sequence[Life], now_ns: int) -> Life:
    """A life of another machine, of which we may have known before."""
    before = known[0] if known else Life(life.program, life.pid, now_ns)
    return replace(
        life,
        began_ns=before.began_ns,
        up_ns=before.up_ns or (now_ns if life.up_ns else 0),
        ended_ns=before.ended_ns or (now_ns if life.ended_ns else 0),
    )


def _address(cluster_id: str) -> str:
    return f"\0hollowfleet-{cluster_id}"
