"""What admission adds to an object on create, as pure functions on defaulted objects.

The server decides which of them run; a refusal is returned as the text of a 403, or None.

Source: plugin/pkg/admission/{serviceaccount,defaulttolerationseconds,priority,nodetaint,storage,
network,runtimeclass} of Kubernetes 1.36; tests/golden/api/defaults.jsonl.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from api.core import JsonObject
from api.quantity import parse

TOKEN_VOLUME_PREFIX = "kube-api-access-"
TOKEN_MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_EXPIRATION_S = 3607
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
TOLERATION_S = 300


@dataclass(frozen=True, slots=True)
class PriorityClass:
    """What pods take from a priority class."""

    value: int
    preemption_policy: str = "PreemptLowerPriority"


SYSTEM_PRIORITY_CLASSES: Mapping[str, PriorityClass] = {
    "system-cluster-critical": PriorityClass(2_000_000_000),
    "system-node-critical": PriorityClass(2_000_001_000),
}
"""Classes that every cluster has. Source: pkg/apis/scheduling/types.go."""


def add_service_account(pod: JsonObject, account: JsonObject, suffix: str) -> None:
    """Name the account and mount its token. ``suffix``: five letters for the volume's name.

    ``account``: the ServiceAccount that ``service_account_name`` names.
    """
    spec = pod["spec"]
    name = service_account_name(pod)
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    if wants_token(pod, account):
        _mount_token(spec, suffix)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(ref) for ref in account["imagePullSecrets"]]


def service_account_name(pod: JsonObject) -> str:
    """The account under which a pod runs: ``default`` when it names none."""
    return pod["spec"].get("serviceAccountName") or "default"


def is_mirror(pod: JsonObject) -> bool:
    """The image of a static pod, written by a kubelet; admission leaves it alone."""
    return MIRROR_ANNOTATION in pod["metadata"].get("annotations", ())


def wants_token(pod: JsonObject, account: JsonObject) -> bool:
    """The pod's wish goes before the account's; without either the token is mounted."""
    for holder in (pod["spec"], account):
        wish = holder.get("automountServiceAccountToken")
        if wish is not None:
            return bool(wish)
    return True


def _mount_token(spec: JsonObject, suffix: str) -> None:
    volumes = spec.get("volumes", [])
    present = [v["name"] for v in volumes if v["name"].startswith(TOKEN_VOLUME_PREFIX)]
    name = present[0] if present else TOKEN_VOLUME_PREFIX + suffix
    mounted = False
    for container in (*spec.get("initContainers", ()), *(spec["containers"] or ())):
        mounts = container.setdefault("volumeMounts", [])
        if all(mount.get("mountPath") != TOKEN_MOUNT_PATH for mount in mounts):
            mounts.append({"name": name, "readOnly": True, "mountPath": TOKEN_MOUNT_PATH})
            mounted = True
    if mounted and not present:
        spec["volumes"] = [*volumes, _token_volume(name)]


def _token_volume(name: str) -> JsonObject:
    namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_EXPIRATION_S, "path": "token"}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}


def add_default_tolerations(pod: JsonObject) -> None:
    """Tolerate a node that is not ready or unreachable for five minutes, unless stated."""
    tolerations = pod["spec"].get("tolerations", ())
    missing = [key for key in (NOT_READY, UNREACHABLE) if not _tolerates(tolerations, key)]
    if missing:
        pod["spec"]["tolerations"] = [
            *tolerations,
            *(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": TOLERATION_S,
                }
                for key in missing
            ),
        ]


def _tolerates(tolerations: object, key: str) -> bool:
    assert isinstance(tolerations, (list, tuple))
    return any(
        entry.get("key", "") in (key, "") and entry.get("effect", "") in ("NoExecute", "")
        for entry in tolerations
    )


def resolve_priority(
    pod: JsonObject, classes: Mapping[str, PriorityClass], default_class: str = ""
) -> str | None:
    """Write priority and preemption policy; None, or the reason why the pod is refused.

    ``classes``: priority classes by name besides the system's; ``default_class``: the name of
    the global default among them, if there is one.
    """
    spec = pod["spec"]
    name = spec.get("priorityClassName", "")
    if not name and default_class:
        name = spec["priorityClassName"] = default_class
    chosen = PriorityClass(0)
    if name:
        found = SYSTEM_PRIORITY_CLASSES.get(name) or classes.get(name)
        if found is None:
            return f"no PriorityClass with name {name} was found"
        chosen = found
    given = spec.get("priority")
    if given is not None and given != chosen.value:
        return (
            f"the integer value of priority ({given}) must not be provided in pod spec; priority "
            f"admission controller computed {chosen.value} from the given PriorityClass name"
        )
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy != chosen.preemption_policy:
        return (
            f"the string value of PreemptionPolicy ({policy}) must not be provided in pod spec; "
            f"priority admission controller computed {chosen.preemption_policy} from the given "
            "PriorityClass name"
        )
    spec["priority"] = chosen.value
    spec["preemptionPolicy"] = chosen.preemption_policy
    return None


def run_as_class(pod: JsonObject, runtime: JsonObject | None) -> str | None:
    """Write the overhead of the pod's RuntimeClass and where it can run; None, or the reason why
    the pod is refused. ``runtime``: None for a pod that names no class.

    Source: plugin/pkg/admission/runtimeclass/admission.go.
    """
    spec = pod["spec"]
    overhead = ((runtime or {}).get("overhead") or {}).get("podFixed")
    given = spec.get("overhead")
    if overhead is None:
        if given:
            return (
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
    elif given and given != overhead:
        return "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    else:
        spec["overhead"] = dict(overhead)
    scheduling = (runtime or {}).get("scheduling") or {}
    selector = spec.get("nodeSelector", {})
    for name, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.get(name, value) != value:
            return (
                f"pod rejected: conflict: runtimeClass.scheduling.nodeSelector[{name}] = {value}; "
                f"pod.spec.nodeSelector[{name}] = {selector[name]}"
            )
        spec["nodeSelector"] = selector = {**selector, name: value}
    tolerations = spec.get("tolerations", [])
    more = [one for one in scheduling.get("tolerations") or () if one not in tolerations]
    if more:
        spec["tolerations"] = [*tolerations, *more]
    return None


def wants_more_room(claim: JsonObject, old: JsonObject) -> bool:
    """Whether an update of a claim asks for a larger volume."""
    after, before = (
        (one["spec"].get("resources") or {}).get("requests", {}).get("storage", "0")
        for one in (claim, old)
    )
    return parse(after)[0] > parse(before)[0]


GROWS_NOT = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
    "must support resize"
)
"""Why a claim keeps its size. Source: plugin/pkg/admission/storage/persistentvolume/resize."""


def taint_new_node(node: JsonObject) -> None:
    """A new node takes no pods until its condition Ready has been seen."""
    taints = node["spec"].get("taints", ())
    if all(t.get("key") != NOT_READY or t.get("effect") != "NoSchedule" for t in taints):
        node["spec"]["taints"] = [*taints, {"key": NOT_READY, "effect": "NoSchedule"}]


PROTECTING_FINALIZERS: Mapping[str, str] = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
    "storage.k8s.io/volumeattributesclasses": "kubernetes.io/vac-protection",
}
"""Kinds that a controller keeps while they are in use, by a finalizer set on create."""


def protect(key: str, obj: JsonObject) -> None:
    """Add the finalizer of such a kind, in place; other kinds stay as they are."""
    finalizer = PROTECTING_FINALIZERS.get(key)
    if finalizer is not None:
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if finalizer not in finalizers:
            finalizers.append(finalizer)


def stamp_requester(request: JsonObject, name: str, uid: str, groups: Sequence[str]) -> None:
    """Write into a new CertificateSigningRequest who asks, in place.

    Source: PrepareForCreate in pkg/registry/certificates/certificates/strategy.go.
    """
    spec = request.get("spec")
    if not isinstance(spec, dict):
        return
    for field in ("uid", "groups", "extra"):
        spec.pop(field, None)
    spec["username"] = name
    if uid:
        spec["uid"] = uid
    if groups:
        spec["groups"] = list(groups)


DEFAULT_STORAGE_CLASS = "storageclass.kubernetes.io/is-default-class"
DEFAULT_INGRESS_CLASS = "ingressclass.kubernetes.io/is-default-class"
INGRESS_CLASS = "kubernetes.io/ingress.class"
"""The annotation that named an Ingress's class before it was a field."""


def default_class(classes: Iterable[JsonObject], annotation: str) -> str | None:
    """The newest of the classes that ``annotation`` marks as the default, by name when equal."""
    marked = [
        one["metadata"]
        for one in classes
        if one["metadata"].get("annotations", {}).get(annotation) == "true"
    ]
    marked.sort(key=lambda meta: str(meta["name"]))
    marked.sort(key=lambda meta: str(meta.get("creationTimestamp", "")), reverse=True)
    return str(marked[0]["name"]) if marked else None


def set_default_class(key: str, obj: JsonObject, name: str) -> None:
    """Give a claim or an Ingress that names no class this one, in place."""
    if key == "persistentvolumeclaims":
        obj["spec"].setdefault("storageClassName", name)
    elif INGRESS_CLASS not in obj["metadata"].get("annotations", {}):
        obj["spec"].setdefault("ingressClassName", name)
