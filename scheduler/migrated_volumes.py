"""Volumes of plugins that once were part of Kubernetes and are CSI drivers now: which driver, and
by what handle it knows the volume.

Source: k8s.io/csi-translation-lib/translate.go and plugins/; scheduler framework/plugins/
nodevolumelimits (isCSIMigrationOn) and volumebinding/binder.go, v1.36. File shares and vSphere
count as such volumes, but the scheduler never takes them for ones of a driver.
"""

from collections.abc import Mapping
from typing import NamedTuple

from api.core import JsonObject

ZONE = "topology.kubernetes.io/zone"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
SEPARATOR = "__"
"""Between the zones of a volume that has several."""
MIGRATED_ANNOTATION = "storage.alpha.kubernetes.io/migrated-plugins"
"""Of a CSINode: plugins whose volumes its drivers attach, with commas."""


class Plugin(NamedTuple):
    """What was part of Kubernetes."""

    name: str
    """As storage classes and CSINodes call it."""
    driver: str
    """Empty: the scheduler counts none of its volumes."""
    identity: str
    """The field of the source that says which volume it is."""
    zone_label: str = ""
    """Of nodes, by which the driver tells zones; empty: it does not translate them."""


AWS = Plugin(
    "kubernetes.io/aws-ebs", "ebs.csi.aws.com", "volumeID", "topology.ebs.csi.aws.com/zone"
)
GCE = Plugin("kubernetes.io/gce-pd", "pd.csi.storage.gke.io", "pdName", "topology.gke.io/zone")
SOURCES: Mapping[str, Plugin] = {
    "awsElasticBlockStore": AWS,
    "gcePersistentDisk": GCE,
    "azureDisk": Plugin("kubernetes.io/azure-disk", "disk.csi.azure.com", "diskURI"),
    "cinder": Plugin(
        "kubernetes.io/cinder",
        "cinder.csi.openstack.org",
        "volumeID",
        "topology.cinder.csi.openstack.org/zone",
    ),
    "portworxVolume": Plugin("kubernetes.io/portworx-volume", "pxd.portworx.com", "volumeID"),
    "azureFile": Plugin("kubernetes.io/azure-file", "", "shareName"),
    "vsphereVolume": Plugin("kubernetes.io/vsphere-volume", "", "volumePath"),
}
"""By the field of a volume that names such a source."""
_DRIVERS = {plugin.name: plugin.driver for plugin in SOURCES.values()}


class Attached(NamedTuple):
    """A volume as a driver knows it. Empty in both: one that nobody counts."""

    driver: str
    handle: str


def source_of(volume: JsonObject) -> Plugin | None:
    """``volume``: of a pod, or the spec of a PersistentVolume."""
    for name, plugin in SOURCES.items():
        if volume.get(name):
            return plugin
    return None


def attached(volume: JsonObject, labels: Mapping[str, str]) -> Attached | None:
    """None: its source is none of these. ``labels``: of a PersistentVolume, which say its zone."""
    plugin = source_of(volume)
    if plugin is None:
        return None
    (source,) = [volume[name] for name, one in SOURCES.items() if one is plugin]
    handle = str(source.get(plugin.identity) or "")
    if plugin is AWS:
        # aws://ZONE/ID, aws:///ID or the ID alone.
        handle = handle.rpartition("/")[2] if handle.startswith("aws://") else handle
    elif plugin is GCE and handle:
        handle = _gce_handle(handle, (labels.get(ZONE) or labels.get(OLD_ZONE) or ""))
    return Attached(plugin.driver, handle) if plugin.driver and handle else Attached("", "")


def driver_of(provisioner: str) -> str:
    """Whose volumes a provisioner makes; empty: of no driver."""
    return _DRIVERS.get(provisioner, provisioner)


def _gce_handle(disk: str, zone: str) -> str:
    """Empty: zones of several regions."""
    zones = zone.split(SEPARATOR)
    if len(zones) == 1:
        return f"projects/UNSPECIFIED/zones/{zone or 'UNSPECIFIED'}/disks/{disk}"
    region = zones[0].rpartition("-")[0]
    if any(one.rpartition("-")[0] != region for one in zones):
        return ""
    return f"projects/UNSPECIFIED/regions/{region}/disks/{disk}"
