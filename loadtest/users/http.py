"""Locust's users of API servers: each takes one piece of work after the other, none at all while
there is nothing to do; and what all their requests have in common."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gevent.event import Event
from gevent.hub import Waiter, get_hub
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import LocalRunner

from loadtest.requests import Request
from loadtest.schedule import Arrival
from loadtest.tls import client_context
from loadtest.users.wire import Answer, Connections

AGENT = "hollowfleet-load"
SPAWNED_AT_ONCE = 16
"""Users; the runner counts all it has each time."""
Work = Callable[[], bool]
"""Done by one user; false: the user is to go."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes, and how it may be sent."""

    server: str
    ca_file: str
    token: str
    """Empty: by certificate alone."""
    identity_file: str
    """A client certificate and its key; may be empty."""
    timeout_s: float

    def headers(self) -> dict[str, str]:
        """Of every request."""
        found = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": AGENT}
        if self.token:
            found["Authorization"] = f"Bearer {self.token}"
        return found


class Sender:
    """Requests to one server, over connections that are kept."""

    def __init__(self, target: Target) -> None:
        tls = client_context(target.ca_file, target.identity_file)
        self._connections = Connections(target.server, tls, target.timeout_s)
        headers = {"Host": self._connections.host, **target.headers()}
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        self._head = " HTTP/1.1\r\n" + "".join(lines)

    def send(self, request: Request, traceparent: str = "") -> Answer | None:
        """The whole answer is read; None: there was none. Never raises for what a server does."""
        head = f"{request.method} {request.target}{self._head}"
        if traceparent:
            head += f"traceparent: {traceparent}\r\n"
        body = request.body.encode()
        if body:
            head += f"Content-Type: {request.content_type}\r\nContent-Length: {len(body)}\r\n"
        data = head.encode("ascii") + b"\r\n" + body
        return self._connections.ask(data, repeatable=request.method == "GET")


class Crew:
    """The users of one generator, spawned by Locust's runner when nobody is free.

    Who has done his work waits for the next: to start a greenlet for each request costs more than
    to wake one. Bounded by who gives work.
    """

    def __init__(self, environment: Environment) -> None:
        crew = self

        class RequestUser(User):
            abstract = False

            @task
            def serve(self) -> None:
                crew.serve()

        environment.user_classes = [RequestUser]
        # A mistake of ours ends its user with a trace, instead of being one more failed request.
        environment.catch_exceptions = False
        self._kind = RequestUser.__name__
        self._fire: Callable[..., None] = environment.events.request.fire
        self._runner = LocalRunner(environment)
        self._free: list[Waiter] = []
        self._given: deque[Work] = deque()
        """For users that have not begun yet."""
        self._wake = get_hub().loop.run_callback
        self._quiet = Event()
        self._quiet.set()
        self.busy = 0

    def give(self, work: Work) -> None:
        """Have somebody do it; returns at once."""
        self.busy += 1
        self._quiet.clear()
        if self._free:
            self._wake(self._free.pop().switch, work)
        else:
            self._given.append(work)
            self._runner.spawn_users({self._kind: SPAWNED_AT_ONCE})

    def serve(self) -> None:
        """A user's life."""
        while True:
            work = self._next()
            try:
                goes_on = work()
            finally:
                self.busy -= 1
                if not self.busy:
                    self._quiet.set()
            if not goes_on:
                raise StopUser

    def _next(self) -> Work:
        if self._given:
            return self._given.popleft()
        waiter = Waiter()
        self._free.append(waiter)
        work: Work = waiter.get()
        return work

    def tell(self, arrival: Arrival, answer: Answer, took_us: int) -> None:
        """Locust's statistics and listeners of one request."""
        failed = not 200 <= answer.code < 400
        self._fire(
            request_type=arrival.verb,
            name=arrival.resource,
            response_time=took_us / 1000,
            response_length=answer.size,
            exception=f"HTTP {answer.code}" if failed else None,
            context={},
        )

    def join(self, timeout_s: float) -> None:
        """Until nobody works."""
        self._quiet.wait(timeout_s)

    def kill(self, timeout_s: float) -> None:
        """End all users, in the middle of what they do."""
        self._runner.user_greenlets.kill(timeout=timeout_s)
        self._runner.greenlet.kill(block=False)
