"""What a kubelet writes: Node, Lease and pod status documents.

Source of shapes and words: pkg/kubelet/kubelet_node_status.go, nodestatus/setters.go,
status/generate.go of Kubernetes v1.36.
"""

from typing import Final

from api.core import JsonObject
from hollow_node.node_list import NodeShape
from hollow_node.settled import allocated

KUBELET_VERSION = "v1.36.3"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_DURATION_S = 40


def node_ip(index: int) -> str:
    """Address of a node: 172.16.0.0 upwards, one each."""
    return _dotted((172 << 24) + (16 << 16) + index + 1)


def pod_ip(index: int, ordinal: int) -> str:
    """Address of a pod: a /24 for each node from 10.0.0.0 upwards; the ordinal wraps at 254."""
    return _dotted((10 << 24) + (index << 8) + ordinal % 254 + 1)


def _dotted(number: int) -> str:
    return f"{number >> 24 & 255}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def node_object(shape: NodeShape, index: int, now: str) -> JsonObject:
    """The Node that a kubelet registers: not ready yet. ``now``: RFC 3339."""
    capacity = dict(shape.capacity)
    images = [{"names": list(names), "sizeBytes": size} for names, size in shape.images]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": shape.name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": shape.name,
                "kubernetes.io/os": "linux",
                **dict(shape.labels),
            },
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": node_conditions(False, now),
            "addresses": [
                {"type": "InternalIP", "address": node_ip(index)},
                {"type": "Hostname", "address": shape.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": f"{index:032x}",
                "systemUUID": f"{index:032x}",
                "bootID": f"{index:032x}",
                "kernelVersion": "hollow",
                "osImage": "hollow",
                "containerRuntimeVersion": "hollow://0.1",
                "kubeletVersion": KUBELET_VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
            **({"images": images} if images else {}),
        },
    }


def node_conditions(ready: bool, now: str) -> list[JsonObject]:
    """The four conditions of a healthy node, before and after its first complete sync."""
    rows = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "sufficient PID available"),
    ]
    conditions = [_condition(t, s, r, f"kubelet has {m}", now) for t, s, r, m in rows]
    if ready:
        row = ("Ready", "True", "KubeletReady", "kubelet is posting ready status")
    else:
        row = ("Ready", "False", "KubeletNotReady", "node is starting")
    return [*conditions, _condition(*row, now)]


def _condition(kind: str, status: str, reason: str, message: str, now: str) -> JsonObject:
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def heartbeat_conditions(now: str) -> list[JsonObject]:
    """Patch of the conditions for the periodic report: only the heartbeat moves."""
    kinds = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    return [{"type": kind, "lastHeartbeatTime": now} for kind in kinds]


def lease_object(node: str, node_uid: str, renew_time: str) -> JsonObject:
    """The Lease of a node, owned by it. ``renew_time``: RFC 3339 with microseconds."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": node,
            "namespace": LEASE_NAMESPACE,
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid}
            ],
        },
        "spec": {
            "holderIdentity": node,
            "leaseDurationSeconds": LEASE_DURATION_S,
            "renewTime": renew_time,
        },
    }


RENEWAL_END: Final = b'"}}'
"""Behind the time of a renewal."""


def lease_renewal(node: str, node_uid: str) -> tuple[bytes, bytes]:
    """The same Lease as the JSON of an update, written as text because it is the hottest body: what
    comes before the digits of its revision, and from there to its time; ``RENEWAL_END`` follows.

    Node names are DNS names and uids are hexadecimal, so neither needs escaping.
    """
    before = (
        f'{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"name":"{node}",'
        f'"namespace":"{LEASE_NAMESPACE}","resourceVersion":"'
    )
    between = (
        f'","ownerReferences":[{{"apiVersion":"v1","kind":"Node","name":"{node}",'
        f'"uid":"{node_uid}"}}]}},"spec":{{"holderIdentity":"{node}",'
        f'"leaseDurationSeconds":{LEASE_DURATION_S},"renewTime":"'
    )
    return before.encode(), between.encode()


def running_status(pod: JsonObject, ip: str, host_ip: str, now: str) -> JsonObject:
    """Status patch of a pod whose containers have all started and are ready."""
    spec = pod["spec"]
    statuses = []
    for container in spec["containers"]:
        statuses.append(
            {
                **_container_status(container, pod),
                **allocated(container),
                "ready": True,
                "started": True,
                "state": {"running": {"startedAt": now}},
            }
        )
    status: JsonObject = {
        "phase": "Running",
        "conditions": [
            _pod_condition("PodReadyToStartContainers", now),
            _pod_condition("Initialized", now),
            _pod_condition("Ready", now),
            _pod_condition("ContainersReady", now),
        ],
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": host_ip if spec.get("hostNetwork") else ip,
        "podIPs": [{"ip": host_ip if spec.get("hostNetwork") else ip}],
        "startTime": now,
        "containerStatuses": statuses,
    }
    if init := spec.get("initContainers"):
        status["initContainerStatuses"] = [_init_status(container, pod, now) for container in init]
    return status


def _init_status(container: JsonObject, pod: JsonObject, now: str) -> JsonObject:
    if container.get("restartPolicy") == "Always":
        state: JsonObject = {"running": {"startedAt": now}}
    else:
        state = {
            "terminated": {
                "exitCode": 0,
                "reason": "Completed",
                "startedAt": now,
                "finishedAt": now,
            }
        }
    return {**_container_status(container, pod), "ready": True, "started": True, "state": state}


def ended_status(pod: JsonObject, exit_code: int, now: str) -> JsonObject:
    """Status patch of a pod whose containers have all ended with this exit code."""
    ok = exit_code == 0
    reason = "Completed" if ok else "Error"
    ended = {"exitCode": exit_code, "reason": reason, "startedAt": now, "finishedAt": now}
    statuses = [
        {
            **_container_status(container, pod),
            "ready": False,
            "started": False,
            "state": {"terminated": ended},
        }
        for container in pod["spec"]["containers"]
    ]
    down = "PodCompleted" if ok else "PodFailed"
    conditions = [
        {"type": kind, "status": "False", "reason": down, "lastTransitionTime": now}
        for kind in ("Ready", "ContainersReady")
    ]
    phase = "Succeeded" if ok else "Failed"
    return {"phase": phase, "conditions": conditions, "containerStatuses": statuses}


def _container_status(container: JsonObject, pod: JsonObject) -> JsonObject:
    uid = pod["metadata"]["uid"]
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "restartCount": 0,
        "containerID": f"hollow://{uid}/{container['name']}",
    }


def _pod_condition(kind: str, now: str) -> JsonObject:
    return {"type": kind, "status": "True", "lastTransitionTime": now}
