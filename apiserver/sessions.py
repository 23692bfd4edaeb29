"""Streams that belong to a container: a command that runs in it, a log that is followed.

Both end with their container. A command speaks the channels of remotecommand: the first byte of
each message says which stream it is of, and the last message is a Status with the exit code.

Source: k8s.io/apimachinery/pkg/util/remotecommand/constants.go, k8s.io/kubelet/pkg/cri/streaming/
remotecommand/{websocket,exec}.go at v0.36.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from api.calls import DELETED
from api.core import JsonObject
from api.errors import InternalError
from apiserver.containers import status_of
from apiserver.hollow_exec import Outcome
from apiserver.hollow_log import LogOptions, log_lines, written
from apiserver.messages import (
    Effect,
    EndStreams,
    SendMessages,
    SessionOpened,
    StreamBytes,
    StreamOpened,
)
from apiserver.recent import CacheEvent

V5: Final = "v5.channel.k8s.io"
PROTOCOLS: Final = (V5, "v4.channel.k8s.io")
"""Subprotocols of the WebSocket that are spoken here, best first."""
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE: Final = 255
IDLE_NS: Final = 4 * 3600 * 10**9
"""Longest life of a session. Source: streamingConnectionIdleTimeout of the kubelet, which counts
from the last byte."""
KILLED: Final = 137


@dataclass(slots=True)
class OpenedLog:
    """What a request to follow a log came to."""

    id: int
    key: bytes
    """Of the pod, in the cache."""
    uid: str
    container: str
    options: LogOptions
    body: bytes
    content_type: str


@dataclass(slots=True)
class OpenedCommand:
    """What a request to run a command came to."""

    id: int
    key: bytes
    uid: str
    container: str
    protocol: str
    command: tuple[str, ...]
    outcome: Outcome | None
    """None: there is no such program."""
    streams: frozenset[int]
    """Channels that the client asked for."""


OpenedSession = OpenedLog | OpenedCommand


class Sessions:
    """All open sessions."""

    def __init__(self) -> None:
        self._by_id: dict[int, OpenedSession] = {}
        self._by_pod: dict[bytes, dict[int, None]] = {}
        self._ends: dict[int, int] = {}
        """When each is over at the latest: in order, as all live equally long."""
        self._out: list[Effect] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def open(self, opened: OpenedSession, now_ns: int) -> None:
        """Answers the upgrade, and runs what it asked for or waits for input."""
        self._by_id[opened.id] = opened
        self._by_pod.setdefault(opened.key, {})[opened.id] = None
        self._ends[opened.id] = now_ns + IDLE_NS
        if isinstance(opened, OpenedLog):
            self._out.append(StreamOpened(opened.id, opened.content_type))
            self._out.append(StreamBytes((opened.id,), (opened.body,)))
            return
        self._out.append(SessionOpened(opened.id, opened.protocol))
        outcome = opened.outcome
        if outcome is None:
            self._finish(opened, no_such_program(opened.command[0]))
            return
        self._say(opened, STDOUT, outcome.stdout)
        self._say(opened, STDERR, outcome.stderr)
        if outcome.code is not None:
            self._exit(opened, outcome.code)

    def said(self, stream: int, messages: Sequence[bytes]) -> None:
        """A client's messages. Only a command that repeats its input is still there to hear."""
        session = self._by_id.get(stream)
        if not isinstance(session, OpenedCommand):
            return
        for message in messages:
            if message[:1] == bytes((STDIN,)) and STDIN in session.streams:
                self._say(session, STDOUT, message[1:])
            elif message == bytes((CLOSE, STDIN)) and session.protocol == V5:
                self._exit(session, 0)
                return

    def close(self, stream: int) -> None:
        """The client is gone, or the session is over."""
        session = self._by_id.pop(stream, None)
        if session is not None:
            del self._ends[stream]
            others = self._by_pod[session.key]
            del others[stream]
            if not others:
                del self._by_pod[session.key]

    def happened(self, event: CacheEvent) -> None:
        """A pod has changed: sessions end with their containers."""
        for stream in list(self._by_pod.get(event.record.key, ())):
            session = self._by_id[stream]
            pod = event.record.object()
            state: JsonObject = status_of(pod, session.container).get("state") or {}
            gone = event.type == DELETED or event.record.uid != session.uid
            if not gone and "running" in state:
                continue
            if isinstance(session, OpenedCommand):
                self._exit(session, KILLED)
            else:
                self._end_log(session, pod, {} if gone else state)

    def next_wakeup_ns(self) -> int | None:
        """When the one that was idle longest ends."""
        return next(iter(self._ends.values()), None)

    def effects(self, now_ns: int) -> list[Effect]:
        """What is to be sent now. Empties the queue."""
        while self._ends:
            stream, end_ns = next(iter(self._ends.items()))
            if end_ns > now_ns:
                break
            self._end(stream)
        out, self._out = self._out, []
        return out

    def _say(self, session: OpenedCommand, channel: int, data: bytes) -> None:
        if data and channel in session.streams:
            self._out.append(SendMessages((session.id,), ((bytes((channel,)) + data,),)))

    def _exit(self, session: OpenedCommand, code: int) -> None:
        self._finish(session, exit_status(session.command, code))

    def _finish(self, session: OpenedCommand, status: JsonObject) -> None:
        last = bytes((ERROR,)) + orjson.dumps(status)
        self._out.append(SendMessages((session.id,), ((last,),)))
        self._end(session.id)

    def _end_log(self, session: OpenedLog, pod: JsonObject, state: JsonObject) -> None:
        """With the line of the end, if the kubelet told of one."""
        if "terminated" in state:
            container = {"name": session.container}
            last = log_lines(pod, container, state)[-1:]
            tail = session.options._replace(tail_lines=None)
            self._out.append(StreamBytes((session.id,), (written(last, tail),)))
        self._end(session.id)

    def _end(self, stream: int) -> None:
        self._out.append(EndStreams((stream,), ("",)))
        self.close(stream)


def no_such_program(name: str) -> JsonObject:
    """The Status of a command that the container does not know."""
    why = f'exec: "{name}": executable file not found in $PATH'
    return InternalError(f"error executing command in container: {why}").status()


def exit_status(command: Sequence[str], code: int) -> JsonObject:
    """The last message of a command."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    why = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {why}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
