"""Replays recorded cases of the real kube-scheduler through ours and names every difference.

Format: tests/golden/scheduler/FORMAT.md. Each pod goes through the plain path
(``scheduler.explain``), through the engine with its remembered views, and through a pool of
scoring partitions; all three must choose the recorded node. The recorded node is then taken, so one
disagreement does not cause others.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from api.core import JsonObject
from api.times import parse_time
from scheduler import volumes
from scheduler.diagnosis import NEVER, failure_message, fruitless_preemption, unsupported_message
from scheduler.engine import Engine
from scheduler.explain import Explanation, Pod, explain, filters_for, refusal_beside_nominees
from scheduler.kernel import kernel_of
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.placed import Nominee
from scheduler.plugins import node_affinity
from scheduler.pod_shape import Shape
from scheduler.preemption import (
    Budget,
    Trial,
    best_trials,
    budget_of,
    cleared_by,
    trials,
)
from scheduler.profile import SCORES
from scheduler.shapes import Shapes
from scheduler.tie import FIRST
from scheduler.workloads import OWNER_KINDS, SERVICE
from tests.golden_scheduler.recorded import attempt_fields, pod_key, short, stopped_fields
from tests.golden_scheduler.volume_completion import bindings, bound_volumes, completed

Choose = Callable[[Shape, Pod], int]
FIRST_START_NS = parse_time("2026-01-01T00:00:00Z") + 1000 * 10**9
WORKLOADS = {"Service": SERVICE} | {kind: watch for (_, kind), watch in OWNER_KINDS.items()}

STORAGE = {
    "PersistentVolumeClaim": volumes.CLAIMS,
    "PersistentVolume": volumes.VOLUMES,
    "StorageClass": volumes.CLASSES,
    "CSIDriver": volumes.DRIVERS,
    "CSINode": volumes.CSI_NODES,
    "CSIStorageCapacity": volumes.CAPACITIES,
}


@dataclass(slots=True)
class Outcome:
    """One case, replayed."""

    name: str
    family: str
    attempts: int = 0
    agree: int = 0
    differences: list[str] = field(default_factory=list)


def read_lines(path: Path) -> Iterator[JsonObject]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


class Replay:
    """The state of one case: the node table and the pods that are on it."""

    def __init__(
        self, full: bool, extra_choose: Callable[[NodeTable], Choose] | None = None
    ) -> None:
        self.table = NodeTable()
        self.shapes = Shapes()
        self.engine = Engine(self.table, kernel=kernel_of("auto"))
        self.placed: dict[str, str] = {}
        self.objects: dict[tuple[str, str, str], JsonObject] = {}
        """Claims and volumes as they are now."""
        self.budgets: list[Budget] = []
        self.full = full
        """Whether the records go into every node."""
        self.extra_choose = extra_choose(self.table) if extra_choose else None

    def apply(self, line: JsonObject) -> None:
        """Any line but ``schedule``."""
        if line["op"] == "delete":
            self.remove(f"{line['namespace']}/{line['name']}")
        elif line["op"] in ("add", "update", "bind"):
            self.put(line["object"])

    def put(self, item: JsonObject) -> None:
        kind = item["kind"]
        if kind == "Node":
            self.table.put_node(node_facts(item))
        elif kind == "Pod":
            started = item.get("status", {}).get("startTime")
            self.place(item, item["spec"]["nodeName"], parse_time(started) if started else None)
        elif kind == "Namespace":
            meta = item["metadata"]
            self.table.pod_counts.put_namespace(meta["name"], meta.get("labels") or {})
        elif kind == "PodDisruptionBudget":
            self.budgets.append(budget_of(item))
        elif kind in STORAGE:
            self.table.volumes.put(STORAGE[kind], item)
            self.objects[kind, item["metadata"].get("namespace", ""), item["metadata"]["name"]] = (
                item
            )
        elif kind in WORKLOADS:
            self.table.workloads.put(WORKLOADS[kind], item)

    def find(self, kind: str, namespace: str, name: str) -> JsonObject:
        return self.objects[kind, namespace, name]

    def place(self, pod: JsonObject, node: str, started_ns: int | None) -> None:
        key = pod_key(pod)
        more = () if started_ns is None else (started_ns,)
        priority = pod["spec"].get("priority") or 0
        self.table.add_pod(key, node, self.shapes.of_pod(pod), priority, *more)
        self.table.nominations.drop(key)
        self.placed[key] = node

    def remove(self, key: str) -> None:
        if key in self.placed:
            self.table.remove_pod(key, self.placed.pop(key))

    def compare(self, pod: JsonObject, recorded: JsonObject) -> list[str]:
        """What differs from the record, field by field."""
        shape = self.shapes.of_pod(pod)
        if shape.key.unsupported:
            message = unsupported_message(self.table.count, shape.key.unsupported)
            return [] if recorded.get("message") == message else [message]
        who = Pod(pod_key(pod), pod["spec"].get("priority") or 0)
        if self._admitted_where_nominated(shape, who):
            return self._compare_nominated(shape, who, recorded)
        explanation = explain(shape, self.table, who)
        ours = attempt_fields(explanation, self.table, self.full)
        ours |= self._skipped(shape, explanation)
        if not len(explanation.feasible):
            ours |= self._failure(shape, who, explanation, pod)
        row = self.engine.choose(shape, FIRST, who)
        if row >= 0:
            ours["volumes_bound"] = list(bound_volumes(shape, self.table, row))
        ours["chosen"] = self.table.names[row] if row >= 0 else None
        found = _differences(recorded, ours)
        if self.extra_choose is not None and self.extra_choose(shape, who) != row:
            found.append("the pool chooses another node")
        return found

    def _admitted_where_nominated(self, shape: Shape, who: Pod) -> bool:
        row = self.table.row_of.get(self.table.nominations.node_of.get(who.name, ""))
        if row is None:
            return False
        filters = filters_for(shape, self.table)
        return refusal_beside_nominees(shape, self.table, row, who, filters) is None

    def _compare_nominated(self, shape: Shape, who: Pod, recorded: JsonObject) -> list[str]:
        ours: dict[str, object] = {
            "nodes": self.table.count,
            "feasible_count": 1,
            "chosen_total": None,
            "max_ties": 1,
            "via_nominated_node": True,
            "chosen": self.table.nominations.node_of[who.name],
            "skip_filter": self._skipped_filters(shape),
        }
        return _differences(recorded, ours)

    def _failure(
        self, shape: Shape, who: Pod, explanation: Explanation, pod: JsonObject
    ) -> dict[str, object]:
        """Message and preemption."""
        ours: dict[str, object] = {"unschedulable_plugins": list(explanation.plugins())}
        if explanation.stopped is not None:
            after = ""
        elif pod["spec"].get("preemptionPolicy") == "Never":
            after = NEVER
        else:
            tried = trials(shape, self.table, who, explanation, self.budgets)
            best = best_trials(tried)
            after = "" if best else fruitless_preemption(explanation, tried)
            if best or (tried and self.full):
                ours["preemption"] = self._preemption(who, tried, best)
        ours["message"] = failure_message(explanation, after)
        return ours

    def _preemption(self, who: Pod, tried: list[Trial], best: list[Trial]) -> JsonObject:
        names = self.table.names
        found: JsonObject = {
            "nominated": names[best[0].row] if best else "",
            "candidate_count": sum(bool(trial.victims) for trial in tried),
            "pdb_violations": best[0].violations if best else 0,
        }
        if best:
            found["victims"] = [victim.pod for victim in best[0].victims]
            found["tie_nodes"] = [names[trial.row] for trial in best]
            cleared = cleared_by(self.table, who, names[best[0].row])
            if cleared:
                found["cleared_nominations"] = cleared
        if self.full:
            found["candidates"] = [_candidate(names[trial.row], trial) for trial in tried]
        return found

    def _skipped_filters(self, shape: Shape) -> list[str]:
        skipped = dict.fromkeys(PREFILTERS)
        for plugin in filters_for(shape, self.table):
            skipped.pop(plugin.name, None)
        return sorted(skipped)

    def _skipped(self, shape: Shape, explanation: Explanation) -> dict[str, object]:
        if explanation.stopped is not None:
            return stopped_fields(explanation.stopped)
        fields: dict[str, object] = {"skip_filter": self._skipped_filters(shape)}
        if len(explanation.feasible) > 1:
            unscored = {"VolumeBinding"}
            unscored |= {s.name for s in SCORES if not s.applies(shape, self.table)}
            fields["skip_score"] = sorted(unscored)
        return fields


PREFILTERS = (
    node_affinity.NAME,
    "NodePorts",
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
    "DynamicResources",
    "NodeDeclaredFeatures",
)
"""Those that may skip."""


def replay_case(
    case: Path, results: Path, extra_choose: Callable[[NodeTable], Choose] | None = None
) -> Outcome:
    """Run one case against its record."""
    lines = read_lines(case)
    head = next(lines)
    outcome = Outcome(head["name"], head["family"])
    replay = Replay(head["detail"] == "full", extra_choose)
    attempts = list(read_lines(results))
    pods: list[JsonObject] = []
    at = 0
    for line in lines:
        if line["op"] != "schedule":
            replay.apply(line)
            continue
        number = len(pods)
        pods.append(line["object"])
        while at < len(attempts):
            attempt = attempts[at]
            if attempt["i"] > number:
                break
            # Retries that wait come just before the next pod; those that do not, at once.
            if attempt["i"] < number or not head["retry_after"] or attempt["attempt"] == 1:
                _attempt(replay, outcome, pods[attempt["i"]], attempt)
                at += 1
                if attempt["i"] == number and head["retry_after"]:
                    break
            else:
                break
    for attempt in attempts[at:]:
        _attempt(replay, outcome, pods[attempt["i"]], attempt)
    replay.table.check()
    return outcome


def _attempt(replay: Replay, outcome: Outcome, pod: JsonObject, recorded: JsonObject) -> None:
    outcome.attempts += 1
    differences = replay.compare(pod, recorded)
    outcome.agree += not differences
    where = f"{outcome.name} {recorded['i']}.{recorded['attempt']} {recorded['pod']}"
    outcome.differences += [f"{where}: {difference}" for difference in differences]
    _take_recorded(replay, pod, recorded)


def _take_recorded(replay: Replay, pod: JsonObject, attempt: JsonObject) -> None:
    """Victims go, the pod goes where it was recorded to go."""
    table, key = replay.table, pod_key(pod)
    preemption = attempt.get("preemption") or {}
    for victim in preemption.get("victims") or ():
        replay.remove(victim)
    for other in preemption.get("cleared_nominations") or ():
        table.nominations.drop(other)
    if attempt["chosen"] is not None:
        shape, row = replay.shapes.of_pod(pod), table.row_of[attempt["chosen"]]
        for claim, volume in bindings(shape, table, row):
            for item in completed(replay.find, table, claim, volume, row):
                replay.put(item)
        replay.place(pod, attempt["chosen"], FIRST_START_NS + attempt["i"] * 10**9)
    elif preemption.get("nominated"):
        nominee = Nominee(key, replay.shapes.of_pod(pod), pod["spec"].get("priority") or 0)
        table.nominations.add(nominee, preemption["nominated"])
    else:
        table.nominations.drop(key)


def _candidate(node: str, trial: Trial) -> JsonObject:
    entry: JsonObject = {"node": node, "pdb_violations": trial.violations, "code": "Success"}
    if trial.victims:
        entry["victims"] = [victim.pod for victim in trial.victims]
    elif trial.refusal is None:
        entry["code"] = "UnschedulableAndUnresolvable"
        entry["reasons"] = ["No preemption victims found for incoming pod"]
    else:
        hopeless = trial.refusal.hopeless
        entry["code"] = "UnschedulableAndUnresolvable" if hopeless else "Unschedulable"
        entry["reasons"] = [reason.text for reason in trial.refusal.reasons]
    return entry


def _differences(recorded: JsonObject, ours: dict[str, object]) -> list[str]:
    return [
        f"{name}: recorded {short(recorded.get(name))}, ours {short(value)}"
        for name, value in ours.items()
        if (recorded.get(name) or None) != (value or None)
    ]
