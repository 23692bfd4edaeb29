"""A Locust user of an API server: TLS with the cluster's CA, bearer token, keep-alive."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from loadtest.bodies import collection_path
from loadtest.sampled import Sampling, annotations
from loadtest.schedule import Arrival
from loadtest.tls import client_context

Body = Callable[[Arrival, str, Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes, and how one user may send it."""

    server: str
    ca_file: str
    token: str
    """Empty: by certificate alone."""
    identity_file: str
    """A client certificate and its key; may be empty."""
    connections_max: int
    timeout_s: float
    image: str
    """Of the pods that are made."""
    sampling: Sampling


class Outcome(NamedTuple):
    """Status code (0: no answer) and size of the body in bytes."""

    code: int
    size: int


class ApiUser(FastHttpUser):
    """All greenlets of one scenario share one user and so one pool of connections."""

    abstract = True
    insecure = False
    max_retries = 0
    max_redirects = 0

    def __init__(self, environment: Environment, target: Target) -> None:
        def context(cafile: str | None = None) -> ssl.SSLContext:
            """The caller offers a public bundle as ``cafile``; only the cluster's CA counts."""
            return client_context(target.ca_file, target.identity_file)

        self.host = target.server
        self.image = target.image
        self.sampling = target.sampling
        self.ssl_context_factory = context
        self.concurrency = target.connections_max
        self.network_timeout = target.timeout_s
        self.connection_timeout = target.timeout_s
        self.default_headers = {"Accept": "application/json", "User-Agent": "hollowfleet-load"}
        if target.token:
            self.default_headers["Authorization"] = f"Bearer {target.token}"
        super().__init__(environment)

    def create(self, arrival: Arrival, body: Body) -> Outcome:
        """POST what ``body`` makes of the arrival, with its trace if it is sampled."""
        context = self.sampling.context(arrival)
        path = collection_path(arrival.resource, arrival.namespace)
        words = context.traceparent() if context else ""
        return self.send("POST", path, body(arrival, self.image, annotations(context)), words)

    def send(
        self,
        method: str,
        path: str,
        body: str = "",
        traceparent: str = "",
        content_type: str = "application/json",
    ) -> Outcome:
        """One request, its whole answer read. Never raises for what the server does."""
        headers = {"Accept-Encoding": "identity"}
        if traceparent:
            headers["traceparent"] = traceparent
        if body:
            headers["Content-Type"] = content_type
        response: Any = self.client.request(
            method, path, name=method, data=body or None, headers=headers
        )
        return Outcome(response.status_code, len(response.content or b""))
