"""Validation of a resize: what of a pod's resources may change while it runs.

Source: ValidatePodResize in pkg/apis/core/validation/validation.go at v1.36.
"""

from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.podspec import is_restartable_init, qos_class

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
_RESIZABLE: Final = ("cpu", "memory")
_NOT_RENAMED: Final = "containers may not be renamed or reordered on resize"


def wrong_pod_to_resize(new: JsonObject, old: JsonObject) -> Cause | None:
    """Why this pod cannot be resized at all."""
    text = ""
    if any(_has_resources(pod["spec"].get("resources")) for pod in (old, new)):
        text = "pods with pod-level resources cannot be resized"
    elif MIRROR_ANNOTATION in old["metadata"].get("annotations", ()):
        text = "static pods cannot be resized"
    elif (old["spec"].get("os") or {}).get("name") == "windows":
        text = "windows pods cannot be resized"
    return Cause.forbidden("", text) if text else None


def _has_resources(resources: JsonObject | None) -> bool:
    return bool(resources) and any(resources.get(name) for name in ("requests", "limits"))  # type: ignore[union-attr]


def check_resize(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Of two pods that may differ in their containers' resources only."""
    after, before = new["spec"], old["spec"]
    if _check_order(causes, after, before):
        return
    if qos_class(new) != old["status"].get("qosClass"):
        text = "Pod QOS Class may not change as a result of resizing"
        causes.append(Cause.invalid("spec", old["status"].get("qosClass", ""), text))
    for status in old["status"].get("containerStatuses", ()):
        if "running" in status.get("state", ()):
            if "resources" not in status:
                text = "Pod running on node without support for resize"
                causes.append(Cause.forbidden("spec", text))
            break
    for index, (was, wanted) in enumerate(_pairs(before, after, "initContainers")):
        if is_restartable_init(was):
            _check_kept(causes, wanted, was, f"spec.initContainers[{index}].resources")
    for index, (was, wanted) in enumerate(_pairs(before, after, "containers")):
        _check_kept(causes, wanted, was, f"spec.containers[{index}].resources")
    _check_mutable(causes, after, before)


def _pairs(before: JsonObject, after: JsonObject, name: str) -> list[tuple[JsonObject, JsonObject]]:
    return list(zip(before.get(name) or (), after.get(name) or (), strict=True))


def _check_order(causes: list[Cause], after: JsonObject, before: JsonObject) -> bool:
    found = len(causes)
    for name in ("containers", "initContainers"):
        new, old = after.get(name) or (), before.get(name) or ()
        if len(new) != len(old):
            text = f"{name} may not be added or removed on resize"
            causes.append(Cause.forbidden(f"spec.{name}", text))
            continue
        for index, (wanted, was) in enumerate(zip(new, old, strict=True)):
            if wanted["name"] != was["name"]:
                causes.append(Cause.forbidden(f"spec.{name}[{index}].name", _NOT_RENAMED))
    return len(causes) > found


def _check_kept(causes: list[Cause], wanted: JsonObject, was: JsonObject, field: str) -> None:
    for name in ("requests", "limits"):
        new, old = (container["resources"].get(name, {}) for container in (wanted, was))
        if any(resource not in new for resource in old):
            text = f"resource {name} cannot be removed"
            causes.append(Cause.forbidden(f"{field}.{name}", text))


def _check_mutable(causes: list[Cause], after: JsonObject, before: JsonObject) -> None:
    for was, wanted in _pairs(before, after, "containers"):
        if _fixed(wanted, was) != was:
            text = "only cpu and memory resources are mutable"
            causes.append(Cause.forbidden("spec", text))
    for was, wanted in _pairs(before, after, "initContainers"):
        if not is_restartable_init(was):
            if wanted != was:
                text = "resources for non-sidecar init containers are immutable"
                causes.append(Cause.forbidden("spec", text))
        elif _fixed(wanted, was) != was:
            text = "only cpu and memory resources for sidecar containers are mutable"
            causes.append(Cause.forbidden("spec", text))


def _fixed(wanted: JsonObject, was: JsonObject) -> JsonObject:
    """The new container with the old cpu and memory."""
    resources = {}
    for name in ("limits", "requests"):
        old = was["resources"].get(name)
        if old is None:
            continue
        new = wanted["resources"].get(name, {})
        kept = {resource: text for resource, text in new.items() if resource not in _RESIZABLE}
        resources[name] = {
            **kept,
            **{resource: old[resource] for resource in _RESIZABLE if resource in old},
        }
    return {**wanted, "resources": resources}
