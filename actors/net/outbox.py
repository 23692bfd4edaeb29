"""A component's requests on their way: in order, in batches, bounded, if wished rate-limited."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from actors.hold import Hold
from actors.net.transport import Transport
from api.calls import ApiReply, ApiRequest, Calls
from api.leadership import LEASES


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket over all requests, as client-go has it."""

    qps: float
    burst: int


@dataclass(frozen=True, slots=True)
class OutboxBounds:
    in_flight_max: int = 2048
    """Requests sent and not answered; the rest waits, in order."""
    batch_bytes_max: int = 1 << 20
    """A batch is closed once its bodies have this size together."""
    rate_limit: RateLimit | None = None


class Outbox:
    """Sends only from ``put``, so that an error of encoding meets whoever put. ``on_replies`` gets
    answers, ``wake`` asks for a call of ``put`` because there is room again."""

    def __init__(
        self,
        transport: Transport,
        bounds: OutboxBounds,
        on_replies: Callable[[Sequence[ApiReply]], None],
        wake: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._bounds = bounds
        self._on_replies = on_replies
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[ApiRequest] = deque()
        self._in_flight = 0
        self._sent = 0
        self._lost = 0
        limit = bounds.rate_limit
        self._tokens = float(limit.burst) if limit else 0.0
        self._refilled = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.hold = Hold()
        """Of what is sent, but for Leases: kube components renew theirs with a client of their own.
        Source: kubernetes cmd/kube-scheduler/app/options/options.go, leaderElectionClient."""

    def put(self, effects: Sequence[Calls]) -> None:
        """Queue the requests of a step, send what may go."""
        for calls in effects:
            self._waiting.extend(calls.requests)
        while self._waiting:
            room = min(
                self._transport.batch_requests_max,
                self._bounds.in_flight_max - self._in_flight,
                self._allowed(),
                1 if self.hold.active else self._bounds.in_flight_max,
            )
            if room <= 0:
                return
            self._send_batch(room)

    def close(self) -> None:
        """Drop what waits; answers that still come are not reported."""
        self._closed = True
        self._waiting.clear()
        self.hold.close()
        if self._timer is not None:
            self._timer.cancel()

    def gauges(self) -> dict[str, float]:
        return {
            "requests_waiting": len(self._waiting),
            "requests_in_flight": self._in_flight,
            "requests_total": self._sent,
            "requests_lost_total": self._lost,
            **self.hold.gauges(),
        }

    def _send_batch(self, room: int) -> None:
        batch: list[ApiRequest] = []
        size = 0
        while self._waiting and len(batch) < room and size < self._bounds.batch_bytes_max:
            request = self._waiting.popleft()
            body = request.body
            if isinstance(body, dict):
                body = orjson.dumps(body)
                request = request._replace(body=body)
            size += len(body) if body else 0
            batch.append(request)
        self._tokens -= len(batch)
        self._in_flight += len(batch)
        self._sent += len(batch)
        send = partial(self._transport.send, batch, self._done)
        if self.hold.active and (held := sum(one.resource != LEASES for one in batch)):
            self.hold.enter(held, send)
        else:
            send()

    def _done(self, replies: Sequence[ApiReply]) -> None:
        self._in_flight -= len(replies)
        self._lost += sum(reply.code == 0 for reply in replies)
        if not self._closed:
            self._on_replies(replies)

    def _allowed(self) -> int:
        """How many requests the token bucket lets through now; if none, wake up for the next."""
        limit = self._bounds.rate_limit
        if limit is None:
            return len(self._waiting)
        now = self._loop.time()
        self._tokens = min(limit.burst, self._tokens + (now - self._refilled) * limit.qps)
        self._refilled = now
        if self._tokens < 1 and self._timer is None:
            self._timer = self._loop.call_later((1 - self._tokens) / limit.qps, self._refill)
        return int(self._tokens)

    def _refill(self) -> None:
        self._timer = None
        self._wake()
