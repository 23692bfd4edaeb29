"""The Watch service: changes of the keyspace as events of its responses."""

from collections.abc import Iterator, Sequence
from typing import Final

from store.etcd.codec import encoded, prefixed, varint
from store.etcd.keys import Identity, key_value
from store.keyspace import Change
from store.messages import KEY, MOD, VERSION

NO_PUT, NO_DELETE = 0, 1
"""Filters."""
PROGRESS_ID: Final = -1
"""Watch id of the answer to a progress request: it speaks for all watches of the stream."""
FRAGMENT_BYTES: Final = 1_572_864
"""A response is cut after the event with which it reaches this size, if the reader can put it
together. Source: etcd server/etcdserver/api/v3rpc/watch.go, maxRequestBytes."""


def event(change: Change, filters: Sequence[int], want_previous: bool) -> bytes | None:
    """A change as an Event; None when it is filtered out."""
    record, previous = change
    if record[VERSION]:
        if NO_PUT in filters:
            return None
        content = prefixed(2, key_value(record))
    else:
        if NO_DELETE in filters:
            return None
        key = record[KEY]
        gone = b"\x0a" + varint(len(key)) + key + b"\x18" + varint(record[MOD])
        content = b"\x08\x01" + prefixed(2, gone)
    if want_previous and previous is not None:
        content += prefixed(3, key_value(previous))
    return content


def events_responses(
    identity: Identity, watch_id: int, revision: int, events: Sequence[bytes], fragment: bool
) -> Iterator[bytes]:
    """Responses with these events: one, or several fragments if the reader agreed to that."""
    start = identity.header(revision) + (b"\x10" + varint(watch_id) if watch_id else b"")
    parts, size = [start], 0
    for place, content in enumerate(events):
        parts.append(prefixed(11, content))
        size += len(content)
        if fragment and size >= FRAGMENT_BYTES and place + 1 < len(events):
            parts.insert(1, b"\x38\x01")
            yield b"".join(parts)
            parts, size = [start], 0
    yield b"".join(parts)


def control_response(identity: Identity, revision: int, **fields: object) -> bytes:
    """A response without events: created, canceled or progress."""
    return identity.header(revision) + encoded("WatchResponse", fields)
