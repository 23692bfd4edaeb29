"""A WebSocket on an exchange that has left HTTP: binary messages in, binary messages out.

Frames are wsproto's business, bytes the connection's. Bounds: one message of MESSAGE_BYTES_MAX;
what is unsent is the reader's, who is cut off by the owner of the exchange.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token

from actors.net.exchange import Exchange

MESSAGE_BYTES_MAX: Final = 1 << 20
"""Of one message of a client; a longer one ends the connection with code 1009."""


def refusal_of(headers: Mapping[bytes, bytes]) -> str:
    """Why a request that names WebSocket cannot become one; empty when it can."""
    try:
        key = b64decode(headers.get(b"sec-websocket-key", b""), validate=True)
    except Base64Error:
        key = b""
    if len(key) != 16:
        return "Sec-WebSocket-Key must be 16 bytes in base64"
    if headers.get(b"sec-websocket-version", b"").strip() != b"13":
        return "Sec-WebSocket-Version must be 13"
    return ""


def subprotocols_of(listed: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """What a client offers, over all its headers of that name."""
    values = [value for name, value in listed if name == b"sec-websocket-protocol"]
    words = b",".join(values).decode("latin1").split(",")
    return tuple(word.strip() for word in words if word.strip())


class WebSocket:
    """An accepted one. ``on_messages`` gets whole messages, all of one read at once."""

    def __init__(
        self, exchange: Exchange, protocol: str, on_messages: Callable[[Sequence[bytes]], None]
    ) -> None:
        self._exchange = exchange
        self._frames = Connection(ConnectionType.SERVER)
        self._on_messages = on_messages
        self._parts: list[bytes] = []
        self._size = 0
        token = generate_accept_token(exchange.headers[b"sec-websocket-key"])
        head = b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %b\r\n" % token
        named = b"sec-websocket-protocol: %b\r\n" % protocol.encode()
        exchange.switch(head + named, self._arrived)

    def send(self, messages: Sequence[bytes]) -> None:
        if self._frames.state is ConnectionState.OPEN:
            frames = [self._frames.send(BytesMessage(data=one)) for one in messages]
            self._exchange.write(b"".join(frames))

    def close(self, code: int = CloseReason.NORMAL_CLOSURE) -> None:
        """Say goodbye and disconnect. Nobody waits for the client's answer."""
        if self._frames.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            self._exchange.write(self._frames.send(CloseConnection(code=code)))
        self._exchange.end()

    def _arrived(self, data: bytes) -> None:
        if self._frames.state is not ConnectionState.OPEN:
            return
        self._frames.receive_data(data)
        messages: list[bytes] = []
        for event in self._frames.events():
            match event:
                case BytesMessage() | TextMessage():
                    part = event.data
                    self._parts.append(part.encode() if isinstance(part, str) else bytes(part))
                    self._size += len(self._parts[-1])
                    if self._size > MESSAGE_BYTES_MAX:
                        self._end(CloseReason.MESSAGE_TOO_BIG)
                        return
                    if event.message_finished:
                        messages.append(b"".join(self._parts))
                        self._parts, self._size = [], 0
                case Ping():
                    self._exchange.write(self._frames.send(event.response()))
                case CloseConnection(code=code):
                    if messages:
                        self._on_messages(messages)
                    self._end(code)
                    return
                case _:
                    pass
        if messages:
            self._on_messages(messages)

    def _end(self, code: int) -> None:
        """The client is done, or did wrong: its owner hears that it is gone."""
        known = code if code in _SENDABLE else CloseReason.NORMAL_CLOSURE
        gone, self._exchange.on_gone = self._exchange.on_gone, None
        self.close(known)
        if gone is not None:
            gone()


_SENDABLE: Final = frozenset(
    (
        CloseReason.NORMAL_CLOSURE,
        CloseReason.GOING_AWAY,
        CloseReason.PROTOCOL_ERROR,
        CloseReason.INVALID_FRAME_PAYLOAD_DATA,
        CloseReason.MESSAGE_TOO_BIG,
    )
)
