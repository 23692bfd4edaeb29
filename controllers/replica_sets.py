"""One sync of a Deployment at work on its ReplicaSets: what it has read and what it writes.

Source: pkg/controller/deployment/sync.go (v1.36).
"""

from collections.abc import Sequence
from typing import Final

from api.calls import ApiReply
from api.core import JsonObject
from controllers.deployment_status import (
    PROGRESSING,
    condition_of,
    has_deadline,
    new_condition,
    with_condition,
)
from controllers.events import NORMAL, WARNING, EventRecorder, subject_of
from controllers.records import DEPLOYMENTS, REPLICA_SETS
from controllers.revisions import (
    HASH_LABEL,
    MAXIMUM,
    REVISION,
    annotations_of,
    find_new,
    find_olds,
    max_revision,
    new_set_annotations,
    number_at,
    same_template,
    scale_annotations,
    size_of,
)
from controllers.rolling import max_surge, new_replicas
from controllers.sync import Trying, Writing, body_of, create, get, ok, update
from controllers.template_hash import template_hash

NAME_CHARS_MAX: Final = 253


class Rollout:
    """The Deployment and its ReplicaSets as this sync has read or written them."""

    def __init__(
        self, deployment: JsonObject, sets: Sequence[JsonObject], events: EventRecorder, now_ns: int
    ) -> None:
        self.deployment = deployment
        self.now_ns = now_ns
        self.scaled = False
        """Whether this sync has changed the size of a ReplicaSet."""
        self.new = find_new(deployment, sets)
        self.olds = find_olds(self.new, sets)
        self._events = events

    @property
    def sets(self) -> list[JsonObject]:
        return [*self.olds, *([self.new] if self.new is not None else [])]

    @property
    def surge(self) -> int:
        return max_surge(self.deployment["spec"])

    def maximum_before(self, item: JsonObject) -> int:
        return number_at(item, MAXIMUM) or 0

    def latest(self, item: JsonObject) -> JsonObject:
        """The ReplicaSet as this sync last wrote it."""
        uid = item["metadata"]["uid"]
        return next((known for known in self.sets if known["metadata"]["uid"] == uid), item)

    @staticmethod
    def owner_reference(deployment: JsonObject) -> JsonObject:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": deployment["metadata"]["name"],
            "uid": deployment["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def write_status(self, status: JsonObject) -> Writing:
        """Write the status and whatever annotations the object now has."""
        replies = yield [update(DEPLOYMENTS, {**self.deployment, "status": status}, "status")]
        if not ok(replies[0]):
            return None
        self.deployment = body_of(replies[0])
        return self.deployment

    def scale(self, item: JsonObject, size: int) -> Trying:
        """Give a ReplicaSet another size; False when that failed."""
        if size_of(item) == size:
            return True
        return (yield from self.resize(item, size))

    def resize(self, item: JsonObject, size: int) -> Trying:
        """The same, and note the Deployment's size on it even if its own stays."""
        noted = scale_annotations(self.deployment)
        known = annotations_of(item)
        before = size_of(item)
        if before == size and noted.items() <= known.items():
            return True
        meta = {**item["metadata"], "annotations": {**known, **noted}}
        body = {**item, "metadata": meta, "spec": {**item["spec"], "replicas": size}}
        replies = yield [update(REPLICA_SETS, body)]
        if not ok(replies[0]):
            return False
        self._replace(body_of(replies[0]))
        if before != size:
            self.scaled = True
            direction = "up" if size > before else "down"
            name = item["metadata"]["name"]
            self._say(f"Scaled {direction} replica set {name} from {before} to {size}")
        return True

    def new_set(self, create_missing: bool) -> Trying:
        """See that the new ReplicaSet exists (if asked) and carries its revision; False: failed."""
        revision = max_revision(self.olds) + 1
        if self.new is None:
            if not create_missing:
                return True
            return (yield from self._create_new(revision))
        item = self.new
        known = annotations_of(item)
        wanted = new_set_annotations(self.deployment, known, revision, exists=True)
        ready_s = self.deployment["spec"].get("minReadySeconds", 0)
        if wanted != known or item["spec"].get("minReadySeconds", 0) != ready_s:
            meta = {**item["metadata"], "annotations": wanted}
            body = {**item, "metadata": meta, "spec": _with_ready(item["spec"], ready_s)}
            replies = yield [update(REPLICA_SETS, body)]
            if not ok(replies[0]):
                return False
            self._replace(body_of(replies[0]))
            return True
        status = self.deployment.get("status") or {}
        if has_deadline(self.deployment) and condition_of(status, PROGRESSING) is None:
            text = f'Found new replica set "{item["metadata"]["name"]}"'
            found = new_condition(PROGRESSING, "True", "FoundNewReplicaSet", text, self.now_ns)
            status = with_condition(status, found)
        return (yield from self._note_revision(wanted.get(REVISION, ""), status))

    def _note_revision(self, revision: str, status: JsonObject) -> Trying:
        """Write the Deployment's revision annotation and status, when they differ."""
        known = annotations_of(self.deployment)
        if known.get(REVISION) == revision and status == (self.deployment.get("status") or {}):
            return True
        meta = {**self.deployment["metadata"], "annotations": {**known, REVISION: revision}}
        self.deployment = {**self.deployment, "metadata": meta}
        return (yield from self.write_status(status)) is not None

    def _create_new(self, revision: int) -> Trying:
        body = self._new_body(revision)
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        reply = (yield [create(REPLICA_SETS, namespace, body)])[0]
        status = self.deployment.get("status") or {}
        if reply.code == 409:
            return (yield from self._collide(name))
        if not ok(reply):
            return (yield from self._creation_failed(name, reply))
        self.new = body_of(reply)
        size = size_of(self.new)
        if size > 0:
            self._say(f"Scaled up replica set {name} from 0 to {size}")
        if has_deadline(self.deployment):
            text = f'Created new replica set "{name}"'
            made = new_condition(PROGRESSING, "True", "NewReplicaSetCreated", text, self.now_ns)
            status = with_condition(status, made)
        return (yield from self._note_revision(str(revision), status))

    def _new_body(self, revision: int) -> JsonObject:
        meta, spec = self.deployment["metadata"], self.deployment["spec"]
        template = spec["template"]
        status = self.deployment.get("status") or {}
        label = template_hash(template, status.get("collisionCount"))
        given = template.get("metadata") or {}
        labels = {**(given.get("labels") or {}), HASH_LABEL: label}
        selector = spec["selector"]
        match = {**(selector.get("matchLabels") or {}), HASH_LABEL: label}
        old_total = sum(size_of(old) for old in self.olds)
        new_spec: JsonObject = {
            "replicas": new_replicas(spec, old_total, 0),
            "selector": {**selector, "matchLabels": match},
            "template": {**template, "metadata": {**given, "labels": labels}},
        }
        return {
            "kind": "ReplicaSet",
            "apiVersion": "apps/v1",
            "metadata": {
                "name": f"{meta['name'][: NAME_CHARS_MAX - 1 - len(label)]}-{label}",
                "namespace": meta["namespace"],
                "labels": labels,
                "annotations": new_set_annotations(self.deployment, {}, revision, exists=False),
                "ownerReferences": [self.owner_reference(self.deployment)],
            },
            "spec": _with_ready(new_spec, spec.get("minReadySeconds", 0)),
        }

    def _collide(self, name: str) -> Trying:
        """A ReplicaSet of that name exists: our own that we had not seen, or another's."""
        reply = (yield [get(REPLICA_SETS, self.deployment["metadata"]["namespace"], name)])[0]
        if not ok(reply):
            return False
        known = body_of(reply)
        uid = self.deployment["metadata"]["uid"]
        owners = known["metadata"].get("ownerReferences") or ()
        if any(o.get("controller") and o["uid"] == uid for o in owners) and same_template(
            known["spec"]["template"], self.deployment["spec"]["template"]
        ):
            self.new = known
            revision = annotations_of(known).get(REVISION, "")
            return (yield from self._note_revision(revision, self.deployment.get("status") or {}))
        status = self.deployment.get("status") or {}
        count = status.get("collisionCount") or 0
        yield from self.write_status({**status, "collisionCount": count + 1})
        return False

    def _creation_failed(self, name: str, reply: ApiReply) -> Trying:
        answer = body_of(reply)
        causes = (answer.get("details") or {}).get("causes") or ()
        if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
            return False
        text = f'Failed to create new replica set "{name}": {answer.get("message", "")}'
        if has_deadline(self.deployment):
            status = self.deployment.get("status") or {}
            words = ("False", "ReplicaSetCreateError", text)
            condition = new_condition(PROGRESSING, *words, self.now_ns)
            yield from self.write_status(with_condition(status, condition))
        self._say(text, WARNING, "ReplicaSetCreateError")
        return False

    def _replace(self, item: JsonObject) -> None:
        uid = item["metadata"]["uid"]
        if self.new is not None and self.new["metadata"]["uid"] == uid:
            self.new = item
            return
        self.olds = [item if old["metadata"]["uid"] == uid else old for old in self.olds]

    def _say(self, text: str, kind: str = NORMAL, reason: str = "ScalingReplicaSet") -> None:
        subject = subject_of("Deployment", "apps/v1", self.deployment)
        self._events.record(subject, kind, reason, text, self.now_ns)


def _with_ready(spec: JsonObject, ready_s: int) -> JsonObject:
    out = {name: value for name, value in spec.items() if name != "minReadySeconds"}
    if ready_s:
        out["minReadySeconds"] = ready_s
    return out
