"""Clusters that nobody recorded, put together from the recorded ones of all families: nodes of
several cases side by side, pods with the constraints of one and the tolerations of another, nodes
that come and go. There is no record to compare with; all our ways to decide have to agree.

``python -m tests.golden_scheduler.remix FIRST..LAST`` runs these seeds and prints differences.
"""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgpack
import numpy as np

from api.core import JsonObject
from api.streams import Stream
from scheduler.engine import Engine
from scheduler.explain import Explanation, Pod, choose, explain, filters_for, refusal
from scheduler.kernel import kernel_of
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from scheduler.placed import Nominee, PodReference
from scheduler.pod_columns import NONE
from scheduler.pod_shape import Shape
from scheduler.pool import ScoringPool
from scheduler.preemption import Trial, best_trials, trials
from scheduler.tie import FIRST
from tests.golden_scheduler.replay import FIRST_START_NS, Replay, read_lines
from tests.golden_scheduler.volume_completion import bindings, completed

CASES = Path(__file__).parents[1] / "golden" / "scheduler" / "cases"
LARGE = ("openb", "scale")
SWAPPED = (
    "affinity", "tolerations", "topologySpreadConstraints", "nodeSelector", "containers",
    "volumes", "initContainers", "overhead", "priority",
)  # fmt: skip
BATCHES = 10
BATCH_MAX = 8
HERD = 16
ROWS_LOOKED_AT = 4
Question = tuple[JsonObject, Shape, int, Pod]


@cache
def lines_of(name: str) -> tuple[JsonObject, ...]:
    return tuple(read_lines(CASES / name))


