"""Requests of api/storage.py as calls of a real etcd, and its answers as their replies.

What the store keeps as (header, value) is one value in etcd: the length of the header as u32,
big-endian, then both. The rest is translated one to one: a put that expects a revision is a txn
with one compare.
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Final

from api.storage import (
    ALARM,
    COMPACT,
    COMPACTED,
    CONFLICT,
    DELETE,
    DELETE_RANGE,
    FUTURE,
    GET,
    GRANT,
    INVALID,
    KEEP_LEASE,
    KEEP_VALUE,
    LEASE,
    LEASES,
    NO_SPACE,
    NOT_FOUND,
    OK,
    PUT,
    RANGE,
    REVOKE,
    TXN,
    WANT_PREVIOUS,
    StoreReply,
    StoreRequest,
)
from store.etcd.codec import Message
from store.etcd.errors import (
    COMPACTED_TEXT,
    FUTURE_TEXT,
    LEASE_NOT_FOUND,
    NO_SPACE_TEXT,
    EtcdError,
)
from store.forms import (
    Malformed,
    checked_delete,
    checked_delete_range,
    checked_put,
    integers,
)
from store.transaction_forms import checked_transaction

Call = tuple[str, str, Message]
"""(service, method, request)."""
PAGE_KEYS: Final = 2_000
"""Keys of one range; ``more`` says that there are others."""
_LENGTH: Final = Struct(">I")
_EVERYTHING: Final = b"\x00"
_EQUAL, _GREATER, _LESS, _NOT_EQUAL = range(4)
_RESULTS: Final = {"=": _EQUAL, ">": _GREATER, "<": _LESS, "!=": _NOT_EQUAL}
_TARGETS: Final = {
    "version": (0, "version"),
    "create": (1, "create_revision"),
    "mod": (2, "mod_revision"),
    "lease": (4, "lease"),
}
_WHOLE, _HEADERS, _COUNT = range(3)


def packed(header: bytes, value: bytes) -> bytes:
    return _LENGTH.pack(len(header)) + header + value


def unpacked(data: bytes) -> tuple[bytes, bytes]:
    """(header, value). ValueError for what ``packed`` did not make."""
    if len(data) < _LENGTH.size:
        raise ValueError(f"a value of {len(data)} bytes is none of ours")
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    if end > len(data):
        raise ValueError(f"a header of {end} bytes in a value of {len(data)}")
    return data[_LENGTH.size : end], data[end:]


def call_of(request: StoreRequest) -> Call:
    """The call that a request becomes. Malformed, also for what this engine has no call for."""
    if type(request) not in (list, tuple) or not request or type(request[0]) is not str:
        raise Malformed("a request is an array that begins with its name")
    make = _CALLS.get(request[0])
    if make is None:
        raise Malformed(f"the etcd engine has no {request[0]!r}")
    return make(request)


def reply_of(request: StoreRequest, answer: Message) -> StoreReply:
    """The reply that an answer of etcd becomes."""
    revision = answer.get("header", {}).get("revision", 0)
    return _REPLIES[request[0]](request, answer, revision)


def refusal_of(error: EtcdError) -> StoreReply | None:
    """The reply that an error becomes; None if the outcome is unknown. Of a compacted or a future
    revision etcd does not say which one it has."""
    known: dict[str, StoreReply] = {
        COMPACTED_TEXT: (COMPACTED, 0),
        FUTURE_TEXT: (FUTURE, 0),
        LEASE_NOT_FOUND: (NOT_FOUND,),
        NO_SPACE_TEXT: (NO_SPACE, NO_SPACE_TEXT),
    }
    if error.message in known:
        return known[error.message]
    return (INVALID, error.message) if error.message.startswith("etcdserver: ") else None


# Calls.


def _put(request: StoreRequest) -> Call:
    key, expected = checked_put(request)
    if expected < 0:
        return ("KV", "Put", _put_message(request))
    compare = {"target": 2, "key": key, "mod_revision": expected}
    return _if_unchanged(compare, {"request_put": _put_message(request)})


def _put_message(request: StoreRequest) -> Message:
    flags = request[6] if len(request) == 7 else 0
    message: Message = {"key": request[1], "lease": request[5]}
    if flags & KEEP_VALUE:
        message["ignore_value"] = True
    else:
        message["value"] = packed(request[2], request[3])
    return message | {
        "ignore_lease": bool(flags & KEEP_LEASE),
        "prev_kv": bool(flags & WANT_PREVIOUS),
    }


def _delete(request: StoreRequest) -> Call:
    key, expected = checked_delete(request)
    if expected < 0:
        return ("KV", "DeleteRange", {"key": key, "prev_kv": True})
    compare = {"target": 2, "key": key, "mod_revision": expected}
    return _if_unchanged(compare, {"request_delete_range": {"key": key, "prev_kv": True}})


def _if_unchanged(compare: Message, then: Message) -> Call:
    look = {"request_range": {"key": compare["key"], "keys_only": True}}
    return ("KV", "Txn", {"compare": [compare], "success": [then], "failure": [look]})


def _delete_range(request: StoreRequest) -> Call:
    checked_delete_range(request)
    _, start, end, _ = request
    span = {"key": start or _EVERYTHING, "range_end": end or _EVERYTHING}
    return ("KV", "DeleteRange", {**span, "prev_kv": True})


def _get(request: StoreRequest) -> Call:
    return ("KV", "Range", _get_message(request))


def _get_message(request: StoreRequest) -> Message:
    if len(request) != 3 or type(request[1]) is not bytes or type(request[2]) is not int:
        raise Malformed("get takes key, revision")
    return {"key": request[1], "revision": request[2]}


def _range(request: StoreRequest) -> Call:
    return ("KV", "Range", _range_message(request))


def _range_message(request: StoreRequest) -> Message:
    if len(request) != 6 or request[5] not in (_WHOLE, _HEADERS, _COUNT):
        raise Malformed("a range of the etcd engine takes start, end, revision, limit, mode 0 to 2")
    _, start, end, revision, limit, mode = request
    if type(start) is not bytes or type(end) is not bytes:
        raise Malformed("range takes bytes for start and end")
    if type(revision) is not int or type(limit) is not int or min(revision, limit) < 0:
        raise Malformed("range takes revision and limit as integers >= 0")
    message = {
        "key": start or _EVERYTHING,
        "range_end": end or _EVERYTHING,
        "revision": revision,
    }
    if mode == _COUNT:
        return message | {"count_only": True}
    return message | {"limit": min(limit or PAGE_KEYS, PAGE_KEYS)}


def _transaction(request: StoreRequest) -> Call:
    checked_transaction(request)
    return ("KV", "Txn", _transaction_message(request))


def _transaction_message(request: StoreRequest) -> Message:
    _, compares, then, otherwise = request
    return {
        "compare": [_compare(compare) for compare in compares],
        "success": [_operation(nested) for nested in then],
        "failure": [_operation(nested) for nested in otherwise],
    }


def _compare(compare: Sequence[Any]) -> Message:
    if len(compare) not in (4, 5) or compare[0] not in _TARGETS or compare[1] not in _RESULTS:
        raise Malformed("a compare of the etcd engine is of version, create, mod or lease")
    target, field = _TARGETS[compare[0]]
    message = {"target": target, "result": _RESULTS[compare[1]], "key": compare[2]}
    if len(compare) == 5:
        message["range_end"] = compare[4] or _EVERYTHING
    return message | {field: compare[3]}


def _operation(nested: StoreRequest) -> Message:
    if nested[0] == PUT:
        return {"request_put": _put_message(nested)}
    if nested[0] == GET:
        return {"request_range": _get_message(nested)}
    if nested[0] == RANGE:
        return {"request_range": _range_message(nested)}
    if nested[0] == TXN:
        return {"request_txn": _transaction_message(nested)}
    key, end = nested[1], b""
    if nested[0] == DELETE_RANGE:
        key, end = key or _EVERYTHING, nested[2] or _EVERYTHING
    return {"request_delete_range": {"key": key, "range_end": end, "prev_kv": True}}


def _compact(request: StoreRequest) -> Call:
    return ("KV", "Compact", {"revision": integers(request, 1)[0]})


def _grant(request: StoreRequest) -> Call:
    lease, ttl_s = integers(request, 2)
    return ("Lease", "LeaseGrant", {"ID": lease, "TTL": ttl_s})


def _of_lease(method: str, **fields: object) -> Callable[[StoreRequest], Call]:
    return lambda request: ("Lease", method, {"ID": integers(request, 1)[0], **fields})


def _leases(request: StoreRequest) -> Call:
    integers(request, 0)
    return ("Lease", "LeaseLeases", {})


def _alarm(request: StoreRequest) -> Call:
    (action,) = integers(request, 1)
    if action > 2:
        raise Malformed("an alarm is asked for (0), raised (1) or cleared (2)")
    return ("Maintenance", "Alarm", {"action": action, "alarm": 1 if action else 0})


_CALLS: Final[dict[str, Callable[[StoreRequest], Call]]] = {
    PUT: _put,
    DELETE: _delete,
    DELETE_RANGE: _delete_range,
    GET: _get,
    RANGE: _range,
    TXN: _transaction,
    COMPACT: _compact,
    GRANT: _grant,
    REVOKE: _of_lease("LeaseRevoke"),
    LEASE: _of_lease("LeaseTimeToLive", keys=True),
    LEASES: _leases,
    ALARM: _alarm,
}


# Replies.


def item_of(kv: Message) -> tuple[Any, ...]:
    """A KeyValue as an item of a range. ValueError."""
    header, value = unpacked(kv.get("value", b""))
    numbers = (kv["create_revision"], kv["mod_revision"], kv["version"])
    return (kv["key"], *numbers, header, value, kv.get("lease", 0))


def _put_reply(request: StoreRequest, answer: Message, revision: int) -> StoreReply:
    if request[4] >= 0:
        if not answer.get("succeeded"):
            return (CONFLICT, _found_mod(answer))
        answer = answer["responses"][0].get("response_put", {})
    if len(request) == 7 and request[6] & WANT_PREVIOUS:
        before = answer.get("prev_kv")
        return (OK, revision, None if before is None else item_of(before))
    return (OK, revision)


def _delete_reply(request: StoreRequest, answer: Message, revision: int) -> StoreReply:
    if request[2] >= 0:
        if not answer.get("succeeded"):
            return (CONFLICT, _found_mod(answer))
        answer = answer["responses"][0].get("response_delete_range", {})
    if not answer.get("deleted"):
        return (CONFLICT, 0)
    return (OK, revision, *unpacked(answer["prev_kvs"][0].get("value", b"")))


def _found_mod(answer: Message) -> int:
    """Mod revision of the one key that a refused compare looked at; 0: it is not there."""
    found = answer["responses"][0].get("response_range", {}).get("kvs", ())
    mod: int = found[0]["mod_revision"] if found else 0
    return mod


def _delete_range_reply(request: StoreRequest, answer: Message, revision: int) -> StoreReply:
    items = [item_of(kv) for kv in answer.get("prev_kvs", ())] if request[3] else []
    return (OK, revision, answer.get("deleted", 0), items)


def _get_reply(request: StoreRequest, answer: Message, revision: int) -> StoreReply:
    found = answer.get("kvs")
    if not found:
        return (OK, 0, b"", b"")
    return (OK, found[0]["mod_revision"], *unpacked(found[0].get("value", b"")))


def _range_reply(request: StoreRequest, answer: Message, revision: int) -> StoreReply:
    at = request[3] or revision
    if request[5] == _COUNT:
        return (OK, at, False, answer.get("count", 0))
    items = [item_of(kv) for kv in answer.get("kvs", ())]
    if request[5] == _HEADERS:
        items = [(*item[:5], b"", item[6]) for item in items]
    return (OK, at, answer.get("more", False), items)


def _transaction_reply(request: StoreRequest, answer: Message, revision: int) -> StoreReply:
    succeeded = answer.get("succeeded", False)
    branch = request[2] if succeeded else request[3]
    replies = []
    for nested, response in zip(branch, answer.get("responses", ()), strict=True):
        (part,) = response.values()
        reply = _REPLIES[nested[0]](nested, part, revision)
        replies.append((OK, 0, *reply[2:]) if nested[0] == TXN else reply)
    return (OK, revision, succeeded, replies)


def _lease_reply(request: StoreRequest, answer: Message, revision: int) -> StoreReply:
    ttl_s = answer.get("TTL", 0)
    if ttl_s < 0:
        return (NOT_FOUND,)
    return (OK, answer.get("grantedTTL", 0), ttl_s, answer.get("keys", []))


_REPLIES: Final[dict[str, Callable[[StoreRequest, Message, int], StoreReply]]] = {
    PUT: _put_reply,
    DELETE: _delete_reply,
    DELETE_RANGE: _delete_range_reply,
    GET: _get_reply,
    RANGE: _range_reply,
    TXN: _transaction_reply,
    COMPACT: lambda request, answer, revision: (OK, request[1]),
    GRANT: lambda request, answer, revision: (OK, answer["ID"]),
    REVOKE: lambda request, answer, revision: (OK, revision),
    LEASE: _lease_reply,
    LEASES: lambda request, answer, revision: (
        OK,
        [one["ID"] for one in answer.get("leases", ())],
        [],
    ),
    ALARM: lambda request, answer, revision: (
        OK,
        request[1] == 1 or (request[1] == 0 and bool(answer.get("alarms"))),
    ),
}
