"""Nodes: who is silent is Unknown, who is not ready is tainted, and pods leave in time.

A sync of one node writes, as needed: the conditions of a silent node (and its pods' readiness), the
NoSchedule taints that its conditions call for, the NoExecute taint, the labels beta.kubernetes.io,
and the evictions of pods whose toleration has run out. A node is heard of when its Lease or the
heartbeat of its condition Ready changes, by our clock.

Source: pkg/controller/nodelifecycle/node_lifecycle_controller.go, pkg/controller/tainteviction
(v1.36); texts as recorded in tests/golden/controllers.
"""

from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.times import rfc3339
from controllers.calm_nodes import CalmNodes
from controllers.events import NORMAL, WARNING, EventRecorder, Subject
from controllers.limits import NodeLimits
from controllers.node_taints import NOT_READY, UNREACHABLE, execute_taint, schedule_taints
from controllers.node_zones import Zones
from controllers.reconciler import Reconciler
from controllers.records import NODES, PODS, Node, Taint
from controllers.sync import DONE, FAILED, Sync, again, ok, strategic_patch
from controllers.taint_eviction import TaintEviction
from controllers.view import Change, View

_SILENT: Final = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


class NodeLifecycleController(Reconciler):
    """Reconciles names of nodes."""

    name = "node-lifecycle"

    def __init__(self, view: View, limits: NodeLimits) -> None:
        self._view = view
        self._limits = limits
        self._heard: dict[str, int] = {}
        """Node -> when it was last heard of, by our clock, in ns."""
        grace_ns = min(limits.grace_ns, limits.startup_grace_ns)
        self._calm = CalmNodes(grace_ns, limits.monitor_period_ns)
        self._registered: dict[str, str] = {}
        """Node -> uid for which RegisteredNode was said."""
        self._passing: dict[str, None] = {}
        """Nodes whose NoExecute taint may change now: Kubernetes looks at it once a period."""
        self._zones = Zones(limits)
        self.events = EventRecorder("node-controller")
        self._evictions = TaintEviction(view)
        self.recorders = (self.events, self._evictions.events)
        self._next_pass_ns: int | None = None

    def heard(self, nodes: Sequence[str], now_ns: int) -> None:
        """Their Leases were renewed."""
        self._heard.update(dict.fromkeys(nodes, now_ns))

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        if change.resource == NODES:
            return self._notice_node(change, now_ns)
        if change.resource == PODS:
            return self._evictions.notice(change)
        return ()

    def _notice_node(self, change: Change, now_ns: int) -> Sequence[str]:
        before, after = change.before, change.after
        assert before is None or isinstance(before, Node)
        if after is None:
            self._heard.pop(change.any.name, None)
            self._calm.forget(change.any.name)
            if self._registered.pop(change.any.name, None) is not None:
                assert before is not None
                text = f"Node {before.name} event: Removing Node {before.name} from Controller"
                self.events.record(_subject(before), NORMAL, "RemovingNode", text, now_ns)
            self._passing.pop(change.any.name, None)
            self._zones.forget(change.any.name)
            return ()
        assert isinstance(after, Node)
        self._calm.disturb(after.name)
        beat = after.conditions.get("Ready", ("", ""))[1]
        if before is None or before.conditions.get("Ready", ("", ""))[1] != beat:
            # A node seen for the first time gets the whole grace period.
            fresh = before is None and not beat
            self._heard[after.name] = after.created_ns if fresh else now_ns
        self._zones.note(after)
        if before is not None and _same(before, after):
            return ()
        return (after.name,)

    def all_keys(self) -> list[str]:
        return [row.name for row in self._view.rows(NODES)]

    def due(self, now_ns: int) -> Sequence[str]:
        """Every period: the nodes that have fallen silent or wait for their taint."""
        if self._next_pass_ns is not None and now_ns < self._next_pass_ns:
            return ()
        self._next_pass_ns = now_ns + self._limits.monitor_period_ns
        calm, heard = self._calm, self._heard
        calm.begin_pass(heard, now_ns)
        out: list[str] = []
        for name in list(calm.restless):
            row = self._view.node(name)
            assert row is not None, f"{name} is restless and not there"
            new = self._registered.get(row.name) != row.uid
            if (execute_taint(row) is not None) != _has_execute_taint(row):
                self._passing[row.name] = None
            if new or row.name in self._passing or self._is_silent(row, now_ns):
                out.append(row.name)
            else:
                calm.settle(row.name, heard.get(row.name, 0), now_ns)
        return out

    def next_due_ns(self) -> int | None:
        return self._next_pass_ns

    def _is_silent(self, node: Node, now_ns: int) -> bool:
        status = node.conditions.get("Ready", ("", ""))[0]
        if status == "Unknown":
            return False
        grace = self._limits.grace_ns if status else self._limits.startup_grace_ns
        return now_ns - self._heard.get(node.name, node.created_ns) > grace

    def sync(self, key: str, now_ns: int) -> Sync:
        node = self._view.node(key)
        if node is None or node.deleted_at:
            return DONE
        if self._registered.get(key) != node.uid:
            self._registered[key] = node.uid
            text = f"Node {key} event: Registered Node {key} in Controller"
            self.events.record(_subject(node), NORMAL, "RegisteredNode", text, now_ns)
        if self._is_silent(node, now_ns):
            return (yield from self._give_up(node, now_ns))
        patch = self._labels(node)
        if patch is not None:
            reply = (yield [strategic_patch(NODES, "", key, patch)])[0]
            if not ok(reply):
                return DONE if reply.code == 404 else FAILED
            return DONE
        taints, waits = self._taints(node, now_ns)
        if taints is not None:
            body = {
                "metadata": {"resourceVersion": str(node.revision)},
                "spec": {"taints": [_taint_body(taint) for taint in taints]},
            }
            reply = (yield [strategic_patch(NODES, "", key, body)])[0]
            return DONE if ok(reply) or reply.code == 404 else FAILED
        due = yield from self._evictions.sync(node, now_ns)
        if due is None:
            return FAILED
        times = [time for time in (due, waits) if time]
        return again(min(times)) if times else DONE

    def _give_up(self, node: Node, now_ns: int) -> Sync:
        """Write that nothing is known of a silent node, and that its pods are not ready."""
        never = "Ready" not in node.conditions
        reason = "NodeStatusNeverUpdated" if never else "NodeStatusUnknown"
        text = (
            "Kubelet never posted node status." if never else "Kubelet stopped posting node status."
        )
        conditions = []
        for kind in _SILENT:
            known = node.conditions.get(kind)
            if known is not None and known[0] == "Unknown":
                continue
            condition: JsonObject = {
                "type": kind,
                "status": "Unknown",
                "lastTransitionTime": rfc3339(now_ns),
                "reason": reason if known is not None else "NodeStatusNeverUpdated",
                "message": text if known is not None else "Kubelet never posted node status.",
            }
            if known is None:
                condition["lastHeartbeatTime"] = rfc3339(node.created_ns)
            conditions.append(condition)
        body = {"status": {"conditions": conditions}}
        reply = (yield [strategic_patch(NODES, "", node.name, body, "status")])[0]
        if not ok(reply):
            return DONE if reply.code == 404 else FAILED
        if node.conditions.get("Ready", ("", ""))[0] != "True":
            return DONE
        text = f"Node {node.name} status is now: NodeNotReady"
        self.events.record(_subject(node), NORMAL, "NodeNotReady", text, now_ns)
        return (yield from self._mark_pods(node, now_ns))

    def _mark_pods(self, node: Node, now_ns: int) -> Sync:
        pods = [pod for pod in self._view.pods_on(node.name) if pod.ready]
        if not pods:
            return DONE
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": rfc3339(now_ns)}
        calls = []
        for pod in pods:
            body = {"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}}
            calls.append(strategic_patch(PODS, pod.namespace, pod.name, body, "status"))
            subject = Subject("Pod", "v1", pod.namespace, pod.name, pod.uid, str(pod.revision))
            self.events.record(subject, WARNING, "NodeNotReady", "Node is not ready", now_ns)
        replies = yield calls
        return DONE if all(ok(reply) or reply.code in (404, 409) for reply in replies) else FAILED

    def _labels(self, node: Node) -> JsonObject | None:
        """The labels of old, kept equal to those that replaced them."""
        wanted = {}
        if node.os_label and node.beta_os_label != node.os_label:
            wanted["beta.kubernetes.io/os"] = node.os_label
        if node.arch_label and node.beta_arch_label != node.arch_label:
            wanted["beta.kubernetes.io/arch"] = node.arch_label
        return {"metadata": {"labels": wanted}} if wanted else None

    def _taints(self, node: Node, now_ns: int) -> tuple[list[Taint] | None, int]:
        """The taints that the node should have, None if it has them; when to look again, or 0."""
        now = rfc3339(now_ns)
        taints = schedule_taints(node, now)
        wanted = execute_taint(node)
        execute = [t for t in taints if _is_execute(t)]
        waits = 0
        if node.name not in self._passing:
            return (taints if taints != list(node.taints) else None), 0
        del self._passing[node.name]
        if wanted is None or self._zones.all_down:
            taints = [taint for taint in taints if not _is_execute(taint)]
        elif not execute:
            due = self._zones.admit(node, now_ns)
            if due <= now_ns:
                taints = [*taints, Taint(wanted, "", "NoExecute", now)]
            else:
                waits = due
        elif execute[0].key != wanted:
            taints = [taint for taint in taints if not _is_execute(taint)]
            taints.append(Taint(wanted, "", "NoExecute", now))
        return (taints if taints != list(node.taints) else None), waits


def _same(before: Node, after: Node) -> bool:
    """Whether the two are alike in everything that a sync reads."""
    return (
        before.uid == after.uid
        and before.taints == after.taints
        and before.unschedulable == after.unschedulable
        and before.os_label == after.os_label
        and before.beta_os_label == after.beta_os_label
        and before.arch_label == after.arch_label
        and before.beta_arch_label == after.beta_arch_label
        and {k: v[0] for k, v in before.conditions.items()}
        == {k: v[0] for k, v in after.conditions.items()}
    )


def _is_execute(taint: Taint) -> bool:
    return taint.effect == "NoExecute" and taint.key in (NOT_READY, UNREACHABLE)


def _has_execute_taint(node: Node) -> bool:
    return any(_is_execute(taint) for taint in node.taints)


def _taint_body(taint: Taint) -> JsonObject:
    body: JsonObject = {"key": taint.key, "effect": taint.effect}
    if taint.value:
        body["value"] = taint.value
    if taint.time_added:
        body["timeAdded"] = taint.time_added
    return body


def _subject(node: Node) -> Subject:
    # The node controller names the node where others name the uid. Source: RecordNodeEvent.
    return Subject("Node", "v1", "", node.name, node.uid, "")
