"""Keys over several shards: who has what, and how the parts of an answer make one.

A key lives on the shard of its CRC-32, a lease on that of its number. What a request touches beyond
one shard is decided here, without IO: ``actors.etcd.shards`` asks and waits.
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from operator import itemgetter
from zlib import crc32

from api.storage import OK, PUT, TXN, StoreReply, StoreRequest
from store.etcd.errors import UNIMPLEMENTED, EtcdError
from store.messages import KEY
from store.reads import order_of
from store.transaction_forms import operations_of

_LEASE = 5
"""Place of the lease in a put."""
_by_key = itemgetter(KEY)


def shard_of(key: bytes, shards: int) -> int:
    return crc32(key) % shards


def home_of(lease: int, shards: int) -> int:
    return lease % shards


def shards_of_span(start: bytes, end: bytes, shards: int) -> Sequence[int]:
    """The shards that may have keys of [start, end)."""
    if end == start + b"\x00":
        return (shard_of(start, shards),)
    return range(shards)


def prefix_of(start: bytes, end: bytes) -> tuple[bytes, bytes | None]:
    """A span as a watch of the store takes it: one of a whole prefix without an end, because such
    watches are found by the prefix and not one by one."""
    stem = start.rstrip(b"\xff")
    if stem and end == stem[:-1] + bytes((stem[-1] + 1,)) and stem == start:
        return start, None
    return start, end


def shard_of_transaction(request: StoreRequest, shards: int) -> int:
    """The one shard that has all keys of a transaction. EtcdError if there is none."""
    touched: dict[int, None] = {}
    for start, end in _spans_of(request):
        touched.update(dict.fromkeys(shards_of_span(start, end, shards)))
    if len(touched) > 1:
        names = ", ".join(map(str, sorted(touched)))
        message = f"hollowfleet: a transaction over several shards ({names}) is not supported"
        raise EtcdError(UNIMPLEMENTED, message)
    return next(iter(touched), 0)


def _spans_of(transaction: StoreRequest) -> Iterator[tuple[bytes, bytes]]:
    """Where a transaction and those inside it look and write."""
    for nested in (transaction, *operations_of(transaction)):
        if nested[0] == TXN:
            for compare in nested[1]:
                start = compare[2]
                yield start, compare[4] if len(compare) == 5 else start + b"\x00"
        else:
            yield nested[1], nested[1] + b"\x00" if nested[0] == PUT else nested[2]


def leases_of(request: StoreRequest) -> list[int]:
    """The leases that a put or a transaction hangs keys on, each once."""
    puts = [request] if request[0] == PUT else operations_of(request)
    found = [put[_LEASE] for put in puts if put[0] == PUT and put[_LEASE]]
    return list(dict.fromkeys(found))


def joined_range(request: StoreRequest, revision: int, replies: Sequence[StoreReply]) -> StoreReply:
    """One reply to a range of mode 3 from those of all shards, all read at ``revision``."""
    limit = request[4]
    order = order_of(request)
    if order is None:
        items = list(merge(*[reply[3] for reply in replies], key=_by_key))
    else:
        items = sorted([item for reply in replies for item in reply[3]], key=_by_key)
        order.sort(items)
    more = any(reply[2] for reply in replies)
    if limit and len(items) > limit:
        items, more = items[:limit], True
    return (OK, revision, more, items, sum(reply[4] for reply in replies))


def joined_delete(replies: Sequence[StoreReply]) -> StoreReply:
    """One reply to a deleted range: each shard deleted its part at a revision of its own."""
    assert all(reply[0] == OK for reply in replies)
    items = list(merge(*[reply[3] for reply in replies], key=_by_key))
    revision = max(reply[1] for reply in replies)
    return (OK, revision, sum(reply[2] for reply in replies), items)
