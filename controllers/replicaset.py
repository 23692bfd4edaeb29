"""ReplicaSet: as many pods of a template as asked for.

One sync counts the pods it owns, adopts and releases by selector, creates or deletes the
difference (at most ``burst``), and writes the status. Creations start slowly (1, 2, 4, ...) so that
a template that cannot be admitted costs one refused call and not thousands.

Source: pkg/controller/replicaset/replica_set.go, replica_set_utils.go (v1.36).
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from api.calls import ApiReply, ApiRequest
from api.core import JsonObject
from api.selectors import LabelSelector, label_selector_of
from api.times import rfc3339
from controllers.events import NORMAL, WARNING, EventRecorder, Subject, subject_of
from controllers.expectations import Expectations
from controllers.ranking import pods_to_delete
from controllers.reconciler import Reconciler
from controllers.records import PODS, REPLICA_SETS, Pod, controller_of
from controllers.sync import (
    DONE,
    FAILED,
    Sync,
    Verdict,
    again,
    body_of,
    create,
    delete,
    ok,
    strategic_patch,
    update,
)
from controllers.view import Change, View

SECOND = 1_000_000_000
Failure = tuple[str, str]
"""Reason and message of a condition ReplicaFailure."""


@dataclass(frozen=True, slots=True)
class ReplicaSetLimits:
    burst: int = 500
    """Pods created or deleted by one sync. Source: BurstReplicas."""
    slow_start: int = 1
    """Size of the first batch of creations; it doubles. Source: SlowStartInitialBatchSize."""


class ReplicaSetController(Reconciler):
    """Reconciles ``namespace/name`` keys of ReplicaSets."""

    name = "replicaset"

    def __init__(self, view: View, limits: ReplicaSetLimits) -> None:
        self._view = view
        self._limits = limits
        self._expectations = Expectations()
        self.events = EventRecorder("replicaset-controller")
        self.recorders = (self.events,)

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        """Keys that a change concerns."""
        if change.resource == REPLICA_SETS:
            if change.after is None and change.before is not None:
                self._expectations.forget(change.before.key)
            return (change.any.key,)
        if change.resource == PODS:
            return self._notice_pod(change)
        return ()

    def relisted(self, resource: str) -> None:
        if resource == PODS:
            self._expectations.clear()

    def all_keys(self) -> list[str]:
        return [row.key for row in self._view.rows(REPLICA_SETS)]

    def _notice_pod(self, change: Change) -> Sequence[str]:
        before, after = change.before, change.after
        keys: dict[str, None] = {}
        for row in (before, after):
            owner = controller_of(row.owners) if row is not None else None
            if row is None or owner is None or owner.kind != "ReplicaSet":
                continue
            key = f"{row.namespace}/{owner.name}"
            keys[key] = None
            if after is None or after.deleted_at:
                self._expectations.deleted(key, row.uid)
            elif before is None:
                self._expectations.created(key)
        if isinstance(after, Pod) and controller_of(after.owners) is None:
            for key in self._matching(after):
                keys[key] = None
        return tuple(keys)

    def _matching(self, pod: Pod) -> list[str]:
        """ReplicaSets that might adopt an orphan."""
        if pod.deleted_at:
            return []
        return [
            f"{pod.namespace}/{item['metadata']['name']}"
            for item in self._view.wholes_in(REPLICA_SETS, pod.namespace)
            if label_selector_of(item["spec"].get("selector")).matches(pod.labels)
        ]

    def sync(self, key: str, now_ns: int) -> Sync:
        item = self._view.whole(REPLICA_SETS, key)
        if item is None:
            self._expectations.forget(key)
            return DONE
        may_write = self._expectations.satisfied(key, now_ns)
        selector = label_selector_of(item["spec"].get("selector"))
        active, terminating, claims = self._claim(item, selector)
        if claims:
            for reply in (yield claims):
                if not ok(reply) and reply.code not in (404, 422):
                    return FAILED
        failure: Failure | None = None
        failed = False
        if may_write and "deletionTimestamp" not in item["metadata"]:
            failed, failure = yield from self._scale(key, item, active, now_ns)
        status = _status_of(item, active, terminating, failure, now_ns)
        # The state of the object may have moved while pods were written.
        current = self._view.whole(REPLICA_SETS, key)
        if current is None or current["metadata"]["uid"] != item["metadata"]["uid"]:
            return DONE
        if status != current.get("status"):
            replies = yield [update(REPLICA_SETS, {**current, "status": status}, "status")]
            if not ok(replies[0]):
                return DONE if replies[0].code == 404 else FAILED
        return FAILED if failed else _look_again(item, status, active, now_ns)

    def _claim(
        self, item: JsonObject, selector: LabelSelector
    ) -> tuple[list[Pod], int, list[ApiRequest]]:
        """Active pods that are its own, number of terminating ones, and calls that make it so."""
        meta = item["metadata"]
        namespace, uid = meta.get("namespace", ""), meta["uid"]
        deleting = "deletionTimestamp" in meta
        active: list[Pod] = []
        terminating = 0
        calls: list[ApiRequest] = []
        # Pods of one template share their labels, so one answer serves for many.
        last: Mapping[str, str] | None = None
        matches = False
        for pod in self._view.pods_of(uid):
            if pod.labels is not last:
                last = pod.labels
                matches = selector.matches(last)
            if matches:
                if pod.active:
                    active.append(pod)
                elif pod.terminating:
                    terminating += 1
            elif pod.active and not deleting:
                body = {"metadata": {"uid": pod.uid, "ownerReferences": [_delete_owner(uid)]}}
                calls.append(strategic_patch(PODS, namespace, pod.name, body))
        if not deleting:
            for row in self._view.orphans(PODS, namespace):
                if isinstance(row, Pod) and row.active and selector.matches(row.labels):
                    active.append(row)
                    body = {"metadata": {"uid": row.uid, "ownerReferences": [_owner(item)]}}
                    calls.append(strategic_patch(PODS, namespace, row.name, body))
        return active, terminating, calls

    def _scale(
        self, key: str, item: JsonObject, active: Sequence[Pod], now_ns: int
    ) -> Generator[Sequence[ApiRequest], Sequence[ApiReply], tuple[bool, Failure | None]]:
        missing = _replicas(item) - len(active)
        if missing > 0:
            return (yield from self._create(key, item, min(missing, self._limits.burst), now_ns))
        if missing < 0:
            surplus = min(-missing, self._limits.burst)
            doomed = pods_to_delete(active, self._related(item), surplus, now_ns)
            return (yield from self._delete(key, item, doomed, now_ns))
        return False, None

    def _create(
        self, key: str, item: JsonObject, count: int, now_ns: int
    ) -> Generator[Sequence[ApiRequest], Sequence[ApiReply], tuple[bool, Failure | None]]:
        self._expectations.expect_creations(key, count, now_ns)
        subject = subject_of("ReplicaSet", "apps/v1", item)
        request = create(PODS, item["metadata"].get("namespace", ""), _pod_body(item))
        batch = self._limits.slow_start
        left = count
        message = ""
        namespace_ends = False
        while left and not message and not namespace_ends:
            batch = min(batch, left)
            for reply in (yield [request] * batch):
                if ok(reply):
                    name = body_of(reply)["metadata"]["name"]
                    self._record(
                        subject, NORMAL, "SuccessfulCreate", f"Created pod: {name}", now_ns
                    )
                    continue
                self._expectations.created(key)
                if _namespace_ends(reply):
                    namespace_ends = True
                    continue
                error = _message_of(reply)
                message = message or error
                self._record(subject, WARNING, "FailedCreate", f"Error creating: {error}", now_ns)
            left -= batch
            batch *= 2
        self._expectations.created(key, left)
        return bool(message), ("FailedCreate", message) if message else None

    def _delete(
        self, key: str, item: JsonObject, doomed: Sequence[Pod], now_ns: int
    ) -> Generator[Sequence[ApiRequest], Sequence[ApiReply], tuple[bool, Failure | None]]:
        self._expectations.expect_deletions(key, [pod.uid for pod in doomed], now_ns)
        subject = subject_of("ReplicaSet", "apps/v1", item)
        message = ""
        replies = yield [delete(PODS, pod.namespace, pod.name) for pod in doomed]
        for pod, reply in zip(doomed, replies, strict=True):
            if ok(reply):
                text = f"Deleted pod: {pod.name}"
                self._record(subject, NORMAL, "SuccessfulDelete", text, now_ns)
                continue
            self._expectations.deleted(key, pod.uid)
            if reply.code != 404:
                error = _message_of(reply)
                message = message or error
                self._record(subject, WARNING, "FailedDelete", f"Error deleting: {error}", now_ns)
        return bool(message), ("FailedDelete", message) if message else None

    def _record(self, subject: Subject, kind: str, reason: str, message: str, now_ns: int) -> None:
        self.events.record(subject, kind, reason, message, now_ns)

    def _related(self, item: JsonObject) -> list[Pod]:
        """Pods of the ReplicaSets that have the same controller, its own included."""
        owner = next(
            (o for o in item["metadata"].get("ownerReferences") or () if o.get("controller")), None
        )
        siblings = [item] if owner is None else self._view.replica_sets_of(owner["uid"])
        return [
            pod for sibling in siblings for pod in self._view.pods_of(sibling["metadata"]["uid"])
        ]


def _replicas(item: JsonObject) -> int:
    count: int = item["spec"].get("replicas", 1)
    return count


def _owner(item: JsonObject) -> JsonObject:
    meta = item["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _delete_owner(uid: str) -> JsonObject:
    return {"$patch": "delete", "uid": uid}


def _pod_body(item: JsonObject) -> JsonObject:
    template = item["spec"]["template"]
    meta: JsonObject = {
        "generateName": f"{item['metadata']['name']}-",
        "ownerReferences": [_owner(item)],
    }
    given = template.get("metadata") or {}
    for field in ("labels", "annotations", "finalizers"):
        if given.get(field):
            meta[field] = given[field]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": template["spec"]}


def _message_of(reply: ApiReply) -> str:
    if reply.code == 0:
        return "the connection to the server was lost"
    return str(body_of(reply).get("message", ""))


def _namespace_ends(reply: ApiReply) -> bool:
    """The refusal is because the namespace is being deleted: no fault of the template."""
    if reply.code != 403:
        return False
    causes = (body_of(reply).get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _status_of(
    item: JsonObject,
    active: Sequence[Pod],
    terminating: int,
    failure: Failure | None,
    now_ns: int,
) -> JsonObject:
    """The status as Kubernetes serializes it: zero counters are left out, replicas never."""
    spec = item["spec"]
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    wanted = labels.items()
    min_ready_ns = spec.get("minReadySeconds", 0) * SECOND
    labelled = sum(1 for pod in active if pod.labels is labels or wanted <= pod.labels.items())
    ready = [pod for pod in active if pod.ready]
    available = len(ready)
    if min_ready_ns:
        available = sum(1 for pod in ready if _available_at(pod, min_ready_ns) <= now_ns)
    status: JsonObject = {"replicas": len(active)}
    if labelled:
        status["fullyLabeledReplicas"] = labelled
    if ready:
        status["readyReplicas"] = len(ready)
    if available:
        status["availableReplicas"] = available
    status["terminatingReplicas"] = terminating
    if generation := item["metadata"].get("generation", 0):
        status["observedGeneration"] = generation
    if conditions := _conditions_of(item, failure, now_ns):
        status["conditions"] = conditions
    return status


def _available_at(pod: Pod, min_ready_ns: int) -> int:
    return pod.ready_since_ns + min_ready_ns


def _conditions_of(item: JsonObject, failure: Failure | None, now_ns: int) -> list[JsonObject]:
    conditions: list[JsonObject] = list((item.get("status") or {}).get("conditions") or ())
    known = next((c for c in conditions if c["type"] == "ReplicaFailure"), None)
    if failure is not None and known is None:
        reason, message = failure
        conditions.append(
            {
                "type": "ReplicaFailure",
                "status": "True",
                "lastTransitionTime": rfc3339(now_ns),
                "reason": reason,
                "message": message,
            }
        )
    elif failure is None and known is not None:
        conditions.remove(known)
    return conditions


def _look_again(
    item: JsonObject, status: JsonObject, active: Sequence[Pod], now_ns: int
) -> Verdict:
    """A pod that is ready becomes available later, without any event."""
    min_ready_ns = item["spec"].get("minReadySeconds", 0) * SECOND
    if not min_ready_ns or status.get("availableReplicas", 0) == status.get("readyReplicas", 0):
        return DONE
    due = [at for pod in active if pod.ready and (at := _available_at(pod, min_ready_ns)) > now_ns]
    return again(min(due)) if due else DONE
