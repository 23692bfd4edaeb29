"""The shapes of requests: what a writer may ask, checked before anything is decided."""

from api.storage import (
    ADOPT,
    GET,
    GRANT,
    KEEPALIVE,
    LEASE,
    ORDER,
    REVOKE,
    StoreRequest,
)

REQUEST_BYTES_MAX = 1_572_864
"""Key, header and value together. Source: etcd server/embed/config.go, DefaultMaxRequestBytes."""
TOO_LARGE = "etcdserver: request is too large"
WHOLE, KEYS_AND_HEADERS, COUNT, COUNTED = range(4)
"""Modes of a range; COUNTED is that of etcd's clients."""
_OF_LEASES = (GRANT, ADOPT, REVOKE, KEEPALIVE, LEASE)
"""The number of a lease is any but 0."""


class Malformed(ValueError):
    """A request that does not follow api/storage.py. Answered with INVALID and this message."""


def checked_put(request: StoreRequest) -> tuple[bytes, int]:
    """Key and expected revision of a put. Malformed."""
    words = len(request)
    if words == 6:
        _, key, header, value, expected, lease = request
    elif words == 7:
        _, key, header, value, expected, lease, flags = request
        if type(flags) is not int or not 0 <= flags < 8:
            raise Malformed("put takes flags from 0 to 7")
    else:
        raise Malformed("put takes key, header, value, expected, lease")
    if not (
        type(key) is bytes is type(header) is type(value) and type(expected) is int is type(lease)
    ):
        raise Malformed("put takes bytes, bytes, bytes, int, int")
    if len(key) + len(header) + len(value) > REQUEST_BYTES_MAX:
        raise Malformed(TOO_LARGE)
    if not key:
        raise Malformed("etcdserver: key is not provided")
    return key, expected


def checked_delete(request: StoreRequest) -> tuple[bytes, int]:
    """Key and expected revision of a delete. Malformed."""
    if len(request) != 3:
        raise Malformed("del takes key, expected")
    _, key, expected = request
    if type(key) is not bytes or type(expected) is not int:
        raise Malformed("del takes bytes, int")
    return key, expected


def checked_delete_range(request: StoreRequest) -> None:
    """Types of a delete of all keys in [start, end). Malformed."""
    if len(request) != 4:
        raise Malformed("delrange takes start, end, want_previous")
    _, start, end, want_previous = request
    if not (type(start) is bytes is type(end)) or type(want_previous) is not bool:
        raise Malformed("delrange takes bytes, bytes, bool")


def checked_read(request: StoreRequest) -> int:
    """The revision that a get or a range asks for; 0: the latest."""
    revision = _checked_get(request) if request[0] == GET else _checked_range(request)
    if revision < 0:
        raise Malformed("negative revision")
    return revision


def _checked_get(request: StoreRequest) -> int:
    if len(request) != 3 or type(request[1]) is not bytes or type(request[2]) is not int:
        raise Malformed("get takes key, revision")
    revision: int = request[2]
    return revision


def _checked_range(request: StoreRequest) -> int:
    if len(request) not in (6, 7):
        raise Malformed("range takes start, end, revision, limit, mode")
    _, start, end, revision, limit, mode = request[:6]
    if type(start) is not bytes or type(end) is not bytes:
        raise Malformed("range takes bytes for start and end")
    if not (type(revision) is int is type(limit)) or limit < 0 or mode not in range(4):
        raise Malformed("range takes integers for revision, limit, mode")
    if len(request) == 7:
        _check_order(request[6], mode)
    found: int = revision
    return found


def _check_order(order: object, mode: int) -> None:
    if not isinstance(order, list | tuple) or len(order) != 6 or mode != COUNTED:
        raise Malformed("an order of a range has six items and is for mode 3")
    if order[0] not in ORDER or type(order[1]) is not bool:
        raise Malformed("an order begins with a field and whether it descends")
    if any(type(bound) is not int for bound in order[2:]):
        raise Malformed("the bounds of an order are integers")


def integers(request: StoreRequest, count: int) -> tuple[int, ...]:
    """The arguments of a request that takes ``count`` integers, >= 0 unless it is of a lease."""
    arguments = tuple(request[1:])
    if len(arguments) != count or any(type(number) is not int for number in arguments):
        raise Malformed(f"{request[0]} takes {count} integers")
    if min(arguments, default=0) < 0 and request[0] not in _OF_LEASES:
        raise Malformed(f"{request[0]}: negative argument")
    return arguments
