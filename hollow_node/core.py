"""Thousands of kubelets as rows of one object.

Each node registers (Node, Lease, Ready status), renews its Lease every period, reports its status
every five minutes, and takes the pods bound to it through the stage table. Nodes and pods never
see each other's rows; they share only batches, because what costs is the number of messages.

Source of the traffic: pkg/kubelet/nodelease and kubelet_node_status.go, Kubernetes v1.36; pods
follow KWOK's way (one status patch to Running, one delete with grace period 0).
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from api.calls import (
    DELETED,
    STRATEGIC_PATCH,
    ApiReply,
    ApiRequest,
    Calls,
    CallsDone,
    ComponentEvent,
    ObjectsSeen,
    WatchReset,
    WatchSpec,
    WatchSynced,
)
from api.core import InvariantError, JsonObject
from api.streams import Stream
from api.times import micro_time, rfc3339
from hollow_node import documents
from hollow_node.node_list import NodeShape
from hollow_node.node_rows import ABSENT, NO_LEASE, NOT_READY, READY, NodeRows
from hollow_node.stages import Next, Stage, next_stage

SECOND = 1_000_000_000
QUANTUM_NS = SECOND // 10
"""Leases due within one quantum travel together; a tenth of a second of a ten-second period."""
RETRY_NS = SECOND
STATUS_PERIOD_NS = 300 * SECOND
"""nodeStatusReportFrequency. Source: pkg/kubelet/apis/config/v1beta1/defaults.go."""
STATUS_LOOK_NS = 10 * SECOND
"""nodeStatusUpdateFrequency: how often a kubelet compares its node with what it would report."""
REGISTRATIONS_PER_STEP_MAX = 500
POD_ATTEMPTS_MAX = 8

Answer = Callable[[ApiReply, int], None]


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


class HollowNodes:
    """A component core (api.calls.Component) that plays the kubelets of its nodes."""

    def __init__(
        self, shapes: Sequence[NodeShape], stages: Sequence[Stage], seed: int, period_ns: int
    ) -> None:
        assert period_ns >= QUANTUM_NS, "lease period below one quantum"
        self.rows = NodeRows(shapes)
        self.pods: dict[str, PodRow] = {}
        """uid -> row."""
        self._stages = tuple(stages)
        self._stream = Stream(seed, "hollow_node")
        self._period_ns = period_ns
        self._timers: list[tuple[int, str]] = []
        """Heap of (due, pod uid); an entry counts only if it equals the row's due time."""
        self._requests: list[ApiRequest] = []
        self._answers: dict[int, Answer] = {}
        self._last_id = 0
        self._stale: set[str] | None = None
        """During a relist: uids not seen yet."""
        self._wake_ns: int | None = 0
        self._ordinals = np.zeros(len(shapes), np.int32)
        """(nodes,) pods ever placed on each node; gives the next pod address."""

    @property
    def watches(self) -> Sequence[WatchSpec]:
        return (
            WatchSpec("pods", "pods", field_selector="spec.nodeName!="),
            WatchSpec("nodes", "nodes"),
        )

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[Calls]:
        for event in events:
            match event:
                case ObjectsSeen(watch="nodes"):
                    for node in event.objects:
                        self._node_seen(node, now_ns)
                case ObjectsSeen():
                    for kind, pod in zip(event.types, event.objects, strict=True):
                        self._pod_seen(kind, pod, now_ns)
                case CallsDone():
                    for reply in event.replies:
                        self._answers.pop(reply.id)(reply, now_ns)
                case WatchReset(watch="pods"):
                    self._stale = set(self.pods)
                case WatchSynced(watch="pods"):
                    for uid in sorted(self._stale or ()):
                        del self.pods[uid]
                    self._stale = None
                case WatchReset() | WatchSynced():
                    # What is known of nodes is only what they said of themselves.
                    pass
        self._fire_pods(now_ns)
        self._fire_nodes(now_ns)
        requests, self._requests = self._requests, []
        return (Calls(requests),) if requests else ()

    def next_wakeup_ns(self) -> int | None:
        wakes = [self._wake_ns, self._timers[0][0] if self._timers else None]
        return min((wake for wake in wakes if wake is not None), default=None)

    def check(self) -> None:
        self.rows.check()
        for uid, row in self.pods.items():
            if not 0 <= row.node < len(self.rows.names):
                raise InvariantError(f"pod {uid} is on node row {row.node}, which does not exist")
            if row.uid != uid or (row.stage is not None and row.pod is None):
                raise InvariantError(f"pod {uid} is filed under another uid or lost its object")

    def gauges(self) -> Mapping[str, float]:
        """Nodes by state and pods, for the supervisor."""
        counts = np.bincount(self.rows.state, minlength=READY + 1)
        return {
            "nodes": float(len(self.rows.names)),
            "nodes_ready": float(counts[READY]),
            "pods": float(len(self.pods)),
            "calls_open": float(len(self._answers)),
        }

    # Nodes: register, renew, report.

    def _fire_nodes(self, now_ns: int) -> None:
        rows = self.rows
        due = rows.due(now_ns + QUANTUM_NS)
        if len(due) > REGISTRATIONS_PER_STEP_MAX:
            starting = due[rows.state[due] != READY][:REGISTRATIONS_PER_STEP_MAX]
            due = np.sort(np.concatenate([due[rows.state[due] == READY], starting]))
        for row in due.tolist():
            rows.due_ns[row] = rows.NEVER
            state = rows.state[row]
            if state == ABSENT:
                self._register(row, now_ns)
            elif state == NO_LEASE:
                self._create_lease(row, now_ns)
            elif state == NOT_READY:
                self._report(row, now_ns, ready=True)
            elif rows.lease_due_ns[row] <= now_ns + QUANTUM_NS:
                self._renew(row, now_ns)
            else:
                self._report(row, now_ns, ready=bool(rows.unwell[row]))
        self._wake_ns = rows.next_due_ns()

    def _node_seen(self, node: JsonObject, now_ns: int) -> None:
        """Others may have set a condition while a kubelet was not heard of; it sets it right at
        its next look, which comes every ten seconds."""
        rows = self.rows
        row = rows.index.get(node["metadata"]["name"])
        if row is None:
            return
        conditions = node.get("status", {}).get("conditions") or ()
        unwell = any(one["type"] == "Ready" and one["status"] != "True" for one in conditions)
        if unwell and not rows.unwell[row] and rows.state[row] == READY:
            due_ns = now_ns + self._stream.below(STATUS_LOOK_NS)
            rows.status_due_ns[row] = min(rows.status_due_ns[row], due_ns)
            if rows.due_ns[row] != rows.NEVER:
                rows.due_ns[row] = min(rows.due_ns[row], rows.status_due_ns[row])
        rows.unwell[row] = unwell

    def _register(self, row: int, now_ns: int) -> None:
        body = documents.node_object(self.rows.shapes[row], row, rfc3339(now_ns))

        def registered(reply: ApiReply, now_ns: int) -> None:
            if reply.code in (200, 201):
                self.rows.uids[row] = orjson.loads(reply.body)["metadata"]["uid"]
                self.rows.enter(row, NO_LEASE, now_ns)
            elif reply.code == 409:
                self._find_node(row)
            else:
                self.rows.due_ns[row] = now_ns + RETRY_NS

        self._call(registered, "create", "nodes", body=body)

    def _find_node(self, row: int) -> None:
        """The Node is there already: a kubelet that restarts takes it over."""

        def found(reply: ApiReply, now_ns: int) -> None:
            if reply.code == 200:
                self.rows.uids[row] = orjson.loads(reply.body)["metadata"]["uid"]
                self.rows.enter(row, NO_LEASE, now_ns)
            else:
                self.rows.due_ns[row] = now_ns + RETRY_NS

        self._call(found, "get", "nodes", name=self.rows.names[row])

    def _create_lease(self, row: int, now_ns: int) -> None:
        rows = self.rows
        body = documents.lease_object(rows.names[row], rows.uids[row], micro_time(now_ns))

        def created(reply: ApiReply, now_ns: int) -> None:
            if reply.code in (200, 201):
                self._lease_written(row, reply.revision, now_ns)
            elif reply.code == 409:
                self._find_lease(row)
            else:
                self.rows.due_ns[row] = now_ns + RETRY_NS

        self._call(
            created, "create", "coordination.k8s.io/leases", documents.LEASE_NAMESPACE, body=body
        )

    def _find_lease(self, row: int) -> None:
        def found(reply: ApiReply, now_ns: int) -> None:
            rows = self.rows
            if reply.code == 200:
                rows.lease_revision[row] = reply.revision
                rows.lease_due_ns[row] = now_ns
                rows.due_ns[row] = now_ns
                if rows.state[row] == NO_LEASE:
                    rows.enter(row, NOT_READY, now_ns)
            elif reply.code == 404:
                rows.enter(row, NO_LEASE, now_ns)
            else:
                rows.due_ns[row] = now_ns + RETRY_NS

        self._call(
            found,
            "get",
            "coordination.k8s.io/leases",
            documents.LEASE_NAMESPACE,
            self.rows.names[row],
        )

    def _renew(self, row: int, now_ns: int) -> None:
        rows = self.rows
        name = rows.names[row]
        body = documents.lease_renewal(
            name, rows.uids[row], int(rows.lease_revision[row]), micro_time(now_ns)
        )

        def renewed(reply: ApiReply, now_ns: int) -> None:
            if reply.code == 200:
                self._lease_written(row, reply.revision, now_ns)
            else:
                self._find_lease(row)

        self._call(
            renewed,
            "update",
            "coordination.k8s.io/leases",
            documents.LEASE_NAMESPACE,
            name,
            body=body,
            quiet=True,
        )

    def _lease_written(self, row: int, revision: int, now_ns: int) -> None:
        rows = self.rows
        rows.lease_revision[row] = revision
        jitter = self._stream.below(self._period_ns // 25 + 1)
        # A fresh fleet would renew in one burst: its first period is spread over all of it.
        first = rows.state[row] == NO_LEASE
        wait = self._stream.below(self._period_ns) if first else self._period_ns + jitter
        rows.lease_due_ns[row] = now_ns + max(wait, QUANTUM_NS)
        if first:
            rows.enter(row, NOT_READY, now_ns)
        elif rows.state[row] == READY:
            rows.due_ns[row] = min(rows.lease_due_ns[row], rows.status_due_ns[row])
        else:
            rows.due_ns[row] = now_ns

    def _report(self, row: int, now_ns: int, ready: bool) -> None:
        """Patch the node's status: Ready the first time, heartbeats after that."""
        now = rfc3339(now_ns)
        conditions = (
            documents.node_conditions(True, now) if ready else documents.heartbeat_conditions(now)
        )

        def reported(reply: ApiReply, now_ns: int) -> None:
            rows = self.rows
            if reply.code == 200:
                first = rows.state[row] != READY
                rows.state[row] = READY
                wait = self._stream.below(STATUS_PERIOD_NS) if first else STATUS_PERIOD_NS
                rows.status_due_ns[row] = now_ns + max(wait, QUANTUM_NS)
                rows.due_ns[row] = min(rows.lease_due_ns[row], rows.status_due_ns[row])
            elif reply.code == 404:
                rows.enter(row, ABSENT, now_ns + RETRY_NS)
            else:
                rows.due_ns[row] = now_ns + RETRY_NS
                if rows.state[row] == READY:
                    rows.status_due_ns[row] = now_ns + RETRY_NS

        self._call(
            reported,
            "patch",
            "nodes",
            name=self.rows.names[row],
            subresource="status",
            body={"status": {"conditions": conditions}},
        )

    # Pods: from bound to running to gone.

    def _pod_seen(self, kind: int, pod: JsonObject, now_ns: int) -> None:
        uid = pod["metadata"]["uid"]
        if self._stale is not None:
            self._stale.discard(uid)
        if kind == DELETED:
            self.pods.pop(uid, None)
            return
        row = self.pods.get(uid)
        if row is None:
            node = self.rows.index.get(pod["spec"].get("nodeName", ""))
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

    def _fire_pods(self, now_ns: int) -> None:
        while self._timers and self._timers[0][0] <= now_ns:
            due_ns, uid = heapq.heappop(self._timers)
            row = self.pods.get(uid)
            if row is not None and row.due_ns == due_ns and row.stage is not None:
                row.due_ns = 0
                self._apply(row, row.stage, now_ns)

    def _apply(self, row: PodRow, stage: Stage, now_ns: int) -> None:
        namespace, name, uid = row.namespace, row.name, row.uid

        def applied(reply: ApiReply, now_ns: int) -> None:
            # Success and "gone" are seen through the watch; all else is tried again, bounded.
            if reply.code in (200, 201, 404) or row.stage is not stage:
                return
            row.attempts += 1
            if row.attempts < POD_ATTEMPTS_MAX and uid in self.pods:
                self._arm(row, now_ns + RETRY_NS * 2 ** min(row.attempts - 1, 4))

        if stage.next is Next.DELETE:
            body: JsonObject = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
            self._call(applied, "delete", "pods", namespace, name, body=body, quiet=True)
            return
        assert row.pod is not None, "a stage without its pod"
        now = rfc3339(now_ns)
        if stage.next is Next.RUNNING:
            host = documents.node_ip(row.node)
            status = documents.running_status(row.pod, row.address, host, now)
        else:
            status = documents.ended_status(row.pod, int(stage.next is Next.FAILED), now)
        body = {"metadata": {"uid": uid}, "status": status}
        self._call(
            applied,
            "patch",
            "pods",
            namespace,
            name,
            subresource="status",
            body=body,
            quiet=True,
        )

    def _call(
        self,
        answer: Answer,
        verb: str,
        resource: str,
        namespace: str = "",
        name: str = "",
        *,
        subresource: str = "",
        body: JsonObject | bytes | None = None,
        quiet: bool = False,
    ) -> None:
        self._last_id += 1
        self._answers[self._last_id] = answer
        content_type = STRATEGIC_PATCH if verb == "patch" else ""
        self._requests.append(
            ApiRequest(
                self._last_id,
                verb,
                resource,
                namespace,
                name,
                subresource,
                body=body,
                content_type=content_type,
                quiet=quiet,
            )
        )
