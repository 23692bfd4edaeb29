"""The kubelets' own traffic: registration, Leases, node status.

Source: pkg/kubelet/nodelease and kubelet_node_status.go, Kubernetes v1.36.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from api.calls import DELETED, ApiReply
from api.core import JsonObject
from api.streams import Stream
from api.times import micro_time, rfc3339
from hollow_node import documents
from hollow_node.node_list import NodeShape
from hollow_node.node_rows import ABSENT, DEREGISTERED, NO_LEASE, NOT_READY, READY, NodeRows
from hollow_node.outbox import Outbox

SECOND = 1_000_000_000
LEASES = "coordination.k8s.io/leases"
QUANTUM_NS = SECOND // 10
"""What is due within one quantum of what is due now travels with it; a tenth of a second of a
ten-second period."""
RETRY_NS = SECOND
STATUS_PERIOD_NS = 300 * SECOND
"""nodeStatusReportFrequency. Source: pkg/kubelet/apis/config/v1beta1/defaults.go."""
STATUS_LOOK_NS = 10 * SECOND
"""nodeStatusUpdateFrequency: how often a kubelet compares its node with what it would report."""
REGISTRATIONS_PER_STEP_MAX = 500


class Heartbeats(NamedTuple):
    """By what, and how often, a node shows that it lives. Periods in ns; 0: not at all."""

    lease_ns: int = 10 * SECOND
    """Between two renewals; 0: its Lease is made and never renewed."""
    status_ns: int = STATUS_PERIOD_NS
    """Between two reports of its status; 0: it reports once, that it is Ready."""


SILENT: Final = Heartbeats(0, 0)
BY_STATUS: Final = Heartbeats(0, STATUS_LOOK_NS)
"""Kubelets before Kubernetes 1.14: the whole status every ten seconds, no Lease.
Source: keps/sig-node/589-efficient-node-heartbeats."""


def heartbeats(period_ns: int, by: str) -> Heartbeats:
    """``by``: "lease", or "status" for the whole status in that period and no Lease renewed."""
    assert by in ("lease", "status"), by
    return Heartbeats(0, period_ns) if by == "status" else Heartbeats(period_ns)


class Fleet:
    """Registers each node (Node, Lease, Ready status), then renews and reports for it.

    | state | asks | answer and next state |
    |---|---|---|
    | ABSENT | create Node | 2xx, or 409 and a get: NO_LEASE |
    | NO_LEASE | create Lease | 2xx, or 409 and a get: NOT_READY |
    | NOT_READY | patch status with Ready | 200: READY; 404: DEREGISTERED |
    | READY, Lease due | update Lease | 200: READY; else a get; its 404: NO_LEASE |
    | READY, status due | patch status | 200: READY; 404: DEREGISTERED |
    | DEREGISTERED | nothing | also entered when others delete the Node |

    After any other answer the same is asked again ``RETRY_NS`` later.
    """

    def __init__(
        self,
        shapes: Sequence[NodeShape],
        outbox: Outbox,
        stream: Stream,
        beats: Heartbeats,
        quantum_ns: int = QUANTUM_NS,
    ) -> None:
        """Whatever ``beats`` are, each node registers, gets its Lease and says that it is Ready."""
        assert all(not ns or ns >= quantum_ns for ns in beats), "a period below one quantum"
        self.rows = NodeRows(shapes)
        self._outbox = outbox
        self._stream = stream
        self._beats = beats
        self._quantum_ns = quantum_ns

    def fire(self, now_ns: int) -> None:
        """Once something is due by now, ask for it and for what is due within one quantum: a step
        for another reason begins no frame of its own."""
        rows = self.rows
        soonest_ns = rows.next_due_ns()
        if soonest_ns is None or soonest_ns > now_ns:
            return
        due = rows.due(now_ns + self._quantum_ns)
        if len(due) > REGISTRATIONS_PER_STEP_MAX:
            starting = due[rows.state[due] != READY][:REGISTRATIONS_PER_STEP_MAX]
            due = np.sort(np.concatenate([due[rows.state[due] == READY], starting]))
        rows.due_ns[due] = rows.NEVER
        renewing = (rows.state[due] == READY) & (
            rows.lease_due_ns[due] <= now_ns + self._quantum_ns
        )
        self._renew(due[renewing], now_ns)
        for row in due[~renewing].tolist():
            state = rows.state[row]
            if state == ABSENT:
                self._register(row, now_ns)
            elif state == NO_LEASE:
                self._create_lease(row, now_ns)
            elif state == NOT_READY:
                self._report(row, now_ns, ready=True)
            else:
                # Only a node that others called unwell needs more than a heartbeat.
                self._report(row, now_ns, ready=bool(rows.unwell[row]))

    def answered(self, replies: Sequence[ApiReply], now_ns: int) -> None:
        """Renewals are taken together, the others one by one."""
        written, refused, others = self._outbox.of_rows(replies)
        for row in refused:
            self._find_lease(row)
        if written:
            self._renewed(written, now_ns)
        for reply in others:
            self._outbox.answered(reply, now_ns)

    def seen(self, kind: int, node: JsonObject, now_ns: int) -> None:
        """Others may have set a condition while a kubelet was not heard of; it sets it right at
        its next look, which comes every ten seconds. A node that others delete stays away."""
        rows = self.rows
        row = rows.index.get(node["metadata"]["name"])
        if row is None:
            return
        if kind == DELETED:
            if rows.uids[row] == node["metadata"].get("uid"):
                rows.enter(row, DEREGISTERED, rows.NEVER)
            return
        conditions = node.get("status", {}).get("conditions") or ()
        unwell = any(one["type"] == "Ready" and one["status"] != "True" for one in conditions)
        if unwell and not rows.unwell[row] and rows.state[row] == READY:
            due_ns = now_ns + self._stream.below(STATUS_LOOK_NS)
            rows.status_due_ns[row] = min(rows.status_due_ns[row], due_ns)
            if rows.due_ns[row] != rows.NEVER:
                rows.due_ns[row] = min(rows.due_ns[row], rows.status_due_ns[row])
        rows.unwell[row] = unwell

    # Node

    def _register(self, row: int, now_ns: int) -> None:
        body = documents.node_object(self.rows.shapes[row], row, rfc3339(now_ns))
        self._outbox.call(partial(self._registered, row), "create", "nodes", body=body)

    def _registered(self, row: int, reply: ApiReply, now_ns: int) -> None:
        if reply.code == 409:
            # The Node is there already: a kubelet that restarts takes it over.
            name = self.rows.names[row]
            self._outbox.call(partial(self._registered, row), "get", "nodes", name=name)
        elif reply.code in (200, 201):
            uid = self.rows.uids[row] = orjson.loads(reply.body)["metadata"]["uid"]
            self.rows.renewals[row] = documents.lease_renewal(self.rows.names[row], uid)
            self.rows.enter(row, NO_LEASE, now_ns)
        else:
            self.rows.due_ns[row] = now_ns + RETRY_NS

    # Lease

    def _create_lease(self, row: int, now_ns: int) -> None:
        rows = self.rows
        body = documents.lease_object(rows.names[row], rows.uids[row], micro_time(now_ns))
        self._outbox.call(
            partial(self._lease_created, row),
            "create",
            LEASES,
            documents.LEASE_NAMESPACE,
            body=body,
        )

    def _lease_created(self, row: int, reply: ApiReply, now_ns: int) -> None:
        rows = self.rows
        if reply.code in (200, 201):
            if rows.state[row] == DEREGISTERED:
                return
            rows.lease_revision[row] = reply.revision
            if period_ns := self._beats.lease_ns:
                # A fresh fleet would renew in one burst: its first period is spread over all of it.
                rows.lease_due_ns[row] = now_ns + self._stream.below(period_ns)
            rows.enter(row, NOT_READY, now_ns)
        elif reply.code == 409:
            self._find_lease(row)
        else:
            rows.due_ns[row] = now_ns + RETRY_NS

    def _find_lease(self, row: int) -> None:
        name, found = self.rows.names[row], partial(self._lease_found, row)
        self._outbox.call(found, "get", LEASES, documents.LEASE_NAMESPACE, name)

    def _lease_found(self, row: int, reply: ApiReply, now_ns: int) -> None:
        rows = self.rows
        if rows.state[row] == DEREGISTERED:
            return
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

    def _renew(self, due: NDArray[np.int64], now_ns: int) -> None:
        """``due``: shape (k,), rows."""
        if not len(due):
            return
        rows, end = self.rows, micro_time(now_ns).encode() + documents.RENEWAL_END
        names, renewals, numbers = rows.names, rows.renewals, due.tolist()
        asked = [
            (names[row], b"%b%d%b%b" % (renewals[row][0], revision, renewals[row][1], end))
            for row, revision in zip(numbers, rows.lease_revision[due].tolist(), strict=True)
        ]
        self._outbox.update_rows((LEASES, documents.LEASE_NAMESPACE), numbers, asked)

    def _renewed(self, written: Mapping[int, int], now_ns: int) -> None:
        """``written``: row to the new revision of its Lease. A node that others have deleted
        meanwhile stays as it is."""
        rows = self.rows
        done = np.fromiter(written, np.int64, len(written))
        ready = rows.state[done] == READY
        revisions = np.fromiter(written.values(), np.int64, len(written))[ready]
        done = done[ready]
        rows.lease_revision[done] = revisions
        if period_ns := self._beats.lease_ns:
            jitter = self._stream.many_below(period_ns // 25 + 1, len(done))
            rows.lease_due_ns[done] = now_ns + period_ns + np.array(jitter, np.int64)
        else:
            # One that was found when its node started, and looked at for once.
            rows.lease_due_ns[done] = rows.NEVER
        rows.due_ns[done] = np.minimum(rows.lease_due_ns[done], rows.status_due_ns[done])

    # Status

    def _report(self, row: int, now_ns: int, ready: bool) -> None:
        """Patch the node's status: Ready the first time, heartbeats after that."""
        now = rfc3339(now_ns)
        conditions = (
            documents.node_conditions(True, now) if ready else documents.heartbeat_conditions(now)
        )

        self._outbox.call(
            partial(self._reported, row),
            "patch",
            "nodes",
            name=self.rows.names[row],
            subresource="status",
            body={"status": {"conditions": conditions}},
        )

    def _reported(self, row: int, reply: ApiReply, now_ns: int) -> None:
        rows = self.rows
        if rows.state[row] == DEREGISTERED:
            return
        if reply.code == 200:
            first = rows.state[row] != READY
            rows.state[row] = READY
            if not (period_ns := self._beats.status_ns):
                rows.status_due_ns[row] = rows.NEVER
            elif first:
                rows.status_due_ns[row] = now_ns + self._stream.below(period_ns)
            else:
                # A ticker keeps its phase, however long an answer takes.
                next_ns = int(rows.status_due_ns[row]) + period_ns
                rows.status_due_ns[row] = max(next_ns, now_ns + self._quantum_ns)
            rows.due_ns[row] = min(rows.lease_due_ns[row], rows.status_due_ns[row])
        elif reply.code == 404:
            rows.enter(row, DEREGISTERED, rows.NEVER)
        else:
            rows.due_ns[row] = now_ns + RETRY_NS
            if rows.state[row] == READY:
                rows.status_due_ns[row] = now_ns + RETRY_NS
