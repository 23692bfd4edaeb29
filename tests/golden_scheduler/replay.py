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
from scheduler.diagnosis import failure_message, unsupported_message
from scheduler.engine import Engine
from scheduler.explain import HOPELESS, UNSCHEDULABLE, Explanation, explain, hopeless_rows
from scheduler.node_table import NodeTable, node_facts
from scheduler.plugins import node_affinity, node_ports
from scheduler.pod_shape import Shape, Shapes
from scheduler.profile import LACKING, SCORES
from scheduler.tie import FIRST

Choose = Callable[[Shape], int]


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

    def __init__(self, extra_choose: Callable[[NodeTable], Choose] | None = None) -> None:
        self.table = NodeTable()
        self.shapes = Shapes()
        self.engine = Engine(self.table)
        self.placed: dict[str, tuple[str, int]] = {}
        """Pod to its node and priority."""
        self.extra_choose = extra_choose(self.table) if extra_choose else None

    def apply(self, line: JsonObject) -> None:
        """Any line but ``schedule``."""
        if line["op"] == "delete":
            self.remove(f"{line['namespace']}/{line['name']}")
        elif line["op"] in ("add", "update", "bind"):
            if line["object"]["kind"] == "Node":
                self.table.put_node(node_facts(line["object"]))
            elif line["object"]["kind"] == "Pod":
                self.place(line["object"], line["object"]["spec"]["nodeName"])

    def place(self, pod: JsonObject, node: str) -> None:
        key = pod_key(pod)
        self.table.add_pod(key, node, self.shapes.of_pod(pod))
        self.placed[key] = (node, pod["spec"].get("priority") or 0)

    def remove(self, key: str) -> None:
        if key in self.placed:
            self.table.remove_pod(key, self.placed.pop(key)[0])

    def compare(self, pod: JsonObject, recorded: JsonObject) -> list[str]:
        """What differs from the record, field by field."""
        shape = self.shapes.of_pod(pod)
        if shape.key.unsupported:
            message = unsupported_message(self.table.count, shape.key.unsupported)
            return [] if recorded.get("message") == message else [message]
        explanation = explain(shape, self.table)
        ours = self._observed(explanation, pod, recorded)
        ours |= _constant_fields(shape, explanation)
        row = self.engine.choose(shape, FIRST)
        ours["chosen"] = self.table.names[row] if row >= 0 else None
        found = [
            f"{name}: recorded {_short(recorded.get(name))}, ours {_short(value)}"
            for name, value in ours.items()
            if (recorded.get(name) or None) != (value or None)
        ]
        if self.extra_choose is not None and self.extra_choose(shape) != row:
            found.append("the pool chooses another node")
        return found

    def _observed(
        self, explanation: Explanation, pod: JsonObject, recorded: JsonObject
    ) -> dict[str, object]:
        names, full = self.table.names, "filter" in recorded or "score" in recorded
        feasible = explanation.feasible
        best = int(explanation.total.max()) if len(feasible) > 1 else None
        tied = [] if best is None else feasible[explanation.total == best].tolist()
        ours: dict[str, object] = {
            "nodes": explanation.nodes,
            "feasible_count": None if explanation.conflict else len(feasible),
            "chosen_total": best,
            "max_ties": len(tied) or len(feasible),
            "reasons": dict(explanation.reasons()),
            "reject_plugins": {r.plugin: len(r.rows) for r in explanation.rejected},
            "reject_codes": dict(explanation.codes()),
        }
        if explanation.named is not None and not explanation.conflict:
            ours["prefilter_nodes"] = [names[row] for row in explanation.named.tolist()]
        if not len(feasible):
            ours["unschedulable_plugins"] = list(explanation.plugins())
            ours["message"] = self._message(explanation, pod)
        if tied:
            at = feasible.tolist().index(tied[0])
            ours["chosen_scores"] = _scores_at(explanation, at)
            ours["nonconstant_scores"] = sorted(
                s.plugin.name
                for s in explanation.scored
                if int(s.normalised.min()) != int(s.normalised.max())
            )
        if full:
            ours["filter"] = self._filter_list(explanation)
            if tied:
                ours["tie_nodes"] = [names[row] for row in tied]
                ours["score"] = [
                    {
                        "node": names[row],
                        "total": int(explanation.total[at]),
                        "p": _scores_at(explanation, at),
                    }
                    for at, row in enumerate(feasible.tolist())
                ]
        return ours

    def _message(self, explanation: Explanation, pod: JsonObject) -> str:
        never = pod["spec"].get("preemptionPolicy") == "Never"
        priority = pod["spec"].get("priority") or 0
        lower = any(other < priority for _, other in self.placed.values())
        return failure_message(explanation, never, lower)

    def _filter_list(self, explanation: Explanation) -> list[JsonObject]:
        entries = []
        for rejected in explanation.rejected:
            hopeless = hopeless_rows(rejected)
            for at, row in enumerate(rejected.rows.tolist()):
                entry = {
                    "node": self.table.names[row],
                    "plugin": rejected.plugin,
                    "code": HOPELESS if hopeless[at] else UNSCHEDULABLE,
                    "reasons": [r.text for r in rejected.reasons if r.rows[at]],
                }
                entries.append((int(self.table.order[row]), entry))
        return [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]


