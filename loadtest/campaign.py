"""A campaign file, parsed once into frozen data.

    apiVersion: hollowfleet.dev/v1alpha1
    kind: Campaign
    metadata: {name: quickstart}
    spec: {seed, namespaces, settle, cluster, generator, phases, slos, faults, tracing, sweep}

Durations are int nanoseconds, rates are per second. Errors: CampaignError naming file and key.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from actors.plan import Durability, Heartbeat, ShardBy, StoreEngine, StorePlacement
from apiserver.keys import CacheIndex
from loadtest.faults import NO_FAULTS, FaultKnobs, read_faults
from loadtest.fields import SECOND_NS, CampaignError, Section, load_yaml, nearest, shown
from loadtest.loads import (
    Load,
    Pace,
    WatchLoad,
    read_load,
    read_quantities,
    read_shared,
    with_shares,
)
from loadtest.overrides import apply_overrides
from scheduler.kernel_choice import KernelChoice, numba_installed

API_VERSION = "hollowfleet.dev/v1alpha1"
Transport = Literal["frames", "https"]
Profile = Literal["kubernetes", "unlimited"]
PHASE_NS_MAX = 400 * 24 * 3600 * SECOND_NS
REAL_PHASE_NS_MAX = 24 * 3600 * SECOND_NS
"""Of a phase that passes in real time."""
LEASE_PERIOD_NS_MIN = SECOND_NS // 10
COMPACTION_RETENTION_NS_MIN = 5 * SECOND_NS
"""A watch that is opened again after a pause finds where it was."""
ARRIVALS_MAX = 5_000_000
"""Of a whole campaign: its schedule is compiled in memory before the run."""


@dataclass(frozen=True, slots=True)
class ClusterKnobs:
    """How the cluster under test is built; see actors.plan.ClusterPlan."""

    nodes: int
    """Total; rows of the node list come first. 0: exactly the rows of the list."""
    node_list: str
    """Path of a node list in openb's columns, relative to the campaign file; may be empty."""
    node_capacity: tuple[tuple[str, str], ...]
    """Shape of the nodes that the list does not name."""
    store_shards: int
    shard_by: ShardBy
    durability: Durability
    store_engine: StoreEngine
    store_placement: StorePlacement
    """Of the shards: a program each, or the API server's own."""
    compaction_retention_ns: int
    """History that a shard keeps; older versions are compacted."""
    watch_cache_index: CacheIndex
    """Of the API server, Kubernetes' feature gate BtreeWatchCache."""
    encode_once: bool
    """Or an event is encoded for each of its watchers."""
    consistent_list_from_cache: bool
    """Or a LIST of the most recent state reads all of it from the store."""
    percentage_of_nodes_to_score: int | None
    """0: adaptive. None: as the scheduler's configuration has it, or else 100."""
    api_servers: int
    schedulers: int
    queueing_hints: bool
    """Of the scheduler, Kubernetes' feature gate SchedulerQueueingHints."""
    gather_quorum_percent: int
    """So many of the partitions have to answer before a batch is decided."""
    scheduler_kernel: KernelChoice
    scheduler_config: str
    """Path of a KubeSchedulerConfiguration, relative to the campaign file; may be empty."""
    scheduler_partitions: int
    controller_shards: int
    hollow_actors: int
    machines: int
    """The Ray cluster is to have so many at least; the run waits for them."""
    lease_period_ns: int
    heartbeat: Heartbeat
    pod_delay_ns: int
    node_transport: Transport
    """How hollow nodes reach the API server."""
    controller_profile: Profile
    https_port: int
    heartbeats: bool
    """False, in virtual time only: no Lease and no node status is renewed, and no node is given
    up for silent."""


