"""What a connection knows of the server that it belongs to, and the bounds on its client."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from actors.net.large_answers import LargeAnswers

if TYPE_CHECKING:
    from actors.net.connection import Connection
    from actors.net.exchange import Exchange


@dataclass(frozen=True, slots=True)
class HttpsBounds:
    """What a client may take from us before its request is complete. Seconds and bytes."""

    head_s: float = 10.0
    """From the first byte (or from the connection) to the end of the headers."""
    body_s: float = 60.0
    """From the end of the headers to the end of the body. Source: --request-timeout of
    kube-apiserver is 60 s for all of a request."""
    handshake_s: float = 10.0
    idle_s: float = 120.0
    """A connection without a request."""
    head_bytes_max: int = 64 * 1024
    body_bytes_max: int = 3 * 1024 * 1024
    """Source: DefaultMaxRequestBodyBytes, apiserver/pkg/server/config.go."""
    dropped_bytes_max: int = 32 * 1024 * 1024
    """A body over ``body_bytes_max`` is read and dropped up to here, so that its sender hears why;
    beyond it the connection is closed."""
    owed_bytes_max: int = 2 << 30
    """Of large answers that readers have not taken, together: see actors.net.large_answers."""
    connections_max: int = 20_000
    backlog: int = 2048


class Host(Protocol):
    """The server that a connection belongs to."""

    bounds: HttpsBounds
    date: bytes
    """The value of the Date header now."""
    refused: int
    requests: int
    bulky_bodies: int
    """Large ones that have come or gone so far."""
    large: LargeAnswers
    last_chunk: bytes
    """What some stream was given last, and how that is framed: many get the same."""
    last_framed: bytes
    handle: "Callable[[Exchange], None]"

    def time(self) -> float: ...
    def opened(self, connection: "Connection") -> bool:
        """Whether there is room for it."""
        ...

    def closed(self, connection: "Connection") -> None: ...
