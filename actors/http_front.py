"""The API server's HTTP side: requests as facts for the core, and answers as bytes.

It knows headers and tokens; what a request means is the core's business.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import orjson

from actors.net.exchange import Exchange
from actors.net.websocket import refusal_of, subprotocols_of
from api.errors import BadRequest, RequestEntityTooLarge, Unauthorized
from apiserver.answers import answer_of_error
from apiserver.messages import Answer, HttpRequest, Upgrade, User

_PLAIN = b"content-type: application/json\r\ncache-control: no-cache, private\r\n"


class Desk(Protocol):
    """Where requests are handed in: the program around the core."""

    def ask(self, request: HttpRequest, exchange: Exchange) -> None:
        """Hand in a request; the exchange gets the answer, or is the stream that was opened."""
        ...

    def new_id(self) -> int: ...

    def user_of(self, token: bytes) -> User | None:
        """Whom a bearer token stands for now."""
        ...

    def gone(self, request_id: int) -> None:
        """The client of this request has left."""
        ...


class HttpFront:
    """Takes whole requests from the HTTPS server."""

    def __init__(self, desk: Desk, body_bytes_max: int, tokens: Mapping[str, User]) -> None:
        """``tokens``: of users, which are good for as long as the server runs."""
        self._desk = desk
        # By hashes with a secret key: the time of a look-up says nothing about how much of a guess
        # is right.
        self._users = {b"Bearer " + token.encode(): user for token, user in tokens.items()}
        self._unauthorized = Answer(401, orjson.dumps(Unauthorized().status()))
        large = RequestEntityTooLarge(body_bytes_max)
        self._too_large = Answer(large.code, orjson.dumps(large.status()))
        self.refused = 0

    def handle(self, exchange: Exchange) -> None:
        headers = exchange.headers
        user = None if exchange.certificate is None else _user_of_certificate(exchange.certificate)
        if user is None:
            authorization = headers.get(b"authorization", b"")
            user = self._users.get(authorization) or self._user_of(authorization)
        if user is None:
            self.refused += 1
            send_answer(exchange, self._unauthorized)
            return
        if exchange.oversized:
            send_answer(exchange, self._too_large)
            return
        request = self._request(exchange, user)
        if b"upgrade" in headers:
            upgrade = headers[b"upgrade"].decode("latin1").strip().lower()
            refusal = refusal_of(headers) if upgrade == "websocket" else ""
            if refusal:
                send_answer(exchange, answer_of_error(BadRequest(refusal)))
                return
            if upgrade:
                wish = Upgrade(upgrade, subprotocols_of(exchange.listed))
                request = request._replace(upgrade=wish)
        exchange.on_gone = partial(self._desk.gone, request.id)
        self._desk.ask(request, exchange)

    def _request(self, exchange: Exchange, user: User) -> HttpRequest:
        get = exchange.headers.get
        path, _, query = exchange.target.partition(b"?")
        return HttpRequest(
            self._desk.new_id(),
            user,
            exchange.method.decode("latin1"),
            path.decode("latin1"),
            query.decode("latin1"),
            exchange.body,
            get(b"content-type", b"").decode("latin1"),
            get(b"accept", b"").decode("latin1"),
            get(b"user-agent", b"").decode("latin1"),
            _impersonated(exchange) if b"impersonate-user" in exchange.headers else None,
            get(b"if-none-match", b"").decode("latin1"),
            get(b"host", b"").decode("latin1"),
        )

    def _user_of(self, authorization: bytes) -> User | None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return self._desk.user_of(token.strip())


def _user_of_certificate(certificate: Mapping[str, Any]) -> User | None:
    """Whom a verified client certificate names: CN is the user, each O a group.

    Source: CommonNameUserConversion, apiserver/pkg/authentication/request/x509/x509.go."""
    words = [pair for part in certificate["subject"] for pair in part]
    names = [value for key, value in words if key == "commonName"]
    groups = [value for key, value in words if key == "organizationName"]
    return User(names[-1], (*groups, "system:authenticated")) if names else None


def _impersonated(exchange: Exchange) -> User:
    name = exchange.headers[b"impersonate-user"]
    groups = [
        value.decode("latin1") for key, value in exchange.listed if key == b"impersonate-group"
    ]
    uid = exchange.headers.get(b"impersonate-uid", b"").decode("latin1")
    return User(name.decode("latin1"), (*groups, "system:authenticated"), uid)


def send_answer(exchange: Exchange, answer: Answer) -> None:
    if not answer.headers and answer.content_type == "application/json":
        exchange.answer(answer.code, _PLAIN, answer.body)
        return
    lines = [f"content-type: {answer.content_type}\r\n"]
    lines += [f"{name.lower()}: {value}\r\n" for name, value in answer.headers]
    if all(name.lower() != "cache-control" for name, _ in answer.headers):
        lines.append("cache-control: no-cache, private\r\n")
    exchange.answer(answer.code, "".join(lines).encode(), answer.body)


def open_stream(exchange: Exchange, content_type: str) -> None:
    """The head of a watch, at once."""
    # A watch may be open for long and thousands of them are: what it asked with is let go.
    exchange.listed, exchange.headers, exchange.body = [], {}, b""
    head = f"content-type: {content_type}\r\ncache-control: no-cache, private\r\n"
    exchange.start(200, head.encode())
