"""What a plugin of the scheduler is: pure functions over the node table, for all rows or some.

A plugin that looks only at Node objects is static: its answer for a shape holds until a Node
changes. One that looks at what pods use is dynamic: its answer for a row holds until a pod comes
or goes there; it also answers for one row in plain integers, which is how a batch of equal pods is
scored without touching the other rows.

Source: pkg/scheduler/framework/interface.go; the vector form is our own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

from scheduler.node_table import FloatArray, IntArray, Mask, NodeTable, Rows
from scheduler.pod_shape import Shape
from scheduler.relations import SYSTEM_DEFAULTS, SpreadDefaults
from scheduler.tallies import Admission

SCORE_MAX = 100
"""Source: framework.MaxNodeScore."""

Normalise = Literal["as is", "share of maximum", "reversed share of maximum"]


class Reason(NamedTuple):
    """Why some of the rows looked at are refused. Parallel to these rows."""

    text: str
    rows: Mask
    hopeless: Mask
    """Where not even preemption helps: UnschedulableAndUnresolvable."""


Column = IntArray | npt.NDArray[np.int32]
"""[row]."""
Numbers = tuple[int, ...]


class Divided(NamedTuple):
    """A coupled score that follows from a few columns: rows equal in these score alike."""

    columns: Callable[[Shape, NodeTable], Sequence[Column] | None]
    """As of now, and kept up to date in place as long as they are the same arrays: only rows on
    which a pod came or went change. None: it takes more at present."""
    points: Callable[[Shape, NodeTable, Mapping[Numbers, int]], Mapping[Numbers, int]]
    """Its normalised scores, by the values of the columns. Given: feasible rows with each."""


class Amounts(NamedTuple):
    """What many pods ask for, [pod, 1], so that it meets columns of rows in [pod, row]."""

    requests: tuple[tuple[str, IntArray], ...]
    scored: tuple[IntArray, IntArray]
    """As in ShapeKey."""
    cpu: FloatArray
    memory: FloatArray
    """As in Shape."""


class Filter(NamedTuple):
    """A plugin of the extension points PreFilter and Filter, over the columns of the node table.

    Every function gets one shape, so one kind of pod, and answers for rows: a mask that is True
    where the pod may go. ``static``: it depends on Node objects alone, so its answer is kept until
    one of them changes; a dynamic one also depends on the pods that are there."""

    name: str
    static: bool
    applies: Callable[[Shape, NodeTable], bool]
    """False: PreFilter says Skip."""
    passes: Callable[[Shape, NodeTable, Rows], Mask]
    reasons: Callable[[Shape, NodeTable, IntArray], Sequence[Reason]]
    """For rows that did not pass."""
    passes_row: Callable[[Shape, NodeTable, int], bool] | None = None
    """Dynamic ones only: the same for one row."""
    amounts: bool = False
    """Dynamic ones only: of a node it reads amounts and the number of pods, nothing else."""
    passes_many: Callable[[Amounts, NodeTable, slice], Mask] | None = None
    """Where of a pod only its amounts count: ``passes`` for many, [pod, row]. Not asked when the
    table's amounts are wide."""
    coupled: bool = False
    """A pod on one node may change the answer for others: looked at anew for every pod."""
    domains: Callable[[Shape, NodeTable], Sequence[tuple[Admission, Mask]]] | None = None
    """Coupled ones only, where ``passes`` is no more than this: a row passes when it lies, for each
    of these, in a domain of which the mask, [number of the domain], holds."""
    stops: Callable[[Shape, NodeTable], str] | None = None
    """PreFilter: why the pod can go nowhere whatever the node; empty when it may."""


class Score(NamedTuple):
    """A plugin of the extension points PreScore and Score: whole-number points for rows, higher is
    better, which ``normalise`` brings to 0..100 before ``weight`` counts. ``static`` as in Filter.
    """

    name: str
    weight: int
    static: bool
    normalise: Normalise
    applies: Callable[[Shape, NodeTable], bool]
    """False: PreScore says Skip."""
    raw: Callable[[Shape, NodeTable, Rows], IntArray]
    raw_row: Callable[[Shape, NodeTable, int], int] | None = None
    """Dynamic ones only: the same for one row."""
    amounts: bool = False
    """As with filters."""
    raw_many: Callable[[Amounts, NodeTable, slice], IntArray] | None = None
    """As with filters."""
    coupled: bool = False
    """As with filters; then ``raw`` is asked about all feasible rows at once."""
    shares: Callable[[Shape, NodeTable, IntArray, IntArray], IntArray] | None = None
    """Coupled ones only: its own normalisation of the raw scores of these rows."""
    at_once: Callable[[Shape, NodeTable, IntArray], IntArray] | None = None
    """Coupled ones only: ``shares`` of ``raw`` in one go, where that is cheaper."""
    divided: Divided | None = None
    """Coupled ones only: the same without looking at every row."""


