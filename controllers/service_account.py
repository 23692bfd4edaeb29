"""Every living namespace has a ServiceAccount ``default``.

Source: pkg/controller/serviceaccount/serviceaccounts_controller.go (v1.36).
"""

from collections.abc import Sequence

from api.core import JsonObject
from controllers.reconciler import Reconciler
from controllers.records import NAMESPACES, SERVICE_ACCOUNTS
from controllers.sync import DONE, FAILED, Sync, create, ok
from controllers.view import Change, View

ACCOUNT = "default"


class ServiceAccountController(Reconciler):
    """Reconciles names of namespaces."""

    name = "service-account"

    def __init__(self, view: View) -> None:
        self._view = view

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        if change.resource == NAMESPACES and change.after is not None:
            return (change.after.name,)
        if change.resource == SERVICE_ACCOUNTS and change.after is None:
            return (change.any.namespace,) if change.any.name == ACCOUNT else ()
        return ()

    def all_keys(self) -> list[str]:
        return [row.name for row in self._view.rows(NAMESPACES)]

    def sync(self, key: str, now_ns: int) -> Sync:
        namespace = self._view.get(NAMESPACES, key)
        if namespace is None or namespace.deleted_at:
            return DONE
        if self._view.get(SERVICE_ACCOUNTS, f"{key}/{ACCOUNT}") is not None:
            return DONE
        body: JsonObject = {
            "kind": "ServiceAccount",
            "apiVersion": "v1",
            "metadata": {"name": ACCOUNT, "namespace": key},
        }
        reply = (yield [create(SERVICE_ACCOUNTS, key, body)])[0]
        # It exists already, or the namespace has just begun to end: nothing left to do.
        return DONE if ok(reply) or reply.code in (403, 404, 409) else FAILED
