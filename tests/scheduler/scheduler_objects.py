"""Nodes and pods for the tests of the scheduler."""

from api.core import JsonObject


def node(
    name: str, cpu: str = "4", memory: str = "8Gi", pods: int = 110, **more: object
) -> JsonObject:
    """``more``: labels, taints ("key=value:Effect"), unschedulable, extended, images."""
    labels = {"kubernetes.io/hostname": name, **(more.get("labels") or {})}  # type: ignore[dict-item]
    taints = []
    for text in more.get("taints") or ():  # type: ignore[attr-defined]
        pair, effect = text.split(":")
        key, _, value = pair.partition("=")
        taints.append({"key": key, "value": value, "effect": effect})
    spec: JsonObject = {"taints": taints} if taints else {}
    if more.get("unschedulable"):
        spec["unschedulable"] = True
    allocatable = {"cpu": cpu, "memory": memory, "pods": str(pods)}
    allocatable |= more.get("extended") or {}  # type: ignore[arg-type]
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels},
        "spec": spec,
        "status": {"allocatable": allocatable, "images": more.get("images") or []},
    }


def pod(name: str, cpu: str = "100m", memory: str = "100Mi", **spec: object) -> JsonObject:
    """``spec``: more fields of the spec; ``ports`` gives host ports of the one container."""
    container: JsonObject = {"name": "c", "image": spec.pop("image", "app:1"), "resources": {}}
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    requests |= spec.pop("extended", {})  # type: ignore[arg-type]
    if requests:
        container["resources"]["requests"] = requests
    ports = spec.pop("ports", ())
    if ports:
        container["ports"] = [{"hostPort": p, "containerPort": p} for p in ports]  # type: ignore[attr-defined]
    return {
        "metadata": {"namespace": "default", "name": name, "uid": f"uid-{name}"},
        "spec": {"containers": [container], "schedulerName": "default-scheduler", **spec},
        "status": {"phase": "Pending"},
    }
