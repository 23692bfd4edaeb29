"""Defaults of a pod's specification, as a pod of its own or inside a template.

Source: pkg/apis/core/v1/defaults.go and zz_generated.defaults.go of Kubernetes 1.36.
"""

import re
from functools import lru_cache
from typing import Any

from api.core import JsonObject
from api.podspec import aggregate_requests, is_pod_level_resource
from api.quantity import BINARY_SI, DECIMAL_SI, text_of

_IMAGE = re.compile(
    r"(?:(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)

MODE = 0o644
"""Default file mode of projected volumes, 420 in JSON."""

VOLUME_NAMES_WITH_MODE = ("configMap", "secret", "downwardAPI", "projected")


def set_pod_spec_defaults(spec: JsonObject) -> None:
    """Defaults common to pods and templates, in place."""
    put = spec.setdefault
    put("dnsPolicy", "ClusterFirst")
    put("restartPolicy", "Always")
    put("terminationGracePeriodSeconds", 30)
    put("schedulerName", "default-scheduler")
    put("securityContext", {})
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in spec.get("volumes") or ():
        _volume(volume)
    for container in spec["containers"] or ():
        _container(container)
    for container in spec.get("initContainers") or ():
        _container(container)
    for container in spec.get("ephemeralContainers") or ():
        _container(container)


def set_pod_only_defaults(spec: JsonObject) -> None:
    """Defaults that hold for pods but not for templates, in place.

    Requests are taken from limits, host ports from container ports on the host's network.
    """
    spec.setdefault("enableServiceLinks", True)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        # Source: Convert_v1_Pod_To_core_Pod, pkg/apis/core/v1/conversion.go.
        spec["terminationGracePeriodSeconds"] = 1
    host_network = spec.get("hostNetwork", False)
    containers = spec["containers"] or []
    for container in (*containers, *(spec.get("initContainers") or ())):
        limits = container["resources"].get("limits")
        if limits:
            requests = container["resources"].setdefault("requests", {})
            for name, amount in limits.items():
                if name not in requests:
                    requests[name] = amount
        if host_network:
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port["containerPort"])
    if "resources" in spec:
        _pod_level_resources(spec)


def unify_addresses(status: JsonObject) -> None:
    """In place. A pod's address and the first of its several are the same: where they differ the
    older word counts. Source: Convert_v1_PodStatus_To_core_PodStatus and back, conversion.go of
    pkg/apis/core/v1."""
    address, listed = status.get("podIP"), status.get("podIPs")
    if address and (not listed or listed[0].get("ip") != address):
        status["podIPs"] = [{"ip": address}]
    elif listed and "ip" in listed[0]:
        status["podIP"] = listed[0]["ip"]


def _pod_level_resources(spec: JsonObject) -> None:
    """What a pod with limits of its own requests, if not said: the sum of its containers, else its
    limit. Huge pages of its containers are limits of the pod."""
    own = spec["resources"]
    limits, requests = own.get("limits", {}), own.get("requests", {})
    if limits or requests:
        for name, nanos in aggregate_requests(spec, "limits").items():
            if name.startswith("hugepages-") and name not in requests and name not in limits:
                limits[name] = text_of(nanos, BINARY_SI)
    if not limits:
        return
    own["limits"] = limits
    for name, nanos in aggregate_requests(spec).items():
        if name not in requests and name in ("cpu", "memory"):
            requests[name] = text_of(nanos, DECIMAL_SI if name == "cpu" else BINARY_SI)
    for name, amount in limits.items():
        if name not in requests and is_pod_level_resource(name):
            requests[name] = amount
    if requests:
        own["requests"] = requests


@lru_cache(maxsize=8192)
def pull_policy(image: str) -> str:
    """Always for the tag ``latest``, written or implied; IfNotPresent otherwise."""
    match = _IMAGE.fullmatch(image)
    if match is None:
        return "IfNotPresent"
    tag = match["tag"] or ("" if match["digest"] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def _container(container: JsonObject) -> None:
    if "imagePullPolicy" not in container:
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))
    if "terminationMessagePath" not in container:
        container["terminationMessagePath"] = "/dev/termination-log"
    if "terminationMessagePolicy" not in container:
        container["terminationMessagePolicy"] = "File"
    if "ports" in container:
        for port in container["ports"]:
            port.setdefault("protocol", "TCP")
    if "env" in container:
        for variable in container["env"]:
            if "valueFrom" in variable:
                _env_source(variable["valueFrom"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    if "lifecycle" in container:
        for name in ("postStart", "preStop"):
            handler = container["lifecycle"].get(name)
            if handler and "httpGet" in handler:
                _http_get(handler["httpGet"])


def _env_source(source: JsonObject) -> None:
    if "fieldRef" in source:
        source["fieldRef"].setdefault("apiVersion", "v1")
    if "fileKeyRef" in source:
        source["fileKeyRef"].setdefault("optional", False)


def _probe(probe: JsonObject) -> None:
    put = probe.setdefault
    put("timeoutSeconds", 1)
    put("periodSeconds", 10)
    put("successThreshold", 1)
    put("failureThreshold", 3)
    if "httpGet" in probe:
        _http_get(probe["httpGet"])
    if "grpc" in probe:
        # A pointer that is never omitted: absent stands as null in the canonical form.
        probe["grpc"]["service"] = probe["grpc"].get("service") or ""


def _http_get(action: JsonObject) -> None:
    action.setdefault("path", "/")
    action.setdefault("scheme", "HTTP")


def _volume(volume: JsonObject) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
        return
    for name, source in volume.items():
        if name in VOLUME_NAMES_WITH_MODE:
            source.setdefault("defaultMode", MODE)
            if name == "projected":
                _projected(source)
            elif name == "downwardAPI":
                _field_items(source)
        elif name in VOLUME_SOURCES:
            for key, default in VOLUME_SOURCES[name].items():
                source.setdefault(key, default)
        elif name == "ephemeral":
            template = source.get("volumeClaimTemplate")
            if template:
                template["spec"].setdefault("volumeMode", "Filesystem")
        elif name == "image":
            source.setdefault("pullPolicy", pull_policy(source.get("reference", "")))


VOLUME_SOURCES: dict[str, dict[str, Any]] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "readOnly": False,
        "kind": "Shared",
    },
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
"""Sources of volumes, and of PersistentVolumes, whose defaults are fixed values."""


def _projected(source: JsonObject) -> None:
    for part in source.get("sources") or ():
        if "serviceAccountToken" in part:
            part["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        if "downwardAPI" in part:
            _field_items(part["downwardAPI"])


def _field_items(source: JsonObject) -> None:
    for item in source.get("items") or ():
        if "fieldRef" in item:
            item["fieldRef"].setdefault("apiVersion", "v1")
