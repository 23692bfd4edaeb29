"""One frame connection: bytes in, frames out, and back. Both peers use the same class.

Frames written during one turn of the event loop leave in one write. Each side notices a silent
peer with PING and PONG. What the frames mean is for actors.net.server and actors.net.client.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from actors.net.errors import InsecureAddress
from actors.turns import raise_in_loop
from api.frames import MAX_FRAME_BYTES, PING, PONG, Frame, FrameDecoder, FrameError, encoded_parts

HELLO_BYTES_MAX: Final = 4096
"""A peer that has not shown its token can make us hold no more than this."""
KEEPALIVE_MISSES_MAX: Final = 4
WRITE_HIGH_BYTES: Final = 1 << 20
"""With more than this unsent, a server stops reading the calls of the peer that does not read."""
WRITE_LOW_BYTES: Final = 1 << 18
JOIN_BYTES_MAX: Final = 1 << 16
"""More than this is not copied together: the transport gathers it."""
MAGIC: Final = "hollowfleet"


@dataclass(frozen=True, slots=True)
class FrameOptions:
    """Bounds of a frame port; the defaults suit every program of a cluster."""

    frame_bytes_max: int = MAX_FRAME_BYTES
    backlog_bytes_max: int = 64 << 20
    """Unsent bytes of one connection above which a stream's send() says False."""
    calls_pending_max: int = 1 << 16
    """Per connection, on both sides."""
    connections_max: int = 4096
    handshake_s: float = 10.0
    keepalive_s: float = 15.0
    """A peer silent for this long is asked, and dropped after KEEPALIVE_MISSES_MAX of it."""
    back_off_s: tuple[float, float] = (0.05, 2.0)
    """First and longest pause between attempts to connect; it doubles."""
    ssl_context: ssl.SSLContext | None = None