def replay_case(
    case: Path, results: Path, extra_choose: Callable[[NodeTable], Choose] | None = None
) -> Outcome:
    """Run one case against its record."""
    lines = read_lines(case)
    head = next(lines)
    outcome = Outcome(head["name"], head["family"])
    recorded: dict[int, list[JsonObject]] = {}
    for result in read_lines(results):
        recorded.setdefault(result["i"], []).append(result)
    replay = Replay(extra_choose)
    number = 0
    for line in lines:
        if line["op"] != "schedule":
            replay.apply(line)
            continue
        for attempt in recorded[number]:
            outcome.attempts += 1
            differences = replay.compare(line["object"], attempt)
            outcome.agree += not differences
            where = f"{outcome.name} {attempt['i']}.{attempt['attempt']} {attempt['pod']}"
            outcome.differences += [f"{where}: {difference}" for difference in differences]
            _take_recorded(replay, line["object"], attempt)
        number += 1
    replay.table.check()
    return outcome


def _take_recorded(replay: Replay, pod: JsonObject, attempt: JsonObject) -> None:
    """Victims go, the pod goes where it was recorded to go."""
    for victim in (attempt.get("preemption") or {}).get("victims") or ():
        replay.remove(victim)
    if attempt["chosen"] is not None:
        replay.place(pod, attempt["chosen"])


def pod_key(pod: JsonObject) -> str:
    return f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"


def _scores_at(explanation: Explanation, at: int) -> dict[str, list[int]]:
    scores = {s.plugin.name: [int(s.raw[at]), int(s.normalised[at])] for s in explanation.scored}
    # DynamicResources scores every node 0 for a pod without claims.
    return scores | {"DynamicResources": [0, 0]}


def _constant_fields(shape: Shape, explanation: Explanation) -> dict[str, object]:
    """Skip lists. Plugins that we lack have nothing to do for pods that we take."""
    if explanation.conflict:
        reject = {
            "node": "",
            "plugin": node_affinity.NAME,
            "code": HOPELESS,
            "reasons": [node_affinity.CONFLICT],
        }
        return {"prefilter_reject": reject}
    skipped = set(LACKING)
    if not node_affinity.has_requirements(shape):
        skipped.add(node_affinity.NAME)
    if not node_ports.has_ports(shape):
        skipped.add("NodePorts")
    fields: dict[str, object] = {"skip_filter": sorted(skipped)}
    if len(explanation.feasible) > 1:
        unscored = {"InterPodAffinity", "PodTopologySpread", "VolumeBinding"}
        unscored |= {score.name for score in SCORES if not score.applies(shape)}
        fields["skip_score"] = sorted(unscored)
    return fields


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 400 else text[:400] + "..."
