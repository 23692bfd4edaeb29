"""What a registry resets before it stores an object: status, generation, system fields.

On create the client's status is dropped where a controller owns it; on update the status stays,
on a status update all else stays; the generation counts changes of the wish.

Source: the PrepareForCreate and PrepareForUpdate of pkg/registry/*/*/strategy.go.
"""

from collections.abc import Callable, Mapping

from api.canonical import zero_of
from api.core import JsonObject
from api.defaults.services import drop_of_former_type, keep_allocated, normalize_cluster_ips
from api.defaults.storage import mirror_data_sources
from api.fields import json_fields
from api.kinds import SERVED, Kind, kind_of
from api.podspec import qos_class
from api.times import rfc3339

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""Annotation of a DaemonSet: changes of its template, counted."""

_SPEC = ("spec",)
_WISHES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "pods",
            "replicationcontrollers",
            "apps/deployments",
            "apps/replicasets",
            "apps/statefulsets",
            "apps/daemonsets",
            "batch/jobs",
            "batch/cronjobs",
            "policy/poddisruptionbudgets",
            "networking.k8s.io/ingresses",
            "networking.k8s.io/ingressclasses",
            "networking.k8s.io/networkpolicies",
            "flowcontrol.apiserver.k8s.io/flowschemas",
            "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
            "admissionregistration.k8s.io/mutatingadmissionpolicies",
            "admissionregistration.k8s.io/mutatingadmissionpolicybindings",
            "admissionregistration.k8s.io/validatingadmissionpolicies",
            "admissionregistration.k8s.io/validatingadmissionpolicybindings",
            "resource.k8s.io/deviceclasses",
            "resource.k8s.io/resourceslices",
            "apiextensions.k8s.io/customresourcedefinitions",
        ),
        _SPEC,
    ),
    "podtemplates": ("template",),
    "discovery.k8s.io/endpointslices": ("addressType", "endpoints", "ports"),
    "admissionregistration.k8s.io/mutatingwebhookconfigurations": ("webhooks",),
    "admissionregistration.k8s.io/validatingwebhookconfigurations": ("webhooks",),
    "scheduling.k8s.io/priorityclasses": (),
}
"""Kinds whose generation counts, and the fields whose changes it counts."""
_WISHED_METADATA: Mapping[str, str] = {
    "apps/deployments": "annotations",
    "discovery.k8s.io/endpointslices": "labels",
}
"""Metadata whose change counts too."""

_STATUS_TYPES: Mapping[str, str] = {
    key: json_fields(kind_of(key).type_name)["status"].type.struct
    for key in SERVED
    if kind_of(key).subresource("status") is not None
}
"""Kinds whose status only its own path may write, with its type."""
_KEPT_STATUS = ("nodes",)
"""Kinds among them whose create keeps the status that the client sent."""

_ALL_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
_KEPT_BY_STATUS_UPDATE: Mapping[str, tuple[str, ...]] = {
    "pods": ("ownerReferences",),
    "apps/deployments": ("labels",),
    "storage.k8s.io/volumeattachments": _ALL_METADATA,
    "admissionregistration.k8s.io/validatingadmissionpolicies": _ALL_METADATA,
    "apiregistration.k8s.io/apiservices": _ALL_METADATA,
    "flowcontrol.apiserver.k8s.io/flowschemas": _ALL_METADATA,
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations": _ALL_METADATA,
}
"""Metadata that a status update cannot touch, by kind. Source: ResetObjectMetaForStatus and its
likes in PrepareForUpdate of pkg/registry/*/*/strategy.go."""


def prepare_create(kind: Kind, obj: JsonObject, now_ns: int) -> None:
    """Bring a defaulted, admitted new object into its first stored state, in place."""
    if kind.custom is not None:
        kind.custom.prepare_create(obj)
        return
    key = kind.key
    if key in _WISHES:
        obj["metadata"]["generation"] = 1
    if key == "pods":
        obj["status"] = _new_pod_status(obj, now_ns)
        return
    if key in _STATUS_TYPES and key not in _KEPT_STATUS:
        obj["status"] = zero_of(_STATUS_TYPES[key])
    prepare = _PREPARE_CREATE.get(key)
    if prepare is not None:
        prepare(obj, now_ns)


def _prepare_namespace(namespace: JsonObject, now_ns: int) -> None:
    namespace["status"]["phase"] = "Active"
    finalizers = namespace["spec"].setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")


def _prepare_volume(volume: JsonObject, now_ns: int) -> None:
    volume["status"] = {"phase": "Pending", "lastPhaseTransitionTime": rfc3339(now_ns)}


def _prepare_claim(claim: JsonObject, now_ns: int) -> None:
    claim["status"]["phase"] = "Pending"
    mirror_data_sources(claim)


def _prepare_daemon_set(daemon_set: JsonObject, now_ns: int) -> None:
    daemon_set["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"


def _prepare_stateful_set(stateful_set: JsonObject, now_ns: int) -> None:
    """MaxUnavailableStatefulSet is off. Source: dropStatefulSetDisabledFields,
    pkg/registry/apps/statefulset/strategy.go."""
    (stateful_set["spec"]["updateStrategy"].get("rollingUpdate") or {}).pop("maxUnavailable", None)


def _prepare_api_service(service: JsonObject, now_ns: int) -> None:
    """Source: kube-aggregator/pkg/registry/apiservice/strategy.go."""
    service["status"]["conditions"] = [
        {
            "type": "Available",
            "status": "True",
            "lastTransitionTime": rfc3339(now_ns),
            "reason": "Local",
            "message": "Local APIServices are always available",
        }
    ]


def _prepare_definition(definition: JsonObject, now_ns: int) -> None:
    _note_stored_version(definition)


def _note_stored_version(definition: JsonObject) -> None:
    """Objects may lie in the store in any version that was ever the one of storage."""
    status = definition["status"] = dict(definition["status"])
    stored = status["storedVersions"] or []
    wanted = [one["name"] for one in definition["spec"].get("versions") or () if one["storage"]]
    status["storedVersions"] = [*stored, *(name for name in wanted[:1] if name not in stored)]


def _prepare_job(job: JsonObject, now_ns: int) -> None:
    """A Job finds its pods by its own uid, unless its user takes care of that."""
    metadata, spec = job["metadata"], job["spec"]
    labels = spec["template"]["metadata"].get("labels", {})
    if not spec.get("manualSelector"):
        name, uid = metadata.get("name", ""), metadata.get("uid", "")
        labels = {
            **labels,
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
        spec["template"]["metadata"]["labels"] = labels
        selector = spec.setdefault("selector", {})
        own = selector.setdefault("matchLabels", {})
        own["batch.kubernetes.io/controller-uid"] = uid
    if labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels)


_PREPARE_CREATE: Mapping[str, Callable[[JsonObject, int], None]] = {
    "namespaces": _prepare_namespace,
    "persistentvolumes": _prepare_volume,
    "persistentvolumeclaims": _prepare_claim,
    "apps/daemonsets": _prepare_daemon_set,
    "apps/statefulsets": _prepare_stateful_set,
    "batch/jobs": _prepare_job,
    "apiextensions.k8s.io/customresourcedefinitions": _prepare_definition,
    "apiregistration.k8s.io/apiservices": _prepare_api_service,
}


def _new_pod_status(pod: JsonObject, now_ns: int) -> JsonObject:
    status: JsonObject = {"phase": "Pending"}
    if pod["spec"].get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": rfc3339(now_ns),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    status["qosClass"] = qos_class(pod)
    return status


def prepare_update(kind: Kind, new: JsonObject, old: JsonObject) -> None:
    """Carry over what an update cannot change, and count the generation, in place."""
    _keep_system_fields(new["metadata"], old["metadata"])
    if kind.custom is not None:
        kind.custom.prepare_update(new, old)
        return
    key = kind.key
    if key in _STATUS_TYPES:
        _keep(new, old, "status")
    if key in _FIXED_SPEC:
        new["spec"] = old["spec"]
    elif key == "services":
        drop_of_former_type(new, old)
        normalize_cluster_ips(new, old)
        keep_allocated(new, old)
    elif key == "apps/daemonsets":
        _count_template(new, old)
    elif key == "apps/statefulsets":
        _prepare_stateful_set(new, 0)
    elif key == "apiextensions.k8s.io/customresourcedefinitions":
        _note_stored_version(new)
    if key in _WISHES and _wish_changed(key, new, old):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


_FIXED_SPEC = ("namespaces", "certificates.k8s.io/certificatesigningrequests")
"""Kinds whose specification no update changes."""


def _wish_changed(key: str, new: JsonObject, old: JsonObject) -> bool:
    if any(new.get(name) != old.get(name) for name in _WISHES[key]):
        return True
    name = _WISHED_METADATA.get(key)
    return name is not None and new["metadata"].get(name, {}) != old["metadata"].get(name, {})


def _count_template(new: JsonObject, old: JsonObject) -> None:
    count = old["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "1")
    if new["spec"]["template"] != old["spec"]["template"] and count.isdecimal():
        count = str(int(count) + 1)
    new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = count


def prepare_status_update(kind: Kind, new: JsonObject, old: JsonObject) -> None:
    """In place: ``spec``, system metadata, and other metadata that the kind's registry does not let
    through in a status update are set back to what ``old`` has."""
    if kind.custom is not None:
        kind.custom.prepare_status_update(new, old)
        return
    _keep_system_fields(new["metadata"], old["metadata"])
    if "spec" in old:
        new["spec"] = old["spec"]
    for name in _KEPT_BY_STATUS_UPDATE.get(kind.key, ()):
        _keep(new["metadata"], old["metadata"], name)
    if kind.key == "pods":
        _keep_observed(new["status"], old["status"])
    elif kind is _CERTIFICATE_REQUEST:
        _keep_verdicts(new, old)


def _keep_observed(new: JsonObject, old: JsonObject) -> None:
    """What a kubelet has seen of a pod is not forgotten when a status leaves it out, nor is its
    class of service. Source: preserveOldObservedGeneration, pkg/registry/core/pod/strategy.go."""
    for name in ("qosClass", "observedGeneration"):
        if not new.get(name) and name in old:
            new[name] = old[name]
    seen: dict[str, list[int]] = {}
    for condition in old.get("conditions", ()):
        seen.setdefault(condition["type"], []).append(condition.get("observedGeneration", 0))
    for condition in new.get("conditions", ()):
        generations = seen.get(condition["type"])
        before = generations.pop(0) if generations else 0
        if before and not condition.get("observedGeneration"):
            condition["observedGeneration"] = before


_POD_PARTS = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp")
"""Metadata that a write to a part of a pod cannot touch. Source: ResetObjectMetaForStatus."""


def prepare_pod_part(part: str, new: JsonObject, old: JsonObject) -> None:
    """Of a write to ``ephemeralcontainers`` or ``resize`` only those containers, or only the
    resources and resize policies of the others, count. Renamed, added and removed ones stay for
    validation to find. In place. Source: pkg/registry/core/pod/strategy.go at v1.36."""
    _keep_system_fields(new["metadata"], old["metadata"])
    wanted = new["spec"]
    if part == "resize":
        names = ("containers", "initContainers")
        if any(len(wanted.get(name) or ()) != len(old["spec"].get(name) or ()) for name in names):
            return
        changed = {
            name: _resized(wanted[name], old["spec"][name]) for name in names if name in wanted
        }
    else:
        name = "ephemeralContainers"
        changed = {name: wanted[name]} if name in wanted else {}
    kept = {} if part == "resize" else {"ephemeralContainers": None}
    new["spec"] = {
        **{name: value for name, value in old["spec"].items() if name not in kept},
        **changed,
    }
    _keep(new, old, "status")
    for name in _POD_PARTS:
        _keep(new["metadata"], old["metadata"], name)
    if new["spec"] != old["spec"]:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _resized(new: list[JsonObject], old: list[JsonObject]) -> list[JsonObject]:
    if [container["name"] for container in new] != [container["name"] for container in old]:
        return new
    merged = []
    for wanted, container in zip(new, old, strict=True):
        kept = {name: value for name, value in container.items() if name not in _RESIZABLE}
        merged.append({**kept, **{name: wanted[name] for name in _RESIZABLE if name in wanted}})
    return merged


_RESIZABLE = ("resources", "resizePolicy")


def _keep_verdicts(new: JsonObject, old: JsonObject) -> None:
    """A verdict stays word for word; added and removed ones are for validation to find. In place.
    Source: preserveConditionInstances, pkg/registry/certificates/certificates/strategy.go."""
    after = (new.get("status") or {}).get("conditions") or []
    before = (old.get("status") or {}).get("conditions") or []
    for kind in ("Approved", "Denied"):
        places = [index for index, found in enumerate(after) if found.get("type") == kind]
        known = [found for found in before if found.get("type") == kind]
        if len(places) == len(known):
            for place, condition in zip(places, known, strict=True):
                after[place] = condition


def prepare_approval(new: JsonObject, old: JsonObject) -> None:
    """In place: all of ``new`` but its conditions is set back to what ``old`` has."""
    conditions = list(new.get("status", {}).get("conditions") or ())
    prepare_status_update(_CERTIFICATE_REQUEST, new, old)
    new["status"] = {name: old["status"][name] for name in old["status"] if name != "conditions"}
    if conditions:
        new["status"]["conditions"] = conditions


_CERTIFICATE_REQUEST = kind_of("certificates.k8s.io/certificatesigningrequests")


def _keep_system_fields(new: JsonObject, old: JsonObject) -> None:
    """The generation always stays; the others when the client leaves them out."""
    _keep(new, old, "generation")
    for name in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if not new.get(name):
            _keep(new, old, name)


def _keep(new: JsonObject, old: JsonObject, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)
