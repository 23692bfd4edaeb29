"""Pods that nobody else would delete: those whose node is gone, those that end without ever having
had a node, those that end on a node that was declared out of service, and ended ones beyond a
number.

Source: pkg/controller/podgc/gc_controller.go (v1.36).
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from api.core import JsonObject
from api.times import rfc3339
from controllers.reconciler import Reconciler
from controllers.records import NODES, PODS, Pod
from controllers.sync import DONE, FAILED, Sync, delete, get, ok, strategic_patch
from controllers.view import Change, View

QUARANTINE_NS: Final = 40_000_000_000
"""A node is missing for so long before its pods are touched. Source: quarantineTime."""
ENDED_MAX: Final = 12_500
"""Ended pods that are kept. Source: --terminated-pod-gc-threshold."""
OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
ENDED: Final = ("Succeeded", "Failed")
NOW: Final[JsonObject] = {"gracePeriodSeconds": 0}


class PodCollector(Reconciler):
    """Reconciles NAMESPACE/NAME of pods; looks at all of them in rounds."""

    name = "pod-collector"

    def __init__(self, view: View, period_ns: int) -> None:
        self._view = view
        self._period_ns = period_ns
        self._next_round_ns: int | None = None
        self._missing: dict[str, int] = {}
        """Nodes that pods name and that do not exist, and since which round."""

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        return ()

    def all_keys(self) -> Sequence[str]:
        return ()

    def due(self, now_ns: int) -> Sequence[str]:
        """Every round: the pods to delete."""
        if self._next_round_ns is not None and now_ns < self._next_round_ns:
            return ()
        self._next_round_ns = now_ns + self._period_ns
        found: list[str] = []
        ended: list[Pod] = []
        missing: dict[str, int] = {}
        for pod in self._view.rows(PODS):
            assert isinstance(pod, Pod)
            if pod.phase in ENDED and not pod.deleted_at:
                ended.append(pod)
            if pod.node and self._view.node(pod.node) is None:
                missing[pod.node] = self._missing.get(pod.node, now_ns)
            if self._reason(pod, missing, now_ns):
                found.append(pod.key)
        self._missing = missing
        surplus = sorted(ended, key=attrgetter("created_ns"))[: max(0, len(ended) - ENDED_MAX)]
        return [*found, *(pod.key for pod in surplus)]

    def next_due_ns(self) -> int | None:
        return self._next_round_ns

    def _reason(self, pod: Pod, missing: dict[str, int], now_ns: int) -> str:
        """Why the pod has to go; empty: it has not."""
        if not pod.node:
            return "never had a node" if pod.deleted_at else ""
        node = self._view.node(pod.node)
        if node is None:
            since_ns = missing.get(pod.node, now_ns)
            return "node is gone" if now_ns - since_ns >= QUARANTINE_NS else ""
        declared = any(taint.key == OUT_OF_SERVICE for taint in node.taints)
        ready = node.conditions.get("Ready", ("", ""))[0] == "True"
        return "out of service" if pod.deleted_at and declared and not ready else ""

    def sync(self, key: str, now_ns: int) -> Sync:
        pod = self._view.pod(key)
        if pod is None:
            return DONE
        reason = self._reason(pod, self._missing, now_ns)
        if not reason and (pod.phase not in ENDED or pod.deleted_at):
            return DONE
        if reason == "node is gone":
            # The watch may be behind: the node itself is asked for.
            reply = (yield [get(NODES, "", pod.node)])[0]
            if reply.code != 404:
                return DONE
        if reason and pod.phase not in ENDED:
            body = _failed(pod, reason, now_ns)
            patch = strategic_patch(PODS, pod.namespace, pod.name, body, "status")
            reply = (yield [patch])[0]
            if not ok(reply):
                return DONE if reply.code == 404 else FAILED
        reply = (yield [delete(PODS, pod.namespace, pod.name, NOW)])[0]
        return DONE if ok(reply) or reply.code == 404 else FAILED


def _failed(pod: Pod, reason: str, now_ns: int) -> JsonObject:
    """Whoever waits for the pod to end sees that it did; why, where a node was lost."""
    status: JsonObject = {"phase": "Failed"}
    if reason == "node is gone":
        status["conditions"] = [
            {
                "type": "DisruptionTarget",
                "status": "True",
                "observedGeneration": pod.generation,
                "lastProbeTime": None,
                "lastTransitionTime": rfc3339(now_ns),
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
            }
        ]
    return {"metadata": {"uid": pod.uid}, "status": status}
