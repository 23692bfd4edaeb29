"""The shape of a transaction: its branches, and the transactions inside them.

What is put is written once, whichever branches are taken, and nothing that is put is deleted. Both
branches of a transaction inside another may touch the same keys: one of them is taken.

Source: etcd server/etcdserver/api/v3rpc/key.go, checkTxnRequest and checkIntervals.
"""

from collections.abc import Iterator, Sequence

from api.storage import DELETE, DELETE_RANGE, GET, PUT, RANGE, TXN, StoreRequest
from store.forms import (
    REQUEST_BYTES_MAX,
    TOO_LARGE,
    Malformed,
    checked_delete,
    checked_delete_range,
    checked_put,
    checked_read,
)

TXN_OPS_MAX = 128
"""Of compares or of one branch; less what is used outside for a transaction inside. Source: etcd
server/embed/config.go, DefaultMaxTxnOps."""
TXN_OPS_IN_ALL_MAX = 1024
"""Of all branches with all that is inside, where there is any such. Ours: it is checked and decided
in one piece."""
DUPLICATE = "etcdserver: duplicate key given in txn request"
_NESTED = (PUT, DELETE, DELETE_RANGE, GET, RANGE, TXN)
Parts = tuple[Sequence[Sequence[object]], Sequence[StoreRequest], Sequence[StoreRequest]]


def checked_transaction(request: StoreRequest) -> Parts:
    """Compares and the two branches, of sound shape, with all that is inside. Malformed."""
    parts = _checked_parts(request, TXN_OPS_MAX)
    _, then, otherwise = parts
    if any(nested[0] == TXN for nested in (*then, *otherwise)):
        for count, _ in enumerate(operations_of(request)):
            if count == TXN_OPS_IN_ALL_MAX:
                message = f"a transaction has at most {TXN_OPS_IN_ALL_MAX} operations in all"
                raise Malformed(f"hollowfleet: {message}")
    Touched(then)
    Touched(otherwise)
    return parts


def operations_of(request: StoreRequest) -> Iterator[StoreRequest]:
    """What is in both branches of a transaction and in those inside, these themselves too."""
    for nested in (*request[2], *request[3]):
        yield nested
        if nested[0] == TXN:
            yield from operations_of(nested)


def _checked_parts(request: StoreRequest, operations_max: int) -> Parts:
    if len(request) != 4:
        raise Malformed("txn takes compares, then, otherwise")
    _, compares, then, otherwise = request
    for part in (compares, then, otherwise):
        if type(part) not in (list, tuple):
            raise Malformed("compares, then, otherwise are arrays")
    used = max(len(compares), len(then), len(otherwise))
    if used > operations_max:
        raise Malformed("etcdserver: too many operations in txn request")
    for nested in (*then, *otherwise):
        if type(nested) not in (list, tuple) or not nested or nested[0] not in _NESTED:
            raise Malformed("a transaction holds put, del, delrange, get, range, txn")
        if nested[0] == TXN:
            _checked_parts(nested, operations_max - used)
    return compares, then, otherwise


class Touched:
    """What one branch writes, with all that is inside. Malformed: a shape that is not sound, or a
    key that is written twice."""

    __slots__ = ("_ranges", "_size", "_written")

    def __init__(self, branch: Sequence[StoreRequest]) -> None:
        self._size = 0
        self._written: dict[bytes, bool] = {}
        """Keys that have a request of their own, and whether it is a put."""
        self._ranges: list[tuple[bytes, bytes]] = []
        singles: list[StoreRequest] = []
        inside: list[StoreRequest] = []
        for nested in branch:
            if nested[0] in (GET, RANGE):
                checked_read(nested)
            elif nested[0] == DELETE_RANGE:
                checked_delete_range(nested)
                self._ranges.append((nested[1], nested[2]))
            else:
                (inside if nested[0] == TXN else singles).append(nested)
        for nested in inside:
            self._take_either(Touched(nested[2]), Touched(nested[3]))
        for nested in singles:
            self._take_single(nested)
        if self._size > REQUEST_BYTES_MAX:
            raise Malformed(TOO_LARGE)

    def _take_either(self, then: "Touched", otherwise: "Touched") -> None:
        for one, other in ((then, {}), (otherwise, then._written)):
            for key, is_put in one._written.items():
                self._take(key, is_put, key in other)
        for one in (then, otherwise):
            self._ranges += one._ranges
            self._size += one._size

    def _take_single(self, request: StoreRequest) -> None:
        is_put = request[0] == PUT
        key, expected = checked_put(request) if is_put else checked_delete(request)
        if expected != -1:
            raise Malformed("inside a transaction expected must be -1: use compares")
        if is_put:
            self._size += len(key) + len(request[2]) + len(request[3])
        self._take(key, is_put, False)

    def _take(self, key: bytes, is_put: bool, instead: bool) -> None:
        """``instead``: of the same key in the branch that is then not taken."""
        if key in self._written and not instead:
            raise Malformed(DUPLICATE)
        if is_put and any(start <= key and (not end or key < end) for start, end in self._ranges):
            raise Malformed(DUPLICATE)
        self._written[key] = is_put or self._written.get(key, False)
