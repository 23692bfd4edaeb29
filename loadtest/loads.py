"""The loads of a campaign's phase, and how they are read: what is sent, and when it comes.

Durations are int nanoseconds, rates are per second. Errors: CampaignError naming file and key.
"""

from dataclasses import dataclass, replace
from typing import Literal, cast

from api.quantity import QuantityError, canonical
from loadtest.fields import SECOND_NS, Section, shown
from loadtest.trace_file import read_adapter

Arrivals = Literal["constant", "poisson", "randomised", "stepped", "trace", "shared", "closed"]
DRAWN = ("constant", "poisson", "randomised", "stepped")
"""Arrivals that are a rate and a rule."""
USERS_MAX = 10_000
"""Of one closed loop."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When the requests of a load come."""

    arrivals: Arrivals
    rate: float
    """Requests per second; of shared ones the part of this load. 0: a trace or a closed loop."""
    burst: int = 1
    """Of stepped arrivals: so many at once."""
    weight: int = 0
    """Of shared arrivals: this load's part of the phase's rate, against the others'."""
    users: int = 0
    """Of a closed loop: each sends, waits for the answer, and sends again until the phase ends."""
    count: int = 0
    """Of a closed loop: requests of all users together, at most."""

    def expected(self, length_ns: int) -> float:
        """Arrivals over so long; those of a trace are not known here."""
        return self.count or self.rate * length_ns / SECOND_NS


@dataclass(frozen=True, slots=True)
class DeploymentLoad:
    """Deployments created, then scaled, then deleted."""

    pace: Pace
    replicas: int
    scale_to: int
    """0: not scaled."""
    scale_after_ns: int
    delete_after_ns: int
    """0: not deleted."""


