"""Kinds that show the objects of another: a second version, or the same thing in a second group.

An object is stored in one form only. Each other form is a ``View``: clients write and read it, and
it is converted on the way in and out. Field selectors name the fields of the view.

Source: pkg/apis/core/v1/conversion.go and pkg/apis/events, pkg/apis/autoscaling/v1/conversion.go;
tests/golden/api/defaults.jsonl, def-hpa-*.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from api.autoscaler_v1 import autoscaler_from_v1, autoscaler_to_v1
from api.canonical import canonicalize
from api.core import JsonObject
from api.kinds import Kind, kind_by_path, kind_of

Convert = Callable[[JsonObject], JsonObject]
"""A converted copy, without kind and apiVersion; what is shared may not be changed."""


class View(NamedTuple):
    """A second API version of a kind: how its objects are converted there and back."""

    kind: Kind
    """As clients see them."""
    stored: Kind
    """As they are stored."""
    restore: Convert
    """From the view, as far as the names and places of fields go."""
    show: Convert
    """The reverse."""
    fields: Mapping[str, str]
    """Selectable fields of the view that the stored form names otherwise."""
    whole: bool = False
    """Both conversions give whole objects, kind and apiVersion included: a custom resource."""

    def to_stored(self, obj: JsonObject) -> JsonObject:
        """The stored form of an object that a client sent."""
        if self.whole:
            return self.restore(obj)
        made = self.restore(obj)
        return {"kind": self.stored.kind, "apiVersion": self.stored.api_version, **made}

    def from_stored(self, obj: JsonObject) -> JsonObject:
        """What a client sees of a stored object: complete, in the order of the view's fields."""
        if self.whole:
            return self.show(obj)
        made = self.show(obj)
        canonicalize(self.kind.type_name, made)
        return {"kind": self.kind.kind, "apiVersion": self.kind.api_version, **made}


_EVENT_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_CORE_NAMES = {core: name for name, core in _EVENT_NAMES.items()}
_EVENT_FIELDS = {
    **{
        f"regarding.{name}": f"involvedObject.{name}"
        for name in (
            "kind",
            "namespace",
            "name",
            "uid",
            "apiVersion",
            "resourceVersion",
            "fieldPath",
        )
    },
    "reportingController": "reportingComponent",
}
_TYPE = ("kind", "apiVersion")


def _event_to_core(event: JsonObject) -> JsonObject:
    return {_EVENT_NAMES.get(k, k): value for k, value in event.items() if k not in _TYPE}


def _event_from_core(event: JsonObject) -> JsonObject:
    return {_CORE_NAMES.get(k, k): value for k, value in event.items() if k not in _TYPE}


@cache
def _views() -> Mapping[Kind, View]:
    events = kind_by_path("events.k8s.io", "v1", "events")
    autoscalers = kind_by_path("autoscaling", "v1", "horizontalpodautoscalers")
    views = (
        View(events, kind_of("events"), _event_to_core, _event_from_core, _EVENT_FIELDS),
        View(autoscalers, kind_of(autoscalers.key), autoscaler_from_v1, autoscaler_to_v1, {}),
    )
    return {view.kind: view for view in views}


def view_of(kind: Kind) -> View | None:
    """The view that a kind is, or None for one that is stored as it is."""
    return _views().get(kind)


def views() -> tuple[View, ...]:
    """All of them."""
    return tuple(_views().values())
