"""Which requests are traced, chosen without asking anybody, and what their clients write of them.

A request that creates a pod or a Deployment is sampled by a hash of the campaign's seed and its
name, so the same campaign and seed trace the same pods, whatever generator sends them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from api.tracing import ANNOTATION, CLIENT, Context, Span
from loadtest.schedule import Arrival

SPANS_GLOB = "spans-*.jsonl"
"""What generators write into a bundle, until its traces are made of it."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much of a campaign is traced."""

    seed: int
    share: float
    """Of the creates; 0: nothing."""

    def context(self, arrival: Arrival) -> Context | None:
        """Of an arrival that is sampled: its trace, and the span of its own request.

        Source: W3C Trace Context, 3.3.1: who samples by the trace id looks at its last 7 bytes.
        """
        if not self.share or arrival.verb != "create":
            return None
        words = f"{self.seed}/{arrival.resource}/{arrival.namespace}/{arrival.name}"
        digest = blake2b(words.encode(), digest_size=24).digest()
        if int.from_bytes(digest[9:16], "big") >= self.share * 2**56:
            return None
        return Context(digest[:16].hex(), digest[16:].hex())


def annotations(context: Context | None) -> Mapping[str, str]:
    """What carries a trace on an object."""
    return {ANNOTATION: context.traceparent()} if context else {}


class RequestLog:
    """Spans of the requests that one generator sends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] = []

    def sent(
        self, context: Context, arrival: Arrival, times: tuple[int, int, int], code: int
    ) -> None:
        """``times``: when it was due, when it left and when it was answered, wall clock ns."""
        due_ns, sent_ns, answered_ns = times
        facts: dict[str, str | int] = {
            "http.request.method": "POST",
            "http.response.status_code": code,
            "k8s.namespace.name": arrival.namespace,
            f"k8s.{'pod' if arrival.resource == 'pods' else 'deployment'}.name": arrival.name,
            "hollowfleet.late_ns": sent_ns - due_ns,
        }
        name = f"create {arrival.resource}"
        span = Span(context, context.span, name, CLIENT, due_ns, answered_ns, facts)
        self._lines.append(span.line())

    def close(self) -> None:
        if self._lines:
            self._path.write_text("".join(self._lines))
