"""PodTopologySpread: pods of a kind are shared out over domains, within a skew, or as evenly as may
be.
Source: plugins/podtopologyspread/filtering.go, scoring.go and common.go, v1.36."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from api.selectors import LabelSelector
from scheduler.framework import SCORE_MAX, Column, Divided, Filter, Numbers, Reason, Score
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.plugins import node_affinity, taint_toleration
from scheduler.pod_descriptions import Selected
from scheduler.pod_shape import Shape
from scheduler.relations import HOSTNAME, DefaultConstraint, SpreadConstraint
from scheduler.tallies import Admission, RowCounts, Tally, admitted

NAME = "PodTopologySpread"
MISSING = "node(s) didn't match pod topology spread constraints (missing required label)"
SKEWED = "node(s) didn't match pod topology spread constraints"
DOMAINS_FEW = 16
"""Looking at so many one by one is faster than a vector."""
POINTS_MAX = 256
NONE = -1
"""No domain, because the node lacks the label."""
FEWEST_UNKNOWN = (1 << 31) - 1


class Part:
    """One constraint of one shape."""

    __slots__ = (
        "_numbers", "admission", "complete", "constraint", "domains", "itself", "on_host", "tally",
    )  # fmt: skip

    def __init__(
        self, shape: Shape, table: NodeTable, constraint: SpreadConstraint, eligible: Mask | None
    ) -> None:
        self.constraint = constraint
        relations = shape.relations
        self.itself = int(constraint.selector.matches(relations.labels))
        counter = table.pod_counts.counter(Selected(relations.key.namespace, constraint.selector))
        self.tally = Tally(counter, table, constraint.topology_key, eligible)
        self.admission = Admission(self.tally.column, len(self.tally.values))
        self.on_host = RowCounts(counter, table)
        """Pods of the kind on the node itself, eligible or not."""
        self.domains = int(np.count_nonzero(self.tally.present))
        self._numbers = np.flatnonzero(self.tally.present)[:DOMAINS_FEW].tolist()
        self.complete = not (self.tally.column[table.alive] == 0).any()
        """Every node has the label."""

    def allowed(self) -> Mask:
        """[value]: where one more pod keeps the skew. Not where the label is missing."""
        self.tally.catch_up()
        values = self.tally.values
        if self.domains < self.constraint.min_domains:
            fewest = 0
        elif self.domains > DOMAINS_FEW:
            fewest = int(values.min(initial=FEWEST_UNKNOWN, where=self.tally.present))
        else:
            counts = values.tolist()
            fewest = min([counts[number] for number in self._numbers], default=FEWEST_UNKNOWN)
        result: Mask = values <= self.constraint.max_skew + fewest - self.itself
        result[0] = False
        return result


class State:
    """What is worked out once for a shape, as long as no Node and no workload changes."""

    __slots__ = ("everywhere", "hard", "points", "soft", "version")

    def __init__(self, shape: Shape, table: NodeTable) -> None:
        self.version = _version(table)
        own, defaults = shape.relations.key.spread, shape.profile.spread_defaults
        constraints = own or _defaults(shape, table, defaults.constraints)
        self.everywhere = bool(own) or defaults.everywhere
        """Nodes must have every topology key to be counted and scored."""
        hard, soft = ([c for c in constraints if c.hard is kind] for kind in (True, False))
        self.hard = _parts(shape, table, hard, True)
        self.soft = _parts(shape, table, soft, self.everywhere)
        self.points: dict[
            tuple[tuple[Numbers, ...], Numbers, tuple[Numbers, ...]], dict[Numbers, int]
        ] = {}
        """Worked out lately."""


def _version(table: NodeTable) -> tuple[int, int, int]:
    return (table.static_version, table.workloads.version, table.pod_counts.epoch)


def _defaults(
    shape: Shape, table: NodeTable, defaults: Sequence[DefaultConstraint]
) -> list[SpreadConstraint]:
    selector: LabelSelector = table.workloads.default_selector(shape.relations)
    if selector.empty:
        return []
    return [
        SpreadConstraint(d.topology_key, d.hard, d.max_skew, 1, selector, True, False)
        for d in defaults
    ]


def _parts(
    shape: Shape, table: NodeTable, constraints: Sequence[SpreadConstraint], everywhere: bool
) -> list[Part]:
    if not constraints:
        return []
    rows = slice(0, len(table.alive))
    complete = table.alive.copy()
    if everywhere:
        for constraint in constraints:
            complete &= table.label_column(constraint.topology_key)[0] > 0
    parts = []
    for constraint in constraints:
        eligible = complete
        if constraint.honours_affinity and node_affinity.has_requirements(shape, table):
            eligible = eligible & node_affinity.passes(shape, table, rows)
        if constraint.honours_taints:
            eligible = eligible & taint_toleration.passes(shape, table, rows)
        parts.append(Part(shape, table, constraint, eligible))
    return parts


def state_of(shape: Shape, table: NodeTable) -> State:
    key = (NAME, shape.relations.number, shape.place)
    state = table.remembered.get(key)
    if not isinstance(state, State) or state.version != _version(table):
        state = State(shape, table)
        table.remember(key, state)
    return state


# Filter


def has_hard(shape: Shape, table: NodeTable) -> bool:
    if shape.relations.key.spread:
        return any(one.hard for one in shape.relations.key.spread)
    defaults = shape.profile.spread_defaults.constraints
    return any(one.hard for one in defaults) and bool(state_of(shape, table).hard)


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    return admitted(domains(shape, table), table, rows)


def domains(shape: Shape, table: NodeTable) -> list[tuple[Admission, Mask]]:
    return [(part.admission, part.allowed()) for part in state_of(shape, table).hard]


def reasons(shape: Shape, table: NodeTable, rows: IntArray) -> Sequence[Reason]:
    """Each row by the first constraint that refuses it."""
    undecided = np.ones(len(rows), np.bool_)
    missing = np.zeros_like(undecided)
    for part in state_of(shape, table).hard:
        numbers = part.tally.column[rows]
        missing |= undecided & (numbers == 0)
        undecided &= part.allowed()[numbers]
    found = ((MISSING, missing, missing), (SKEWED, ~missing, np.zeros_like(missing)))
    return [Reason(text, where, hopeless) for text, where, hopeless in found if where.any()]


# Score


def has_soft(shape: Shape, table: NodeTable) -> bool:
    return bool(state_of(shape, table).soft)


def raw(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    """``rows``: all feasible ones. 0 where a topology key is missing."""
    assert not isinstance(rows, slice)
    state = state_of(shape, table)
    ignored = _ignored(state, rows)
    counted = rows if ignored is None else rows[~ignored]
    total: npt.NDArray[np.float64] | None = None
    for part in state.soft:
        gain = _gain(part, rows, counted)
        total = gain if total is None else np.add(total, gain, total)
    assert total is not None
    result = _rounded(total)
    if ignored is not None:
        result[ignored] = 0
    return result


def _gain(part: Part, rows: IntArray, counted: IntArray) -> npt.NDArray[np.float64]:
    """What one constraint adds to each row: a number for each count of pods, then a look-up."""
    pods, weight = _pods_and_weight(part, rows, counted)
    counts = np.arange(int(pods.max()) + 1, dtype=np.float64)
    gain: npt.NDArray[np.float64] = (counts * weight + (part.constraint.max_skew - 1)).take(pods)
    if not part.complete:
        gain *= part.tally.column.take(rows) > 0
    return gain


def shares(shape: Shape, table: NodeTable, rows: IntArray, raw: IntArray) -> IntArray:
    """The fewer pods of the kind the higher. 0 where a topology key is missing."""
    ignored = _ignored(state_of(shape, table), rows)
    counted = raw if ignored is None else raw[~ignored]
    if not len(counted):
        return np.zeros_like(raw)
    lowest, highest = int(counted.min()), int(counted.max())
    if highest == 0:
        result = np.full_like(raw, SCORE_MAX)
    elif highest < len(raw):
        # Fewer scores than nodes: one division for each score.
        by_score = (highest + lowest - np.arange(highest + 1)) * SCORE_MAX // highest
        result = by_score.take(raw)
    else:
        result = (highest + lowest - raw) * SCORE_MAX // highest
    if ignored is not None:
        result[ignored] = 0
    return result


def at_once(shape: Shape, table: NodeTable, rows: IntArray) -> IntArray:
    """With one constraint, scores follow from counts of pods: work out one for each count."""
    state = state_of(shape, table)
    if len(state.soft) != 1 or not state.soft[0].complete:
        return shares(shape, table, rows, raw(shape, table, rows))
    (part,) = state.soft
    pods, weight = _pods_and_weight(part, rows, rows)
    fewest, most = int(pods.min()), int(pods.max())
    counts = np.arange(fewest, most + 1, dtype=np.float64)
    by_count = _rounded(counts * weight + (part.constraint.max_skew - 1))
    lowest, highest = by_count.item(0), by_count.item(-1)
    if highest == 0:
        return np.full(len(rows), SCORE_MAX)
    points: IntArray = (highest + lowest - by_count) * SCORE_MAX // highest
    return points.take(pods - fewest) if fewest else points.take(pods)


def columns(shape: Shape, table: NodeTable) -> list[Column] | None:
    """Pods of the kind on the node, or the number of its domain. Not where labels are missing and
    that would matter."""
    state = state_of(shape, table)
    found: list[Column] = []
    for part in state.soft:
        on_host = part.constraint.topology_key == HOSTNAME
        if not part.complete and (on_host or state.everywhere):
            return None
        found.append(part.on_host.now() if on_host else part.tally.column)
    return found


def points(shape: Shape, table: NodeTable, rows: Mapping[Numbers, int]) -> dict[Numbers, int]:
    """The same as ``shares`` of ``raw``, by the values of ``columns``."""
    state = state_of(shape, table)
    weights, pods = [], []
    for part, values in zip(state.soft, zip(*rows, strict=True), strict=True):
        if part.constraint.topology_key == HOSTNAME:
            weights.append(sum(rows.values()))
            pods.append(values)
        else:
            part.tally.catch_up()
            of_domain = part.tally.values
            weights.append(len(set(values)))
            pods.append(
                tuple(
                    [of_domain.item(value) if value or part.complete else NONE for value in values]
                )
            )
    key = (tuple(rows), tuple(weights), tuple(pods))
    known = state.points.get(key)
    if known is None:
        if len(state.points) >= POINTS_MAX:
            state.points.clear()
        found = _points(state, weights, pods)
        known = state.points[key] = dict(zip(rows, found, strict=True))
    return known


def _points(state: State, domains: Sequence[int], pods: Sequence[Sequence[int]]) -> list[int]:
    """``domains``: for each soft constraint; ``pods``: the same of each kind of rows."""
    gains = [0.0] * len(pods[0])
    for part, count, of_kind in zip(state.soft, domains, pods, strict=True):
        weight, offset = math.log(count + 2), part.constraint.max_skew - 1
        for at, one in enumerate(of_kind):
            gains[at] += 0.0 if one == NONE else one * weight + offset
    raw = [_rounded_one(gain) for gain in gains]
    lowest, highest = min(raw), max(raw)
    if highest == 0:
        return [SCORE_MAX] * len(raw)
    return [(highest + lowest - one) * SCORE_MAX // highest for one in raw]


def _pods_and_weight(part: Part, rows: IntArray, counted: IntArray) -> tuple[IntArray, float]:
    """Pods of the kind in each row's domain, and what one of them weighs."""
    part.tally.catch_up()
    if part.constraint.topology_key == HOSTNAME:
        return part.on_host.now().take(rows), math.log(len(counted) + 2)
    numbers = part.tally.column.take(rows)
    counted_numbers = numbers if counted is rows else part.tally.column.take(counted)
    domains = _domains(counted_numbers, len(part.tally.values))
    return part.tally.values.take(numbers), math.log(domains + 2)


