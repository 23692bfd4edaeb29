"""Validation of PersistentVolumes, claims and storage classes.

Source: pkg/apis/core/validation/validation.go, pkg/apis/storage/validation/validation.go.
"""

from api.core import JsonObject
from api.defaults.podtemplate import VOLUME_SOURCES
from api.errors import Cause
from api.names import wrong_with_qualified_name, wrong_with_subdomain
from api.quantity import parse
from api.validation.affinity import check_node_selector
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import IMMUTABLE
from api.validation.resources import check_quantity

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")
_RECLAIM = ("Delete", "Recycle", "Retain")
_CLASS_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_SOURCES = (
    *VOLUME_SOURCES,
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "cinder",
    "cephfs",
    "fc",
    "flocker",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "photonPersistentDisk",
    "portworxVolume",
    "local",
    "storageos",
    "csi",
)
_CLAIM_FIXED = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims"
)


def check_claim(causes: list[Cause], claim: JsonObject) -> None:
    """A PersistentVolumeClaim, defaulted; metadata apart."""
    spec = claim["spec"]
    if not spec.get("accessModes"):
        causes.append(Cause.required("spec.accessModes", "at least 1 access mode is required"))
    if spec.get("selector") is not None:
        check_label_selector(causes, spec["selector"], "spec.selector")
    _check_modes(causes, spec)
    storage = spec.get("resources", {}).get("requests", {}).get("storage")
    if storage is None:
        causes.append(Cause.required("spec.resources[storage]"))
    else:
        check_quantity(causes, "storage", storage, "spec.resources[storage]")
        if parse(storage)[0] <= 0:
            text = "must be greater than zero"
            causes.append(Cause.invalid("spec.resources[storage]", storage, text))
    _check_class_name(causes, spec)


def _check_modes(causes: list[Cause], spec: JsonObject) -> None:
    modes = spec.get("accessModes") or ()
    for mode in modes:
        if mode not in ACCESS_MODES:
            causes.append(Cause.not_supported("spec.accessModes", mode, ACCESS_MODES))
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        text = "may not use ReadWriteOncePod with other access modes"
        causes.append(Cause.forbidden("spec.accessModes", text))
    if spec["volumeMode"] not in _VOLUME_MODES:
        causes.append(Cause.not_supported("spec.volumeMode", spec["volumeMode"], _VOLUME_MODES))


def _check_class_name(causes: list[Cause], spec: JsonObject) -> None:
    name = spec.get("storageClassName")
    for text in wrong_with_subdomain(name) if name else ():
        causes.append(Cause.invalid("spec.storageClassName", name, text))


def check_claim_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """A claim keeps what it asks for; once bound it may ask for more room."""
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    check_claim(causes, new)
    bound = old["status"].get("phase") == "Bound"
    same = dict(after)
    if not before.get("volumeName"):
        _set_or_drop(same, before, "volumeName")
    if "storageClassName" not in before:
        same.pop("storageClassName", None)
    if bound:
        requests = dict(same.get("resources", {}).get("requests", {}))
        known = before.get("resources", {}).get("requests", {})
        _set_or_drop(requests, known, "storage")
        same["resources"] = {**same.get("resources", {}), "requests": requests}
        _set_or_drop(same, before, "volumeAttributesClassName")
    if same != before:
        causes.append(Cause.forbidden("spec", _CLAIM_FIXED))
    elif bound:
        _check_growth(causes, after, before)


def _check_growth(causes: list[Cause], after: JsonObject, before: JsonObject) -> None:
    wanted = after.get("resources", {}).get("requests", {}).get("storage", "0")
    known = before.get("resources", {}).get("requests", {}).get("storage", "0")
    if parse(wanted)[0] < parse(known)[0]:
        text = "field can not be less than status.capacity"
        causes.append(Cause.forbidden("spec.resources.requests.storage", text))


def _set_or_drop(target: JsonObject, source: JsonObject, name: str) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


