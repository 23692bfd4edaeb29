"""InterPodAffinity: pods that want to be near or far from others, and others that want to be near
or far from them.
Source: plugins/interpodaffinity/filtering.go and scoring.go, v1.36."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from scheduler.framework import SCORE_MAX, Filter, Reason, Score
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.pod_descriptions import ANTI, REQUIRED, Carried, NamedByAll
from scheduler.pod_shape import Shape
from scheduler.tallies import Admission, Tally, admitted

NAME = "InterPodAffinity"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
ANTI_AFFINITY_OF_OTHERS = "node(s) didn't satisfy existing pods anti-affinity rules"


class Weights(NamedTuple):
    """InterPodAffinityArgs. Source of the defaults: apis/config/v1/defaults.go."""

    hard: int = 1
    """What a placed pod's required affinity is worth to a pod that it means."""
    own_only: bool = False
    """ignorePreferredTermsOfExistingPods: a pod without preferences has no scores."""


class State:
    """What is worked out once for a pod's Relations, as long as no Node changes and no placed pod
    carries a term that none carried before."""

    __slots__ = (
        "admissions", "anti", "anti_of_others", "itself", "near", "of_others", "own", "version",
    )  # fmt: skip

    def __init__(self, shape: Shape, table: NodeTable) -> None:
        self.version = _version(table)
        relations, counts = shape.relations, table.pod_counts
        key = relations.key

        def tally(description: NamedByAll | Carried, topology_key: str) -> Tally:
            return Tally(counts.counter(description), table, topology_key)

        self.near = [tally(NamedByAll(key.required), t.topology_key) for t in key.required]
        """Of pods that all required terms name, by the domains of each."""
        self.itself = all(term.names(relations, counts.namespaces) for term in key.required)
        self.anti = [tally(NamedByAll((term,)), term.topology_key) for term in key.anti]
        self.anti_of_others: list[Tally] = []
        self.own = [
            (weight, tally(NamedByAll((term,)), term.topology_key))
            for weight, term in key.preferred
        ]
        """Preferences of the pod, and what each is worth ..."""
        self.of_others: list[tuple[int, Tally]] = []
        """... and those of placed pods that mean it; REQUIRED for a required one."""
        for carried in counts.carried:
            if carried.term.means(relations, counts.namespaces):
                found = tally(carried, carried.term.topology_key)
                if carried.weight == ANTI:
                    self.anti_of_others.append(found)
                else:
                    self.of_others.append((carried.weight, found))
        self.admissions = [
            Admission(tally.column, len(tally.values))
            for tally in (*self.near, *self.anti, *self.anti_of_others)
        ]


def _version(table: NodeTable) -> tuple[int, int, int]:
    counts = table.pod_counts
    return (table.static_version, counts.terms_version, counts.epoch)


def state_of(shape: Shape, table: NodeTable) -> State:
    key = (NAME, shape.relations.number, 0)
    state = table.remembered.get(key)
    if not isinstance(state, State) or state.version != _version(table):
        state = State(shape, table)
        table.remember(key, state)
    return state


def _any(tally: Tally) -> bool:
    """Some node with the topology key has such a pod."""
    tally.catch_up()
    return tally.labelled > 0


# Filter


def concerned(shape: Shape, table: NodeTable) -> bool:
    key = shape.relations.key
    if key.required or key.anti:
        return True
    if not table.pod_counts.carried:
        return False
    return any(_any(tally) for tally in state_of(shape, table).anti_of_others)


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    return admitted(domains(shape, table), table, rows)


def domains(shape: Shape, table: NodeTable) -> list[tuple[Admission, Mask]]:
    state = state_of(shape, table)
    answers = (*_near(state), *(_free(tally) for tally in (*state.anti, *state.anti_of_others)))
    return list(zip(state.admissions, answers, strict=True))


def _near(state: State) -> list[Mask]:
    """[value] for each required term. The first pod of a group that wants to be together goes
    anywhere."""
    first = bool(state.near) and state.itself and not any(_any(tally) for tally in state.near)
    found = []
    for tally in state.near:
        tally.catch_up()
        wanted = np.ones(len(tally.values), np.bool_) if first else tally.values > 0
        wanted[0] = False
        found.append(wanted)
    return found


def _free(tally: Tally) -> Mask:
    """[value]: no such pod. Nodes without the label are nowhere near anything."""
    tally.catch_up()
    free: Mask = tally.values <= 0
    free[0] = True
    return free


def reasons(shape: Shape, table: NodeTable, rows: IntArray) -> Sequence[Reason]:
    state = state_of(shape, table)
    near = np.ones(len(rows), np.bool_)
    for tally, wanted in zip(state.near, _near(state), strict=True):
        near &= wanted[tally.column[rows]]
    apart = np.ones(len(rows), np.bool_)
    for tally in state.anti:
        apart &= _free(tally)[tally.column[rows]]
    nowhere = np.zeros(len(rows), np.bool_)
    found = (
        Reason(AFFINITY, ~near, ~near),
        Reason(ANTI_AFFINITY, near & ~apart, nowhere),
        Reason(ANTI_AFFINITY_OF_OTHERS, near & apart, nowhere),
    )
    return [reason for reason in found if reason.rows.any()]


# Score


def weighted(shape: Shape, table: NodeTable, weights: Weights) -> Iterator[tuple[int, Tally]]:
    """What a pod of each tally adds to the nodes of its domain."""
    state = state_of(shape, table)
    yield from state.own
    for weight, tally in state.of_others:
        if weight != REQUIRED:
            yield weight, tally
        elif weights.hard:
            yield weights.hard, tally


def score_with(weights: Weights) -> Score:
    def has_opinions(shape: Shape, table: NodeTable) -> bool:
        if not shape.relations.key.preferred and (weights.own_only or not table.pod_counts.carried):
            return False
        return any(_any(tally) for _, tally in weighted(shape, table, weights))

    def raw(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
        total = np.zeros(len(table.alive), np.int64)[rows]
        for weight, tally in weighted(shape, table, weights):
            tally.catch_up()
            gains = tally.values * weight
            gains[0] = 0
            total += gains[tally.column[rows]]
        return total

    return Score(
        name=NAME,
        weight=2,
        static=False,
        coupled=True,
        normalise="as is",
        applies=has_opinions,
        raw=raw,
        shares=shares,
    )


def shares(_shape: Shape, _table: NodeTable, _rows: IntArray, raw: IntArray) -> IntArray:
    lowest, highest = int(raw.min()), int(raw.max())
    if highest == lowest:
        return np.zeros_like(raw)
    part = (raw - lowest) / float(highest - lowest)
    return (SCORE_MAX * part).astype(np.int64)


FILTER = Filter(
    name=NAME,
    static=False,
    coupled=True,
    applies=concerned,
    passes=passes,
    domains=domains,
    reasons=reasons,
)
SCORE = score_with(Weights())
