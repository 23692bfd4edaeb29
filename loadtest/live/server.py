"""Serves the live page on loopback: /, /events (server-sent events), /metrics."""

import json
import re
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from loadtest.live.feed import Feed
from loadtest.live.metrics import exposition
from loadtest.live.page import page_html

FOLLOWERS_MAX = 32
"""Pages that are open at a time; the next one is answered 503."""
POLL_S = 0.05
"""How soon a stop is noticed."""
PATIENCE_S = 30.0
"""A connection that asks for nothing, or takes nothing, for so long gives its thread back."""
DIGITS_MAX = 18
_LOCAL = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?", re.ASCII)
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)


class LiveError(Exception):
    """The page cannot be served; the text is one sentence for the user."""


class PageServer(ThreadingHTTPServer):
    """A thread a connection, ended with the process."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """The terminal is the run's: a reader who leaves in the middle is no news there."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class LiveServer:
    """One page of one run. ``port`` 0: any free one."""

    def __init__(self, feed: Feed, port: int) -> None:
        followers = threading.Semaphore(FOLLOWERS_MAX)

        class Handler(_Handler):
            pass

        Handler.feed, Handler.followers = feed, followers
        try:
            self._server = PageServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise LiveError(f"port {port} cannot be used: {error.strerror}") from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="live page", daemon=True
        )
        self._feed = feed
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread.start()

    def close(self) -> None:
        """Followers are told the end first."""
        self._feed.end()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One request. ``feed`` and ``followers`` are those of its server."""

    protocol_version = "HTTP/1.1"
    server_version = "hollowfleet"
    sys_version = ""
    timeout = PATIENCE_S
    feed: Feed
    followers: threading.Semaphore

    def do_GET(self) -> None:
        # A name that points here is not ours: a page elsewhere must not read this one.
        if not _LOCAL.fullmatch(self.headers.get("Host", "")):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"ask for 127.0.0.1\n")
            return
        routes: dict[str, Callable[[], None]] = {
            "/": self._page,
            "/events": self._events,
            "/metrics": self._metrics,
        }
        found = routes.get(self.path.partition("?")[0])
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not here\n")
        else:
            found()

    def _page(self) -> None:
        text = page_html(self.feed.name).encode()
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", text)

    def _metrics(self) -> None:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        self._send(HTTPStatus.OK, kind, exposition(self.feed))

    def _events(self) -> None:
        if not self.followers.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"too many pages are open\n")
            return
        try:
            self._follow()
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            # The page was closed, or sleeps.
            pass
        finally:
            self.followers.release()

    def _follow(self) -> None:
        self._head(HTTPStatus.OK, "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        seen = self.headers.get("Last-Event-ID", "")
        known = seen.isdecimal() and len(seen) <= DIGITS_MAX
        for moment in self.feed.follow(int(seen) if known else 0):
            if moment is None:
                self.wfile.write(b": still here\n\n")
            else:
                data = json.dumps(moment.data, separators=(",", ":"))
                self.wfile.write(f"id: {moment.number}\ndata: {data}\n\n".encode())
            self.wfile.flush()
        self.wfile.write(b"event: end\ndata: {}\n\n")

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self._head(status, kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", POLICY)

    def log_message(self, format: str, *args: object) -> None:
        """The terminal is the run's."""