class PreemptionLimits(NamedTuple):
    """How many nodes are tried. Source: apis/config/v1/defaults.go, DefaultPreemptionArgs."""

    percentage: int = 10
    at_least: int = 100


PREEMPTION_LIMITS = PreemptionLimits()
T = TypeVar("T")


class Around(Protocol):
    """Runs some work of the core and returns what it returns; the shell's looks at a clock."""

    def __call__(self, work: Callable[[], T]) -> T: ...


def simply(work: Callable[[], T]) -> T:
    return work()


VOLUME_TIMEOUT_NS = 600_000_000_000
"""So long a placed pod waits for its claims. Source: apis/config/v1/defaults.go,
VolumeBindingArgs.BindTimeoutSeconds."""


@dataclass(frozen=True, eq=False)
class Profile:
    """The plugins that decide for the pods of one scheduler name, in the order in which they run.
    Each group that the engine treats alike is picked out once."""

    name: str
    filters: tuple[Filter, ...]
    scores: tuple[Score, ...]
    percentage_of_nodes_to_score: int = 100
    """See scheduler.sampling."""
    preemption: PreemptionLimits | None = PREEMPTION_LIMITS
    """None: the profile does without DefaultPreemption."""
    spread_defaults: SpreadDefaults = SYSTEM_DEFAULTS
    """For PodTopologySpread."""
    volume_timeout_ns: int = VOLUME_TIMEOUT_NS
    """For VolumeBinding."""
    around_post_filter: Around = simply
    node_filters: tuple[Filter, ...] = field(init=False)
    node_scores: tuple[Score, ...] = field(init=False)
    """Those that look at each node by itself."""
    coupled_filters: tuple[Filter, ...] = field(init=False)
    coupled_scores: tuple[Score, ...] = field(init=False)
    stopping: tuple[Filter, ...] = field(init=False)
    """Those that may refuse a pod whatever the node."""
    levels: tuple[Score, ...] = field(init=False)
    """Of ``node_scores``, those that are normalised over all feasible nodes."""

    def __post_init__(self) -> None:
        groups: dict[str, tuple[Filter, ...] | tuple[Score, ...]] = {
            "node_filters": tuple(p for p in self.filters if not p.coupled),
            "node_scores": tuple(p for p in self.scores if not p.coupled),
            "coupled_filters": tuple(p for p in self.filters if p.coupled),
            "coupled_scores": tuple(p for p in self.scores if p.coupled),
            "stopping": tuple(p for p in self.filters if p.stops is not None),
            "levels": tuple(p for p in self.scores if not p.coupled and p.normalise != "as is"),
        }
        for name, group in groups.items():
            object.__setattr__(self, name, group)


def always(_shape: Shape, _table: NodeTable) -> bool:
    return True


def one_reason(
    text: str, hopeless: bool
) -> Callable[[Shape, NodeTable, IntArray], Sequence[Reason]]:
    """For a filter that gives every refused node the same reason."""

    def reasons(_shape: Shape, _table: NodeTable, rows: IntArray) -> Sequence[Reason]:
        everywhere = np.ones(len(rows), np.bool_)
        return (Reason(text, everywhere, everywhere if hopeless else ~everywhere),)

    return reasons


def narrow(points: FloatArray) -> IntArray:
    """Points without their fraction, in 32 bits: sums of these are the fastest."""
    return cast(IntArray, points.astype(np.int32))


def normalised(raw: IntArray, maximum: int, how: Normalise) -> IntArray:
    """Scores as shares of the maximum over the feasible nodes.
    Source: plugins/helper/normalize_score.go, DefaultNormalizeScore."""
    if how == "as is":
        return raw
    if how == "share of maximum":
        return raw if maximum == 0 else raw * SCORE_MAX // maximum
    if maximum == 0:
        return np.full_like(raw, SCORE_MAX)
    return SCORE_MAX - raw * SCORE_MAX // maximum


def share(raw: int, maximum: int, how: Normalise) -> int:
    """The same for one node."""
    if how == "as is":
        return raw
    part = raw * SCORE_MAX // maximum if maximum else 0
    return part if how == "share of maximum" else SCORE_MAX - part
