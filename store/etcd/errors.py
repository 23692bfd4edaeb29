"""Refusals in etcd's words: status code and text, as its clients compare them.

Source: etcd api/v3rpc/rpctypes/error.go, release 3.6.
"""

from typing import Final

from api.storage import COMPACTED, FUTURE, INVALID, NO_SPACE, NOT_FOUND, OK, StoreReply

INVALID_ARGUMENT: Final = 3
NOT_FOUND_CODE: Final = 5
RESOURCE_EXHAUSTED: Final = 8
FAILED_PRECONDITION: Final = 9
OUT_OF_RANGE: Final = 11
UNIMPLEMENTED: Final = 12
UNAVAILABLE: Final = 14

EMPTY_KEY: Final = "etcdserver: key is not provided"
KEY_NOT_FOUND: Final = "etcdserver: key not found"
VALUE_PROVIDED: Final = "etcdserver: value is provided"
LEASE_PROVIDED: Final = "etcdserver: lease is provided"
COMPACTED_TEXT: Final = "etcdserver: mvcc: required revision has been compacted"
FUTURE_TEXT: Final = "etcdserver: mvcc: required revision is a future revision"
NO_SPACE_TEXT: Final = "etcdserver: mvcc: database space exceeded"
LEASE_NOT_FOUND: Final = "etcdserver: requested lease not found"

_CODES: Final = {
    "etcdserver: lease already exists": FAILED_PRECONDITION,
    "etcdserver: too large lease TTL": OUT_OF_RANGE,
    "etcdserver: too many requests": RESOURCE_EXHAUSTED,
}


class EtcdError(Exception):
    """What a client is told instead of an answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def checked(reply: StoreReply) -> StoreReply:
    """The reply if it is none of the refusals. EtcdError."""
    match reply[0]:
        case code if code == OK:
            return reply
        case code if code == COMPACTED:
            raise EtcdError(OUT_OF_RANGE, COMPACTED_TEXT)
        case code if code == FUTURE:
            raise EtcdError(OUT_OF_RANGE, FUTURE_TEXT)
        case code if code == NOT_FOUND:
            raise EtcdError(NOT_FOUND_CODE, LEASE_NOT_FOUND)
        case code if code == NO_SPACE:
            message = reply[1] if reply[1].startswith("etcdserver: ") else NO_SPACE_TEXT
            raise EtcdError(RESOURCE_EXHAUSTED, message)
        case code if code == INVALID:
            raise EtcdError(_CODES.get(reply[1], INVALID_ARGUMENT), reply[1])
    raise AssertionError(f"a reply that no request of the door asks for: {reply!r}")
