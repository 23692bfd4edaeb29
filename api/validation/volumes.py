"""Validation of where volumes come from: the sources in pods and in PersistentVolumes.

Most sources want a few fields and no more: rows of a table. The others have a function.

Source: validateVolumeSource, ValidatePersistentVolumeSpec and what they call in
pkg/apis/core/validation/validation.go.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label, wrong_with_subdomain
from api.quantity import parse
from api.validation.claims import check_claim_spec
from api.validation.metadata import check_annotations, check_labels
from api.validation.mounts import check_descending_path
from api.validation.projections import (
    check_downward,
    check_keys,
    check_no_steps_back,
    check_projected,
)

POD_SOURCES: Final = (
    *("emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret"),
    *("nfs", "iscsi", "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs"),
    *("quobyte", "downwardAPI", "fc", "flexVolume", "configMap", "azureFile", "vsphereVolume"),
    *("photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO"),
    *("csi", "ephemeral", "image"),
)
PERSISTENT_SOURCES: Final = (
    *("hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs"),
    *("rbd", "quobyte", "cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile"),
    *("vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO", "local"),
    *("storageos", "csi"),
)
"""In the order in which they are looked at."""
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_PATHS: Final = {"gcePersistentDisk": "persistentDisk"}
_PATHS_OF_SECOND: Final = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""Sources that are called otherwise in what is said of them."""
_REQUIRED: Final[Mapping[str, Sequence[str]]] = {
    "gitRepo": ("repository",),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "secret": ("secretName",),
    "nfs": ("server", "path"),
    "iscsi": ("targetPortal",),
    "glusterfs": ("endpoints", "path"),
    "persistentVolumeClaim": ("claimName",),
    "rbd": ("monitors", "image"),
    "cinder": ("volumeID",),
    "cephfs": ("monitors",),
    "flexVolume": ("driver",),
    "configMap": ("name",),
    "azureFile": ("secretName", "shareName"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "storageos": ("volumeName",),
    "hostPath": ("path",),
    "local": ("path",),
}
_HOST_PATH_TYPES: Final = (
    *("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate"),
    "Socket",
)
_PARTITION: Final = "must be between 1 and 255, inclusive"
_LUN: Final = "must be between 0 and 255, inclusive"
_IQN: Final = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([-a-z0-9.]+)(:([^,;*&$|\s]+))"),
    "eui": re.compile(r"eui.[0-9a-fA-F]{16}"),
    "naa": re.compile(r"naa.[0-9a-fA-F]{32}"),
}


def check_volume_source(
    causes: list[Cause], owner: JsonObject, order: Sequence[str], field: str
) -> None:
    """That ``owner`` has one source, and a good one. ``order``: the sources there are."""
    sources = [name for name in order if owner.get(name) is not None]
    if not sources:
        causes.append(Cause.required(field, "must specify a volume type"))
        return
    first = sources[0]
    source, path = owner[first], f"{field}.{_PATHS.get(first, first)}"
    for wanted in _REQUIRED.get(first, ()):
        if not source.get(wanted):
            causes.append(Cause.required(f"{path}.{wanted}"))
    persistent_csi = first == "csi" and order is PERSISTENT_SOURCES
    check = _check_csi_of_volume if persistent_csi else _CHECKS.get(first)
    if check is not None:
        check(causes, source, path)
    for name in sources[1:]:
        place = f"{field}.{_PATHS_OF_SECOND.get(name, name)}"
        causes.append(Cause.forbidden(place, "may not specify more than 1 volume type"))


def check_driver_name(causes: list[Cause], name: str, field: str) -> None:
    """The name of a CSI driver: a subdomain but for capital letters."""
    if not name:
        causes.append(Cause.required(field))
    if len(name) > 63:
        causes.append(Cause.too_long(field, 63))
    for text in wrong_with_subdomain(name.lower()):
        causes.append(Cause.invalid(field, name, text))


def _check_csi_of_volume(causes: list[Cause], csi: JsonObject, field: str) -> None:
    """The driver of a PersistentVolume, its handle, and where its secrets are."""
    check_driver_name(causes, csi.get("driver", ""), f"{field}.driver")
    if not csi.get("volumeHandle"):
        causes.append(Cause.required(f"{field}.volumeHandle"))
    for name in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):
        reference = csi.get(f"{name}SecretRef")
        for part, wrong in (("name", wrong_with_subdomain), ("namespace", wrong_with_label)):
            place = f"{field}.{name}SecretRef.{part}"
            value = (reference or {}).get(part, "")
            if reference is not None and not value:
                causes.append(Cause.required(place))
            for text in wrong(value) if value else ():
                causes.append(Cause.invalid(place, value, text))


def _check_empty_dir(causes: list[Cause], source: JsonObject, field: str) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and parse(limit)[0] < 0:
        text = "SizeLimit field must be a valid resource quantity"
        causes.append(Cause.forbidden(f"{field}.sizeLimit", text))


def _check_host_path(causes: list[Cause], source: JsonObject, field: str) -> None:
    if not source.get("path"):
        return
    check_no_steps_back(causes, source["path"], f"{field}.path")
    kind = source.get("type") or ""
    if kind not in _HOST_PATH_TYPES:
        causes.append(Cause.not_supported(f"{field}.type", kind, _HOST_PATH_TYPES))


