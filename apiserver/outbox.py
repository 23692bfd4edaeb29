"""Requests to the store that wait to be sent, and who waits for their replies."""

from collections.abc import Callable, Sequence

from api.storage import StoreReply, StoreRequest
from apiserver.messages import StoreCall, StoreReplied

Then = Callable[[StoreReply | None], None]
"""Called with the reply, or with None when the connection was lost and the outcome is unknown."""
ThenAll = Callable[[Sequence[StoreReply] | None], None]
"""Told the replies to several requests, in their order; None: the shard was lost."""


class Outbox:
    """One queue for each shard; a step's requests to a shard leave together."""

    __slots__ = ("_last_id", "_open", "_queues", "_together", "_waiting")

    def __init__(self, shards: int) -> None:
        self._last_id = 0
        self._queues: list[tuple[list[int], list[StoreRequest]]] = [([], []) for _ in range(shards)]
        self._waiting: dict[int, Then] = {}
        self._together: dict[int, tuple[int, ThenAll]] = {}
        """First id of requests that follow each other: how many, and who waits for all replies."""
        self._open = 0

    def send(self, shard: int, request: StoreRequest, then: Then) -> None:
        """Asks a shard of the store; ``then`` is called with its reply."""
        self._last_id += 1
        ids, requests = self._queues[shard]
        ids.append(self._last_id)
        requests.append(request)
        self._waiting[self._last_id] = then
        self._open += 1

    def send_together(self, shard: int, asked: Sequence[StoreRequest], then: ThenAll) -> None:
        """``then`` is told all replies at once. ``asked``: not empty."""
        first_id = self._last_id + 1
        self._last_id += len(asked)
        ids, requests = self._queues[shard]
        ids += range(first_id, first_id + len(asked))
        requests += asked
        self._together[first_id] = (len(asked), then)
        self._open += len(asked)

    def replied(self, event: StoreReplied) -> None:
        """Hand each reply to whoever waits for it."""
        ids, replies = event.ids, event.replies
        assert replies is None or len(replies) == len(ids)
        self._open -= len(ids)
        place = 0
        while place < len(ids):
            together = self._together.pop(ids[place], None)
            if together is None:
                self._waiting.pop(ids[place])(None if replies is None else replies[place])
                place += 1
            else:
                count, then = together
                then(None if replies is None else replies[place : place + count])
                place += count

    def drain(self) -> list[StoreCall]:
        """What has been queued since the last time."""
        calls: list[StoreCall] = []
        for shard, (ids, requests) in enumerate(self._queues):
            if ids:
                calls.append(StoreCall(shard, ids, requests))
                self._queues[shard] = ([], [])
        return calls

    def __len__(self) -> int:
        return self._open
