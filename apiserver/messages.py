"""The facts that the API server's core is told, and the orders that it gives to its shell.

One of each carries a batch. Ids of requests and streams are chosen by the shell; a request that
opens a stream keeps its id as the id of the stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from api.merge import StoreEvent
from api.storage import StoreReply, StoreRequest


class User(NamedTuple):
    """Who asks, as the shell authenticated him."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


class Upgrade(NamedTuple):
    """What a request wants its connection to become."""

    protocol: str
    """The header Upgrade in lower case, as "websocket"."""
    subprotocols: tuple[str, ...] = ()
    """Offered, best first."""


class HttpRequest(NamedTuple):
    """One request as it came over HTTP, headers already looked up by lower-case name."""

    id: int
    user: User
    method: str
    path: str
    query: str
    body: bytes
    content_type: str = ""
    accept: str = ""
    user_agent: str = ""
    impersonate: User | None = None
    """Whom the headers Impersonate-User and Impersonate-Group name."""
    if_none_match: str = ""
    host: str = ""
    upgrade: Upgrade | None = None


class FrameCall(NamedTuple):
    """One request of a component: the words of ``api.calls`` with an id of the shell's."""

    id: int
    verb: str
    resource: str
    namespace: str
    name: str
    subresource: str
    query: str
    body: bytes | None
    content_type: str
    quiet: bool
    user_agent: str = ""
    """What the component called itself when it connected."""


class FrameWatch(NamedTuple):
    """A watch of a component. ``revision`` 0 asks for the present state first."""

    id: int
    resource: str
    namespace: str
    label_selector: str
    field_selector: str
    revision: int


class Answer(NamedTuple):
    """What one request gets."""

    code: int
    body: bytes
    revision: int = 0
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


# Events


@dataclass(frozen=True, slots=True)
class HttpArrived:
    """Requests came over HTTP."""

    requests: Sequence[HttpRequest]


@dataclass(frozen=True, slots=True)
class CallsArrived:
    """Calls came over frames."""

    calls: Sequence[FrameCall]


@dataclass(frozen=True, slots=True)
class WatchesArrived:
    """Watches were asked for over frames."""

    watches: Sequence[FrameWatch]


@dataclass(frozen=True, slots=True)
class StoreReplied:
    """Answers of a shard, parallel to the ids of the StoreCall. ``replies`` None: the connection
    was lost and the outcome of all of them is unknown."""

    shard: int
    ids: Sequence[int]
    replies: Sequence[StoreReply] | None


@dataclass(frozen=True, slots=True)
class StoreEvents:
    """``watch`` is the number with which the stream was opened."""

    shard: int
    watch: int
    events: Sequence[StoreEvent]
    watermark: int


@dataclass(frozen=True, slots=True)
class StoreStreamEnded:
    """``reason``: "compacted", "slow", or "lost" for a connection that broke."""

    shard: int
    watch: int
    reason: str


@dataclass(frozen=True, slots=True)
class StreamsClosed:
    """The readers of these streams, or the askers of these requests, are gone."""

    streams: Sequence[int]


@dataclass(frozen=True, slots=True)
class MessagesArrived:
    """Binary messages of one session's client, in order."""

    stream: int
    messages: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class StreamsBusy:
    """Much is unsent on these streams: go on with an initial state only once they are drained."""

    streams: Sequence[int]


@dataclass(frozen=True, slots=True)
class StreamsDrained:
    """Little is unsent on these streams."""

    streams: Sequence[int]


Event = (
    HttpArrived
    | CallsArrived
    | WatchesArrived
    | StoreReplied
    | StoreEvents
    | StoreStreamEnded
    | StreamsClosed
    | MessagesArrived
    | StreamsBusy
    | StreamsDrained
)


# Effects


@dataclass(frozen=True, slots=True)
class StoreCall:
    """Send these requests to a shard as one frame."""

    shard: int
    ids: Sequence[int]
    requests: Sequence[StoreRequest]


@dataclass(frozen=True, slots=True)
class OpenStoreWatch:
    """Open, or open again, the watch stream of a shard on everything, with previous values.

    ``watch`` numbers it. What is still under way of the stream before it, which the shell closes,
    then is not taken for its own."""

    shard: int
    watch: int
    start_revision: int


@dataclass(frozen=True, slots=True)
class Answers:
    """Two parallel sequences."""

    ids: Sequence[int]
    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """An HTTP watch was accepted: send 200 and keep the body open."""

    stream: int
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """An upgrade to a WebSocket was accepted, with this one of the subprotocols."""

    stream: int
    protocol: str


@dataclass(frozen=True, slots=True)
class SendMessages:
    """Sessions: send these binary messages. Two parallel sequences."""

    streams: Sequence[int]
    messages: Sequence[Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class StreamBytes:
    """HTTP watches: append these bytes to the bodies. Two parallel sequences."""

    streams: Sequence[int]
    chunks: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class StreamBodies:
    """Frame watches: send these bodies in order. Two parallel sequences."""

    streams: Sequence[int]
    bodies: Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class EndStreams:
    """End these streams. Two parallel sequences; an empty reason ends an HTTP body cleanly."""

    streams: Sequence[int]
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class Crashed:
    """A request met a bug of ours and was answered with 500: write it down."""

    request: int
    trace: str


Effect = (
    Crashed
    | StoreCall
    | OpenStoreWatch
    | Answers
    | StreamOpened
    | SessionOpened
    | SendMessages
    | StreamBytes
    | StreamBodies
    | EndStreams
)
