"""What a kubelet does with a pod that runs: resize its containers, start ephemeral ones.

Both are done at once, in one status patch. A resize that the node could never carry out is said to
be infeasible and left undone; one that would have to wait for room (Deferred) is carried out,
because pods do not fill hollow nodes. Source: pkg/kubelet/allocation/allocation_manager.go,
pkg/kubelet/status/status_manager.go (conditions) of Kubernetes v1.36.
"""

from collections.abc import Mapping, Sequence

from api.core import JsonObject
from api.podspec import aggregate_requests, amounts_of, pod_condition
from api.quantity import parse

PENDING = "PodResizePending"


def settled_status(
    pod: JsonObject, capacity: Sequence[tuple[str, str]], now: str
) -> JsonObject | None:
    """Status patch of a running pod whose specification has changed since; None when it fits."""
    status = pod.get("status", {})
    if status.get("phase") != "Running" or pod["metadata"].get("generation", 1) < 2:
        return None
    patch: JsonObject = {}
    started = _started(pod, now)
    if started:
        patch["ephemeralContainerStatuses"] = started
    if _wants_resize(pod):
        _resize(patch, pod, dict(capacity), now)
    if not patch:
        return None
    return {**patch, "observedGeneration": pod["metadata"]["generation"]}


def allocated(container: JsonObject) -> JsonObject:
    """The fields of a running container's status that tell its resources."""
    resources = container.get("resources") or {}
    requests = resources.get("requests")
    return {**({"allocatedResources": requests} if requests else {}), "resources": resources}


def _started(pod: JsonObject, now: str) -> list[JsonObject]:
    """Statuses of all ephemeral containers, if one of them has none yet."""
    known = {s["name"]: s for s in pod["status"].get("ephemeralContainerStatuses", ())}
    wanted = pod["spec"].get("ephemeralContainers", ())
    if all(container["name"] in known for container in wanted):
        return []
    uid = pod["metadata"]["uid"]
    return [
        known.get(container["name"])
        or {
            "name": container["name"],
            "image": container.get("image", ""),
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "containerID": f"hollow://{uid}/{container['name']}",
            "state": {"running": {"startedAt": now}},
        }
        for container in wanted
    ]


def _wants_resize(pod: JsonObject) -> bool:
    """Whether what a container has is not what it is to have, and no one has said so yet."""
    statuses = {s["name"]: s for s in pod["status"].get("containerStatuses", ())}
    for container in pod["spec"]["containers"]:
        status = statuses.get(container["name"], {})
        if "running" not in status.get("state", ()) or "resources" not in status:
            continue
        if status["resources"] != (container.get("resources") or {}):
            told = pod_condition(pod, PENDING)
            generation = pod["metadata"]["generation"]
            return told is None or told.get("observedGeneration") != generation
    return False


def _resize(patch: JsonObject, pod: JsonObject, capacity: Mapping[str, str], now: str) -> None:
    why = _infeasible(pod, capacity)
    if why:
        condition = {
            "type": PENDING,
            "status": "True",
            "reason": "Infeasible",
            "message": why,
            "lastTransitionTime": now,
            "observedGeneration": pod["metadata"]["generation"],
        }
        patch["conditions"] = [condition]
        return
    containers = {container["name"]: container for container in pod["spec"]["containers"]}
    patch["containerStatuses"] = [
        {**{k: v for k, v in status.items() if k != "allocatedResources"},
         **allocated(containers[status["name"]])}
        if status["name"] in containers and "running" in status.get("state", ())
        else status
        for status in pod["status"]["containerStatuses"]
    ]  # fmt: skip
    if pod_condition(pod, PENDING) is not None:
        patch["conditions"] = [{"type": PENDING, "$patch": "delete"}]


def _infeasible(pod: JsonObject, capacity: Mapping[str, str]) -> str:
    """Why the node could not even run the pod alone; empty when it could."""
    held = amounts_of(capacity)
    for name, asked in sorted(aggregate_requests(pod["spec"]).items()):
        if name in ("cpu", "memory") and name in held and asked > held[name]:
            scale = 10**6 if name == "cpu" else 10**9
            numbers = f"requested: {asked // scale}, capacity: {parse(capacity[name])[0] // scale}"
            return f"Node didn't have enough capacity: {name}, {numbers}"
    return ""
