"""What the scheduler knows besides pods and nodes: namespaces, services and controllers that select
pods, disruption budgets. Each by a watch of its own, named like its resource."""

from collections.abc import Iterable, Sequence

from api.calls import DELETED, WatchSpec
from api.core import JsonObject
from api.quantity import QuantityError
from api.selectors import SelectorError
from scheduler.node_table import NodeTable
from scheduler.preemption import Budget, budget_of
from scheduler.volumes import RESOURCES as VOLUME_RESOURCES
from scheduler.workloads import OWNER_KINDS, SERVICE

NAMESPACES = "namespaces"
BUDGETS = "policy/poddisruptionbudgets"
WORKLOADS = (SERVICE, *OWNER_KINDS.values())
WATCHES = tuple(
    WatchSpec(resource, resource, optional=True)
    for resource in (NAMESPACES, BUDGETS, *WORKLOADS, *VOLUME_RESOURCES)
)


class Surroundings:
    """Keeps the table's counters and selectors up to date."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self._budgets: dict[tuple[str, str], Budget] = {}
        self.version = 0
        """Grows with every change."""

    @property
    def budgets(self) -> Sequence[Budget]:
        return tuple(self._budgets.values())

    def see(self, resource: str, kind: int, item: JsonObject) -> str:
        """An object came, changed or went; returns its key."""
        meta = item["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        if kind == DELETED:
            self._remove(resource, namespace, name)
        else:
            try:
                self._put(resource, item)
            except (SelectorError, QuantityError):
                self._remove(resource, namespace, name)
        self.version += 1
        return f"{namespace}/{name}"

    def keep_only(self, resource: str, seen: Iterable[str]) -> None:
        """A list is complete: what is not among ``seen`` is gone."""
        present = dict.fromkeys(seen)
        for namespace, name in self._names(resource):
            if f"{namespace}/{name}" not in present:
                self._remove(resource, namespace, name)
                self.version += 1

    def _put(self, resource: str, item: JsonObject) -> None:
        meta = item["metadata"]
        if resource == NAMESPACES:
            self._table.pod_counts.put_namespace(meta["name"], meta.get("labels") or {})
        elif resource == BUDGETS:
            self._budgets[meta["namespace"], meta["name"]] = budget_of(item)
        elif resource in VOLUME_RESOURCES:
            self._table.volumes.put(resource, item)
        else:
            self._table.workloads.put(resource, item)

    def _remove(self, resource: str, namespace: str, name: str) -> None:
        if resource == NAMESPACES:
            self._table.pod_counts.remove_namespace(name)
        elif resource == BUDGETS:
            self._budgets.pop((namespace, name), None)
        elif resource in VOLUME_RESOURCES:
            self._table.volumes.remove(resource, namespace, name)
        else:
            self._table.workloads.remove(resource, namespace, name)

    def _names(self, resource: str) -> list[tuple[str, str]]:
        if resource == NAMESPACES:
            return [("", name) for name in self._table.pod_counts.namespaces]
        if resource == BUDGETS:
            return list(self._budgets)
        if resource in VOLUME_RESOURCES:
            return self._table.volumes.names(resource)
        return self._table.workloads.names(resource)
