"""Admission on create: which of the rules in ``api.admission`` run, with what they need to know."""

from collections.abc import Generator
from typing import Any

from api.admission import (
    add_default_tolerations,
    add_service_account,
    is_mirror,
    resolve_priority,
    service_account_name,
    taint_new_node,
)
from api.core import JsonObject
from api.errors import Forbidden
from api.kinds import Kind, kind_of
from api.storage import GET
from apiserver.records import Record
from apiserver.registry import Ask, Registry
from apiserver.storefail import raise_if_failed

_ACCOUNTS = kind_of("serviceaccounts")
ACCOUNT_WITHOUT_OPINIONS: JsonObject = {}


def admit(registry: Registry, kind: Kind, obj: JsonObject) -> Generator[Ask, Any, None]:
    """Complete a defaulted new object in place, or raise Forbidden."""
    key = kind.key
    if key == "pods":
        yield from _admit_pod(registry, obj)
    elif key == "nodes":
        taint_new_node(obj)


def _admit_pod(registry: Registry, pod: JsonObject) -> Generator[Ask, Any, None]:
    meta = pod["metadata"]
    if not is_mirror(pod):
        account = yield from account_of(registry, meta, service_account_name(pod))
        add_service_account(pod, account, registry.names.suffix())
    add_default_tolerations(pod)
    refusal = resolve_priority(pod, {})
    if refusal is not None:
        raise Forbidden("pods", meta.get("name", ""), refusal)


def account_of(registry: Registry, meta: JsonObject, name: str) -> Generator[Ask, Any, JsonObject]:
    """The ServiceAccount of a new pod with this metadata; ACCOUNT_WITHOUT_OPINIONS for one that
    leaves pods as they are. Forbidden when there is none, as in Kubernetes."""
    cache = registry.caches["serviceaccounts"]
    key = cache.key(meta["namespace"], name)
    record = cache.records.get(key)
    if record is None:
        reply = yield registry.ask(_ACCOUNTS, key, (GET, key, 0))
        raise_if_failed(reply)
        if not reply[1]:
            raise Forbidden(
                "pods",
                meta.get("name", ""),
                f"error looking up service account {meta['namespace']}/{name}: "
                f'serviceaccount "{name}" not found',
            )
        record = Record(key, reply[2], reply[3], reply[1], reply[1])
    if b"automountServiceAccountToken" not in record.value and (
        b"imagePullSecrets" not in record.value
    ):
        return ACCOUNT_WITHOUT_OPINIONS
    return record.object()
