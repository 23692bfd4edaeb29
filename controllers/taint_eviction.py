"""Pods leave a node with NoExecute taints when their toleration has run out.

The time runs from the moment when the taints were first seen together with the pod, by our clock.
Source: pkg/controller/tainteviction/taint_eviction.go, timed_workers.go (v1.36).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from api.calls import ApiReply, ApiRequest
from api.times import rfc3339
from controllers.events import NORMAL, EventRecorder, Subject
from controllers.records import PODS, Node, Pod, Taint, Toleration
from controllers.sync import delete, ok, strategic_patch
from controllers.view import Change, View

SECOND = 1_000_000_000


@dataclass(slots=True)
class _Timed:
    uid: str
    since_ns: int
    due_ns: int


class TaintEviction:
    """What is due when, by node and pod."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._timed: dict[str, dict[str, _Timed]] = {}
        self.events = EventRecorder("taint-eviction-controller")

    def notice(self, change: Change) -> Sequence[str]:
        """Nodes that a change of a pod concerns: it appeared on a tainted node, or left it."""
        before, after = change.before, change.after
        if after is None:
            assert isinstance(before, Pod)
            self._forget(before)
            return ()
        assert isinstance(after, Pod)
        if not after.node or (isinstance(before, Pod) and before.node == after.node):
            return ()
        node = self._view.node(after.node)
        return (after.node,) if node is not None and _executing(node) else ()

    def _forget(self, pod: Pod) -> None:
        timed = self._timed.get(pod.node)
        if timed is not None and timed.pop(pod.key, None) is not None and not timed:
            del self._timed[pod.node]

    def sync(
        self, node: Node, now_ns: int
    ) -> Generator[Sequence[ApiRequest], Sequence[ApiReply], int | None]:
        """Evict what is due; returns when to look again (0: no need), None when a call failed."""
        taints = _executing(node)
        timed = self._timed.get(node.name)
        if not taints:
            for key, entry in (self._timed.pop(node.name) if timed else {}).items():
                self._cancel(key, entry, now_ns)
            return 0
        timed = self._timed.setdefault(node.name, {})
        doomed: list[Pod] = []
        for pod in self._view.pods_on(node.name):
            if pod.deleted_at:
                timed.pop(pod.key, None)
                continue
            seconds = _tolerated_s(pod.tolerations, taints)
            if seconds is None:
                known = timed.pop(pod.key, None)
                if known is not None:
                    self._cancel(pod.key, known, now_ns)
                continue
            entry = timed.setdefault(pod.key, _Timed(pod.uid, now_ns, 0))
            if entry.uid != pod.uid:
                entry = timed[pod.key] = _Timed(pod.uid, now_ns, 0)
            entry.due_ns = entry.since_ns + seconds * SECOND
            if entry.due_ns <= now_ns:
                doomed.append(pod)
        if doomed and not (yield from self._evict(doomed, now_ns)):
            return None
        for pod in doomed:
            timed.pop(pod.key, None)
        return min((entry.due_ns for entry in timed.values()), default=0)

    def _evict(
        self, pods: Sequence[Pod], now_ns: int
    ) -> Generator[Sequence[ApiRequest], Sequence[ApiReply], bool]:
        marks = []
        for pod in pods:
            text = f"Marking for deletion Pod {pod.key}"
            self.events.record(_subject(pod), NORMAL, "TaintManagerEviction", text, now_ns)
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "observedGeneration": pod.generation,
                "lastProbeTime": None,
                "lastTransitionTime": rfc3339(now_ns),
                "reason": "DeletionByTaintManager",
                "message": "Taint manager: deleting due to NoExecute taint",
            }
            body = {"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}}
            marks.append(strategic_patch(PODS, pod.namespace, pod.name, body, "status"))
        replies = yield marks
        left = [
            pod for pod, reply in zip(pods, replies, strict=True) if ok(reply) or reply.code != 404
        ]
        if not left:
            return True
        replies = yield [delete(PODS, pod.namespace, pod.name) for pod in left]
        return all(ok(reply) or reply.code == 404 for reply in replies)

    def _cancel(self, key: str, entry: _Timed, now_ns: int) -> None:
        pod = self._view.pod(key)
        if pod is None or pod.uid != entry.uid or entry.due_ns <= now_ns:
            return
        text = f"Cancelling deletion of Pod {key}"
        self.events.record(_subject(pod), NORMAL, "TaintManagerEviction", text, now_ns)


def _executing(node: Node) -> list[Taint]:
    return [taint for taint in node.taints if taint.effect == "NoExecute"]


def _subject(pod: Pod) -> Subject:
    return Subject("Pod", "v1", pod.namespace, pod.name, pod.uid, str(pod.revision))


def _tolerated_s(tolerations: Sequence[Toleration], taints: Sequence[Taint]) -> int | None:
    """For how many seconds the pod may stay; None: for good, 0: not at all."""
    shortest: int | None = None
    for taint in taints:
        fitting = [known for known in tolerations if _tolerates(known, taint)]
        if not fitting:
            return 0
        for known in fitting:
            if known.seconds is not None:
                seconds = max(0, known.seconds)
                shortest = seconds if shortest is None else min(shortest, seconds)
    return shortest


def _tolerates(known: Toleration, taint: Taint) -> bool:
    if known.effect and known.effect != taint.effect:
        return False
    if known.key and known.key != taint.key:
        return False
    if known.operator == "Exists":
        return True
    return bool(known.key) and known.value == taint.value
