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
    taints: tuple[Taint, ...]
    """Those that set the time."""
    since_ns: int
    due_ns: int
    fired: bool = False
    """Whether the pod was already deleted for these taints."""


class TaintEviction:
    """Deletions of pods on tainted nodes, each with the time at which its toleration ends."""

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
            for key, left in (self._timed.pop(node.name) if timed else {}).items():
                self._cancel(key, left, now_ns)
            return 0
        timed = self._timed.setdefault(node.name, {})
        doomed: list[Pod] = []
        for pod in self._view.pods_on(node.name):
            entry = self._entry(timed, pod, taints, now_ns)
            if entry is not None and not entry.fired and entry.due_ns <= now_ns:
                entry.fired = True
                doomed.append(pod)
        if doomed and not (yield from self._evict(doomed, now_ns)):
            for pod in doomed:
                timed.pop(pod.key, None)
            return None
        return min((entry.due_ns for entry in timed.values() if not entry.fired), default=0)

    def _entry(
        self, timed: dict[str, _Timed], pod: Pod, taints: tuple[Taint, ...], now_ns: int
    ) -> _Timed | None:
        """The pod's time, set or moved as its tolerations and the taints say; None: it may stay."""
        entry: _Timed | None = timed.get(pod.key)
        if entry is not None and entry.uid != pod.uid:
            entry = None
        tolerated, seconds = _tolerance(pod.tolerations, taints)
        if tolerated and seconds is None:
            if timed.pop(pod.key, None) is not None and entry is not None:
                self._cancel(pod.key, entry, now_ns)
            return None
        if not tolerated:
            if entry is None or entry.taints != taints:
                if entry is not None:
                    self._cancel(pod.key, entry, now_ns)
                entry = _Timed(pod.uid, taints, now_ns, now_ns)
        elif entry is None:
            entry = _Timed(pod.uid, taints, now_ns, now_ns)
        if tolerated and seconds is not None and not entry.fired:
            entry.due_ns = entry.since_ns + seconds * SECOND
        timed[pod.key] = entry
        return entry

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
        if pod is None or pod.uid != entry.uid or entry.fired:
            return
        text = f"Cancelling deletion of Pod {key}"
        self.events.record(_subject(pod), NORMAL, "TaintManagerEviction", text, now_ns)


def _executing(node: Node) -> tuple[Taint, ...]:
    return tuple(taint for taint in node.taints if taint.effect == "NoExecute")


def _subject(pod: Pod) -> Subject:
    return Subject("Pod", "v1", pod.namespace, pod.name, pod.uid, str(pod.revision))


def _tolerance(
    tolerations: Sequence[Toleration], taints: Sequence[Taint]
) -> tuple[bool, int | None]:
    """Are all taints tolerated, and for how many seconds (None: for good)."""
    shortest: int | None = None
    for taint in taints:
        fitting = [known for known in tolerations if _tolerates(known, taint)]
        if not fitting:
            return False, None
        for known in fitting:
            if known.seconds is not None:
                seconds = max(0, known.seconds)
                shortest = seconds if shortest is None else min(shortest, seconds)
    return True, shortest


def _tolerates(known: Toleration, taint: Taint) -> bool:
    if known.effect and known.effect != taint.effect:
        return False
    if known.key and known.key != taint.key:
        return False
    if known.operator == "Exists":
        return True
    return bool(known.key) and known.value == taint.value
