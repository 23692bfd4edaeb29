"""Requests on their way out of the core, each with what to do with its answer."""

from collections.abc import Callable, Sequence
from functools import partial

from api.calls import STRATEGIC_PATCH, ApiReply, ApiRequest, Calls
from api.core import JsonObject

Answer = Callable[[ApiReply, int], None]
"""Takes the reply and the time."""
_request = partial(tuple.__new__, ApiRequest)
"""As ApiRequest._make, without a count of the words."""


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
    ) -> tuple[dict[int, int], list[int], Sequence[ApiReply]]:
        """Of the replies to ``update_rows`` each row that was written, with its new revision, and
        the rows that were not; and the other replies."""
        rows = self._rows
        written: dict[int, int] = {}
        refused: list[int] = []
        if not rows:
            return written, refused, replies
        others: list[ApiReply] = []
        for reply in replies:
            number, code, revision, _ = reply
            row = rows.pop(number, None)
            if row is None:
                others.append(reply)
            elif code == 200:
                written[row] = revision
            else:
                refused.append(row)
        return written, refused, others

    def answered(self, reply: ApiReply, now_ns: int) -> None:
        self._answers.pop(reply.id)(reply, now_ns)

    def take(self) -> Sequence[Calls]:
        """The requests gathered since the last call, as effects."""
        requests, self._requests = self._requests, []
        return (Calls(requests),) if requests else ()

    def update_rows(
        self, where: tuple[str, str], rows: Sequence[int], asked: Sequence[tuple[str, bytes]]
    ) -> None:
        """Quietly update objects at (resource, namespace), each for the node of a row: (name,
        body)."""
        (resource, namespace), first_id = where, self._last_id + 1
        self._last_id += len(rows)
        self._rows.update(enumerate(rows, first_id))
        self._requests += [
            _request((number, "update", resource, namespace, name, "", "", body, "", True))
            for number, (name, body) in enumerate(asked, first_id)
        ]

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
