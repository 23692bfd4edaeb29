"""Validation of where a container's volumes are mounted, or stand as devices.

Source: ValidateVolumeMounts and ValidateVolumeDevices in pkg/apis/core/validation/validation.go.
Some of their fields lack the index of the mount, and so do ours.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause

_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
Volumes = Mapping[str, JsonObject]
"""Volumes that are right, by name."""


def check_mounts(causes: list[Cause], container: JsonObject, volumes: Volumes, field: str) -> None:
    """Volumes that a container mounts, in their list at ``field``."""
    devices = container.get("volumeDevices", ())
    names = [device["name"] for device in devices]
    paths = [device["devicePath"] for device in devices]
    places: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts", ())):
        path = f"{field}[{index}]"
        name, place = mount["name"], mount["mountPath"]
        if not name:
            causes.append(Cause.required(f"{path}.name"))
        if name not in volumes:
            causes.append(Cause.not_found(f"{path}.name", name))
        if not place:
            causes.append(Cause.required(f"{path}.mountPath"))
        if place in places:
            causes.append(Cause.invalid(f"{path}.mountPath", place, "must be unique"))
        places.add(place)
        if name in names:
            text = "must not already exist in volumeDevices"
            causes.append(Cause.invalid(f"{path}.name", name, text))
        if place in paths:
            text = "must not already exist as a path in volumeDevices"
            causes.append(Cause.invalid(f"{path}.mountPath", place, text))
        if "image" in volumes.get(name, ()):
            _check_image_mount(causes, mount, path)
        _check_sub_paths(causes, mount, path, field)
        _check_propagation(causes, mount, container, f"{field}.mountPropagation")


def _check_image_mount(causes: list[Cause], mount: JsonObject, path: str) -> None:
    for name in ("subPath", "subPathExpr"):
        if mount.get(name):
            text = "not allowed in image volume sources"
            causes.append(Cause.invalid(f"{path}.{name}", mount[name], text))


def _check_sub_paths(causes: list[Cause], mount: JsonObject, path: str, field: str) -> None:
    if mount.get("subPath"):
        check_descending_path(causes, mount["subPath"], f"{field}.subPath")
    if mount.get("subPathExpr"):
        if mount.get("subPath"):
            text = "subPathExpr and subPath are mutually exclusive"
            causes.append(Cause.invalid(f"{path}.subPathExpr", mount["subPathExpr"], text))
        check_descending_path(causes, mount["subPathExpr"], f"{field}.subPathExpr")


def check_descending_path(causes: list[Cause], text: str, field: str) -> None:
    """A path below some folder."""
    if text.startswith("/"):
        causes.append(Cause.invalid(field, text, "must be a relative path"))
    if ".." in text.split("/"):
        causes.append(Cause.invalid(field, text, "must not contain '..'"))


def _check_propagation(
    causes: list[Cause], mount: JsonObject, container: JsonObject, field: str
) -> None:
    wanted = mount.get("mountPropagation")
    if wanted is None:
        return
    if wanted not in _PROPAGATIONS:
        causes.append(Cause.not_supported(field, wanted, _PROPAGATIONS))
    if wanted == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        text = "Bidirectional mount propagation is available only to privileged containers"
        causes.append(Cause.forbidden(field, text))


def check_devices(causes: list[Cause], container: JsonObject, volumes: Volumes, field: str) -> None:
    """Volumes that a container has as raw devices, in their list at ``field``."""
    mounts: Sequence[JsonObject] = container.get("volumeMounts", ())
    mounted = [mount["name"] for mount in mounts]
    places = [mount["mountPath"] for mount in mounts]
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices", ())):
        path = f"{field}[{index}]"
        name, place = device["name"], device["devicePath"]
        if not name:
            causes.append(Cause.required(f"{path}.name"))
        if name in names:
            causes.append(Cause.invalid(f"{path}.name", name, "must be unique"))
        volume = volumes.get(name)
        if volume is None:
            causes.append(Cause.not_found(f"{path}.name", name))
        elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for "
            causes.append(Cause.invalid(f"{path}.name", name, f"{text}block mode"))
        if not place:
            causes.append(Cause.required(f"{path}.devicePath"))
        if place in paths:
            causes.append(Cause.invalid(f"{path}.devicePath", place, "must be unique"))
        if ".." in place.split("/"):
            text = "can not contain backsteps ('..')"
            causes.append(Cause.invalid(f"{path}.devicePath", place, text))
        else:
            paths.add(place)
        if name in mounted:
            text = "must not already exist in volumeMounts"
            causes.append(Cause.invalid(f"{path}.name", name, text))
        if place in places:
            text = "must not already exist as a path in volumeMounts"
            causes.append(Cause.invalid(f"{path}.devicePath", place, text))
        if name:
            names.add(name)