@dataclass(frozen=True, slots=True)
class GeneratorKnobs:
    """The load half: how many processes, and their bounds."""

    processes: int
    in_flight_max: int
    """Requests in flight per process; an arrival beyond it is counted as overflow, not sent."""
    request_timeout_ns: int
    lateness_max_ns: int
    """99th percentile of the generator's own lateness above which the run is invalid."""


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    duration_ns: int
    load: tuple[Load, ...]
    shared: Pace | None = None
    """One rate for all loads whose arrivals are shared."""


@dataclass(frozen=True, slots=True)
class Slos:
    """Thresholds; latencies are 99th percentiles in ns, 0 means: measured, not judged.

    Defaults are Kubernetes' official thresholds. Source: kubernetes/community
    sig-scalability/slos (api_call_latency.md, pod_startup_latency.md).
    """

    mutating_ns: int
    get_ns: int
    list_ns: int
    pod_start_ns: int
    watch_delivery_ns: int
    errors_max: float
    """Largest share of requests that may fail."""


@dataclass(frozen=True, slots=True)
class Campaign:
    name: str
    seed: int
    namespaces: int
    settle_ns: int
    """How long after the last arrival the run waits for pods to come to rest, at most."""
    cluster: ClusterKnobs
    generator: GeneratorKnobs
    phases: tuple[Phase, ...]
    slos: Slos
    faults: FaultKnobs = NO_FAULTS
    trace_share: float = 0.0
    """Of the creates of the load: whose way through the cluster is written down."""


def read_campaign(path: Path, overrides: tuple[str, ...] = (), seed: int | None = None) -> Campaign:
    """The campaign of a file with ``--set`` overrides and ``--seed`` applied."""
    doc = load_yaml(path)
    apply_overrides(doc, overrides)
    campaign = parse_campaign(doc, str(path))
    if seed is not None:
        doc_spec = cast("dict[str, object]", doc["spec"])
        doc_spec["seed"] = seed
        campaign = parse_campaign(doc, str(path))
    return campaign


def parse_campaign(doc: dict[str, object], source: str) -> Campaign:
    """The campaign of a parsed document. ``source`` names it in errors."""
    top = Section(source, "", doc)
    top.choice("apiVersion", (API_VERSION,))
    top.choice("kind", ("Campaign",))
    metadata = top.section("metadata")
    name = metadata.text("name")
    if not name.replace("-", "").isalnum() or not name.islower() or len(name) > 40:
        raise metadata.error("name", "must be lower-case letters, digits and '-', at most 40")
    metadata.done()
    spec = top.section("spec")
    top.done()
    phases = tuple(_phase(section) for section in spec.sections("phases"))
    if not phases:
        raise spec.error("phases", "must have at least one phase")
    names = [phase.name for phase in phases]
    if len(set(names)) != len(names):
        raise spec.error("phases", "two phases have the same name")
    _check_arrivals(source, phases)
    campaign = Campaign(
        name=name,
        seed=spec.integer("seed", 1, 0, 2**63 - 1),
        namespaces=spec.integer("namespaces", 4, 1, 10_000),
        settle_ns=spec.duration("settle", "10s"),
        cluster=_cluster(spec.section("cluster")),
        generator=_generator(spec.section("generator")),
        phases=phases,
        slos=_slos(spec.section("slos")),
        faults=read_faults(spec.section("faults")),
        trace_share=_trace_share(spec.section("tracing")),
    )
    spec.raw("sweep")  # read by loadtest.experiments.sweep
    spec.done()
    return campaign


def _check_arrivals(source: str, phases: tuple[Phase, ...]) -> None:
    """Refuse what would take hours to compile. Traces are bounded by their files."""
    total = 0.0
    for index, phase in enumerate(phases):
        for position, load in enumerate(phase.load):
            if isinstance(load, WatchLoad):
                continue
            total += load.pace.expected(phase.duration_ns)
            if total > ARRIVALS_MAX:
                place = f"spec.phases[{index}]"
                item, word = f"{place}.load[{position}]", "count" if load.pace.users else "rate"
                field = f"{place}.shared.rate" if load.pace.weight else f"{item}.{word}"
                raise CampaignError(
                    f"{source}: {field}: over {phase.duration_ns / SECOND_NS:g} s this makes "
                    f"{total:.0f} arrivals in the campaign so far, of at most {ARRIVALS_MAX}; "
                    f"lower the {word} or shorten {place}.duration"
                )


