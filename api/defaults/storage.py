"""Defaults of volumes, claims and classes of storage.

Source: pkg/apis/core/v1/defaults.go, pkg/apis/storage/v1/defaults.go of Kubernetes 1.36;
NormalizeDataSources in pkg/registry/core/persistentvolumeclaim/strategy.go.
"""

from api.core import JsonObject
from api.defaults.podtemplate import VOLUME_SOURCES

FILESYSTEM = "Filesystem"


def set_claim_defaults(claim: JsonObject) -> None:
    """A PersistentVolumeClaim, of its own or as a template, in place."""
    claim["spec"].setdefault("volumeMode", FILESYSTEM)
    claim["status"].setdefault("phase", "Pending")


def mirror_data_sources(claim: JsonObject) -> None:
    """``dataSource`` and ``dataSourceRef`` of a new claim say the same, in place."""
    spec = claim["spec"]
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {name: reference[name] for name in ("apiGroup", "kind", "name")}


def set_volume_defaults(volume: JsonObject) -> None:
    """A PersistentVolume, in place."""
    spec = volume["spec"]
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", FILESYSTEM)
    for name, defaults in VOLUME_SOURCES.items():
        if name in spec:
            for key, value in defaults.items():
                spec[name].setdefault(key, value)
    volume["status"].setdefault("phase", "Pending")


def set_storage_class_defaults(storage_class: JsonObject) -> None:
    """In place."""
    storage_class.setdefault("reclaimPolicy", "Delete")
    storage_class.setdefault("volumeBindingMode", "Immediate")


def set_csi_driver_defaults(driver: JsonObject) -> None:
    """In place."""
    put = driver["spec"].setdefault
    put("attachRequired", True)
    put("podInfoOnMount", False)
    put("storageCapacity", False)
    put("fsGroupPolicy", "ReadWriteOnceWithFSType")
    put("volumeLifecycleModes", ["Persistent"])
    put("requiresRepublish", False)
    put("seLinuxMount", False)
