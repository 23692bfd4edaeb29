"""The program of an API server: frames and HTTPS in, the core's orders out.

Everything that arrives in one turn of the loop is one step of the core.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, assert_never

from actors.backlogs import Backlogs
from actors.clock import WallClock, settle_gc
from actors.freed import keep_freed
from actors.hold import Hold
from actors.http_front import HttpFront, open_stream, send_answer
from actors.net import FrameServer, PeerError, ServerStream
from actors.net.exchange import Exchange
from actors.net.https import HttpsBounds, HttpsServer, serve_https
from actors.net.websocket import WebSocket
from actors.plan import ApiServerConfig
from actors.program import Line, Resolve
from actors.security import read_tokens, server_ssl_context, service_account_key
from actors.shard_links import ShardLink, shard_links, soon_of
from actors.span_points import RequestSpans
from actors.spans import span_log
from actors.turns import Soon, Turns
from api.merge import StoreEvent
from api.storage import StoreReply
from apiserver.caching import Caching
from apiserver.core import ApiServerCore
from apiserver.frame_calls import FrameCalls, Replies, end_of_watch
from apiserver.identity import Identities
from apiserver.messages import (
    Answer,
    Answers,
    Crashed,
    Effect,
    EndStreams,
    Event,
    FrameWatch,
    HttpArrived,
    HttpRequest,
    MessagesArrived,
    OpenStoreWatch,
    SendMessages,
    SessionOpened,
    StoreCall,
    StoreEvents,
    StoreReplied,
    StoreStreamEnded,
    StreamBodies,
    StreamBytes,
    StreamOpened,
    StreamsBusy,
    StreamsClosed,
    StreamsDrained,
    User,
    WatchesArrived,
)
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from controllers.absent import UNATTENDED

READY_S = 60.0
"""How long a start waits for the shards of the store."""
ANSWER_BYTES_MAX = 60 << 20
"""Of one call of a component: a little less than a frame may have."""
BACKLOG_BYTES_MAX = 64 << 20
"""Unsent bytes of an HTTP watch at which its reader counts as gone."""
BACKLOGS_BYTES_MAX = 1 << 30
"""Unsent bytes of all of them, above which those with most count as gone."""
BUSY_BYTES = 8 << 20
"""Unsent bytes of a stream above which an initial state is not continued."""
WATCHES_ASKED = 1000
"""Watches over HTTPS whose readers are looked at, the oldest first: that takes 2 µs each."""
_CALL_TYPES = frozenset(
    (str, str, str, str, str, str, body, str, bool) for body in (bytes, type(None))
)
"""Types of the nine words of a call."""


def _limits(config: ApiServerConfig) -> Limits:
    return Limits(
        config.requests_in_flight_max,
        config.max_requests_inflight,
        config.max_mutating_requests_inflight,
    )


async def start(config: ApiServerConfig, resolve: Resolve) -> "ApiServer":
    """Load from the store, then listen. TimeoutError: a shard cannot be reached; DirectoryError,
    JournalError: one of its own cannot be opened; PortInUse."""
    soon = soon_of(config)
    server = ApiServer(config, await shard_links(config, resolve, soon), soon)
    try:
        await server.run()
    except BaseException:
        await server.stop()
        raise
    return server


def _log_crash(request: int, trace: str) -> None:
    # With its formatters it is a sixth of what a start imports, and most servers log nothing.
    import structlog

    structlog.get_logger("apiserver").error("request_crashed", request=request, trace=trace)


def _reply_if_it_fits(reply: Callable[[object], None], replies: Replies) -> None:
    size = sum(len(body) for _, _, body in replies)
    if size > ANSWER_BYTES_MAX:
        reply(PeerError(f"answers of {size} bytes are too large: list in pages"))
    else:
        reply(replies)


class ApiServer:
    """A running API server."""

    def __init__(self, config: ApiServerConfig, shards: Sequence[ShardLink], soon: Soon) -> None:
        self._config = config
        self._now_ns = WallClock()
        sharding = Sharding(config.shard_by, len(config.stores))
        caching = Caching(
            config.watch_cache_index,
            encode_once=config.encode_once,
            consistent_lists=config.consistent_lists,
        )
        self._core = ApiServerCore(sharding, config.seed, config.name, _limits(config), caching)
        if config.beside_controllers:
            self._core.warn_of(UNATTENDED)
        self.shards = shards
        self._store_watches: dict[int, Callable[[], None]] = {}
        """Closes the watch of each shard."""
        self._frames: FrameServer | None = None
        self._https: HttpsServer | None = None
        self._front: HttpFront | None = None
        self._last_id = 0
        self._calls = FrameCalls()
        self._asked: dict[int, Exchange] = {}
        self._http_watches: dict[int, Exchange] = {}
        """Bodies that stay open, and the exchanges of the sessions."""
        self._backlogs = Backlogs(BACKLOG_BYTES_MAX, BACKLOGS_BYTES_MAX)
        self._sessions: dict[int, WebSocket] = {}
        self._frame_watches: dict[int, ServerStream] = {}
        self._ids: dict[ServerStream, int] = {}
        self._http: list[HttpRequest] = []
        self._events: list[Event] = []
        self._turns = Turns(self._step, self._now_ns, soon)
        self._ready = asyncio.Event()
        self._busy: set[int] = set()
        self._crashes = 0
        log = span_log(config.spans, self._now_ns)
        self._spans = RequestSpans(log) if log else None
        self._stopped = False
        self.hold = Hold()

    async def run(self) -> None:
        """Load, then listen."""
        config = self._config
        self._turns.wake()
        async with asyncio.timeout(READY_S):
            await self._ready.wait()
        settle_gc()
        keep_freed()
        self._frames = await FrameServer.start(
            config.host, config.frame_port, config.security, self
        )
        tokens = {
            token: User(who.user, (*who.groups, "system:authenticated"), who.uid)
            for token, who in read_tokens(config.security).items()
        }
        self._core.introduce(Identities(tokens, service_account_key(config.security)))
        bounds = HttpsBounds()
        self._front = HttpFront(self, bounds.body_bytes_max, tokens)
        context = server_ssl_context(config.security)
        self._https = await serve_https(
            self._front.handle, config.host, config.https_port, context, bounds
        )

    @property
    def address(self) -> str:
        return self._frames.address if self._frames is not None else ""

    @property
    def lines(self) -> Sequence[Line]:
        frames = [self._frames] if self._frames is not None else []
        return [*frames, *(line for link in self.shards for line in link.lines)]

    @property
    def https_port(self) -> int:
        return self._https.port if self._https is not None else 0

    def gauges(self) -> Mapping[str, float]:
        gauges: dict[str, float] = {
            **self._core.gauges(),
            "steps": self._turns.steps,
            "request_crashes_total": self._crashes,
            **self.hold.gauges(),
            **self._behind(),
        }
        for link in self.shards:
            gauges |= link.gauges()
        gauges |= self._spans.log.gauges() if self._spans is not None else {}
        if self._frames is not None:
            gauges |= self._frames.gauges()
        if self._https is not None:
            gauges |= self._https.gauges()
        return gauges

    def _behind(self) -> dict[str, float]:
        """Watches over HTTPS with bytes unsent: their reader is slower than what he watches."""
        watches = islice(self._http_watches.values(), WATCHES_ASKED)
        unsent = [count for watch in watches if (count := watch.unsent_bytes)]
        return {"watches_behind": float(len(unsent)), "watches_behind_kib": sum(unsent) / 1024}

    async def stop(self) -> None:
        if self._stopped:
            return
        if self._https is not None:
            await self._https.stop()
        if self._frames is not None:
            await self._frames.stop()
        self._stopped = True
        self.hold.close()
        self._turns.stop()
        if self._spans is not None:
            self._spans.log.flush()
        for link in self.shards:
            await link.close()

    # The HTTP front's desk.

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def user_of(self, token: bytes) -> User | None:
        return self._core.user_of_token(token, self._now_ns())

    def ask(self, request: HttpRequest, exchange: Exchange) -> None:
        self._asked[request.id] = exchange
        if self._spans is not None:
            self._spans.arrived(request.id, exchange)
        if self.hold.active:
            self.hold.enter(1, partial(self._admit, request))
        else:
            self._http.append(request)
            self._turns.wake()

    def _admit(self, request: HttpRequest) -> None:
        """It has stood in line; who asked may have gone meanwhile."""
        if request.id in self._asked:
            self._http.append(request)
            self._turns.wake()

    def gone(self, request_id: int) -> None:
        self._asked.pop(request_id, None)
        if self._spans is not None:
            self._spans.gone(request_id)
        self._http_watches.pop(request_id, None)
        self._sessions.pop(request_id, None)
        self._backlogs.forget(request_id)
        self._take(StreamsClosed((request_id,)))

    # The frame server's handler.

    def on_call(self, reply: Callable[[object], None], body: Any, peer: str) -> None:
        match body:
            case ["api", [*calls]] if all(
                type(words) is list and tuple(map(type, words)) in _CALL_TYPES for words in calls
            ):
                pass
            case _:
                reply(PeerError("a call is (api, [[verb, resource, ...], ...]), see api/calls.py"))
                return
        if not calls:
            reply([])
            return
        self.hold.enter(len(calls), partial(self._call, calls, reply, peer))

    def _call(self, calls: list[Any], reply: Callable[[object], None], peer: str) -> None:
        bounded = partial(_reply_if_it_fits, reply)
        self._last_id = self._calls.take(self._last_id, calls, bounded, peer)
        self._turns.wake()

    def on_open(self, stream: ServerStream, body: Any) -> None:
        match body:
            case ["watch", str(resource), str(namespace), str(labels), str(fields), int(revision)]:
                self._last_id += 1
                self._frame_watches[self._last_id] = stream
                self._ids[stream] = self._last_id
                watch = FrameWatch(self._last_id, resource, namespace, labels, fields, revision)
                self._take(WatchesArrived((watch,)))
            case _:
                stream.end("invalid: open (watch, resource, namespace, labels, fields, revision)")

    def on_closed(self, stream: ServerStream) -> None:
        watch = self._ids.pop(stream, None)
        if watch is not None:
            del self._frame_watches[watch]
            self._take(StreamsClosed((watch,)))

    # Turns.

    def _take(self, event: Event) -> None:
        self._events.append(event)
        self._turns.wake()

    def _step(self, now_ns: int) -> int | None:
        events, self._events = self._events, []
        if self._http:
            events.append(HttpArrived(self._http))
            self._http = []
        self._calls.tell(events)
        effects = self._core.step(events, now_ns)
        if self._frames is not None:
            # Answers to components leave with this step, and not in a turn of their own.
            self._frames.hold()
        for effect in effects:
            self._carry_out(effect)
        if self._frames is not None:
            self._frames.let_go()
        if self._spans is not None:
            self._spans.stepped()
        if self._core.ready and not self._ready.is_set():
            self._ready.set()
        return self._core.next_wakeup_ns()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case StoreCall(shard, ids, requests):
                self.shards[shard].ask(requests, partial(self._store_replied, shard, ids))
            case Answers(ids, answers):
                for request_id, answer in self._calls.answered(ids, answers):
                    self._answer(request_id, answer)
            case StreamBodies(streams, bodies):
                for stream, body in zip(streams, bodies, strict=True):
                    self._send_body(stream, body)
            case StreamBytes(streams, chunks):
                watches = self._http_watches
                for stream, chunk in zip(streams, chunks, strict=True):
                    watch = watches.get(stream)
                    if watch is not None and not watch.write(chunk):
                        self._fell_behind(stream, watch)
            case StreamOpened(stream, content_type):
                self._opened(stream, content_type)
            case SessionOpened(stream, protocol):
                self._session_opened(stream, protocol)
            case SendMessages(streams, messages):
                for stream, batch in zip(streams, messages, strict=True):
                    self._send_messages(stream, batch)
            case EndStreams(streams, reasons):
                for stream, reason in zip(streams, reasons, strict=True):
                    self._end(stream, reason)
            case OpenStoreWatch():
                self._open_store_watch(effect)
            case Crashed(request, trace):
                self._crashes += 1
                _log_crash(request, trace)
            case _:
                assert_never(effect)

    def _answer(self, request_id: int, answer: Answer) -> None:
        """Of a request that came in no frame."""
        exchange = self._asked.pop(request_id, None)
        if self._spans is not None:
            self._spans.answered(request_id, answer.code)
        if exchange is not None:
            send_answer(exchange, answer)
            return
        stream = self._frame_watches.pop(request_id, None)
        if stream is not None:
            # A watch that could not be opened.
            del self._ids[stream]
            stream.end(end_of_watch(answer))

    def _opened(self, stream: int, content_type: str) -> None:
        exchange = self._asked.pop(stream, None)
        if exchange is None or exchange.gone:
            self._take(StreamsClosed((stream,)))
            return
        self._http_watches[stream] = exchange
        open_stream(exchange, content_type)

    def _session_opened(self, stream: int, protocol: str) -> None:
        exchange = self._asked.pop(stream, None)
        if exchange is None or exchange.gone:
            self._take(StreamsClosed((stream,)))
            return

        def on_messages(messages: Sequence[bytes]) -> None:
            self._take(MessagesArrived(stream, messages))

        self._http_watches[stream] = exchange
        self._sessions[stream] = WebSocket(exchange, protocol, on_messages)

    def _send_messages(self, stream: int, messages: Sequence[bytes]) -> None:
        session = self._sessions.get(stream)
        if session is None:
            return
        session.send(messages)
        self._backlogs.grew(stream, self._http_watches[stream])

    def _fell_behind(self, stream: int, watch: Exchange) -> None:
        if self._backlogs.grew(stream, watch) > BUSY_BYTES and stream not in self._busy:
            self._busy.add(stream)
            self._take(StreamsBusy((stream,)))
            watch.await_room(partial(self._drained, stream))

    def _send_body(self, stream: int, body: tuple[object, ...]) -> None:
        to = self._frame_watches.get(stream)
        if to is None:
            return
        if not to.send(body):
            self._end(stream, "slow")
            self._take(StreamsClosed((stream,)))
        elif to.backlog_bytes > BUSY_BYTES and stream not in self._busy:
            self._busy.add(stream)
            self._take(StreamsBusy((stream,)))
            to.when_drained(partial(self._drained, stream))

    def _drained(self, stream: int) -> None:
        self._busy.discard(stream)
        self._take(StreamsDrained((stream,)))

    def _end(self, stream: int, reason: str) -> None:
        watch = self._http_watches.pop(stream, None)
        session = self._sessions.pop(stream, None)
        self._backlogs.forget(stream)
        if session is not None:
            session.close()
        elif watch is not None:
            watch.end()
        to = self._frame_watches.pop(stream, None)
        if to is not None:
            del self._ids[to]
            to.end(reason)

    # The store.

    def _store_replied(
        self, shard: int, ids: Sequence[int], replies: Sequence[StoreReply] | None
    ) -> None:
        self._take(StoreReplied(shard, ids, replies))

    def _open_store_watch(self, order: OpenStoreWatch) -> None:
        shard, watch = order.shard, order.watch

        def told(events: Sequence[StoreEvent], watermark: int) -> None:
            if self._spans is not None:
                self._spans.heard(events)
            self._take(StoreEvents(shard, watch, events, watermark))

        def ended(reason: str) -> None:
            if not self._stopped:
                self._take(StoreStreamEnded(shard, watch, reason))

        # A group that is loaded anew opens all its streams, also those that were not broken.
        before = self._store_watches.pop(shard, None)
        if before is not None:
            before()
        self._store_watches[shard] = self.shards[shard].follow(order.start_revision, told, ended)
