"""The KV service: its requests as requests of a shard, a shard's replies as its responses."""

from collections.abc import Sequence
from typing import Final

from api.storage import (
    COMPACT,
    DELETE_RANGE,
    KEEP_LEASE,
    KEEP_VALUE,
    ORDER,
    PUT,
    RANGE,
    TXN,
    WANT_PREVIOUS,
    StoreReply,
    StoreRequest,
)
from store.etcd.codec import Message, encoded, prefixed, varint
from store.etcd.errors import (
    EMPTY_KEY,
    INVALID_ARGUMENT,
    KEY_NOT_FOUND,
    LEASE_PROVIDED,
    VALUE_PROVIDED,
    EtcdError,
)
from store.messages import CREATE, KEY, LEASE, MOD, VALUE, VERSION, Record

_COUNTED: Final = 3
_ASCENDING, _DESCENDING = 1, 2
_COMPARE_FIELDS: Final = ("version", "create", "mod", "value", "lease")
_COMPARE_OPERANDS: Final = ("version", "create_revision", "mod_revision", "value", "lease")
_VALUE: Final = 3
_COMPARE_RESULTS: Final = ("=", ">", "<", "!=")


class Identity:
    """Ids of cluster and member, for the header of every response."""

    __slots__ = ("_before", "cluster_id", "member_id")

    RAFT_TERM: Final = 2

    def __init__(self, cluster_id: int, member_id: int) -> None:
        self.cluster_id = cluster_id
        self.member_id = member_id
        known = {"cluster_id": cluster_id, "member_id": member_id}
        self._before = encoded("ResponseHeader", known)

    def header(self, revision: int) -> bytes:
        """The header as the first field of a response; revision 0: none, as of the Cluster
        service and of a watch whose history is gone."""
        if not revision:
            return prefixed(1, self._before + b"\x20\x02")
        return prefixed(1, self._before + b"\x18" + varint(revision) + b"\x20\x02")


def span(key: bytes, range_end: bytes) -> tuple[bytes, bytes]:
    """[start, end) as the store means it: an empty end is no upper bound. EtcdError."""
    if not key:
        raise EtcdError(INVALID_ARGUMENT, EMPTY_KEY)
    if not range_end:
        return key, key + b"\x00"
    return key, b"" if range_end == b"\x00" else range_end


def range_request(message: Message) -> StoreRequest:
    start, end = span(message.get("key", b""), message.get("range_end", b""))
    limit = max(0, message.get("limit", 0))
    if message.get("count_only"):
        limit = 1
    request = (RANGE, start, end, max(0, message.get("revision", 0)), limit, _COUNTED)
    sort, target = message.get("sort_order", 0), message.get("sort_target", 0)
    if not (0 <= sort <= 2 and 0 <= target < len(ORDER)):
        raise EtcdError(INVALID_ARGUMENT, "etcdserver: invalid sort option")
    bounds = tuple(
        [
            message.get(field, 0)
            for field in (
                "min_mod_revision",
                "max_mod_revision",
                "min_create_revision",
                "max_create_revision",
            )
        ]
    )
    if not any(bounds) and (not target and sort != _DESCENDING):
        return request
    return (*request, (ORDER[target], sort == _DESCENDING, *bounds))


def put_request(message: Message) -> StoreRequest:
    key = message.get("key", b"")
    if not key:
        raise EtcdError(INVALID_ARGUMENT, EMPTY_KEY)
    value, lease = message.get("value", b""), message.get("lease", 0)
    flags = 0
    if message.get("ignore_value"):
        if value:
            raise EtcdError(INVALID_ARGUMENT, VALUE_PROVIDED)
        flags |= KEEP_VALUE
    if message.get("ignore_lease"):
        if lease:
            raise EtcdError(INVALID_ARGUMENT, LEASE_PROVIDED)
        flags |= KEEP_LEASE
    if message.get("prev_kv"):
        flags |= WANT_PREVIOUS
    request = (PUT, key, b"", value, -1, lease)
    return (*request, flags) if flags else request


def delete_request(message: Message) -> StoreRequest:
    start, end = span(message.get("key", b""), message.get("range_end", b""))
    return (DELETE_RANGE, start, end, message.get("prev_kv", False))


def compact_request(message: Message) -> StoreRequest:
    return (COMPACT, max(0, message.get("revision", 0)))


