"""Deployment: ReplicaSets over time, one for each pod template.

A sync finds the ReplicaSets that belong to the Deployment, makes the one for the present template,
moves pods between them by at most one step, and writes the status. It never waits: the next step
is taken when a ReplicaSet reports.

Source: pkg/controller/deployment/deployment_controller.go, sync.go, recreate.go (v1.36).
"""

from collections.abc import Generator, Sequence

from api.calls import ApiReply, ApiRequest
from api.core import JsonObject
from api.selectors import label_selector_of
from controllers.deployment_status import (
    PAUSED,
    PROGRESSING,
    TIMED_OUT,
    condition_of,
    counted,
    has_deadline,
    is_complete,
    new_condition,
    progressed,
    stuck_at_ns,
    with_condition,
)
from controllers.events import WARNING, EventRecorder, subject_of
from controllers.reconciler import Reconciler
from controllers.records import DEPLOYMENTS, PODS, REPLICA_SETS, Pod, Row, controller_of
from controllers.replica_sets import Rollout
from controllers.revisions import (
    DESIRED,
    REVISION,
    active_of,
    by_age,
    find_new,
    is_saturated,
    number_at,
    size_of,
)
from controllers.rolling import Old, new_replicas, old_steps, proportional
from controllers.sync import (
    DONE,
    FAILED,
    Sync,
    Trying,
    Writing,
    again,
    delete,
    ok,
    strategic_patch,
    update,
)
from controllers.view import Change, View

Claiming = Generator[Sequence[ApiRequest], Sequence[ApiReply], list[JsonObject] | None]