def check_volume(causes: list[Cause], volume: JsonObject) -> None:
    """A PersistentVolume, defaulted; metadata apart."""
    spec = volume["spec"]
    if not spec.get("accessModes"):
        causes.append(Cause.required("spec.accessModes"))
    _check_modes(causes, spec)
    capacity = spec.get("capacity", {})
    if not capacity:
        causes.append(Cause.required("spec.capacity"))
    elif list(capacity) != ["storage"]:
        causes.append(Cause.not_supported("spec.capacity", dict(capacity), ("storage",)))
    for name, text in capacity.items():
        check_quantity(causes, name, text, f"spec.capacity[{name}]")
        if parse(text)[0] <= 0:
            why = "must be greater than zero"
            causes.append(Cause.invalid(f"spec.capacity[{name}]", text, why))
    policy = spec["persistentVolumeReclaimPolicy"]
    if policy not in _RECLAIM:
        field = "spec.persistentVolumeReclaimPolicy"
        causes.append(Cause.not_supported(field, policy, _RECLAIM))
    sources = [name for name in _SOURCES if name in spec]
    if not sources:
        causes.append(Cause.required("spec", "must specify a volume type"))
    for name in sources[1:]:
        text = "may not specify more than 1 volume type"
        causes.append(Cause.forbidden(f"spec.{name}", text))
    for name in sources[:1]:
        _check_source(causes, spec, name)
    if "local" in spec and "nodeAffinity" not in spec:
        text = "Local volume requires node affinity"
        causes.append(Cause.required("spec.nodeAffinity", text))
    affinity = spec.get("nodeAffinity")
    if affinity is not None and "required" in affinity:
        check_node_selector(causes, affinity["required"], "spec.nodeAffinity.required")
    elif affinity is not None:
        text = "must specify required node constraints"
        causes.append(Cause.required("spec.nodeAffinity.required", text))
    _check_class_name(causes, spec)


def _check_source(causes: list[Cause], spec: JsonObject, name: str) -> None:
    source, field = spec[name], f"spec.{name}"
    for wanted in _REQUIRED.get(name, ()):
        if not source.get(wanted):
            causes.append(Cause.required(f"{field}.{wanted}"))
    path = source.get("path", "")
    if name in ("hostPath", "local") and ".." in path.split("/"):
        causes.append(Cause.invalid(f"{field}.path", path, "must not contain '..'"))
    if name == "nfs" and path and not path.startswith("/"):
        causes.append(Cause.invalid(f"{field}.path", path, "must be an absolute path"))
    if name == "hostPath":
        kind = source.get("type") or ""
        if kind not in _HOST_PATH_TYPES:
            causes.append(Cause.not_supported(f"{field}.type", kind, _HOST_PATH_TYPES))
        policy = "persistentVolumeReclaimPolicy"
        if path.rstrip("/") == "" and path and spec.get(policy) == "Recycle":
            text = "may not be 'recycle' for a hostPath mount of '/'"
            causes.append(Cause.forbidden(f"spec.{policy}", text))


_REQUIRED = {
    "hostPath": ("path",),
    "local": ("path",),
    "nfs": ("server", "path"),
    "csi": ("driver", "volumeHandle"),
}
_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


def check_volume_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Where the data lies stays."""
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    check_volume(causes, new)
    if any(after.get(name) != before.get(name) for name in _SOURCES):
        text = "spec.persistentvolumesource is immutable after creation"
        causes.append(Cause.forbidden("spec.persistentvolumesource", text))
    if after["volumeMode"] != before["volumeMode"]:
        causes.append(Cause.invalid("spec.volumeMode", after["volumeMode"], IMMUTABLE))
    if "nodeAffinity" in before and after.get("nodeAffinity") != before["nodeAffinity"]:
        causes.append(Cause.invalid("spec.nodeAffinity", after.get("nodeAffinity"), IMMUTABLE))


def check_storage_class(causes: list[Cause], storage_class: JsonObject) -> None:
    """A StorageClass, defaulted; metadata apart."""
    if not storage_class.get("provisioner"):
        causes.append(Cause.required("provisioner"))
    else:
        for text in wrong_with_qualified_name(storage_class["provisioner"].lower()):
            name = storage_class["provisioner"]
            causes.append(Cause.invalid("provisioner", name, text))
    if "" in (storage_class.get("parameters") or {}):
        causes.append(Cause.invalid("parameters", "", "field must not be empty."))
    policy = storage_class["reclaimPolicy"]
    if policy and policy not in _CLASS_RECLAIM:
        causes.append(Cause.not_supported("reclaimPolicy", policy, _CLASS_RECLAIM))
    mode = storage_class["volumeBindingMode"]
    if mode not in _BINDING:
        causes.append(Cause.not_supported("volumeBindingMode", mode, _BINDING))


def check_storage_class_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """How volumes are made stays."""
    for name in ("parameters", "provisioner", "reclaimPolicy"):
        if new.get(name) != old.get(name):
            causes.append(Cause.forbidden(name, f"updates to {name} are forbidden."))
    if new["volumeBindingMode"] != old["volumeBindingMode"]:
        causes.append(Cause.invalid("volumeBindingMode", new["volumeBindingMode"], IMMUTABLE))
