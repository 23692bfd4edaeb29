"""Admission ResourceQuota: an object is charged to the quotas of its namespace, or refused.

What a quota has left is decided by compare-and-swap on its status, so any number of servers that
create at once never exceed it. Requests of one server take turns, so that they do not fight each
other. What was charged for an object that then was not made comes back when the quota controller
counts again, as in Kubernetes.

Source: staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go (checkQuotas)
of Kubernetes 1.36, which charges the objects that wait together at once.
"""

from collections.abc import Generator
from typing import Any, Final

from api.core import JsonObject
from api.errors import Conflict, Forbidden
from api.kinds import Kind, kind_of
from api.quota_usage import Usage, texts
from api.quotas import IGNORED, Exceeded, charged
from api.storage import CONFLICT, GET, OK
from apiserver.records import Record, encode
from apiserver.registry import Ask, Registry, TurnAsk
from apiserver.storefail import raise_if_failed

QUOTAS: Final = "resourcequotas"
METERED: Final = ("services", "persistentvolumeclaims", "pods")
"""Kinds of which a change, too, may take more."""
TRIES: Final = 64
"""Attempts against other servers before the client is told of the conflict."""
_QUOTA: Final = kind_of(QUOTAS)


def has_quotas(registry: Registry, namespace: str) -> bool:
    """Whether a namespace has any."""
    cache = registry.caches[QUOTAS]
    return bool(cache.records) and any(True for _ in cache.walk(namespace))


def charge(
    registry: Registry, kind: Kind, obj: JsonObject, before: JsonObject | None, dry_run: bool
) -> Generator[Ask, Any, None]:
    """Charge a finished object that takes the place of ``before``; Forbidden when there is no
    room. A dry run only asks."""
    cache = registry.caches[QUOTAS]
    if not cache.records or kind.key in IGNORED:
        return
    meta = obj["metadata"]
    keys = [
        record.key
        for record in cache.walk(meta.get("namespace", ""))
        if charged(record.object(), kind.key, obj, before) is not None
    ]
    if not keys:
        return
    turn = b"quota/" + meta["namespace"].encode()
    yield TurnAsk(turn)
    try:
        # No quota is charged before all have said yes.
        for key in keys:
            yield from _allowed(registry, key, kind, obj, before)
        if not dry_run:
            for key in keys:
                yield from _charge(registry, key, kind, obj, before)
    finally:
        registry.turns.release(turn)


def _charge(
    registry: Registry, key: bytes, kind: Kind, obj: JsonObject, before: JsonObject | None
) -> Generator[Ask, Any, None]:
    record: Record | None = None
    for _ in range(TRIES):
        room = yield from _allowed(registry, key, kind, obj, before, record is None)
        if room is None:
            return
        record, used = room
        quota = record.parsed(_QUOTA)
        quota["status"] = {**quota["status"], "used": texts(used)}
        header, value, _ = encode(_QUOTA, quota)
        reply = yield from registry.put(_QUOTA, key, (header, value), record.revision)
        raise_if_failed(reply, CONFLICT)
        if reply[0] == OK:
            registry.charged[key] = Record(key, header, value, reply[1], record.create_revision)
            return
    raise Conflict(QUOTAS, record.name if record is not None else "")


def _allowed(
    registry: Registry,
    key: bytes,
    kind: Kind,
    obj: JsonObject,
    before: JsonObject | None,
    remembered: bool = True,
) -> Generator[Ask, Any, tuple[Record, Usage] | None]:
    """The quota with what would be used of it, None if it does not care or has gone; Forbidden
    when the store says so, too. ``remembered``: what this server knows of it may do."""
    record = _known(registry, key) if remembered else None
    for _ in range(2):
        certain = record is None
        if record is None:
            reply = yield registry.ask(_QUOTA, key, (GET, key, 0))
            raise_if_failed(reply)
            if not reply[1]:
                return None
            record = Record(key, reply[2], reply[3], reply[1], reply[1])
        found = charged(record.object(), kind.key, obj, before)
        if found is None:
            return None
        if not isinstance(found, Exceeded):
            return record, found
        if certain:
            raise Forbidden(kind.key, obj["metadata"].get("name", ""), found.text)
        record = None
    raise AssertionError("the second look is at the store")


def _known(registry: Registry, key: bytes) -> Record | None:
    """The newest state of a quota that this server has seen or written."""
    cached, written = registry.caches[QUOTAS].records.get(key), registry.charged.get(key)
    if written is None:
        return cached
    if cached is None or cached.revision >= written.revision:
        del registry.charged[key]
        return cached
    return written
