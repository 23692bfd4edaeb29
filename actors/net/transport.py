"""What carries a component's words to an API server, and the frame arm of it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import orjson

from actors.net.client import FrameClient
from actors.net.errors import NetError
from api.calls import ApiReply, ApiRequest, Texts, WatchSpec
from api.core import JsonObject

CALL_TIMEOUT_S = 60.0
"""Default --request-timeout of kube-apiserver; after it the outcome counts as unknown."""
LOST, EXPIRED, INVALID = "lost", "expired", "invalid: "
"""How a watch ends: open it again, list again, or give up (followed by a message). Any other
reason means open it again."""

Done = Callable[[Sequence[ApiReply]], None]


class WatchSink(Protocol):
    """Who follows a watch. Called on the loop; ``ended`` comes once and last."""

    def items(
        self, types: Sequence[int], revisions: Sequence[int], objects: Sequence[JsonObject]
    ) -> None: ...

    def synced(self, revision: int) -> None:
        """The present state is complete (only when opened with revision 0)."""
        ...

    def bookmark(self, revision: int) -> None: ...

    def ended(self, reason: str) -> None: ...


class OpenWatch(Protocol):
    def close(self) -> None:
        """Stop it; the sink hears nothing more."""
        ...


class Transport(Protocol):
    """A way to an API server. Retries nothing."""

    batch_requests_max: int
    """How many requests travel best together."""

    def watch(self, spec: WatchSpec, revision: int, sink: WatchSink) -> OpenWatch: ...

    def send(self, requests: Sequence[ApiRequest], done: Done) -> None:
        """Bodies are bytes or None. ``done`` is called once for each request, in one or more
        batches, in a later turn; code 0 when the outcome is unknown."""
        ...

    def gauges(self) -> dict[str, float]: ...


class FrameTransport:
    """Our own API server's frame port. The client stays the caller's, to be closed by him."""

    batch_requests_max = 500

    def __init__(self, client: FrameClient, call_timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._client = client
        self._call_timeout_s = call_timeout_s

    def watch(self, spec: WatchSpec, revision: int, sink: WatchSink) -> OpenWatch:
        body = ["watch", *spec_words(spec), revision]
        return self._client.open(body, partial(_deliver, sink, spec.as_text), sink.ended)

    def send(self, requests: Sequence[ApiRequest], done: Done) -> None:
        body = ["api", [request[1:] for request in requests]]
        ids = [request.id for request in requests]
        self._client.ask(body, partial(_answer, ids, done), self._call_timeout_s)

    def gauges(self) -> dict[str, float]:
        return self._client.gauges()


def spec_words(spec: WatchSpec) -> tuple[str, str, str, str]:
    return spec.resource, spec.namespace, spec.label_selector, spec.field_selector


def _deliver(sink: WatchSink, as_text: bool, body: Any) -> None:
    match body:
        case ["items", types, revisions, objects] if as_text:
            sink.items(types, revisions, Texts(objects))
        case ["items", types, revisions, objects]:
            try:
                parsed = [orjson.loads(encoded) for encoded in objects]
            except orjson.JSONDecodeError as error:
                sink.ended(f"{INVALID}an object that is not JSON: {error}")
                return
            sink.items(types, revisions, parsed)
        case ["synced", revision]:
            sink.synced(revision)
        case ["bookmark", revision]:
            sink.bookmark(revision)
        case _:
            sink.ended(f"{INVALID}unknown body {body!r:.200}")


def _answer(ids: Sequence[int], done: Done, answers: Any, error: Exception | None) -> None:
    if error is None:
        done([ApiReply(number, *answer) for number, answer in zip(ids, answers, strict=True)])
    elif isinstance(error, NetError):
        done([ApiReply(number, 0, 0, b"") for number in ids])
    else:
        raise error
