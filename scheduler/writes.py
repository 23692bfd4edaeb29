"""What the scheduler writes: bindings, events, conditions, worded as kube-scheduler words them.

Source: plugins/defaultbinder/default_binder.go, pkg/scheduler/schedule_one.go
(handleSchedulingFailure, updatePod), client-go/tools/events/event_recorder.go, v1.36.
"""

from typing import NamedTuple

from api.calls import STRATEGIC_PATCH, ApiRequest
from api.core import JsonObject
from api.times import micro_time, rfc3339
from scheduler.diagnosis import note
from scheduler.placed import PodReference


class Why(NamedTuple):
    """Why a pod is not placed."""

    message: str
    reason: str = "Unschedulable"
    """The condition's: Unschedulable, or SchedulerError when it is not the nodes' doing."""


SCHEDULER_ERROR = "SchedulerError"


def binding(request_id: int, pod: PodReference, node: str) -> ApiRequest:
    metadata = {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
    return ApiRequest(
        id=request_id,
        verb="create",
        resource="pods",
        namespace=pod.namespace,
        name=pod.name,
        subresource="binding",
        body={
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": metadata,
            "target": {"kind": "Node", "name": node},
        },
        quiet=True,
    )


def scheduled_event(request_id: int, pod: PodReference, node: str, now_ns: int) -> ApiRequest:
    message = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
    return _event(request_id, pod, ("Normal", "Scheduled", "Binding", message), now_ns)


def failed_event(request_id: int, pod: PodReference, message: str, now_ns: int) -> ApiRequest:
    words = ("Warning", "FailedScheduling", "Scheduling", note(message))
    return _event(request_id, pod, words, now_ns)


def unschedulable_condition(
    request_id: int, pod: PodReference, why: Why, since_ns: int, nominated: str | None
) -> ApiRequest:
    """Patch PodScheduled to False. ``since_ns``: when it became False. ``nominated``: the node
    kept for it, empty to take that back, None to leave it as it is."""
    condition: JsonObject = {
        "type": "PodScheduled",
        "status": "False",
        "reason": why.reason,
        "message": why.message,
        "lastProbeTime": None,
        "lastTransitionTime": rfc3339(since_ns),
    }
    if pod.generation:
        condition["observedGeneration"] = pod.generation
    status: JsonObject = {"conditions": [condition]}
    if nominated is not None:
        status["nominatedNodeName"] = nominated or None
    return _status_patch(request_id, pod, status)


def nomination_cleared(request_id: int, pod: PodReference) -> ApiRequest:
    """A pod loses the node kept for it to a more important one."""
    return _status_patch(request_id, pod, {"nominatedNodeName": None})


def disruption_condition(
    request_id: int, pod: PodReference, by: PodReference, now_ns: int
) -> ApiRequest:
    """Say on a victim why it goes. Source: framework/preemption/executor.go."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": f"{by.scheduler}: preempting to accommodate a higher priority pod",
        "lastTransitionTime": rfc3339(now_ns),
    }
    return _status_patch(request_id, pod, {"conditions": [condition]})


def preempted_event(
    request_id: int, victim: PodReference, by: PodReference, node: str, now_ns: int
) -> ApiRequest:
    message = f"Preempted by pod {by.uid} on node {node}"
    return _event(request_id, victim, ("Normal", "Preempted", "Preempting", message), now_ns)


def eviction(request_id: int, pod: PodReference) -> ApiRequest:
    """Delete a victim, with the grace period it asks for."""
    return ApiRequest(
        id=request_id,
        verb="delete",
        resource="pods",
        namespace=pod.namespace,
        name=pod.name,
        body={"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": pod.uid}},
        quiet=True,
    )


def _status_patch(request_id: int, pod: PodReference, status: JsonObject) -> ApiRequest:
    return ApiRequest(
        id=request_id,
        verb="patch",
        resource="pods",
        namespace=pod.namespace,
        name=pod.name,
        subresource="status",
        body={"metadata": {"uid": pod.uid}, "status": status},
        content_type=STRATEGIC_PATCH,
        quiet=True,
    )


def lookup(request_id: int, pod: PodReference) -> ApiRequest:
    return ApiRequest(
        id=request_id, verb="get", resource="pods", namespace=pod.namespace, name=pod.name
    )


def _event(
    request_id: int, pod: PodReference, words: tuple[str, str, str, str], now_ns: int
) -> ApiRequest:
    kind, reason, action, message = words
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": pod.namespace, "name": f"{pod.name}.{now_ns:x}"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": pod.namespace,
            "name": pod.name,
            "uid": pod.uid,
        },
        "type": kind,
        "reason": reason,
        "action": action,
        "message": message,
        "eventTime": micro_time(now_ns),
        "reportingComponent": pod.scheduler,
        "reportingInstance": pod.scheduler,
    }
    return ApiRequest(
        id=request_id,
        verb="create",
        resource="events",
        namespace=pod.namespace,
        body=body,
        quiet=True,
    )