class DeploymentController(Reconciler):
    """Reconciles ``namespace/name`` keys of Deployments."""

    name = "deployment"

    def __init__(self, view: View) -> None:
        self._view = view
        self.events = EventRecorder("deployment-controller")
        self.recorders = (self.events,)

    def notice(self, change: Change, now_ns: int) -> Sequence[str]:
        """Keys that a change concerns."""
        if change.resource == DEPLOYMENTS:
            return (change.any.key,)
        keys: dict[str, None] = {}
        if change.resource == REPLICA_SETS:
            for row in (change.before, change.after):
                owner = controller_of(row.owners) if row is not None else None
                if row is not None and owner is not None and owner.kind == "Deployment":
                    keys[f"{row.namespace}/{owner.name}"] = None
            after = change.after
            if isinstance(after, Row) and controller_of(after.owners) is None:
                keys.update(dict.fromkeys(self._adopters(after)))
        elif change.resource == PODS and change.after is None:
            keys.update(dict.fromkeys(self._recreators(change.any)))
        return tuple(keys)

    def _adopters(self, row: Row) -> list[str]:
        """Deployments that might adopt an orphan ReplicaSet."""
        labels = ((row.whole or {}).get("metadata") or {}).get("labels")
        return [
            f"{row.namespace}/{item['metadata']['name']}"
            for item in self._view.wholes_in(DEPLOYMENTS, row.namespace)
            if label_selector_of(item["spec"].get("selector")).matches(labels)
        ]

    def _recreators(self, pod: object) -> list[str]:
        """A Deployment with strategy Recreate waits for the last pod of its old ReplicaSets."""
        assert isinstance(pod, Pod)
        owner = controller_of(pod.owners)
        if owner is None or owner.kind != "ReplicaSet":
            return []
        row = self._view.get(REPLICA_SETS, f"{pod.namespace}/{owner.name}")
        above = controller_of(row.owners) if row is not None else None
        if above is None:
            return []
        key = f"{pod.namespace}/{above.name}"
        item = self._view.whole(DEPLOYMENTS, key)
        if item is None or (item["spec"].get("strategy") or {}).get("type") != "Recreate":
            return []
        return [key]

    def all_keys(self) -> list[str]:
        return [row.key for row in self._view.rows(DEPLOYMENTS)]

    def sync(self, key: str, now_ns: int) -> Sync:
        item = self._view.whole(DEPLOYMENTS, key)
        if item is None:
            return DONE
        selector = item["spec"].get("selector") or {}
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            return (yield from self._select_all(item, now_ns))
        sets = yield from self._claim(item)
        if sets is None:
            return FAILED
        rollout = Rollout(item, sets, self.events, now_ns)
        if "deletionTimestamp" in item["metadata"]:
            new = find_new(item, sets)
            return (yield from self._finish(rollout, new, paused=True))
        if (yield from self._note_pause(rollout)) is None:
            return FAILED
        if item["spec"].get("paused"):
            return (yield from self._hold(rollout))
        if _was_scaled(rollout):
            return (yield from self._hold(rollout))
        if (item["spec"].get("strategy") or {}).get("type") == "Recreate":
            return (yield from self._recreate(rollout))
        return (yield from self._roll(rollout))

    def _select_all(self, item: JsonObject, now_ns: int) -> Sync:
        text = "This deployment is selecting all pods. A non-empty selector is required."
        self.events.record(
            subject_of("Deployment", "apps/v1", item), WARNING, "SelectingAll", text, now_ns
        )
        status = item.get("status") or {}
        generation = item["metadata"].get("generation", 0)
        if status.get("observedGeneration", 0) >= generation:
            return DONE
        after = {**item, "status": {**status, "observedGeneration": generation}}
        replies = yield [update(DEPLOYMENTS, after, "status")]
        return DONE if ok(replies[0]) else FAILED

    def _claim(self, item: JsonObject) -> Claiming:
        """The ReplicaSets of the Deployment after adopting and releasing; None when that failed."""
        meta = item["metadata"]
        namespace, uid = meta["namespace"], meta["uid"]
        selector = label_selector_of(item["spec"].get("selector"))
        own: list[JsonObject] = []
        calls = []
        alive = "deletionTimestamp" not in meta
        for known in self._view.replica_sets_of(uid):
            if selector.matches(known["metadata"].get("labels")):
                own.append(known)
            elif alive:
                name = known["metadata"]["name"]
                references = [{"$patch": "delete", "uid": uid}]
                its_uid = known["metadata"]["uid"]
                body = {"metadata": {"uid": its_uid, "ownerReferences": references}}
                calls.append(strategic_patch(REPLICA_SETS, namespace, name, body))
        for row in self._view.orphans(REPLICA_SETS, namespace) if alive else ():
            orphan = self._view.whole(REPLICA_SETS, row.key)
            if orphan is None or row.deleted_at:
                continue
            if selector.matches(orphan["metadata"].get("labels")):
                references = [Rollout.owner_reference(item)]
                body = {"metadata": {"uid": row.uid, "ownerReferences": references}}
                calls.append(strategic_patch(REPLICA_SETS, namespace, row.name, body))
        if calls:
            # Adopted or released ones are seen as changed, which brings the next sync.
            replies = yield calls
            if not all(ok(reply) or reply.code in (404, 422) for reply in replies):
                return None
            return [
                known
                for known in self._view.replica_sets_of(uid)
                if selector.matches(known["metadata"].get("labels"))
            ]
        return own

    def _note_pause(self, rollout: Rollout) -> Writing:
        """Keep the clock of the deadline from running while a rollout is paused."""
        item = rollout.deployment
        known = condition_of(item.get("status"), PROGRESSING)
        reason = known.get("reason") if known is not None else None
        if not has_deadline(item) or reason == TIMED_OUT:
            return item
        paused = bool(item["spec"].get("paused"))
        if paused == (reason == PAUSED):
            return item
        words = (PAUSED, "Deployment is paused")
        if not paused:
            words = ("DeploymentResumed", "Deployment is resumed")
        condition = new_condition(PROGRESSING, "Unknown", *words, rollout.now_ns)
        status = with_condition(item.get("status") or {}, condition)
        return (yield from rollout.write_status(status))

    def _hold(self, rollout: Rollout) -> Sync:
        """Paused or scaled: follow the number of replicas, do not roll."""
        found = yield from rollout.new_set(create_missing=False)
        if found is False:
            return FAILED
        if not (yield from self._rescale(rollout)):
            return FAILED
        if rollout.deployment["spec"].get("paused") and not (yield from self._clean_up(rollout)):
            return FAILED
        return (yield from self._finish(rollout, rollout.new, paused=True))

    def _rescale(self, rollout: Rollout) -> Trying:
        item, new, olds = rollout.deployment, rollout.new, rollout.olds
        wanted = size_of(item)
        single = _active_or_latest(new, olds)
        if single is not None:
            return (yield from rollout.scale(single, wanted))
        if is_saturated(item, new):
            for old in active_of(olds):
                if not (yield from rollout.scale(old, 0)):
                    return False
            return True
        if (item["spec"].get("strategy") or {}).get("type", "RollingUpdate") != "RollingUpdate":
            return True
        actives = active_of([*olds, *([new] if new is not None else [])])
        growing = wanted + rollout.surge - sum(size_of(active) for active in actives) > 0
        actives = _by_size(actives, newer_first=growing or wanted == 0)
        sizes = proportional(
            item["spec"],
            [size_of(active) for active in actives],
            [rollout.maximum_before(active) for active in actives],
            (item.get("status") or {}).get("replicas", 0),
        )
        for active, size in zip(actives, sizes, strict=True):
            if not (yield from rollout.resize(active, size)):
                return False
        return True

    def _roll(self, rollout: Rollout) -> Sync:
        found = yield from rollout.new_set(create_missing=True)
        if found is False or rollout.new is None:
            return FAILED if found is False else DONE
        item, new = rollout.deployment, rollout.new
        wanted = size_of(item)
        total = size_of(new) + sum(size_of(old) for old in rollout.olds)
        size = min(wanted, new_replicas(item["spec"], total, size_of(new)))
        if size != size_of(new):
            if not (yield from rollout.scale(new, size)):
                return FAILED
            return (yield from self._finish(rollout, rollout.new))
        actives = active_of(rollout.olds)
        for sizes in old_steps(item["spec"], [_old(a) for a in actives], _old(new)):
            for old, next_size in zip(actives, sizes, strict=True):
                if not (yield from rollout.scale(rollout.latest(old), next_size)):
                    return FAILED
        if rollout.scaled:
            return (yield from self._finish(rollout, rollout.new))
        return (yield from self._complete(rollout))

    def _recreate(self, rollout: Rollout) -> Sync:
        if (yield from rollout.new_set(create_missing=False)) is False:
            return FAILED
        for old in active_of(rollout.olds):
            if not (yield from rollout.scale(old, 0)):
                return FAILED
        if rollout.scaled or self._old_pods_run(rollout):
            return (yield from self._finish(rollout, rollout.new))
        if rollout.new is None and (yield from rollout.new_set(create_missing=True)) is False:
            return FAILED
        if rollout.new is None:
            return DONE
        if not (yield from rollout.scale(rollout.new, size_of(rollout.deployment))):
            return FAILED
        return (yield from self._complete(rollout))

    def _old_pods_run(self, rollout: Rollout) -> bool:
        for old in rollout.olds:
            if (old.get("status") or {}).get("replicas", 0) > 0:
                return True
            for pod in self._view.pods_of(old["metadata"]["uid"]):
                if pod.phase not in ("Failed", "Succeeded"):
                    return True
        return False

    def _complete(self, rollout: Rollout) -> Sync:
        item = rollout.deployment
        done = is_complete(item, item.get("status") or {})
        if done and not (yield from self._clean_up(rollout)):
            return FAILED
        return (yield from self._finish(rollout, rollout.new))

    def _clean_up(self, rollout: Rollout) -> Trying:
        """Delete the oldest ReplicaSets beyond revisionHistoryLimit that have no pods left."""
        limit = rollout.deployment["spec"].get("revisionHistoryLimit")
        if limit is None or limit == 2**31 - 1:
            return True
        alive = [old for old in rollout.olds if "deletionTimestamp" not in old["metadata"]]
        alive = sorted(by_age(alive), key=lambda old: number_at(old, REVISION) or 0)
        calls = []
        for old in alive[: max(0, len(alive) - limit)]:
            status = old.get("status") or {}
            behind = old["metadata"].get("generation", 0) > status.get("observedGeneration", 0)
            if status.get("replicas", 0) or size_of(old) or behind:
                continue
            meta = old["metadata"]
            calls.append(delete(REPLICA_SETS, meta["namespace"], meta["name"]))
        if calls:
            replies = yield calls
            return all(ok(reply) or reply.code == 404 for reply in replies)
        return True

    def _finish(self, rollout: Rollout, new: JsonObject | None, paused: bool = False) -> Sync:
        """Write the status if it differs; otherwise wait for the deadline."""
        make = counted if paused else progressed
        sets = [*rollout.olds, *([new] if new is not None else [])]
        status = make(rollout.deployment, sets, new, rollout.now_ns)
        if status != (rollout.deployment.get("status") or {}):
            return DONE if (yield from rollout.write_status(status)) is not None else FAILED
        due = None if paused else stuck_at_ns(rollout.deployment, status)
        return again(due) if due is not None else DONE


def _old(item: JsonObject) -> Old:
    return Old(size_of(item), (item.get("status") or {}).get("availableReplicas", 0))


def _was_scaled(rollout: Rollout) -> bool:
    """spec.replicas changed since a ReplicaSet was last scaled."""
    wanted = size_of(rollout.deployment)
    return any(
        (noted := number_at(item, DESIRED)) is not None and noted != wanted
        for item in active_of(rollout.sets)
    )


def _active_or_latest(new: JsonObject | None, olds: Sequence[JsonObject]) -> JsonObject | None:
    """The only ReplicaSet with pods; if none has any, the new one or else the youngest."""
    actives = active_of([*olds, *([new] if new is not None else [])])
    if len(actives) == 1:
        return actives[0]
    if actives:
        return None
    if new is not None:
        return new
    return by_age(olds)[-1] if olds else None


def _by_size(sets: Sequence[JsonObject], newer_first: bool) -> list[JsonObject]:
    """Largest first, equal ones by age."""
    aged = by_age(sets)
    if newer_first:
        aged.reverse()
    return sorted(aged, key=lambda item: -size_of(item))
