"""The frame codec: what one peer writes is what the other reads, or a FrameError.

A frame is a msgpack array ``[version, kind, stream, deadline_ns, trace, epoch, credit, body]``
after its length in four big-endian bytes. Frames are bounded in both directions, so a hostile or
broken peer costs at most ``max_bytes`` of memory.

What many calls or streams have in common is said once (ADR 14):

    CALL   stream: number of the first call   body: [body, ...] of calls numbered one by one
    REPLY  stream: 0                          body: [[number, ...], [body, ...]]
    ITEMS  stream: 0                          body: [[stream, ...], body] for all of these

That the bodies of these three have this shape is checked here; what calls and items say is not.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

FRAME_VERSION = 2
MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Default bound of a frame without its length: room for a batch of 3 MiB objects."""
HEADER_BYTES = 4

(
    HELLO,
    WELCOME,
    REFUSED,
    CALL,
    REPLY,
    ERROR,
    OPEN,
    ITEM,
    END,
    CLOSE,
    CREDIT,
    PING,
    PONG,
    ITEMS,
) = range(14)
"""Kinds of frames. HELLO, WELCOME and REFUSED are the handshake; CALL is answered by REPLY or
ERROR; OPEN starts a stream of ITEM and ITEMS that the server ENDs or the client CLOSEs."""
BATCHES = (CALL, REPLY, ITEMS)
KIND_NAMES = (
    "HELLO",
    "WELCOME",
    "REFUSED",
    "CALL",
    "REPLY",
    "ERROR",
    "OPEN",
    "ITEM",
    "END",
    "CLOSE",
    "CREDIT",
    "PING",
    "PONG",
    "ITEMS",
)

_LENGTH = struct.Struct(">I")
_FIELDS = 8
_HEAD_BYTES_MAX = 48
"""Most bytes of a frame apart from bodies that were packed before: seven fields and the head of
an array."""
_INT64 = 1 << 63
_INT = frozenset((int,))


class FrameError(ValueError):
    """The bytes of a peer are no frames. The connection cannot go on."""


class Frame(NamedTuple):
    """One message between two peers, without its version."""

    kind: int
    stream: int
    """Number of the call or stream, chosen by its opener; 0 for the connection itself."""
    body: Any = None
    """Whatever msgpack carries: None, bool, int, float, str, bytes, list, dict of str keys."""
    deadline_ns: int = 0
    """Nanoseconds left, when it was sent, until the answer is worthless; 0: no deadline. Relative,
    because the clocks of two hosts differ."""
    trace: bytes | None = None
    epoch: int = 0
    """Epoch of the sender's shard map."""
    credit: int = 0
    """Items that the sender may still take."""


_packer = msgpack.Packer()
"""Kept for its buffer: a new one for each frame doubles the cost."""