def _ignored(state: State, rows: IntArray) -> Mask | None:
    if not state.everywhere or all(part.complete for part in state.soft):
        return None
    missing = np.zeros(len(rows), np.bool_)
    for part in state.soft:
        if not part.complete:
            missing |= part.tally.column[rows] == 0
    return missing if missing.any() else None


def _domains(numbers: npt.NDArray[np.int32], values: int) -> int:
    """Distinct values; nodes without the label are one domain."""
    return int(np.count_nonzero(np.bincount(numbers, minlength=values)))


def _rounded(numbers: npt.NDArray[np.float64]) -> IntArray:
    """Half away from zero, as math.Round does."""
    whole = np.floor(numbers)
    whole += numbers - whole >= 0.5
    return whole.astype(np.int64)


def _rounded_one(number: float) -> int:
    whole = math.floor(number)
    return whole + (number - whole >= 0.5)


FILTER = Filter(
    name=NAME,
    static=False,
    coupled=True,
    applies=has_hard,
    passes=passes,
    domains=domains,
    reasons=reasons,
)
SCORE = Score(
    name=NAME,
    weight=2,
    static=False,
    coupled=True,
    normalise="as is",
    applies=has_soft,
    raw=raw,
    shares=shares,
    at_once=at_once,
    divided=Divided(columns, points),
)
