"""The custom resources that definitions make, as far as owner references need to know them.

Source: pkg/controller/garbagecollector (v1.36) asks discovery every 30 s which resources there are;
here the definitions are watched.
"""

from collections.abc import Iterable
from typing import NamedTuple

from api.core import JsonObject
from api.validation.definitions import is_true

DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions"


class CustomResource(NamedTuple):
    """One resource of a definition that is served."""

    key: str
    """``"example.com/widgets"``: as calls and watches name it."""
    group: str
    kind: str
    namespaced: bool


class CustomResources:
    """Those of all definitions, by the name of the definition."""

    __slots__ = ("_known", "_stale")

    def __init__(self) -> None:
        self._known: dict[str, CustomResource] = {}
        self._stale: dict[str, CustomResource] | None = None

    def reset(self) -> None:
        """A list begins: what it does not bring is gone."""
        self._stale = dict(self._known)

    def finish(self) -> None:
        """The list is complete."""
        for name in self._stale or ():
            del self._known[name]
        self._stale = None

    def seen(self, definition: JsonObject) -> None:
        name = definition["metadata"]["name"]
        if self._stale is not None:
            self._stale.pop(name, None)
        if is_true(definition, "Established"):
            spec = definition["spec"]
            self._known[name] = CustomResource(
                f"{spec['group']}/{spec['names']['plural']}",
                spec["group"],
                spec["names"]["kind"],
                spec["scope"] == "Namespaced",
            )

    def deleted(self, definition: JsonObject) -> None:
        name = definition["metadata"]["name"]
        self._known.pop(name, None)
        if self._stale is not None:
            self._stale.pop(name, None)

    def keys(self) -> Iterable[str]:
        return [resource.key for resource in self._known.values()]

    def of_kind(self, group: str, kind: str) -> CustomResource | None:
        """The resource of a kind, in whatever version an owner reference names it."""
        for resource in self._known.values():
            if (resource.group, resource.kind) == (group, kind):
                return resource
        return None

    def is_custom(self, key: str) -> bool:
        return any(resource.key == key for resource in self._known.values())