def _cluster(section: Section) -> ClusterKnobs:
    node_list = section.file("nodeList")
    capacity = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    knobs = ClusterKnobs(
        nodes=section.integer("nodes", 0 if node_list else 100, 0 if node_list else 1, 2_000_000),
        node_list=node_list,
        node_capacity=read_quantities(section, "nodeCapacity", capacity),
        store_shards=section.integer("storeShards", 2, 1, 64),
        shard_by=cast(ShardBy, section.choice("shardBy", ("kind", "namespace", "hash"), "kind")),
        durability=cast(
            Durability, section.choice("durability", ("fsync", "buffered", "none"), "fsync")
        ),
        store_engine=cast(StoreEngine, section.choice("storeEngine", ("own", "etcd"), "own")),
        store_placement=cast(
            StorePlacement, section.choice("storePlacement", ("own", "apiserver"), "own")
        ),
        compaction_retention_ns=section.duration("compactionRetention", "5m"),
        watch_cache_index=cast(
            CacheIndex, section.choice("watchCacheIndex", ("btree", "hash"), "btree")
        ),
        encode_once=section.flag("encodeOnce", True),
        consistent_list_from_cache=section.flag("consistentListFromCache", True),
        percentage_of_nodes_to_score=_percentage(section),
        api_servers=section.integer("apiServers", 1, 1, 16),
        schedulers=section.integer("schedulers", 1, 1, 8),
        queueing_hints=section.flag("queueingHints", True),
        gather_quorum_percent=section.integer("gatherQuorum", 100, 1, 100),
        scheduler_kernel=cast(
            KernelChoice, section.choice("schedulerKernel", ("auto", "numpy", "numba"), "auto")
        ),
        scheduler_config=section.file("schedulerConfig"),
        scheduler_partitions=section.integer("schedulerPartitions", 2, 0, 64),
        controller_shards=section.integer("controllerShards", 2, 1, 64),
        hollow_actors=section.integer("hollowActors", 1, 1, 1000),
        machines=section.integer("machines", 1, 1, 1000),
        lease_period_ns=section.duration("leasePeriod", "10s"),
        heartbeat=cast(Heartbeat, section.choice("heartbeatBy", ("lease", "status"), "lease")),
        pod_delay_ns=section.duration("podDelay", "0s"),
        node_transport=cast(
            Transport, section.choice("nodeTransport", ("frames", "https"), "frames")
        ),
        controller_profile=cast(
            Profile, section.choice("controllerProfile", ("unlimited", "kubernetes"), "unlimited")
        ),
        https_port=section.integer("httpsPort", 0, 0, 65535),
        heartbeats=_heartbeats(section),
    )
    _check_cluster(section, knobs)
    section.done()
    return knobs


def _check_cluster(section: Section, knobs: ClusterKnobs) -> None:
    """What no knob says alone. CampaignError."""
    if knobs.scheduler_kernel == "numba" and not numba_installed():
        raise section.error("schedulerKernel", "numba is not installed: make kernel")
    if knobs.store_engine == "etcd" and knobs.durability != "fsync":
        raise section.error("durability", "must be fsync where storeEngine is etcd")
    if knobs.store_engine == "etcd" and knobs.store_shards > 1 and knobs.shard_by != "kind":
        raise section.error(
            "shardBy",
            "must be kind where storeEngine is etcd: only keys of one etcd have revisions that can "
            "be compared",
        )
    _check_placement(section, knobs)
    if knobs.compaction_retention_ns < COMPACTION_RETENTION_NS_MIN:
        raise section.error("compactionRetention", "must be at least 5s")
    if not knobs.heartbeats and section.has("compactionRetention"):
        raise section.error(
            "compactionRetention", "must be left out where heartbeats are off: an hour is kept then"
        )
    if knobs.lease_period_ns < LEASE_PERIOD_NS_MIN:
        raise section.error("leasePeriod", "must be at least 100ms")


