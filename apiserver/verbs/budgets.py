"""What disruption budgets say to the eviction of a pod.

Source: checkAndDecrement and canIgnorePDB in pkg/registry/core/pod/storage/eviction.go (v1.36).
"""

from collections.abc import Generator
from typing import Any

from api.core import JsonObject
from api.errors import Cause, Forbidden, InternalError, TooManyRequests
from api.podspec import is_ready
from api.selectors import label_selector_of
from api.times import rfc3339
from apiserver.change import change
from apiserver.records import Record
from apiserver.registry import Ask, Registry

BUDGETS = "policy/poddisruptionbudgets"
RETRY_S = 10
_REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
    "support."
)


def spend_budget(registry: Registry, pod: Record, dry_run: bool) -> Generator[Ask, Any, None]:
    """Take one disruption from the budget of a pod, if it has one. TooManyRequests when there is
    none left, InternalError when several budgets claim the pod."""
    cache = registry.caches[BUDGETS]
    if not cache.records:
        return
    obj = pod.object()
    phase = obj.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed", "Pending") or "deletionTimestamp" in obj["metadata"]:
        return
    names = [one.name for one in cache.walk(pod.namespace) if _claims(one.object(), pod)]
    if len(names) > 1:
        raise InternalError(_SEVERAL)
    time = rfc3339(registry.now_ns)

    def make(record: Record, budget: JsonObject) -> JsonObject:
        return _spent(budget, obj, time)

    for name in names:
        yield from change(registry, cache.kind, pod.namespace, name, make, dry_run)


def _claims(budget: JsonObject, pod: Record) -> bool:
    selector = budget["spec"].get("selector")
    return selector is not None and label_selector_of(selector).matches(pod.labels)


def _spent(budget: JsonObject, pod: JsonObject, time: str) -> JsonObject:
    """The budget after the pod's eviction; itself when the eviction costs nothing."""
    meta, spec, status = budget["metadata"], budget["spec"], budget["status"]
    healthy, needed = status["currentHealthy"], status["desiredHealthy"]
    if not is_ready(pod):
        if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
            return budget
        if healthy >= needed > 0:
            return budget
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        text = f"The disruption budget {meta['name']} is still being processed by the server."
        raise TooManyRequests(_REFUSAL, RETRY_S, [Cause("", "DisruptionBudget", text)])
    allowed = status["disruptionsAllowed"]
    if allowed < 0:
        raise Forbidden(BUDGETS, meta["name"], "pdb disruptions allowed is negative")
    if allowed == 0:
        text = (
            f"The disruption budget {meta['name']} needs {needed} healthy pods and has {healthy} "
            "currently"
        )
        raise TooManyRequests(_REFUSAL, 0, [Cause("", "DisruptionBudget", text)])
    disrupted = {**status.get("disruptedPods", {}), pod["metadata"]["name"]: time}
    spent = {**status, "disruptionsAllowed": allowed - 1, "disruptedPods": disrupted}
    return {**budget, "metadata": dict(meta), "status": spent}
