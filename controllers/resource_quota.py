"""What the objects of a namespace use of its ResourceQuotas is counted into their status.

Admission adds what it lets in; the count sets that right and gives back what has gone: when a
quota's limits change, when an object goes or a pod ends, and all over again every five minutes.
Kinds that the controllers do not watch are counted in those rounds alone.

Source: pkg/controller/resourcequota/resource_quota_controller.go (v1.36); apiserver/pkg/quota/v1,
CalculateUsage.
"""

from collections.abc import Sequence
from typing import Final

from api.calls import ApiRequest
from api.core import JsonObject
from api.quota_scopes import in_scope
from api.quota_usage import COUNTED_BY_NAME, Amount, Usage, amounts, plus, texts, usage_of
from api.quotas import names_of
from controllers.reconciler import Reconciler
from controllers.records import PODS, QUOTAS, Pod
from controllers.sync import DONE, FAILED, Sync, body_of, ok, update
from controllers.view import Change, View

RESYNC_NS: Final = 300 * 10**9
"""Source: --resource-quota-sync-period."""
_METERED: Final = (PODS, "services", "persistentvolumeclaims")


class ResourceQuotaController(Reconciler):
    """Reconciles NAMESPACE/NAME of quotas."""

    name = "resource-quota"

    def __init__(self, view: View) -> None:
        self._view = view
        self._next_round_ns: int | None = None

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        row = change.any
        if change.resource == QUOTAS:
            quota = self._view.whole(QUOTAS, row.key) if change.after is not None else None
            return (row.key,) if quota is not None and _is_news(quota) else ()
        if change.after is not None and not _has_ended(change):
            return ()
        return [
            f"{row.namespace}/{quota['metadata']['name']}"
            for quota in self._view.wholes_in(QUOTAS, row.namespace)
            if names_of(change.resource, quota["spec"].get("hard") or {})
        ]

    def all_keys(self) -> Sequence[str]:
        return [row.key for row in self._view.rows(QUOTAS)]

    def due(self, now_ns: int) -> Sequence[str]:
        if self._next_round_ns is not None and now_ns < self._next_round_ns:
            return ()
        self._next_round_ns = now_ns + RESYNC_NS
        return self.all_keys()

    def next_due_ns(self) -> int | None:
        return self._next_round_ns

    def sync(self, key: str, now_ns: int) -> Sync:
        quota = self._view.whole(QUOTAS, key)
        if quota is None:
            return DONE
        hard = quota["spec"].get("hard") or {}
        kinds = _kinds_of(hard)
        namespace = quota["metadata"]["namespace"]
        replies = yield [ApiRequest(0, "list", kind, namespace) for kind in kinds]
        used: Usage = {}
        for kind, reply in zip(kinds, replies, strict=True):
            if reply.code == 404:
                continue  # No such kind: nobody counts it, so nobody is refused.
            if not ok(reply):
                return FAILED
            used |= dict.fromkeys(names_of(kind, hard), Amount(0))
            for item in body_of(reply).get("items") or ():
                if in_scope(quota, kind, item):
                    used = plus(used, usage_of(kind, item, now_ns))
        status = quota.get("status") or {}
        before = amounts(status.get("used"))
        counted = {name: used.get(name, before.get(name)) for name in hard}
        new = {name: amount for name, amount in counted.items() if amount is not None}
        if status.get("hard", {}) == hard and texts(before) == texts(new):
            return DONE
        body = {**quota, "status": {"hard": hard, "used": texts(new)}}
        reply = (yield [update(QUOTAS, body, "status")])[0]
        return DONE if ok(reply) or reply.code == 404 else FAILED


def _is_news(quota: JsonObject) -> bool:
    """Its limits are not those that are enforced."""
    return (quota["spec"].get("hard") or {}) != ((quota.get("status") or {}).get("hard") or {})


def _has_ended(change: Change) -> bool:
    before, after = change.before, change.after
    if not isinstance(before, Pod) or not isinstance(after, Pod):
        return False
    ended = ("Succeeded", "Failed")
    return after.phase in ended and before.phase not in ended


def _kinds_of(hard: JsonObject) -> list[str]:
    """The kinds whose objects have to be listed."""
    kinds = [kind for kind in _METERED if names_of(kind, hard)]
    for name in hard:
        if name in COUNTED_BY_NAME:
            kinds.append(name)
        elif name.startswith("count/"):
            resource, _, group = name.removeprefix("count/").partition(".")
            kinds.append(f"{group}/{resource}" if group else resource)
    return list(dict.fromkeys(kinds))