class Remix:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.chance = Stream(seed, "remix")
        self.replay = Replay(full=False)
        self.table = self.replay.table
        partitions = 1 + self.below(3)
        self.pool = ScoringPool(self.table, Engine(self.table), partitions)
        self.cores = [PartitionCore(kernel=kernel_of("auto")) for _ in range(partitions)]
        self.differences: list[str] = []
        self.decided = 0
        names = sorted(p.name for p in CASES.glob("*.gz") if not p.name.startswith(LARGE))
        lines = [line for _ in range(3) for line in lines_of(names[self.below(len(names))])]
        objects = [line["object"] for line in lines if line["op"] in ("add", "update")]
        self.nodes = [one for one in objects if one["kind"] == "Node"]
        self.pods = [line["object"] for line in lines if line["op"] == "schedule"]
        for one in objects:
            if one["kind"] not in ("Node", "Pod"):
                self.replay.put(one)
        most = 300 if self.below(16) == 0 else 30
        for _ in range(2 + self.below(most)):
            self.replay.put(self.nodes[self.below(len(self.nodes))])
        for one in objects:
            known = one["kind"] == "Pod" and f"{_key(one)}" in self.replay.placed
            if one["kind"] == "Pod" and not known and self.below(2):
                self.replay.put(one)

    def below(self, bound: int) -> int:
        return self.chance.below(bound)

    def run(self) -> None:
        for batch in range(BATCHES):
            # Now and then a herd of equal pods, with less going on between them.
            herd = not self.below(4)
            kinds = [self.mixed_pod() for _ in range(1 if herd else 1 + self.below(3))]
            questions = []
            for number in range(HERD if herd else 1 + self.below(BATCH_MAX)):
                spec = kinds[self.below(len(kinds))]
                meta = {**spec["metadata"], "name": f"remix-{batch}-{number}"}
                pod = {**spec, "metadata": meta}
                who = Pod(_key(pod), pod["spec"].get("priority") or 0)
                salt = self.chance.next_u64() if self.below(4) else FIRST
                questions.append((pod, self.replay.shapes.of_pod(pod), salt, who))
            self.ask(questions)
            for number, question in enumerate(questions):
                self.decide(number, question)
                if not self.below(2 * HERD if herd else 4):
                    self.disturb()
            self.table.check()

    def mixed_pod(self) -> JsonObject:
        """A recorded pod with some parts of others."""
        pod = self.pods[self.below(len(self.pods))]
        spec = {k: v for k, v in pod["spec"].items() if k != "nodeName" or not self.below(3)}
        for field in SWAPPED:
            if not self.below(4):
                other = self.pods[self.below(len(self.pods))]["spec"]
                spec.pop(field, None)
                if field in other:
                    spec[field] = other[field]
        return {**pod, "spec": spec}

    def ask(self, questions: list[Question]) -> None:
        asked = [(n, shape, salt) for n, (_, shape, salt, _) in enumerate(questions)]
        for number, body in self.pool.ask(asked, 0, 0):
            if not self.below(8):
                self.pool.lost(number, -2_000_000_000)
                continue
            changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
            (answer,) = self.cores[number].step([changed, request], 0)
            self.pool.answered(number, msgpack.unpackb(msgpack.packb(answer_body(answer))), 0)
        self.pool.close()

    def decide(self, number: int, question: Question) -> None:
        pod, shape, salt, who = question
        self.decided += 1
        explanation = explain(shape, self.table, who)
        plain = NONE if explanation.stopped else choose(explanation, self.table, salt)
        batched = self.replay.engine.choose(shape, salt, who)
        pooled = self.pool.choose(number, shape, salt, who)
        if not plain == batched == pooled:
            self.differences.append(f"{who.name}: plain {plain}, {batched}, pool {pooled}")
        self.differences += self.row_by_row(shape, explanation)
        if plain != NONE:
            for claim, volume in bindings(shape, self.table, plain):
                for item in completed(self.replay.find, self.table, claim, volume, plain):
                    self.replay.put(item)
            started_ns = FIRST_START_NS + self.decided * 10**9
            self.replay.place(pod, self.table.names[plain], started_ns)
        elif not explanation.stopped:
            self.preempt(shape, who, explanation)

    def row_by_row(self, shape: Shape, explanation: Explanation) -> Iterator[str]:
        """Filters asked about one node say what they say of all."""
        table = self.table
        if explanation.stopped or explanation.outside or table.nominations.node_of:
            return
        filters = filters_for(shape, table)
        feasible = explanation.feasible.tolist()
        alive = np.flatnonzero(table.alive[: table.rows]).tolist()
        for _ in range(ROWS_LOOKED_AT):
            row = alive[self.below(len(alive))]
            found = refusal(shape, table, row, filters)
            by = [r.plugin for r in explanation.rejected if row in r.rows.tolist()]
            if (found is None) != (row in feasible) or (found and [found.plugin] != by):
                yield f"{table.names[row]} alone: {found and found.plugin}, among all: {by}"

    def preempt(self, shape: Shape, who: Pod, explanation: Explanation) -> None:
        table, budgets = self.table, self.replay.budgets
        tried = trials(shape, table, who, explanation, budgets)
        table.remembered.clear()
        again = trials(shape, table, who, explanation, budgets)
        best = best_trials(tried)
        if [_content(trial) for trial in tried] != [_content(trial) for trial in again]:
            self.differences.append(f"{who.name}: what was remembered of trials is wrong")
        if best and self.below(2):
            for victim in best[0].victims:
                self.replay.remove(victim.pod)
            table.nominations.add(Nominee(who.name, shape, who.priority), table.names[best[0].row])

    def disturb(self) -> None:
        """A pod goes, pods settle, a node goes, comes, or changes."""
        table, what = self.table, self.below(6)
        placed = list(self.replay.placed.items())
        if what < 2 and placed:
            self.replay.remove(placed[self.below(len(placed))][0])
        elif what == 2:
            for key, node in placed:
                namespace, _, name = key.partition("/")
                if self.below(2) and table.placed.number(key, node) == NONE:
                    table.settle(PodReference(namespace, name, key, 1, "s"), node)
        elif what == 3 and table.count > 2:
            table.remove_node(list(table.row_of)[self.below(table.count)])
        elif what == 4:
            self.replay.put(self.nodes[self.below(len(self.nodes))])
        elif table.nominations.node_of:
            table.nominations.drop(next(iter(table.nominations.node_of)))


def _content(trial: Trial) -> object:
    """Shapes of bound pods are put together anew: what they say counts, not which one it is."""
    victims = [
        (pod, placed.priority, placed.started_ns, placed.shape.key) for pod, placed in trial.victims
    ]
    return trial.row, victims, trial.violations


def _key(pod: JsonObject) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def differences(seed: int) -> list[str]:
    remix = Remix(seed)
    remix.run()
    return [f"seed {seed}: {difference}" for difference in remix.differences]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or ".." not in arguments[0]:
        print("usage: python -m tests.golden_scheduler.remix FIRST..LAST")
        return 2
    first, _, last = arguments[0].partition("..")
    seeds = range(int(first), int(last) + 1)
    found = [difference for seed in seeds for difference in differences(seed)]
    print("\n".join(found))
    print(f"{len(seeds)} seeds, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