def _check_placement(section: Section, knobs: ClusterKnobs) -> None:
    if knobs.store_placement == "own":
        return
    if knobs.api_servers > 1:
        raise section.error(
            "apiServers",
            "must be 1 where storePlacement is apiserver: shards in the program of one API server "
            "are out of the others' reach",
        )
    if knobs.store_engine == "etcd":
        raise section.error(
            "storeEngine", "must be own where storePlacement is apiserver: an etcd is a program"
        )


def _percentage(section: Section) -> int | None:
    key = "percentageOfNodesToScore"
    given = section.has(key)
    percentage = section.integer(key, 0, 0, 100)
    return percentage if given else None


def _trace_share(section: Section) -> float:
    share = section.number("sample", 0.0, 0.0, 1.0)
    section.done()
    return share


def _heartbeats(section: Section) -> bool:
    """``on`` or ``off``, which YAML reads as booleans."""
    value = section.raw("heartbeats")
    if value is None or value is True or value == "on":
        return True
    if value is False or value == "off":
        return False
    raise section.error("heartbeats", f"must be on or off, not {shown(value)}")


def check_real_time(campaign: Campaign, source: str) -> None:
    """Refuse what only virtual time can do. Errors: CampaignError."""
    if not campaign.cluster.heartbeats:
        raise CampaignError(
            f"{source}: spec.cluster.heartbeats: off is for virtual time; "
            "use `hollowfleet sim`, or leave it on"
        )
    for index, phase in enumerate(campaign.phases):
        if phase.duration_ns > REAL_PHASE_NS_MAX:
            raise CampaignError(
                f"{source}: spec.phases[{index}].duration: must be at most 24h in real time; "
                "use `hollowfleet sim`, or compress the trace"
            )


def _generator(section: Section) -> GeneratorKnobs:
    knobs = GeneratorKnobs(
        processes=section.integer("processes", 1, 1, 64),
        in_flight_max=section.integer("inFlightMax", 256, 1, 100_000),
        request_timeout_ns=section.duration("requestTimeout", "60s"),
        lateness_max_ns=section.duration("latenessMax", "100ms"),
    )
    section.done()
    return knobs


def _slos(section: Section) -> Slos:
    slos = Slos(
        mutating_ns=section.duration("mutatingP99", "1s"),
        get_ns=section.duration("getP99", "1s"),
        list_ns=section.duration("listP99", "30s"),
        pod_start_ns=section.duration("podStartP99", "5s"),
        watch_delivery_ns=section.duration("watchDeliveryP99", "0s"),
        errors_max=section.number("errors", 0.01, 0.0, 1.0),
    )
    section.done()
    return slos


def _phase(section: Section) -> Phase:
    load = (
        tuple(read_load(item) for item in section.sections("load")) if section.has("load") else ()
    )
    for key in ("load", "shared"):
        section.raw(key)
    sharing = any(not isinstance(one, WatchLoad) and one.pace.weight for one in load)
    if sharing != section.has("shared"):
        lacks = "is required by arrivals: shared" if sharing else "no load has arrivals: shared"
        raise section.error("shared", lacks)
    shared = read_shared(section.section("shared")) if sharing else None
    phase = Phase(
        name=section.text("name"),
        duration_ns=section.duration("duration"),
        load=with_shares(load, shared.rate) if shared else load,
        shared=shared,
    )
    if not 0 < phase.duration_ns <= PHASE_NS_MAX:
        raise section.error("duration", "must be above 0s and at most 9600h (400 days)")
    section.done()
    return phase


__all__ = ["Campaign", "CampaignError", "nearest", "parse_campaign", "read_campaign"]
