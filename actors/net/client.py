"""The calling side of the frame port: one connection to a named program, kept open.

Calls made while there is no connection wait for it until their time-out. When a connection breaks,
calls that were sent fail with PeerLost and streams end with "lost"; the address is then asked
again, because a restarted program may have moved.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from actors.net.errors import (
    CallTimeout,
    InsecureAddress,
    NetError,
    PeerError,
    PeerLost,
    PeerRefused,
    TooManyCalls,
)
from actors.net.link import MAGIC, FrameOptions, Link, require_safe, split_address
from actors.net.tls import FRAMES_NAME, frames_ssl_context
from actors.plan import Security
from actors.program import Resolve
from api.frames import (
    CLOSE,
    END,
    ERROR,
    FRAME_VERSION,
    HELLO,
    ITEM,
    ITEMS,
    OPEN,
    PING,
    PONG,
    REFUSED,
    REPLY,
    WELCOME,
    Frame,
    FrameError,
    encode,
    encode_calls,
    packed_body,
)

T = TypeVar("T")
Heard = Callable[[Any, NetError | FrameError | None], None]
"""Told the answer to a call, or why there is none."""

CALL_TIMEOUT_S = 30.0
CALLS_BYTES_MAX = 1 << 18
"""Calls of one turn share a frame up to this size."""
CLOSE_S = 2.0
"""How long a closing client waits for the peer to take what was sent."""


class ClientStream:
    """An open stream. ``on_body(body)`` for each item, ``on_end(reason)`` once: what the server
    said, "lost" or "refused: REASON". Nothing comes after ``close``."""

    __slots__ = ("_client", "body", "id", "on_body", "on_end", "open")

    def __init__(
        self,
        client: "FrameClient",
        body: object,
        on_body: Callable[[Any], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._client = client
        self.body = body
        self.on_body = on_body
        self.on_end = on_end
        self.id = 0
        self.open = True

    def close(self) -> None:
        if self.open:
            self.open = False
            self._client.forget(self)


class FrameClient:
    """A connection to the program ``name`` that repairs itself. Needs a running loop.

    ``resolve(name)`` gives its address; it may raise OSError or LookupError while there is none.
    """

    def __init__(
        self,
        name: str,
        security: Security,
        resolve: Resolve,
        identity: str,
        options: FrameOptions | None = None,
    ) -> None:
        self.name = name
        self._security = security
        self._resolve = resolve
        self._identity = identity
        self._options = options or FrameOptions(
            ssl_context=frames_ssl_context(security, server=False)
        )
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._next = 0
        self._pending: dict[int, tuple[Heard, float]] = {}
        self._streams: dict[int, ClientStream] = {}
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._gathered: list[bytes] = []
        """Bodies of the calls made in this turn, numbered up to ``_next``."""
        self._gathered_bytes = 0
        self._gathered_timeout_s = 0.0
        self._ended: asyncio.Future[str] | None = None
        self._welcomed: list[asyncio.Future[None]] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0
        self._trouble = "not connected yet"
        self._closed = False
        self._reachable = asyncio.Event()
        """Unset while this program is cut off."""
        self._reachable.set()
        self.connections = 0
        self.timeouts = 0

    @property
    def connected(self) -> bool:
        return self._link is not None

    def gauges(self) -> dict[str, float]:
        prefix = f"peer_{self.name}"
        return {
            f"{prefix}_connected": float(self.connected),
            f"{prefix}_connections_total": self.connections,
            f"{prefix}_calls_pending": len(self._pending),
            f"{prefix}_timeouts_total": self.timeouts,
        }

    async def connect(self, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Return once the peer has welcomed us. PeerRefused, CallTimeout."""
        if self._link is not None:
            return
        self._keep()
        welcomed: asyncio.Future[None] = self._loop.create_future()
        self._welcomed.append(welcomed)
        try:
            await asyncio.wait_for(welcomed, timeout_s)
        except TimeoutError:
            raise CallTimeout(f"{self.name}: {self._trouble}") from None

    async def call(self, body: object, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """The answer to one call. PeerLost, CallTimeout, PeerError, TooManyCalls; FrameError when
        the body is too large or cannot be packed."""
        return await self.send(body, timeout_s)

    def send(self, body: object, timeout_s: float = CALL_TIMEOUT_S) -> asyncio.Future[Any]:
        """The same, without a coroutine: the errors of a call arrive in the future."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self.ask(body, partial(_answered, future), timeout_s)
        return future

    def ask(
        self,
        body: object,
        heard: Heard,
        timeout_s: float = CALL_TIMEOUT_S,
        *,
        at_once: bool = False,
    ) -> None:
        """The same, without a future: ``heard`` is called once, in the turn in which the answer
        comes, and never before this returns. ``at_once``: the caller makes no other call in this
        turn, so that it leaves now and not at the end, which is a turn of the loop later."""
        error: NetError | FrameError | None = None
        if self._closed:
            error = PeerLost(f"{self.name}: this client is closed")
        elif len(self._pending) >= self._options.calls_pending_max:
            error = TooManyCalls(f"{self.name}: {len(self._pending)} calls are pending")
        else:
            try:
                packed = packed_body(body, self._options.frame_bytes_max)
            except FrameError as unpackable:
                error = unpackable
        if error is not None:
            self._loop.call_soon(heard, None, error)
            return
        self._gather(packed, timeout_s, at_once)
        number = self._next
        deadline = self._loop.time() + timeout_s
        self._pending[number] = (heard, deadline)
        if self._sweep is None or deadline < self._sweep_at:
            self._arm(deadline)
        if at_once and self._link is not None:
            self._link.flush()

    def open(
        self, body: object, on_body: Callable[[Any], None], on_end: Callable[[str], None]
    ) -> ClientStream:
        """Open a stream now, or as soon as there is a connection."""
        assert not self._closed
        stream = ClientStream(self, body, on_body, on_end)
        self._write_calls()
        self._next = stream.id = self._next + 1
        self._write(Frame(OPEN, stream.id, body))
        self._streams[stream.id] = stream
        return stream

    def forget(self, stream: ClientStream) -> None:
        """The owner closed the stream."""
        if self._streams.pop(stream.id, None) is not None and self._link is not None:
            self._write_calls()
            self._link.write(Frame(CLOSE, stream.id))

    def cut_off(self, off: bool) -> None:
        """Hear and say nothing from now on, and connect no more; or go on with all that waited."""
        if off:
            self._reachable.clear()
        else:
            self._reachable.set()
        if self._link is not None:
            self._link.cut_off(off)

    async def close(self) -> None:
        """Close the connection; pending calls fail with PeerLost. Idempotent."""
        self._closed = True
        self._streams.clear()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        self._fail_all(PeerLost(f"{self.name}: this client was closed"), "lost")
        link, self._link = self._link, None
        if link is not None and self._ended is not None:
            link.close("closed")
            await asyncio.wait([self._ended], timeout=CLOSE_S)
            link.fail("closed")
        if self._sweep is not None:
            self._sweep.cancel()

    def _gather(self, packed: bytes, timeout_s: float, at_once: bool) -> None:
        """Number a call and line it up: calls of one turn and one time-out share a frame."""
        gathered = self._gathered
        size = self._gathered_bytes + len(packed)
        if gathered and (size > CALLS_BYTES_MAX or timeout_s != self._gathered_timeout_s):
            self._write_calls()
            gathered, size = self._gathered, len(packed)
        if not gathered:
            self._gathered_timeout_s = timeout_s
            if self._link is not None and not at_once:
                self._link.flush_soon()
        gathered.append(packed)
        self._gathered_bytes = size
        self._next += 1
        if self._link is None:
            self._write_calls()

    def _write_calls(self) -> None:
        """Make a frame of what is gathered."""
        if not self._gathered:
            return
        bodies, self._gathered, self._gathered_bytes = self._gathered, [], 0
        first = self._next - len(bodies) + 1
        deadline_ns = max(1, round(self._gathered_timeout_s * 1e9))
        packed = encode_calls(first, bodies, deadline_ns)
        if self._link is not None:
            self._link.write_packed(packed)
        else:
            assert first == self._next
            self._waiting.append((first, packed))
            self._keep()

    def _write(self, frame: Frame) -> None:
        if self._link is not None:
            self._link.write(frame)
            return
        self._waiting.append((frame.stream, encode(frame, self._options.frame_bytes_max)))
        self._keep()

    def _keep(self) -> None:
        if self._keeper is None and not self._closed:
            self._keeper = self._loop.create_task(self._keep_connected())

    async def _keep_connected(self) -> None:
        pause, pause_max = self._options.back_off_s
        while True:
            await self._reachable.wait()
            try:
                ended = await self._connect_once()
            except PeerRefused as refusal:
                self._trouble = str(refusal)
                self._fail_all(refusal, f"refused: {refusal}")
            except (NetError, OSError, LookupError, ValueError) as error:
                self._trouble = f"not reachable: {error or type(error).__name__}"
            else:
                pause = self._options.back_off_s[0]
                reason = await asyncio.shield(ended)
                self._link = None
                self._trouble = reason
                self._fail_all(PeerLost(f"{self.name}: {reason}"), "lost")
            await asyncio.sleep(pause)
            pause = min(pause * 2, pause_max)

    async def _connect_once(self) -> "asyncio.Future[str]":
        """Connect and shake hands; the future tells when and why the connection ended."""
        options = self._options
        host, port = split_address(await self._resolve(self.name))
        try:
            require_safe(host, options.ssl_context)
        except InsecureAddress as error:
            raise PeerRefused(f"{self.name}: {error}") from error
        ended: asyncio.Future[str] = self._loop.create_future()
        answer: asyncio.Future[Frame] = self._loop.create_future()
        link = Link(options, partial(_first, answer), partial(_settle, ended), pauses=False)
        async with asyncio.timeout(options.handshake_s):
            try:
                await self._loop.create_connection(
                    lambda: link,
                    host,
                    port,
                    ssl=options.ssl_context,
                    server_hostname=FRAMES_NAME if options.ssl_context else None,
                )
                link.write(Frame(HELLO, 0, self._hello()))
                await asyncio.wait((answer, ended), return_when=asyncio.FIRST_COMPLETED)
            except BaseException:
                link.fail("handshake not finished")
                raise
        self._welcome(link, answer, ended)
        return ended

    def _welcome(
        self, link: Link, answer: "asyncio.Future[Frame]", ended: "asyncio.Future[str]"
    ) -> None:
        if not answer.done():
            raise PeerLost(f"{self.name}: closed during the handshake: {ended.result()}")
        frame = answer.result()
        if frame.kind != WELCOME:
            link.fail("refused")
            reason = frame.body if frame.kind == REFUSED else f"frame of kind {frame.kind}"
            raise PeerRefused(f"{self.name}: {reason}")
        link.trust()
        link.receive(self._on_frames)
        link.gathered = self._write_calls
        link.cut_off(not self._reachable.is_set())
        self._link, self._ended = link, ended
        self.connections += 1
        while self._waiting:
            number, packed = self._waiting.popleft()
            if number in self._pending or number in self._streams:
                link.write_packed(packed)
        for welcomed in self._welcomed:
            if not welcomed.done():
                welcomed.set_result(None)
        self._welcomed.clear()

    def _hello(self) -> dict[str, object]:
        return {
            "magic": MAGIC,
            "versions": [FRAME_VERSION, FRAME_VERSION],
            "cluster": self._security.cluster_id,
            "identity": self._identity,
            "token": self._security.frame_token,
        }

    def _on_frames(self, frames: list[Frame]) -> None:
        pending, streams, link = self._pending, self._streams, self._link
        for frame in frames:
            kind, number, body, *_ = frame
            if kind == REPLY:
                numbers, answers = body
                for number, answer in zip(numbers, answers, strict=True):
                    call = pending.pop(number, None)
                    if call is not None:
                        call[0](answer, None)
            elif kind == ITEMS:
                numbers, item = body
                for number in numbers:
                    stream = streams.get(number)
                    if stream is not None:
                        stream.on_body(item)
            elif kind == ITEM:
                stream = streams.get(number)
                if stream is not None:
                    stream.on_body(body)
            elif kind == ERROR:
                call = pending.pop(number, None)
                if call is not None:
                    call[0](None, PeerError(str(body)))
            elif kind == END:
                stream = streams.pop(number, None)
                if stream is not None:
                    stream.open = False
                    stream.on_end(str(body))
            elif link is not None and kind == PING:
                link.answer_ping()
            elif link is not None and kind != PONG:
                link.fail(f"unexpected frame of kind {kind}")
                return

    def _fail_all(self, error: PeerLost, stream_reason: str) -> None:
        """Pending calls fail, streams end. They may call back into this client at once."""
        self._waiting.clear()
        self._gathered.clear()
        self._gathered_bytes = 0
        pending, self._pending = self._pending, {}
        streams, self._streams = self._streams, {}
        welcomed, self._welcomed = self._welcomed, []
        for future in welcomed:
            if not future.done():
                future.set_exception(error)
        for heard, _ in pending.values():
            heard(None, error)
        for stream in streams.values():
            stream.open = False
            stream.on_end(stream_reason)

    def _arm(self, at: float) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep_at = at
        self._sweep = self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        """Fail calls whose time is up. Runs when the earliest deadline known then has come, so
        its cost is spread over the time-out of a call."""
        self._sweep = None
        now = self._loop.time()
        expired = [number for number, (_, deadline) in self._pending.items() if deadline <= now]
        for number in expired:
            heard, _ = self._pending.pop(number)
            self.timeouts += 1
            trouble = "" if self._link is not None else f" ({self._trouble})"
            heard(None, CallTimeout(f"{self.name}: no answer in time{trouble}"))
        if self._pending:
            self._arm(min(deadline for _, deadline in self._pending.values()))


def _answered(future: "asyncio.Future[Any]", answer: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)


def _first(answer: "asyncio.Future[Frame]", frames: list[Frame]) -> None:
    _settle(answer, frames[0])


def _settle(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)