@dataclass(frozen=True, slots=True)
class PodLoad:
    """Single pods created, then deleted after their life: drawn, or replayed from a trace."""

    pace: Pace
    requests: tuple[tuple[str, str], ...]
    lifetime_ns: int
    """0: not deleted."""
    trace: str
    trace_start_ns: int
    compression: float
    """Seconds of the trace per second of the run."""
    trace_columns: tuple[tuple[str, str], ...] = ()
    """See loadtest.trace_file; none: as the file's own header says."""
    amplify: float = 1.0
    bootstrap_ns: int = 0
    """See loadtest.trace.Replay."""

    @property
    def trace_key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Which trace it is: the file, and how it is read."""
        return self.trace, self.trace_columns


@dataclass(frozen=True, slots=True)
class ReadLoad:
    """Single GETs, LISTs of all pods with a limit, LISTs of one namespace."""

    pace: Pace
    get_share: int
    list_share: int
    namespace_list_share: int
    limit: int


@dataclass(frozen=True, slots=True)
class WatchLoad:
    """Watches held from the start of the phase to its end."""

    count: int
    resource: str
    scope: Literal["cluster", "namespace"]
    read_bytes_s: int = 0
    """Of each: a reader that is slow on purpose. 0: as fast as it can."""


Load = DeploymentLoad | PodLoad | ReadLoad | WatchLoad


def read_load(section: Section) -> Load:
    scenarios = {
        "deployments": _deployments,
        "pods": _pods,
        "readers": _readers,
        "watchers": _watchers,
    }
    scenario = section.choice("scenario", tuple(scenarios))
    load = scenarios[scenario](section)
    section.done()
    return load


def _pace(section: Section, more: tuple[str, ...] = ()) -> Pace:
    arrivals = cast(Arrivals, section.choice("arrivals", (*DRAWN, "shared", *more), "poisson"))
    match arrivals:
        case "shared":
            return Pace(arrivals, 0.0, weight=section.integer("weight", 1, 1, 1000))
        case "closed":
            users = section.integer("users", 1, 1, USERS_MAX)
            if not section.has("count"):
                raise section.error("count", "is required: how many requests at most")
            return Pace(arrivals, 0.0, users=users, count=section.integer("count", 1, 1))
        case "trace":
            return Pace(arrivals, 0.0)
        case _:
            return _drawn(section, arrivals)


def _drawn(section: Section, arrivals: Arrivals) -> Pace:
    """``burst`` is asked for where arrivals are stepped; an unknown key elsewhere."""
    burst = section.integer("burst", 10, 1, 1_000_000) if arrivals == "stepped" else 1
    return Pace(arrivals, section.rate("rate"), burst)


def read_shared(section: Section) -> Pace:
    """The rate that loads of a phase share."""
    pace = _drawn(section, cast(Arrivals, section.choice("arrivals", DRAWN, "poisson")))
    section.done()
    return pace


def with_shares(loads: tuple[Load, ...], rate: float) -> tuple[Load, ...]:
    """The loads, those that share with their part of ``rate``."""
    total = sum(load.pace.weight for load in loads if not isinstance(load, WatchLoad))
    return tuple(
        load
        if isinstance(load, WatchLoad) or not load.pace.weight
        else replace(load, pace=replace(load.pace, rate=rate * load.pace.weight / total))
        for load in loads
    )


def _deployments(section: Section) -> Load:
    return DeploymentLoad(
        pace=_pace(section),
        replicas=section.integer("replicas", 1, 0, 1_000_000),
        scale_to=section.integer("scaleTo", 0, 0, 1_000_000),
        scale_after_ns=section.duration("scaleAfter", "5s"),
        delete_after_ns=section.duration("deleteAfter", "0s"),
    )


def _pods(section: Section) -> Load:
    pace = _pace(section, ("trace", "closed"))
    if pace.arrivals == "trace":
        return PodLoad(
            pace=pace,
            requests=(),
            lifetime_ns=0,
            trace=section.text("trace"),
            trace_start_ns=section.duration("traceStart", "0s"),
            compression=section.number("compression", 1.0, 0.001, 1e9),
            trace_columns=read_adapter(section),
            amplify=section.number("amplify", 1.0, 0.001, 1e6),
            bootstrap_ns=section.duration("bootstrap", "0s"),
        )
    return PodLoad(
        pace=pace,
        requests=read_quantities(section, "requests", {"cpu": "100m", "memory": "128Mi"}),
        # Nobody knows beforehand when a closed loop makes a pod, and so when its life ends.
        lifetime_ns=0 if pace.users else section.duration("lifetime", "0s"),
        trace="",
        trace_start_ns=0,
        compression=1.0,
    )


def _readers(section: Section) -> Load:
    mix = section.section("mix")
    given = any(mix.has(key) for key in ("get", "list", "namespaceList"))
    default = (0, 0, 0) if given else (80, 10, 10)
    load = ReadLoad(
        pace=_pace(section, ("closed",)),
        get_share=mix.integer("get", default[0], 0, 1000),
        list_share=mix.integer("list", default[1], 0, 1000),
        namespace_list_share=mix.integer("namespaceList", default[2], 0, 1000),
        limit=section.integer("limit", 500, 1, 100_000),
    )
    mix.done()
    if load.get_share + load.list_share + load.namespace_list_share == 0:
        raise section.error("mix", "must give at least one share above 0")
    return load


def _watchers(section: Section) -> Load:
    scope = section.choice("scope", ("cluster", "namespace"), "cluster")
    return WatchLoad(
        count=section.integer("count", 1, 1, 100_000),
        resource=section.choice("resource", ("pods", "nodes", "apps/deployments"), "pods"),
        scope=cast(Literal["cluster", "namespace"], scope),
        read_bytes_s=section.integer("readRate", 0, 0, 10**9),
    )


def read_quantities(
    section: Section, key: str, default: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    value = section.raw(key)
    if value is None:
        value = default
    if not isinstance(value, dict) or not value:
        raise section.error(key, "must map resources to quantities such as 500m or 256Gi")
    out = []
    for resource, amount in value.items():
        try:
            out.append((str(resource), canonical(str(amount))))
        except QuantityError as error:
            raise section.error(f"{key}.{resource}", f"{shown(amount)}: {error}") from None
    return tuple(out)
