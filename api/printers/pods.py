"""The row of a pod: how far its containers are, in one word.

Source: printPod in pkg/printers/internalversion/printers.go.
"""

from typing import Any, NamedTuple

from api.core import JsonObject
from api.podspec import is_ready, is_restartable_init, is_terminal, pod_condition
from api.printers.ages import NONE, age


class _Progress(NamedTuple):
    """What the statuses of some containers add up to."""

    reason: str
    ready: int
    restarts: int
    last_restart: str
    """RFC 3339 of the latest termination; empty when there was none."""


def cells(pod: JsonObject, now_ns: int) -> list[Any]:
    """Name, ready, status, restarts, age; wide: IP, node, nominated node, readiness gates."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    sidecars = [c["name"] for c in spec.get("initContainers", ()) if is_restartable_init(c)]
    initial, initializing, sidecar = _init_progress(pod, sidecars)
    progress = initial
    if not initializing or _is_true(pod, "Initialized"):
        progress = _main_progress(pod, initial, sidecar)
    reason = progress.reason
    if "deletionTimestamp" in metadata:
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif not is_terminal(pod):
            reason = "Terminating"
    restarts = str(progress.restarts)
    if progress.restarts and progress.last_restart:
        restarts = f"{restarts} ({age(progress.last_restart, now_ns)} ago)"
    ips = status.get("podIPs")
    return [
        metadata["name"],
        f"{progress.ready}/{len(spec['containers'] or ()) + len(sidecars)}",
        reason,
        restarts,
        age(metadata.get("creationTimestamp"), now_ns),
        ips[0].get("ip") or NONE if ips else NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(pod),
    ]


def row_conditions(pod: JsonObject) -> list[JsonObject] | None:
    """A finished pod's row says so; None for others."""
    messages = {
        "Succeeded": "The pod has completed successfully.",
        "Failed": "The pod failed.",
    }
    phase = pod.get("status", {}).get("phase", "")
    if phase not in messages:
        return None
    return [{"type": "Completed", "status": "True", "reason": phase, "message": messages[phase]}]


def _init_progress(pod: JsonObject, sidecars: list[str]) -> tuple[_Progress, bool, _Progress]:
    """Of the init containers: progress, whether one is still at work, and of sidecars alone."""
    status = pod.get("status", {})
    reason = status.get("reason") or status.get("phase", "")
    scheduled = pod_condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    ready = restarts = sidecar_restarts = 0
    last = sidecar_last = ""
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        state = container.get("state", {})
        count = container.get("restartCount", 0)
        finished = _finished_at(container)
        restarts, last = restarts + count, max(last, finished)
        is_sidecar = container["name"] in sidecars
        if is_sidecar:
            sidecar_restarts, sidecar_last = sidecar_restarts + count, max(sidecar_last, finished)
        terminated = state.get("terminated")
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if is_sidecar and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        waiting = state.get("waiting", {}).get("reason", "")
        if terminated is not None:
            reason = f"Init:{_terminated_reason(terminated)}"
        elif waiting and waiting != "PodInitializing":
            reason = f"Init:{waiting}"
        else:
            reason = f"Init:{index}/{len(pod['spec'].get('initContainers', ()))}"
        initial = _Progress(reason, ready, restarts, last)
        return initial, True, _Progress(reason, ready, sidecar_restarts, sidecar_last)
    sidecar = _Progress(reason, ready, sidecar_restarts, sidecar_last)
    return _Progress(reason, ready, restarts, last), False, sidecar


def _main_progress(pod: JsonObject, initial: _Progress, sidecar: _Progress) -> _Progress:
    """The main containers, last first, so that the first one has the last word."""
    reason, ready = initial.reason, initial.ready
    restarts, last = sidecar.restarts, sidecar.last_restart
    running = False
    for container in reversed(pod.get("status", {}).get("containerStatuses") or ()):
        restarts += container.get("restartCount", 0)
        last = max(last, _finished_at(container))
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif "terminated" in state:
            reason = _terminated_reason(state["terminated"])
        elif container.get("ready") and "running" in state:
            running = True
            ready += 1
    if reason == "Completed" and running:
        reason = "Running" if is_ready(pod) else "NotReady"
    return _Progress(reason, ready, restarts, last)


def _terminated_reason(terminated: JsonObject) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _finished_at(container: JsonObject) -> str:
    return container.get("lastState", {}).get("terminated", {}).get("finishedAt") or ""


def _is_true(pod: JsonObject, kind: str) -> bool:
    condition = pod_condition(pod, kind)
    return condition is not None and condition.get("status") == "True"


def _gates(pod: JsonObject) -> str:
    gates = pod["spec"].get("readinessGates")
    if not gates:
        return NONE
    true = sum(_is_true(pod, gate["conditionType"]) for gate in gates)
    return f"{true}/{len(gates)}"
