"""The selector by which a pod without spread constraints of its own is spread: that of the
services that select it and of the controller that owns it.

Source: pkg/scheduler/framework/plugins/helper/spread.go (DefaultSelector), v1.36.
"""

from collections.abc import Iterable

from api.core import JsonObject
from api.selectors import LabelSelector, Requirement, label_selector_of
from scheduler.relations import Relations

SERVICE = "services"
CONTROLLER = "replicationcontrollers"
OWNER_KINDS = {
    ("v1", "ReplicationController"): CONTROLLER,
    ("apps/v1", "ReplicaSet"): "apps/replicasets",
    ("apps/v1", "StatefulSet"): "apps/statefulsets",
}
"""Owners that count, and the watch that tells of them."""
Selector = LabelSelector | dict[str, str] | None
"""Of a ReplicationController: labels and their values."""


class Workloads:
    """Services and controllers, by namespace and name."""

    def __init__(self) -> None:
        self.version = 0
        """Grows when a selector comes, goes or changes."""
        self._services: dict[str, dict[str, dict[str, str]]] = {}
        self._owners: dict[tuple[str, str, str], Selector] = {}
        """(resource, namespace, name)."""
        self._selectors: dict[int, LabelSelector] = {}
        self._selectors_version = 0

    def put(self, resource: str, item: JsonObject) -> None:
        """A service or an owner as it is now."""
        meta, spec = item["metadata"], item.get("spec") or {}
        namespace, name = meta.get("namespace", ""), meta["name"]
        selector = spec.get("selector")
        if resource == SERVICE:
            services = self._services.setdefault(namespace, {})
            if services.get(name) != selector:
                self.version += 1
                services.pop(name, None)
                if selector is not None:
                    services[name] = selector
            return
        parsed: Selector = selector
        if resource != CONTROLLER and selector is not None:
            parsed = label_selector_of(selector)
        key = (resource, namespace, name)
        if key not in self._owners or self._owners[key] != parsed:
            self.version += 1
            self._owners[key] = parsed

    def remove(self, resource: str, namespace: str, name: str) -> None:
        if resource == SERVICE:
            self._services.get(namespace, {}).pop(name, None)
        else:
            self._owners.pop((resource, namespace, name), None)
        self.version += 1

    @property
    def any(self) -> bool:
        """Something is known that could select a pod."""
        return bool(self._services or self._owners)

    def names(self, resource: str) -> list[tuple[str, str]]:
        """(namespace, name) of what is known of a resource."""
        if resource == SERVICE:
            return [(n, name) for n, services in self._services.items() for name in services]
        return [(n, name) for kind, n, name in self._owners if kind == resource]

    def default_selector(self, pod: Relations) -> LabelSelector:
        """An empty one: nothing selects the pod."""
        if self._selectors_version != self.version:
            self._selectors, self._selectors_version = {}, self.version
        known = self._selectors.get(pod.number)
        if known is None:
            known = self._selectors[pod.number] = self._work_out(pod)
        return known

    def _work_out(self, pod: Relations) -> LabelSelector:
        namespace = pod.key.namespace
        wanted: dict[str, str] = {}
        for selector in self._services.get(namespace, {}).values():
            if all(pod.labels.get(key) == value for key, value in selector.items()):
                wanted.update(selector)
        owner = pod.key.owner
        resource = OWNER_KINDS.get((owner.api_version, owner.kind)) if owner else None
        more = None
        if owner is not None and resource is not None:
            more = self._owners.get((resource, namespace, owner.name))
        if isinstance(more, dict):
            # Where it says otherwise than the services, it is the one that counts.
            wanted.update(more)
        found = _equalities(wanted.items())
        if not isinstance(more, LabelSelector):
            return found
        rest = [one for one in more.requirements if one not in found.requirements]
        return LabelSelector([*found.requirements, *rest])


def _equalities(labels: Iterable[tuple[str, str]]) -> LabelSelector:
    return LabelSelector([Requirement(key, "=", (value,)) for key, value in labels])
