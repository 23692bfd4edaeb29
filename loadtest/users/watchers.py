"""Watches held open; their events are counted, not parsed."""

import socket
import ssl
import time
from collections.abc import Callable

import gevent
from geventhttpclient.response import HTTPConnectionClosed
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, FastHttpUser
from locust.env import Environment

from loadtest.bodies import collection_path
from loadtest.recorder import NO_ANSWER
from loadtest.schedule import Arrival
from loadtest.tls import client_context
from loadtest.users.http import Target

REOPEN_PAUSE_S = 0.5
SLOW_BUFFER_BYTES = 1 << 16


class ReadPace:
    """Of a reader that takes at most ``bytes_s``, 0: as fast as it can."""

    def __init__(self, bytes_s: int) -> None:
        self.bytes_s = bytes_s
        self._free_s = time.monotonic()

    def read(self, size: int) -> None:
        """Wait as long as so many bytes take."""
        if self.bytes_s:
            now_s = time.monotonic()
            self._free_s = max(self._free_s, now_s) + size / self.bytes_s
            gevent.sleep(self._free_s - now_s)


class WatchUser(FastHttpUser):
    """All greenlets share one user and so one pool of connections."""

    abstract = False
    insecure = False
    max_retries = 0
    max_redirects = 0

    def __init__(self, environment: Environment, target: Target, connections_max: int) -> None:
        def context(cafile: str | None = None) -> ssl.SSLContext:
            """The caller offers a public bundle as ``cafile``; only the cluster's CA counts."""
            return client_context(target.ca_file, target.identity_file)

        self.host = target.server
        self.ssl_context_factory = context
        self.concurrency = connections_max
        self.network_timeout = target.timeout_s
        self.connection_timeout = target.timeout_s
        self.default_headers = target.headers()
        super().__init__(environment)

    def hold(
        self,
        arrival: Arrival,
        opened: Callable[[int], None],
        count: Callable[[str, int], None],
    ) -> None:
        """Hold a watch for the time of the arrival. ``opened(code)`` once, at the first answer;
        ``count(what, n)`` for watch_events, watch_reconnects, watches_lost."""
        hold_s = int(dict(arrival.value)["milliseconds"]) / 1000
        timeout = gevent.Timeout(hold_s)
        timeout.start()
        answered = False

        def answer(code: int) -> None:
            nonlocal answered
            if not answered:
                answered = True
                opened(code)

        try:
            while True:
                again = answered
                if self._stream(arrival, hold_s, answer, count) != 200:
                    count("watches_lost", int(again))
                    return
                count("watch_reconnects", 1)
                gevent.sleep(REOPEN_PAUSE_S)
        except gevent.Timeout as expired:
            if expired is not timeout:
                raise
            answer(NO_ANSWER)
        finally:
            timeout.close()

    def _stream(
        self,
        arrival: Arrival,
        hold_s: float,
        answered: Callable[[int], None],
        count: Callable[[str, int], None],
    ) -> int:
        """One connection until it ends; its status code."""
        path = collection_path(arrival.resource, arrival.namespace)
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={int(hold_s) + 2}"
        response = self.client.request(
            "GET",
            f"{path}?{query}",
            name="WATCH",
            stream=True,
            headers={"Accept-Encoding": "identity"},
        )
        code = int(response.status_code)
        answered(code)
        if code != 200:
            return code
        stream = response.stream
        pace = ReadPace(int(dict(arrival.value).get("bytes_per_second", 0)))
        if pace.bytes_s:
            # What the kernel takes for a reader would hide for long that he is slow.
            assert stream._sock is not None
            stream._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
        try:
            while line := stream.readline(b"\n"):
                count("watch_events", 1)
                pace.read(len(line))
        except (*FAILURE_EXCEPTIONS, HTTPConnectionClosed) as error:
            if isinstance(error, gevent.Timeout):
                raise
        finally:
            response.release()
        return code