def encode(frame: Frame, max_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """The wire form of a frame. FrameError when it is too large or cannot be packed. Cost: 1 µs
    plus two copies of the body."""
    return b"".join(encoded_parts(frame, max_bytes))


def encoded_parts(frame: Frame, max_bytes: int = MAX_FRAME_BYTES) -> tuple[bytes, bytes]:
    """The same as its length and the rest: one copy less."""
    kind, stream, body, deadline_ns, trace, epoch, credit = frame
    packed = _packed([FRAME_VERSION, kind, stream, deadline_ns, trace, epoch, credit, body])
    if len(packed) > max_bytes:
        raise FrameError(f"frame of {len(packed)} bytes is over the limit of {max_bytes}")
    return _LENGTH.pack(len(packed)), packed


def packed_body(body: object, max_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """A body for ``encode_calls`` or ``encode_items``. FrameError when no frame can hold it."""
    packed = _packed(body)
    if len(packed) + _HEAD_BYTES_MAX > max_bytes:
        raise FrameError(f"frame of {len(packed)} bytes is over the limit of {max_bytes}")
    return packed


def encode_calls(first: int, bodies: Sequence[bytes], deadline_ns: int) -> bytes:
    """One frame for the calls ``first``, ``first`` + 1 ..., with their packed bodies. It is as long
    as the bodies and _HEAD_BYTES_MAX at most."""
    count: bytes = _packer.pack_array_header(len(bodies))
    return _framed(CALL, first, deadline_ns, (count, *bodies))


def encode_items(streams: Sequence[int], body: bytes) -> bytes:
    """One frame that brings one packed body to many streams."""
    return _framed(ITEMS, 0, 0, (b"\x92", _packed(streams), body))


def _framed(kind: int, stream: int, deadline_ns: int, body: Sequence[bytes]) -> bytes:
    """A frame whose body is packed already, in parts."""
    head = _packed([FRAME_VERSION, kind, stream, deadline_ns, None, 0, 0])
    # The head is an array of 7: with the body behind it, it is one of 8.
    parts = [b"\x98", head[1:], *body]
    return b"".join([_LENGTH.pack(sum(map(len, parts))), *parts])


def _packed(value: object) -> bytes:
    try:
        packed: bytes = _packer.pack(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"body cannot be packed: {error}") from error
    return packed


class FrameDecoder:
    """Turns the bytes of one connection into frames, however they were cut.

    After a FrameError the decoder is dead: each later call raises the same error.
    """

    __slots__ = ("_error", "_max_bytes", "_rest")

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        assert max_bytes > 0
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._error: str | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes of a frame that is not complete yet. Below ``max_bytes`` plus one ``feed``."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """Take what the socket gave; return the frames that are now complete, in order."""
        if self._error is not None:
            raise FrameError(self._error)
        try:
            if self._rest:
                self._rest += data
                if not self._has_frame():
                    return []
                data = bytes(self._rest)
                self._rest.clear()
            return self._split(data)
        except FrameError as error:
            self._error = str(error)
            raise

    def finish(self) -> None:
        """The peer closed: FrameError when it did so in the middle of a frame."""
        if self._error is None and self._rest:
            self._error = f"truncated frame: connection closed after {len(self._rest)} bytes of it"
        if self._error is not None:
            raise FrameError(self._error)

    def _split(self, data: bytes) -> list[Frame]:
        frames = []
        at, end = 0, len(data)
        view = memoryview(data)
        while end - at >= HEADER_BYTES:
            start = at + HEADER_BYTES
            length = self._length(data, at)
            if end - start < length:
                break
            at = start + length
            frames.append(_parse(view[start:at]))
        if at < end:
            self._rest += view[at:]
        return frames

    def _has_frame(self) -> bool:
        rest = self._rest
        return len(rest) >= HEADER_BYTES and len(rest) >= HEADER_BYTES + self._length(rest, 0)

    def _length(self, data: bytes | bytearray, at: int) -> int:
        length: int = _LENGTH.unpack_from(data, at)[0]
        if length > self._max_bytes:
            raise FrameError(f"frame of {length} bytes is over the limit of {self._max_bytes}")
        return length


def _is_batch(kind: int, body: Any) -> bool:
    if type(body) is not list:
        return False
    if kind == CALL:
        return True
    if len(body) != 2 or type(body[0]) is not list or not _INT.issuperset(map(type, body[0])):
        return False
    return kind == ITEMS or (type(body[1]) is list and len(body[0]) == len(body[1]))


def _parse(packed: memoryview) -> Frame:
    try:
        fields = msgpack.unpackb(packed)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FrameError(f"malformed frame: {error}") from error
    if type(fields) is not list or len(fields) != _FIELDS:
        raise FrameError("malformed frame: not an array of 8")
    version, kind, stream, deadline_ns, trace, epoch, credit, body = fields
    if version != FRAME_VERSION:
        raise FrameError(f"frame version {version!r} is not spoken here, only {FRAME_VERSION}")
    counts = (kind, stream, deadline_ns, epoch, credit)
    if not _INT.issuperset(map(type, counts)) or min(counts) < 0 or max(counts) >= _INT64:
        wrong = next(one for one in counts if type(one) is not int or not 0 <= one < _INT64)
        raise FrameError(f"malformed frame: {wrong!r} is no count")
    if kind >= len(KIND_NAMES):
        raise FrameError(f"malformed frame: unknown kind {kind}")
    if trace is not None and type(trace) is not bytes:
        raise FrameError("malformed frame: the trace id is neither bytes nor nil")
    if kind in BATCHES and not _is_batch(kind, body):
        raise FrameError(f"malformed frame: not the body of {KIND_NAMES[kind]}")
    return Frame(kind, stream, body, deadline_ns, trace, epoch, credit)
