"""The life of the pods bound to our nodes: from bound to Running to gone, stage by stage."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from api.calls import DELETED, ApiReply
from api.core import InvariantError, JsonObject
from api.streams import Stream
from api.times import rfc3339
from hollow_node import documents
from hollow_node.node_rows import NodeRows
from hollow_node.outbox import Outbox
from hollow_node.settled import settled_status
from hollow_node.stages import Next, Stage, next_stage

RETRY_NS = 1_000_000_000
RETRY_DOUBLINGS_MAX = 4
"""A write that fails waits 1, 2, 4, 8, then 16 s between tries, for as long as the pod is there:
a kubelet never gives a pod up."""


@dataclass(slots=True)
class PodRow:
    """One bound pod. ``due_ns`` 0: nothing is scheduled."""

    namespace: str
    name: str
    uid: str
    node: int
    address: str
    pod: JsonObject | None = None
    """The object while a stage is to come; a settled pod keeps none (20 KB of dicts each)."""
    stage: Stage | None = None
    due_ns: int = 0
    attempts: int = 0
    settled: int = 0
    """Generation of the pod up to which a running one has been seen to."""


_SETTLE = Stage("pod-settle", (), False, Next.SETTLED)
"""In no table of stages: every kubelet carries out changes of a running pod, without delay."""


class PodLife:
    """Takes each pod through the stage table, one timer and at most one open call at a time."""

    def __init__(
        self, rows: NodeRows, stages: Sequence[Stage], outbox: Outbox, stream: Stream
    ) -> None:
        self.pods: dict[str, PodRow] = {}
        """uid -> row."""
        self._nodes = rows
        self._stages = tuple(stages)
        self._outbox = outbox
        self._stream = stream
        self._timers: list[tuple[int, str]] = []
        """Heap of (due, pod uid); an entry counts only if it equals the row's due time."""
        self._stale: set[str] | None = None
        """During a relist: uids not seen yet."""
        self._ordinals = np.zeros(len(rows.names), np.int32)
        """(nodes,) pods ever placed on each node; gives the next pod address."""

    def relist(self) -> None:
        """A list begins: pods that it does not show are gone."""
        self._stale = set(self.pods)

    def listed(self) -> None:
        for uid in sorted(self._stale or ()):
            del self.pods[uid]
        self._stale = None

    def next_due_ns(self) -> int | None:
        return self._timers[0][0] if self._timers else None

    def check(self) -> None:
        for uid, row in self.pods.items():
            if not 0 <= row.node < len(self._nodes.names):
                raise InvariantError(f"pod {uid} is on node row {row.node}, which does not exist")
            if row.uid != uid or (row.stage is not None and row.pod is None):
                raise InvariantError(f"pod {uid} is filed under another uid or lost its object")

    def seen(self, kind: int, pod: JsonObject, now_ns: int) -> None:
        uid = pod["metadata"]["uid"]
        if self._stale is not None:
            self._stale.discard(uid)
        if kind == DELETED:
            self.pods.pop(uid, None)
            return
        row = self.pods.get(uid)
        if row is None:
            node = self._nodes.index.get(pod["spec"].get("nodeName", ""))
            if node is None:
                return
            self._ordinals[node] += 1
            address = documents.pod_ip(node, int(self._ordinals[node]))
            meta = pod["metadata"]
            row = self.pods[uid] = PodRow(meta["namespace"], meta["name"], uid, node, address)
        self._plan(row, pod, now_ns)

    def _plan(self, row: PodRow, pod: JsonObject, now_ns: int) -> None:
        """Put the row's next stage on the heap, unless it is under way already."""
        stage = next_stage(self._stages, pod)
        changed = pod["metadata"].get("generation", 1) > max(row.settled, 1)
        capacity = self._nodes.shapes[row.node].capacity
        if stage is None and changed and settled_status(pod, capacity, ""):
            stage = _SETTLE
        row.pod = None if stage is None else pod
        if stage is row.stage:
            return
        row.stage, row.attempts = stage, 0
        if stage is None:
            row.due_ns = 0
        else:
            self._arm(row, now_ns + stage.delay_ns(self._stream))

    def _arm(self, row: PodRow, due_ns: int) -> None:
        row.due_ns = due_ns
        heapq.heappush(self._timers, (due_ns, row.uid))

    def fire(self, now_ns: int) -> None:
        """Apply the stages that are due."""
        while self._timers and self._timers[0][0] <= now_ns:
            due_ns, uid = heapq.heappop(self._timers)
            row = self.pods.get(uid)
            if row is not None and row.due_ns == due_ns and row.stage is not None:
                row.due_ns = 0
                self._apply(row, row.stage, now_ns)

    def _apply(self, row: PodRow, stage: Stage, now_ns: int) -> None:
        namespace, name, uid = row.namespace, row.name, row.uid
        generation = 0 if row.pod is None else row.pod["metadata"].get("generation", 1)

        def applied(reply: ApiReply, now_ns: int) -> None:
            # Success and "gone" are seen through the watch; all else is tried again.
            gone = self.pods.get(uid) is not row or row.stage is not stage
            if not gone and reply.code not in (200, 201, 404):
                self._arm(row, now_ns + RETRY_NS * 2 ** min(row.attempts, RETRY_DOUBLINGS_MAX))
                row.attempts += 1
            elif not gone and stage is _SETTLE:
                row.settled, row.stage = generation, None
                if row.pod is not None:
                    self._plan(row, row.pod, now_ns)

        if stage.next is Next.DELETE:
            body: JsonObject = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
            self._outbox.call(applied, "delete", "pods", namespace, name, body=body, quiet=True)
            return
        assert row.pod is not None, "a stage without its pod"
        now = rfc3339(now_ns)
        if stage.next is Next.RUNNING:
            host = documents.node_ip(row.node)
            status = documents.running_status(row.pod, row.address, host, now)
        elif stage.next is Next.SETTLED:
            capacity = self._nodes.shapes[row.node].capacity
            status = settled_status(row.pod, capacity, now) or {}
        else:
            status = documents.ended_status(row.pod, int(stage.next is Next.FAILED), now)
        body = {"metadata": {"uid": uid}, "status": status}
        self._outbox.call(
            applied,
            "patch",
            "pods",
            namespace,
            name,
            subresource="status",
            body=body,
            quiet=True,
        )