def txn_request(message: Message) -> StoreRequest:
    found = [_compare(compare) for compare in message.get("compare", ())]
    compares = [compare for compare in found if compare is not None]
    then, otherwise = (
        [_operation(operation) for operation in message.get(branch, ())]
        for branch in ("success", "failure")
    )
    return (TXN, compares, then, otherwise)


def _compare(message: Message) -> tuple[object, ...] | None:
    """None for one that is always true. Source: etcd server/etcdserver/txn/txn.go, applyCompare: an
    unknown target compares as equal, and an unknown result is that of any value there is."""
    key, range_end = message.get("key", b""), message.get("range_end", b"")
    start, end = span(key, range_end)
    target, result = message.get("target", 0), message.get("result", 0)
    compare: tuple[object, ...]
    if not 0 <= target < len(_COMPARE_FIELDS):
        if result not in (1, 2, 3):
            return None
        compare = ("version", "<", start, 0)
    elif not 0 <= result < len(_COMPARE_RESULTS):
        if target != _VALUE:
            return None
        compare = ("version", ">", start, 0)
    else:
        operand = message.get(_COMPARE_OPERANDS[target], b"" if target == _VALUE else 0)
        compare = (_COMPARE_FIELDS[target], _COMPARE_RESULTS[result], start, operand)
    return (*compare, end) if range_end else compare


def _operation(message: Message) -> StoreRequest:
    match list(message.items()):
        case [("request_range", dict(nested))]:
            return range_request(nested)
        case [("request_put", dict(nested))]:
            return put_request(nested)
        case [("request_delete_range", dict(nested))]:
            return delete_request(nested)
        case [("request_txn", dict(nested))]:
            return txn_request(nested)
    raise EtcdError(INVALID_ARGUMENT, KEY_NOT_FOUND)


# Responses, from the bytes of their header on.


def key_value(record: Record, with_value: bool = True) -> bytes:
    """A record as a KeyValue. Cost: about 2 µs."""
    key = record[KEY]
    parts = [b"\x0a", varint(len(key)), key]
    parts += (b"\x10", varint(record[CREATE]), b"\x18", varint(record[MOD]))
    parts += (b"\x20", varint(record[VERSION]))
    value = record[VALUE]
    if value and with_value:
        parts += (b"\x2a", varint(len(value)), value)
    if record[LEASE]:
        parts += (b"\x30", varint(record[LEASE]))
    return b"".join(parts)


def range_response(header: bytes, message: Message, reply: StoreReply) -> bytes:
    _, _, more, items, count = reply
    parts = [header]
    if message.get("count_only"):
        more = False
    else:
        with_value = not message.get("keys_only")
        parts += [prefixed(2, key_value(record, with_value)) for record in items]
    if more:
        parts.append(b"\x18\x01")
    if count:
        parts.append(b"\x20" + varint(count))
    return b"".join(parts)


def put_response(header: bytes, reply: StoreReply) -> bytes:
    if len(reply) == 3 and reply[2] is not None:
        return header + prefixed(2, key_value(reply[2]))
    return header


def delete_response(header: bytes, reply: StoreReply) -> bytes:
    _, _, count, items = reply
    parts = [header]
    if count:
        parts.append(b"\x10" + varint(count))
    parts += [prefixed(3, key_value(record)) for record in items]
    return b"".join(parts)


def txn_response(header: bytes, message: Message, reply: StoreReply) -> bytes:
    _, _, succeeded, replies = reply
    branch: Sequence[Message] = message.get("success" if succeeded else "failure", ())
    parts = [header]
    if succeeded:
        parts.append(b"\x10\x01")
    for operation, nested in zip(branch, replies, strict=True):
        parts.append(prefixed(3, _nested_response(operation, nested)))
    return b"".join(parts)


def _nested_response(operation: Message, reply: StoreReply) -> bytes:
    if "request_txn" in operation:
        return prefixed(4, txn_response(prefixed(1, b""), operation["request_txn"], reply))
    header = prefixed(1, b"\x18" + varint(reply[1]))
    if "request_range" in operation:
        return prefixed(1, range_response(header, operation["request_range"], reply))
    if "request_put" in operation:
        return prefixed(2, put_response(header, reply))
    return prefixed(3, delete_response(header, reply))
