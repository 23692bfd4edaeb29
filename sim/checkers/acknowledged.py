"""Promise: a write is on disk before anyone is told that it succeeded, as it was asked."""

from api.storage import DELETE, OK, PUT, TXN, StoreReply, StoreRequest
from sim.checkers.history import History
from sim.topics import Topics, Violation


class Acknowledged:
    """Listens to the answers of the shards."""

    def __init__(self, topics: Topics, history: History) -> None:
        self.writes = 0
        self._history = history
        topics.store_answered.append(self._answered)

    def _answered(self, shard: int, request: StoreRequest, reply: StoreReply) -> None:
        if reply[0] != OK:
            return
        if request[0] in (PUT, DELETE):
            self._write(shard, request, reply[1])
        elif request[0] == TXN:
            for nested in request[2] if reply[2] else request[3]:
                if nested[0] in (PUT, DELETE):
                    self._write(shard, nested, reply[1])

    def _write(self, shard: int, request: StoreRequest, revision: int) -> None:
        self.writes += 1
        key = request[1]
        change = self._history.written.get((shard, revision), {}).get(key)
        what = f"shard {shard} acknowledged {request[0]} of {key!r} at {revision}"
        if change is None:
            raise Violation("acknowledged", f"{what}, which is not on its disk")
        if request[0] == PUT:
            if change.new is None or change.new.value != request[3]:
                raise Violation("acknowledged", f"{what}, and another value is on its disk")
        elif change.new is not None:
            raise Violation("acknowledged", f"{what}, and the key was not deleted")
