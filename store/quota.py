"""The quota: how much a shard may keep, and the alarm that outlives the moment it was passed.

Source: etcd server/storage/quota.go and server/etcdserver/apply: puts, grants and transactions that
could put are refused while the alarm is raised; what frees space passes.
"""

from collections.abc import Sequence

from api.storage import GRANT, PUT, TXN, StoreRequest
from store.keyspace import RECORD_BYTES, Keyspace
from store.transaction_forms import TXN_OPS_MAX

NO_SPACE_TEXT = "etcdserver: mvcc: database space exceeded"
GRANT_BYTES = 64


class Quota:
    """What is kept, against a limit."""

    __slots__ = ("_keyspace", "limit", "raised")

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self.limit = 0
        """In bytes; 0: none."""
        self.raised = False
        """The alarm, as the log has it."""

    @property
    def watched(self) -> bool:
        """Whether there is anything to compare with."""
        return bool(self.limit or self.raised)

    def refuses(self, request: StoreRequest) -> bool:
        """Whether the alarm is raised for this request, or is to be raised by it."""
        if not self.watched:
            return False
        cost = _cost(request)
        return bool(cost) and (self.raised or self._keyspace.size + cost > self.limit)


def _cost(request: StoreRequest, depth: int = 0) -> int:
    """What a request may add, 0 if nothing. It is counted before its shape is checked: anything
    malformed costs nothing and is refused by its form."""
    if request[0] == PUT:
        parts = [part for part in request[1:4] if type(part) is bytes]
        return RECORD_BYTES + sum(map(len, parts))
    if request[0] == GRANT:
        return GRANT_BYTES
    if request[0] == TXN:
        branches = [part for part in request[2:4] if type(part) in (list, tuple)]
        return max((_branch_cost(branch, depth) for branch in branches), default=0)
    return 0


def _branch_cost(branch: Sequence[StoreRequest], depth: int) -> int:
    if depth >= TXN_OPS_MAX:
        return 0
    return sum(
        _cost(nested, depth + 1)
        for nested in branch
        if type(nested) in (list, tuple) and nested and nested[0] in (PUT, TXN)
    )
