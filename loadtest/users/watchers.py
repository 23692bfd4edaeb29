"""Watches held open; their events are counted, not parsed."""

from collections.abc import Callable

import gevent
from geventhttpclient.response import HTTPConnectionClosed
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS

from loadtest.bodies import collection_path
from loadtest.recorder import NO_ANSWER
from loadtest.schedule import Arrival
from loadtest.users.http import ApiUser

REOPEN_PAUSE_S = 0.5


class WatchUser(ApiUser):
    abstract = False

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
        try:
            while stream.readline(b"\n"):
                count("watch_events", 1)
        except (*FAILURE_EXCEPTIONS, HTTPConnectionClosed) as error:
            if isinstance(error, gevent.Timeout):
                raise
        finally:
            response.release()
        return code