class Link(asyncio.Protocol):
    """A connection that carries frames.

    ``on_frames(frames)`` gets what came in, ``on_end(reason)`` comes exactly once.
    """

    def __init__(
        self,
        options: FrameOptions,
        on_frames: Callable[[list[Frame]], None],
        on_end: Callable[[str], None],
        *,
        pauses: bool,
    ) -> None:
        """``pauses``: stop reading while the peer does not read (servers only, so that two peers
        never wait for each other)."""
        self.options = options
        self._on_frames = on_frames
        self._on_end = on_end
        self._pauses = pauses
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._decoder = FrameDecoder(min(HELLO_BYTES_MAX, options.frame_bytes_max))
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._drained: list[Callable[[], None]] = []
        self._full = False
        self._flush_due = False
        self.gathered: Callable[[], None] | None = None
        """Asked at each flush to write what its owner has gathered, behind all else."""
        self._reason = ""
        self._heard = True
        self._misses = 0
        self._keepalive: asyncio.TimerHandle | None = None
        self._off = False

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._reason

    @property
    def backlog_bytes(self) -> int:
        """Bytes that this process still holds for the peer."""
        if self._transport is None:
            return self._out_bytes
        return self._out_bytes + self._transport.get_write_buffer_size()

    def trust(self) -> None:
        """The handshake is done: full-sized frames from here on, and keepalive."""
        if self._decoder.buffered_bytes:
            self.fail("bytes before the end of the handshake")
            return
        self._decoder = FrameDecoder(self.options.frame_bytes_max)
        self._keepalive = self._loop.call_later(self.options.keepalive_s, self._tick)

    def receive(self, on_frames: Callable[[list[Frame]], None]) -> None:
        """From the next bytes on, frames go to ``on_frames``."""
        self._on_frames = on_frames

    def write(self, frame: Frame) -> None:
        """Queue a frame for the end of this turn; nothing happens on a closed link. FrameError
        when it is too large or cannot be packed."""
        length, packed = encoded_parts(frame, self.options.frame_bytes_max)
        self.write_packed(length)
        self.write_packed(packed)

    def write_packed(self, packed: bytes) -> None:
        """Queue a frame that is encoded already, or a part of it."""
        if self._reason:
            return
        self._out.append(packed)
        self._out_bytes += len(packed)
        if not self._flush_due:
            self.flush_soon()

    def flush_soon(self) -> None:
        """Flush at the end of this turn."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, in a later turn, when little is left unsent; never after the end."""
        self._drained.append(callback)
        self._loop.call_soon(self._check_drained)

    def close(self, reason: str) -> None:
        """Send what is queued, then close."""
        if not self._reason:
            self.flush()
            self._reason = reason
            if self._transport is not None:
                self._transport.close()

    def cut_off(self, off: bool) -> None:
        """Read and write nothing from now on; or go on with all that has waited. Of the peer, that
        it is gone is heard only then."""
        if off == self._off:
            return
        self._off = off
        if self._transport is None or self._transport.is_closing():
            return
        if off:
            self._transport.pause_reading()
        else:
            self._go_on_reading()
            self.flush()

    def fail(self, reason: str) -> None:
        """Close at once; what is queued is lost."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport without its name.
        self._transport = cast(asyncio.Transport, transport)
        if self._reason:
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(WRITE_HIGH_BYTES, WRITE_LOW_BYTES)
        if self._off:
            self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._reason:
            return
        try:
            frames = self._decoder.feed(data)
        except FrameError as error:
            self.fail(str(error))
            return
        if frames:
            try:
                self._on_frames(frames)
            # The supervisor's edge: the loop would close this connection and go on with whatever
            # was left half-done.
            except Exception as bug:
                self.fail(f"internal error: {type(bug).__name__}: {bug}")
                raise_in_loop(bug)

    def eof_received(self) -> None:
        try:
            self._decoder.finish()
        except FrameError as error:
            self._reason = self._reason or str(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._keepalive is not None:
            self._keepalive.cancel()
        reason = self._reason or (str(exc) if exc else "closed by the peer")
        self._reason = reason
        self._transport = None
        self._drained.clear()
        self._out.clear()
        self._out_bytes = 0
        on_end = self._on_end
        # Whoever made this link holds it, and these hold him: nothing else would free the two.
        self._on_frames = self._on_end = _nobody_cares
        self.gathered = None
        on_end(reason)

    def pause_writing(self) -> None:
        self._full = True
        if self._pauses and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        if self._transport is None or self._transport.is_closing():
            return
        self._go_on_reading()
        self._tell_drained()

    def _go_on_reading(self) -> None:
        """Unless there is a reason not to."""
        if self._transport is not None and not self._off and not (self._pauses and self._full):
            self._transport.resume_reading()

    def answer_ping(self) -> None:
        self.write(Frame(PONG, 0))

    def flush(self) -> None:
        """Hand what is queued to the transport now."""
        if self.gathered is not None:
            self._flush_due = True
            self.gathered()
        self._flush_due = False
        if self._transport is None or not self._out or self._off:
            return
        out, size = self._out, self._out_bytes
        self._out, self._out_bytes = [], 0
        if size > JOIN_BYTES_MAX:
            self._transport.writelines(out)
        else:
            self._transport.write(b"".join(out))
        if self._drained:
            self._loop.call_soon(self._check_drained)

    def _check_drained(self) -> None:
        # The kernel may have taken so much at once that the transport never paused us: then no
        # resume will come, and whoever waits is told here, a turn after the write.
        if not self._full and not self._out:
            self._tell_drained()

    def _tell_drained(self) -> None:
        waiting, self._drained = self._drained, []
        for callback in waiting:
            callback()

    def _tick(self) -> None:
        """One tick a period, however late: a stall of our own loop counts as one miss at most."""
        self._misses = 0 if self._heard else self._misses + 1
        if self._misses >= KEEPALIVE_MISSES_MAX:
            self.fail(f"silent for {self._misses * self.options.keepalive_s:g} s")
            return
        if not self._heard:
            self.write(Frame(PING, 0))
        self._heard = False
        self._keepalive = self._loop.call_later(self.options.keepalive_s, self._tick)


def _nobody_cares(_: object) -> None:
    """Of a link that has ended."""


def split_address(address: str) -> tuple[str, int]:
    """("127.0.0.1", 7001) from "127.0.0.1:7001" or "[::1]:7001". ValueError otherwise."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdecimal():
        raise ValueError(f"{address!r} is not an address of the form host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def require_safe(host: str, ssl_context: ssl.SSLContext | None) -> None:
    """InsecureAddress unless ``host`` is loopback or there is TLS."""
    if ssl_context is None and not _is_loopback(host):
        raise InsecureAddress(f"{host} is not a loopback address: frames to it need TLS")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
