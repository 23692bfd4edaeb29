"""Requests on their way out of the core, each with what to do with its answer."""

from collections.abc import Callable, Iterable, Sequence

from api.calls import STRATEGIC_PATCH, ApiReply, ApiRequest, Calls
from api.core import JsonObject

Answer = Callable[[ApiReply, int], None]
"""Takes the reply and the time."""


class Outbox:
    """Gathers the requests of a step; hands each reply to the one who asked."""

    def __init__(self) -> None:
        self._requests: list[ApiRequest] = []
        self._answers: dict[int, Answer] = {}
        self._rows: dict[int, int] = {}
        """Requests whose answers are taken together -> row of their node."""
        self._last_id = 0

    def __len__(self) -> int:
        """Requests without an answer so far."""
        return len(self._answers) + len(self._rows)

    def of_rows(
        self, replies: Sequence[ApiReply]
    ) -> tuple[list[tuple[int, ApiReply]], Sequence[ApiReply]]:
        """The replies to ``update_rows``, each with its row; and the others."""
        rows = self._rows
        if not rows:
            return [], replies
        found: list[tuple[int, ApiReply]] = []
        others: list[ApiReply] = []
        for reply in replies:
            row = rows.pop(reply.id, None)
            if row is None:
                others.append(reply)
            else:
                found.append((row, reply))
        return found, others

    def answered(self, reply: ApiReply, now_ns: int) -> None:
        self._answers.pop(reply.id)(reply, now_ns)

    def take(self) -> Sequence[Calls]:
        """The requests gathered since the last call, as effects."""
        requests, self._requests = self._requests, []
        return (Calls(requests),) if requests else ()

    def update_rows(self, where: tuple[str, str], asked: Iterable[tuple[int, str, bytes]]) -> None:
        """Quietly update objects at (resource, namespace), each for a node: (row, name, body)."""
        last_id, rows, make = self._last_id, self._rows, ApiRequest._make
        for row, name, body in asked:
            last_id += 1
            rows[last_id] = row
            words = (last_id, "update", *where, name, "", "", body, "", True)
            self._requests.append(make(words))
        self._last_id = last_id

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
