"""One request over HTTP and its answer, as who answers it sees them.

What becomes of both on the wire is the connection's business (``actors.net.connection``).
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.net.unsent import unsent_bytes

if TYPE_CHECKING:
    from actors.net.connection import Connection

Header = tuple[bytes, bytes]


class Exchange:
    """One request and its answer. Call ``answer`` once, or ``start``, ``write`` ..., ``end``."""

    __slots__ = (
        "_connection",
        "body",
        "certificate",
        "gone",
        "headers",
        "keep_alive",
        "listed",
        "method",
        "on_drained",
        "on_gone",
        "oversized",
        "target",
    )

    def __init__(
        self, connection: "Connection", method: bytes, target: bytes, listed: list[Header]
    ) -> None:
        self._connection = connection
        self.certificate = connection.certificate
        """What the client showed and the handshake verified, as ``ssl`` words it."""
        self.method = method
        self.target = target
        """Path and query, as sent."""
        self.listed = listed
        """All headers in order, names in lower case."""
        self.headers: dict[bytes, bytes] = dict(listed)
        """The last one of each name."""
        self.body = b""
        self.oversized = False
        """The body was too large and is not here."""
        self.keep_alive = True
        self.gone = False
        """Nothing can be written any more: the client left or the stream was cut."""
        self.on_gone: Callable[[], None] | None = None
        """Called if the client leaves before the answer is complete."""
        self.on_drained: Callable[[], None] | None = None
        """Called once, when little is unsent again."""

    def answer(self, code: int, headers: bytes, body: bytes) -> None:
        """``headers``: lines, each with its CRLF, besides date, length and connection."""
        if not self.gone:
            self._connection.answer(self, code, headers, body)

    def start(self, code: int, headers: bytes) -> None:
        """Begin a stream of chunks."""
        if not self.gone:
            self._connection.start(self, code, headers)

    def write(self, chunk: bytes) -> bool:
        """False when much is unsent: see ``backlog_bytes``."""
        return self.gone or not chunk or self._connection.write(chunk)

    def switch(self, headers: bytes, on_data: Callable[[bytes], None]) -> None:
        """Leave HTTP with a 101, if the client asked for it: from here on ``write`` sends bytes as
        they are, and ``on_data`` gets what comes."""
        if not self.gone:
            self._connection.switch(self, headers, on_data)

    def await_room(self, then: Callable[[], None]) -> None:
        """Call back once, in a later turn, when there is room for more."""
        self.on_drained = then
        asyncio.get_running_loop().call_soon(self._connection.tell_drained)

    def end(self) -> None:
        """Complete a stream."""
        if not self.gone:
            self._connection.end(self)

    def abort(self) -> None:
        """Cut the connection: what is unsent is lost."""
        if not self.gone:
            self.gone = True
            self._connection.abort()

    @property
    def backlog_bytes(self) -> int:
        return 0 if self.gone else self._connection.backlog_bytes

    @property
    def unsent_bytes(self) -> int:
        return 0 if self.gone else unsent_bytes(self._connection.transport)
