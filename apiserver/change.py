"""Change a stored object: read it, make the new state, compare and swap, try again.

The state comes from the watch cache first. Whatever would be decided against the client on that
ground (an error, or that nothing changes) is decided again on the state that the store holds.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from api.core import JsonObject
from api.errors import ApiError, BadRequest, Conflict, NotFound
from api.kinds import Kind
from api.storage import CONFLICT, DELETE, GET
from apiserver.quotas import METERED, charge, has_quotas
from apiserver.records import Record, encode
from apiserver.registry import Ask, Registry
from apiserver.storefail import raise_if_failed

TRIES = 5
"""Attempts before a client that named no revision is told of the conflict. Source:
maxRetryWhenPatchConflicts, apiserver/pkg/endpoints/handlers/patch.go."""
VALUE_BYTES_MAX = 1_572_864

Make = Callable[[Record, JsonObject], JsonObject]
"""The new state of an object, from its record and its parsed state (without resourceVersion), of
which parts may be taken over but nothing changed. Raises an ApiError to refuse."""


class Changed(NamedTuple):
    """An object after a change."""

    value: bytes
    offset: int
    revision: int
    record: Record
    """Its state before."""


def latest(registry: Registry, kind: Kind, key: bytes) -> Generator[Ask, Any, Record | None]:
    """The state that the store holds now."""
    reply = yield registry.ask(kind, key, (GET, key, 0))
    raise_if_failed(reply)
    return Record(key, reply[2], reply[3], reply[1], reply[1]) if reply[1] else None


def change(
    registry: Registry, kind: Kind, namespace: str, name: str, make: Make, dry_run: bool = False
) -> Generator[Ask, Any, Changed]:
    """Carry out ``make``. NotFound, Conflict, or what ``make`` raises."""
    cache = registry.cache(kind)
    key = cache.key(namespace, name)
    record = cache.records.get(key)
    certain, charged = False, False
    for _ in range(2 * TRIES):
        if record is None:
            record = yield from latest(registry, kind, key)
            certain = True
        if record is None:
            raise NotFound(kind.key, name)
        old = record.parsed(kind)
        try:
            new = make(record, old)
        except ApiError:
            if certain:
                raise
            record = None
            continue
        new["metadata"]["resourceVersion"] = ""
        if new == old and not _is_outdated(kind, record):
            if certain:
                return Changed(record.value, record.offset, record.revision, record)
            record = None
            continue
        header, value, offset = encode(kind, new)
        if len(value) > VALUE_BYTES_MAX:
            raise BadRequest("etcdserver: request is too large")
        if not charged and kind.key in METERED and has_quotas(registry, namespace):
            charged = True
            yield from charge(registry, kind, new, old, dry_run)
        if dry_run:
            return Changed(value, offset, record.revision, record)
        if goes_away(kind, new):
            reply = yield registry.ask(kind, key, (DELETE, key, record.revision))
            revision = record.revision
        else:
            reply = yield from registry.put(kind, key, (header, value), record.revision)
            revision = reply[1]
        raise_if_failed(reply, CONFLICT)
        if reply[0] != CONFLICT:
            return Changed(value, offset, revision, record)
        record = None
    raise Conflict(kind.key, name)


def _is_outdated(kind: Kind, record: Record) -> bool:
    """A custom resource that lies in another version than it is to be stored in."""
    if kind.custom is None or kind.custom.stored is None:
        return False
    head = f'{{"kind":"{kind.kind}","apiVersion":"{kind.custom.stored.api_version}",'
    return not record.value.startswith(head.encode())


def goes_away(kind: Kind, obj: JsonObject) -> bool:
    """An object that is being deleted is gone once nothing holds it any more."""
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if kind.key == "namespaces":
        return not (obj.get("spec") or {}).get("finalizers")
    return not meta.get("deletionGracePeriodSeconds")
