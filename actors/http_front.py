"""The API server's HTTP side: an ASGI application that turns requests into facts for the core.

It knows headers, tokens and bodies; what a request means is the core's business. One request is one
coroutine that waits for its answer; a watch is one that writes what its stream is given.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

import orjson

from api.errors import RequestEntityTooLarge, Unauthorized
from apiserver.messages import Answer, HttpRequest, User

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

BODY_BYTES_MAX = 3 * 1024 * 1024
STREAM_BYTES_MAX = 64 * 1024 * 1024
"""Unsent bytes of one watch at which its reader counts as gone."""
_JSON_TYPE = (b"content-type", b"application/json")
_NO_CACHE = (b"cache-control", b"no-cache, private")


class HttpWatch:
    """The body of one watch: what is to be written, and whether it is over."""

    __slots__ = ("chunks", "content_type", "drained", "ended", "size", "slow", "wake")

    def __init__(self) -> None:
        self.content_type = ""
        self.chunks: list[bytes] = []
        self.size = 0
        self.ended = False
        self.slow = False
        self.wake: asyncio.Future[None] | None = None
        self.drained: Callable[[], None] | None = None
        """To be called once when what was written has been sent."""

    def write(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.size += len(chunk)
        if self.size > STREAM_BYTES_MAX:
            self.slow = True
        self._rouse()

    def end(self) -> None:
        self.ended = True
        self._rouse()

    def _rouse(self) -> None:
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)


class Desk(Protocol):
    """Where requests are handed in: the program around the core."""

    def ask(self, request: HttpRequest, answered: "asyncio.Future[Answer | HttpWatch]") -> None:
        """Hand in a request; the future gets the answer, or the watch that was opened."""
        ...

    def new_id(self) -> int: ...

    def gone(self, request_id: int) -> None:
        """The client of this request has left."""
        ...


class HttpFront:
    """The ASGI application."""

    def __init__(self, desk: Desk, tokens: Mapping[str, User]) -> None:
        self._desk = desk
        # By digest, so that the time of a look-up says nothing about how much of a guess is right.
        self._users = {sha256(token.encode()).digest(): user for token, user in tokens.items()}
        self._loop = asyncio.get_running_loop()
        self._unauthorized = Answer(401, orjson.dumps(Unauthorized().status()))
        self.refused = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        body = await _body_of(receive)
        user = self._user_of(headers)
        if user is None:
            self.refused += 1
            await _send_answer(send, self._unauthorized)
            return
        if body is None:
            error = RequestEntityTooLarge(BODY_BYTES_MAX)
            await _send_answer(send, Answer(error.code, orjson.dumps(error.status())))
            return
        request = self._request(scope, headers, user, body)
        answered: asyncio.Future[Answer | HttpWatch] = self._loop.create_future()
        self._desk.ask(request, answered)
        try:
            answer = await answered
        except asyncio.CancelledError:
            self._desk.gone(request.id)
            raise
        if isinstance(answer, Answer):
            await _send_answer(send, answer)
        else:
            await self._stream(request.id, answer, receive, send)

    def _request(
        self, scope: Any, headers: Mapping[bytes, bytes], user: User, body: bytes
    ) -> HttpRequest:
        get = headers.get
        return HttpRequest(
            self._desk.new_id(),
            user,
            scope["method"],
            scope["raw_path"].decode("latin1"),
            scope["query_string"].decode("latin1"),
            body,
            get(b"content-type", b"").decode("latin1"),
            get(b"accept", b"").decode("latin1"),
            get(b"user-agent", b"").decode("latin1"),
            _impersonated(headers, scope["headers"]),
            get(b"if-none-match", b"").decode("latin1"),
            get(b"host", b"").decode("latin1"),
        )

    def _user_of(self, headers: Mapping[bytes, bytes]) -> User | None:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return self._users.get(sha256(token.strip()).digest())

    async def _stream(self, stream: int, watch: HttpWatch, receive: Receive, send: Send) -> None:
        """Write a watch until it ends, its client leaves or falls too far behind."""
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", watch.content_type.encode()),
                    (b"cache-control", b"no-cache, private"),
                ],
            }
        )
        # Without a first chunk the head would wait for the first event.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        leaving = self._loop.create_task(_left(receive))
        try:
            while not leaving.done() and not watch.slow:
                if watch.chunks:
                    chunk = b"".join(watch.chunks)
                    watch.chunks, watch.size = [], 0
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    continue
                if watch.drained is not None:
                    watch.drained()
                    watch.drained = None
                if watch.ended:
                    break
                watch.wake = self._loop.create_future()
                await asyncio.wait((watch.wake, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not watch.ended:
                self._desk.gone(stream)
        if not watch.slow:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body_of(receive: Receive) -> bytes | None:
    """The whole body, or None when it is too large; what is too much is read and dropped."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body if len(body) <= BODY_BYTES_MAX else None
    parts, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= BODY_BYTES_MAX:
            parts.append(part)
    return b"".join(parts) if size <= BODY_BYTES_MAX else None


def _impersonated(
    headers: Mapping[bytes, bytes], listed: Sequence[tuple[bytes, bytes]]
) -> User | None:
    name = headers.get(b"impersonate-user")
    if name is None:
        return None
    groups = [value.decode("latin1") for key, value in listed if key == b"impersonate-group"]
    uid = headers.get(b"impersonate-uid", b"").decode("latin1")
    return User(name.decode("latin1"), (*groups, "system:authenticated"), uid)


async def _send_answer(send: Send, answer: Answer) -> None:
    headers: list[tuple[bytes, bytes]] = [
        (b"content-length", b"%d" % len(answer.body)),
        _JSON_TYPE
        if answer.content_type == "application/json"
        else (b"content-type", answer.content_type.encode()),
    ]
    for name, value in answer.headers:
        headers.append((name.lower().encode(), value.encode()))
    if all(name != b"cache-control" for name, _ in headers):
        headers.append(_NO_CACHE)
    await send({"type": "http.response.start", "status": answer.code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
