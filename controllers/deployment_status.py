"""Status and conditions of a Deployment.

Source: pkg/controller/deployment/sync.go, progress.go, util/deployment_util.go (v1.36); texts as
recorded in tests/golden/controllers.
"""

from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.times import parse_time, rfc3339
from controllers.revisions import available_of, size_of
from controllers.rolling import max_unavailable

SECOND: Final = 1_000_000_000
PROGRESSING: Final = "Progressing"
AVAILABLE: Final = "Available"
REPLICA_FAILURE: Final = "ReplicaFailure"
NEW_AVAILABLE: Final = "NewReplicaSetAvailable"
TIMED_OUT: Final = "ProgressDeadlineExceeded"
PAUSED: Final = "DeploymentPaused"
_NO_DEADLINE: Final = 2**31 - 1


def condition_of(status: JsonObject | None, kind: str) -> JsonObject | None:
    for condition in (status or {}).get("conditions") or ():
        if condition["type"] == kind:
            found: JsonObject = condition
            return found
    return None


def new_condition(kind: str, status: str, reason: str, message: str, now_ns: int) -> JsonObject:
    now = rfc3339(now_ns)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def with_condition(status: JsonObject, condition: JsonObject) -> JsonObject:
    """The status with the condition last; unchanged when status and reason are the same."""
    known = condition_of(status, condition["type"])
    if known is not None and known["status"] == condition["status"]:
        if known.get("reason") == condition["reason"]:
            return status
        condition = {**condition, "lastTransitionTime": known["lastTransitionTime"]}
    rest = without_condition(status, condition["type"])
    return {**rest, "conditions": [*(rest.get("conditions") or ()), condition]}


def without_condition(status: JsonObject, kind: str) -> JsonObject:
    if condition_of(status, kind) is None:
        return status
    left = [c for c in status["conditions"] if c["type"] != kind]
    out = {name: value for name, value in status.items() if name != "conditions"}
    if left:
        out["conditions"] = left
    return out


def has_deadline(deployment: JsonObject) -> bool:
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return seconds is not None and seconds != _NO_DEADLINE


def is_complete(deployment: JsonObject, status: JsonObject) -> bool:
    wanted = size_of(deployment)
    return bool(
        status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    )


def counted(
    deployment: JsonObject,
    sets: Sequence[JsonObject],
    new: JsonObject | None,
    now_ns: int,
) -> JsonObject:
    """Counters and the condition Available; the other conditions as they were."""
    known = deployment.get("status") or {}
    available = sum(available_of(item) for item in sets)
    counters = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _total(sets, "replicas"),
        "updatedReplicas": _total([new] if new is not None else [], "replicas"),
        "readyReplicas": _total(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(size_of(item) for item in sets) - available),
    }
    status: JsonObject = {name: count for name, count in counters.items() if count}
    status["terminatingReplicas"] = _total(sets, "terminatingReplicas")
    if known.get("conditions"):
        status["conditions"] = known["conditions"]
    if known.get("collisionCount") is not None:
        status["collisionCount"] = known["collisionCount"]
    if available >= size_of(deployment) - max_unavailable(deployment["spec"]):
        words = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        words = (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    return with_condition(status, new_condition(AVAILABLE, *words, now_ns))


def progressed(
    deployment: JsonObject,
    sets: Sequence[JsonObject],
    new: JsonObject | None,
    now_ns: int,
) -> JsonObject:
    """The status during a rollout: counters, Available, Progressing and ReplicaFailure."""
    status = counted(deployment, sets, new, now_ns)
    known = condition_of(deployment.get("status"), PROGRESSING)
    if not has_deadline(deployment):
        status = without_condition(status, PROGRESSING)
    else:
        settled = (
            status.get("replicas", 0) == status.get("updatedReplicas", 0)
            and known is not None
            and known.get("reason") == NEW_AVAILABLE
        )
        if not settled:
            status = _with_progress(deployment, status, new, now_ns)
    failure = _failure(sets, new)
    if failure is not None:
        return with_condition(status, failure)
    return without_condition(status, REPLICA_FAILURE)


def _with_progress(
    deployment: JsonObject, status: JsonObject, new: JsonObject | None, now_ns: int
) -> JsonObject:
    subject = (
        f'ReplicaSet "{new["metadata"]["name"]}"'
        if new is not None
        else f'Deployment "{deployment["metadata"]["name"]}"'
    )
    known = condition_of(deployment.get("status"), PROGRESSING)
    if is_complete(deployment, status):
        text = f"{subject} has successfully progressed."
        done = new_condition(PROGRESSING, "True", NEW_AVAILABLE, text, now_ns)
        return with_condition(status, done)
    if _moved(deployment.get("status") or {}, status):
        text = f"{subject} is progressing."
        moving = new_condition(PROGRESSING, "True", "ReplicaSetUpdated", text, now_ns)
        if known is not None:
            if known["status"] == "True":
                moving["lastTransitionTime"] = known["lastTransitionTime"]
            status = without_condition(status, PROGRESSING)
        return with_condition(status, moving)
    if _timed_out(deployment, known, now_ns):
        text = f"{subject} has timed out progressing."
        late = new_condition(PROGRESSING, "False", TIMED_OUT, text, now_ns)
        return with_condition(status, late)
    return status


def _moved(before: JsonObject, after: JsonObject) -> bool:
    old_before = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    old_after = after.get("replicas", 0) - after.get("updatedReplicas", 0)
    return bool(
        after.get("updatedReplicas", 0) > before.get("updatedReplicas", 0)
        or old_after < old_before
        or after.get("readyReplicas", 0) > before.get("readyReplicas", 0)
        or after.get("availableReplicas", 0) > before.get("availableReplicas", 0)
    )


def _timed_out(deployment: JsonObject, known: JsonObject | None, now_ns: int) -> bool:
    if known is None or known.get("reason") == NEW_AVAILABLE:
        return False
    return known.get("reason") == TIMED_OUT or _deadline_ns(deployment, known) < now_ns


def _deadline_ns(deployment: JsonObject, condition: JsonObject) -> int:
    seconds: int = deployment["spec"]["progressDeadlineSeconds"]
    return parse_time(condition["lastUpdateTime"]) + seconds * SECOND


def stuck_at_ns(deployment: JsonObject, status: JsonObject) -> int | None:
    """When to look whether the deadline has passed; None when there is nothing to wait for."""
    known = condition_of(deployment.get("status"), PROGRESSING)
    if not has_deadline(deployment) or known is None:
        return None
    if is_complete(deployment, status) or known.get("reason") in (TIMED_OUT, NEW_AVAILABLE):
        return None
    return _deadline_ns(deployment, known) + SECOND


def _failure(sets: Sequence[JsonObject], new: JsonObject | None) -> JsonObject | None:
    """The condition ReplicaFailure of the new ReplicaSet, else of any other."""
    for item in ([new] if new is not None else []) + list(sets):
        found = condition_of(item.get("status"), REPLICA_FAILURE)
        if found is not None:
            return {
                "type": REPLICA_FAILURE,
                "status": found["status"],
                "lastUpdateTime": found["lastTransitionTime"],
                "lastTransitionTime": found["lastTransitionTime"],
                "reason": found.get("reason", ""),
                "message": found.get("message", ""),
            }
    return None


def _total(sets: Sequence[JsonObject], counter: str) -> int:
    return sum((item.get("status") or {}).get(counter, 0) for item in sets)
