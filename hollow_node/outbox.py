"""Requests on their way out of the core, each with what to do with its answer."""

from collections.abc import Callable, Sequence

from api.calls import STRATEGIC_PATCH, ApiReply, ApiRequest, Calls
from api.core import JsonObject

Answer = Callable[[ApiReply, int], None]
"""Takes the reply and the time."""


class Outbox:
    """Gathers the requests of a step; hands each reply to the one who asked."""

    def __init__(self) -> None:
        self._requests: list[ApiRequest] = []
        self._answers: dict[int, Answer] = {}
        self._last_id = 0

    def __len__(self) -> int:
        """Requests without an answer so far."""
        return len(self._answers)

    def answered(self, reply: ApiReply, now_ns: int) -> None:
        self._answers.pop(reply.id)(reply, now_ns)

    def take(self) -> Sequence[Calls]:
        """The requests gathered since the last call, as effects."""
        requests, self._requests = self._requests, []
        return (Calls(requests),) if requests else ()

    def call(
        self,
        answer: Answer,
        verb: str,
        resource: str,
        namespace: str = "",
        name: str = "",
        *,
        subresource: str = "",
        body: JsonObject | bytes | None = None,
        quiet: bool = False,
    ) -> None:
        """Ask for this; ``answer`` runs when the reply is there. Patches are strategic."""
        self._last_id += 1
        self._answers[self._last_id] = answer
        self._requests.append(
            ApiRequest(
                self._last_id,
                verb,
                resource,
                namespace,
                name,
                subresource,
                body=body,
                content_type=STRATEGIC_PATCH if verb == "patch" else "",
                quiet=quiet,
            )
        )