def _check_local(causes: list[Cause], source: JsonObject, field: str) -> None:
    check_no_steps_back(causes, source.get("path", ""), f"{field}.path")


def _check_repository(causes: list[Cause], source: JsonObject, field: str) -> None:
    check_descending_path(causes, source.get("directory", ""), f"{field}.directory")


def _check_partition(causes: list[Cause], source: JsonObject, field: str) -> None:
    number = source.get("partition", 0)
    if not 0 <= number <= 255:
        causes.append(Cause.invalid(f"{field}.partition", number, _PARTITION))


def _check_nfs(causes: list[Cause], source: JsonObject, field: str) -> None:
    path = source.get("path", "")
    if not path.startswith("/"):
        causes.append(Cause.invalid(f"{field}.path", path, "must be an absolute path"))


def _check_iscsi(causes: list[Cause], source: JsonObject, field: str) -> None:
    name = source.get("iqn", "")
    if not name:
        causes.append(Cause.required(f"{field}.iqn"))
    elif name[:3] not in _IQN:
        text = "must be valid format starting with iqn, eui, or naa"
        causes.append(Cause.invalid(f"{field}.iqn", name, text))
    elif not _IQN[name[:3]].match(name):
        causes.append(Cause.invalid(f"{field}.iqn", name, "must be valid format"))
    if not 0 <= source.get("lun", 0) <= 255:
        causes.append(Cause.invalid(f"{field}.lun", source["lun"], _LUN))
    chap = source.get("chapAuthDiscovery") or source.get("chapAuthSession")
    if chap and source.get("secretRef") is None:
        causes.append(Cause.required(f"{field}.secretRef"))


def _check_flocker(causes: list[Cause], source: JsonObject, field: str) -> None:
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uuid:
        text = "one of datasetName and datasetUUID is required"
        causes.append(Cause.required(field, text))
    if name and uuid:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        causes.append(Cause.invalid(field, "resource", text))
    if "/" in name:
        causes.append(Cause.invalid(f"{field}.datasetName", name, "must not contain '/'"))


def _check_fibre_channel(causes: list[Cause], source: JsonObject, field: str) -> None:
    names, ids = source.get("targetWWNs"), source.get("wwids")
    if not names and not ids:
        text = "must specify either targetWWNs or wwids, but not both"
        causes.append(Cause.required(f"{field}.targetWWNs", text))
    if names and ids:
        text = "targetWWNs and wwids can not be specified simultaneously"
        causes.append(Cause.invalid(f"{field}.targetWWNs", names, text))
    lun = source.get("lun")
    if names and lun is None:
        text = "lun is required if targetWWNs is specified"
        causes.append(Cause.required(f"{field}.lun", text))
    elif names and lun is not None and not 0 <= lun <= 255:
        causes.append(Cause.invalid(f"{field}.lun", lun, _LUN))


def _check_csi(causes: list[Cause], source: JsonObject, field: str) -> None:
    check_driver_name(causes, source.get("driver", ""), f"{field}.driver")
    reference = source.get("nodePublishSecretRef")
    if reference is not None and not reference.get("name"):
        causes.append(Cause.required(f"{field}.nodePublishSecretRef.name"))
    elif reference is not None:
        for text in wrong_with_subdomain(reference["name"]):
            causes.append(Cause.invalid(f"{field}.name", reference["name"], text))


def _check_ephemeral(causes: list[Cause], source: JsonObject, field: str) -> None:
    template, place = source.get("volumeClaimTemplate"), f"{field}.volumeClaimTemplate"
    if template is None:
        causes.append(Cause.required(place))
        return
    meta = template.get("metadata") or {}
    check_annotations(causes, meta.get("annotations", {}), f"{place}.metadata.annotations")
    check_labels(causes, meta.get("labels", {}), f"{place}.metadata.labels")
    for name in meta:
        if name not in ("annotations", "labels"):
            in_go = "UID" if name == "uid" else name[0].upper() + name[1:]
            causes.append(Cause.forbidden(f"{place}.metadata.{in_go}", "cannot be set"))
    check_claim_spec(causes, template["spec"], f"{place}.spec")


def _check_image(causes: list[Cause], source: JsonObject, field: str) -> None:
    # A template may leave the reference to whoever fills it in.
    if not source.get("reference") and field.startswith("spec.volumes"):
        causes.append(Cause.required(f"{field}.reference"))
    policy = source.get("pullPolicy", "")
    if policy not in _PULL_POLICIES:
        causes.append(Cause.not_supported(f"{field}.pullPolicy", policy, _PULL_POLICIES))


_CHECKS: Final[Mapping[str, Callable[[list[Cause], JsonObject, str], None]]] = {
    "emptyDir": _check_empty_dir,
    "hostPath": _check_host_path,
    "local": _check_local,
    "gitRepo": _check_repository,
    "gcePersistentDisk": _check_partition,
    "awsElasticBlockStore": _check_partition,
    "nfs": _check_nfs,
    "iscsi": _check_iscsi,
    "flocker": _check_flocker,
    "fc": _check_fibre_channel,
    "secret": check_keys,
    "configMap": check_keys,
    "downwardAPI": check_downward,
    "projected": check_projected,
    "csi": _check_csi,
    "ephemeral": _check_ephemeral,
    "image": _check_image,
}
