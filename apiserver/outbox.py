"""Requests to the store that wait to be sent, and who waits for their replies."""

from collections.abc import Callable

from api.storage import StoreReply, StoreRequest
from apiserver.messages import StoreCall, StoreReplied

Then = Callable[[StoreReply | None], None]
"""Called with the reply, or with None when the connection was lost and the outcome is unknown."""


class Outbox:
    """One queue for each shard; a step's requests to a shard leave together."""

    __slots__ = ("_last_id", "_queues", "_waiting")

    def __init__(self, shards: int) -> None:
        self._last_id = 0
        self._queues: list[tuple[list[int], list[StoreRequest]]] = [([], []) for _ in range(shards)]
        self._waiting: dict[int, Then] = {}

    def send(self, shard: int, request: StoreRequest, then: Then) -> None:
        self._last_id += 1
        ids, requests = self._queues[shard]
        ids.append(self._last_id)
        requests.append(request)
        self._waiting[self._last_id] = then

    def replied(self, event: StoreReplied) -> None:
        """Hand each reply to whoever waits for it."""
        replies = event.replies if event.replies is not None else [None] * len(event.ids)
        for call_id, reply in zip(event.ids, replies, strict=True):
            self._waiting.pop(call_id)(reply)

    def drain(self) -> list[StoreCall]:
        """What has been queued since the last time."""
        calls: list[StoreCall] = []
        for shard, (ids, requests) in enumerate(self._queues):
            if ids:
                calls.append(StoreCall(shard, ids, requests))
                self._queues[shard] = ([], [])
        return calls

    def __len__(self) -> int:
        return len(self._waiting)
