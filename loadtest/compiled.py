"""A campaign compiled: the schedule, the plan of the cluster, and what ``--dry-run`` prints."""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from actors.blueprint import parts_of
from actors.plan import ClusterPlan, NodeSpec, Security
from actors.plugins import scheduler_configuration
from loadtest.campaign import Campaign
from loadtest.faults import (
    DISCONNECT,
    Kill,
    Slowing,
    check_between,
    compile_kills,
    compile_slow,
    describe_network,
    describe_slow,
)
from loadtest.fields import SECOND_NS, CampaignError, load_yaml
from loadtest.interruptions import (
    Interruption,
    compile_interruptions,
    describe_interruptions,
)
from loadtest.loads import PodLoad
from loadtest.schedule import Arrival, compile_schedule, namespace_of
from loadtest.target import Target
from loadtest.trace import TracePod
from loadtest.trace_file import read_nodes, read_trace

NO_SCHEDULER_CONFIGURATION = json.dumps(
    {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
)
SCHEDULE_FILE = "schedule.jsonl.gz"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Compiled:
    """Everything a run needs; a function of the campaign file, its inputs and the seed."""

    campaign: Campaign
    arrivals: tuple[Arrival, ...]
    cluster: ClusterPlan
    """Without its run directory, which the run fills in."""
    nodes: int
    kills: tuple[Kill, ...] = ()
    slow: tuple[Slowing, ...] = ()
    interruptions: tuple[Interruption, ...] = ()
    target: Target | None = None
    """A cluster that is there already; ``cluster`` and ``nodes`` then mean nothing."""

    @property
    def duration_ns(self) -> int:
        return sum(phase.duration_ns for phase in self.campaign.phases)

    @property
    def namespaces(self) -> list[str]:
        """Those that the run makes before its load; that of a target comes with it."""
        count = 0 if self.target else self.campaign.namespaces
        return [namespace_of(index, count) for index in range(count)]


def compile_campaign(campaign: Campaign, directory: Path) -> Compiled:
    """Read the inputs, which lie relative to ``directory``. Errors: CampaignError."""
    traces: dict[tuple[str, tuple[tuple[str, str], ...]], list[TracePod]] = {}
    for index, phase in enumerate(campaign.phases):
        for position, load in enumerate(phase.load):
            if isinstance(load, PodLoad) and load.trace and load.trace_key not in traces:
                field = f"spec.phases[{index}].load[{position}].trace"
                read = partial(read_trace, adapter=dict(load.trace_columns))
                traces[load.trace_key] = _read(read, directory / load.trace, field)
    arrivals = tuple(compile_schedule(campaign, traces))
    plan, nodes = _cluster_plan(campaign, directory)
    programs = [part.name for part in parts_of(plan, Security("", "", ""))]
    duration_ns = sum(phase.duration_ns for phase in campaign.phases)
    kills = compile_kills(campaign.faults, programs, campaign.seed, duration_ns)
    slow = compile_slow(campaign.faults, programs, duration_ns)
    interruptions = compile_interruptions(campaign.faults, programs, duration_ns)
    if plan.node_transport == "https" and any(
        one.how == DISCONNECT and one.program.startswith("hollow-") for one in interruptions
    ):
        raise CampaignError(
            "spec.faults.disconnect: hollow nodes by HTTPS have no frames to cut; use "
            "nodeTransport: frames, or pause them"
        )
    check_between(campaign.faults.network, programs)
    if plan.store_engine != "own" and any(one.program.startswith("store-") for one in slow):
        raise CampaignError("spec.faults.slow: only a shard of our own can be slow, no etcd")
    return Compiled(campaign, arrivals, plan, nodes, kills, slow, interruptions)


def _read(read: Callable[[Path], T], path: Path, field: str) -> T:
    """The input that a field of the campaign names, which its errors then name too."""
    try:
        path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else error
        message = f"{field}: {str(path)[:80]}: cannot read it: {why}"
        raise CampaignError(f"{message}; the path is relative to the campaign file") from None
    try:
        return read(path)
    except CampaignError as error:
        raise CampaignError(f"{field}: {error}") from None


def _scheduler_configuration(directory: Path, name: str, percentage: int | None) -> str:
    """That of the file, with the campaign's own word on how many nodes are scored, for profiles
    that have none of theirs."""
    field, text = "spec.cluster.schedulerConfig", ""
    if name:
        text = _read(read_scheduler_configuration, directory / name, field)
    if percentage is None:
        return text
    doc = json.loads(text or NO_SCHEDULER_CONFIGURATION)
    return json.dumps(doc | {"percentageOfNodesToScore": percentage})


def read_scheduler_configuration(path: Path) -> str:
    """The file as JSON, checked. Errors: CampaignError that names the file and the field."""
    text = json.dumps(load_yaml(path))
    scheduler_configuration(text, str(path))
    return text


def _cluster_plan(campaign: Campaign, directory: Path) -> tuple[ClusterPlan, int]:
    knobs = campaign.cluster
    node_list = directory / knobs.node_list if knobs.node_list else None
    rows = len(_read(read_nodes, node_list, "spec.cluster.nodeList")) if node_list else 0
    nodes = knobs.nodes or rows
    generic = max(0, nodes - rows)
    plan = ClusterPlan(
        run_directory="",
        seed=campaign.seed,
        nodes=(NodeSpec(generic, capacity=knobs.node_capacity),) if generic else (),
        node_list_csv=str(node_list.resolve()) if node_list else "",
        node_list_rows_max=nodes if node_list and nodes < rows else 0,
        store_shards=knobs.store_shards,
        shard_by=knobs.shard_by,
        durability=knobs.durability,
        store_engine=knobs.store_engine,
        store_placement=knobs.store_placement,
        compaction_retention_s=knobs.compaction_retention_ns / SECOND_NS,
        watch_cache_index=knobs.watch_cache_index,
        encode_once=knobs.encode_once,
        consistent_lists=knobs.consistent_list_from_cache,
        scheduler_partitions=knobs.scheduler_partitions,
        api_servers=knobs.api_servers,
        controller_shards=knobs.controller_shards,
        hollow_actors=knobs.hollow_actors,
        machines=knobs.machines,
        https_port=knobs.https_port,
        lease_period_s=knobs.lease_period_ns / SECOND_NS,
        heartbeat=knobs.heartbeat,
        pod_delay_s=knobs.pod_delay_ns / SECOND_NS,
        node_transport=knobs.node_transport,
        controller_profile=knobs.controller_profile,
        schedulers=knobs.schedulers,
        queueing_hints=knobs.queueing_hints,
        gather_quorum_percent=knobs.gather_quorum_percent,
        scheduler_kernel=knobs.scheduler_kernel,
        scheduler_configuration=_scheduler_configuration(
            directory, knobs.scheduler_config, knobs.percentage_of_nodes_to_score
        ),
        network=campaign.faults.network,
        traced=bool(campaign.trace_share),
    )
    return plan, nodes


def schedule_bytes(arrivals: tuple[Arrival, ...]) -> bytes:
    """The schedule as JSON lines, one arrival a line."""
    lines = [json.dumps(arrival, separators=(",", ":")) for arrival in arrivals]
    return "\n".join(lines).encode() + b"\n" if lines else b""


def write_schedule(arrivals: tuple[Arrival, ...], directory: Path) -> None:
    """Into a run directory; the same bytes for the same arrivals."""
    (directory / SCHEDULE_FILE).write_bytes(gzip.compress(schedule_bytes(arrivals), mtime=0))


def parse_schedule(data: bytes) -> list[Arrival]:
    """The inverse of schedule_bytes."""
    out = []
    for line in data.splitlines():
        fields = json.loads(line)
        fields[7] = tuple((key, value) for key, value in fields[7])
        out.append(Arrival(*fields))
    return out


def peak_per_second(arrivals: tuple[Arrival, ...]) -> int:
    """Of open arrivals: a closed loop is as fast as its answers."""
    counts = Counter(a.at_ns // SECOND_NS for a in arrivals if not a.until_ns)
    return max(counts.values(), default=0)


def closed_loops(arrivals: tuple[Arrival, ...]) -> list[str]:
    """A line for each scenario of each phase that has closed loops."""
    users: dict[tuple[int, str], set[int]] = {}
    counts: Counter[tuple[int, str]] = Counter()
    for arrival in arrivals:
        if arrival.until_ns:
            place = arrival.phase, arrival.scenario
            users.setdefault(place, set()).add(arrival.group)
            counts[place] += 1
    return [
        f"{scenario} of phase {phase + 1}: {len(users[phase, scenario])} users, at most {count} "
        "requests"
        for (phase, scenario), count in sorted(counts.items())
    ]


def document(compiled: Compiled) -> dict[str, object]:
    """The compiled campaign as JSON data; holds no machine path."""
    campaign = compiled.campaign
    phases = []
    start_ns = 0
    for index, phase in enumerate(campaign.phases):
        mine = tuple(a for a in compiled.arrivals if a.phase == index)
        counts = Counter(f"{a.scenario}/{a.verb}" for a in mine)
        phases.append(
            {
                "name": phase.name,
                "start_s": start_ns / SECOND_NS,
                "duration_s": phase.duration_ns / SECOND_NS,
                "arrivals": dict(sorted(counts.items())),
                "peak_per_s": peak_per_second(mine),
            }
        )
        start_ns += phase.duration_ns
    return {
        "campaign": asdict(campaign),
        "nodes": compiled.nodes,
        "phases": phases,
        "kills": [asdict(kill) for kill in compiled.kills],
        "slow": [asdict(one) for one in compiled.slow],
        "interruptions": [asdict(one) for one in compiled.interruptions],
        "duration_s": compiled.duration_ns / SECOND_NS,
        "closed": closed_loops(compiled.arrivals),
        "arrivals_total": len(compiled.arrivals),
        "target": asdict(compiled.target) if compiled.target else None,
        "schedule_sha256": hashlib.sha256(schedule_bytes(compiled.arrivals)).hexdigest(),
    }


def describe(compiled: Compiled) -> str:
    """The compiled plan for people; the same text for the same campaign and seed."""
    campaign, doc = compiled.campaign, document(compiled)
    lines = [
        f"Campaign {campaign.name}, seed {campaign.seed}",
        *(_target_lines(compiled.target) if compiled.target else _cluster_lines(compiled)),
        f"Load     {campaign.generator.processes} generator process(es), at most "
        f"{campaign.generator.in_flight_max} requests in flight each"
        + ("" if compiled.target else f", {campaign.namespaces} namespaces"),
    ]
    for phase, counts in zip(campaign.phases, _phase_counts(compiled), strict=True):
        lines.append(f"Phase    {phase.name}: {phase.duration_ns / SECOND_NS:g} s")
        lines.extend(f"           {count:>7}  {what}" for what, count in counts)
    lines.append(
        f"Total    {len(compiled.arrivals)} arrivals in {compiled.duration_ns / SECOND_NS:g} s, "
        f"peak {peak_per_second(compiled.arrivals)}/s, "
        f"schedule sha256 {str(doc['schedule_sha256'])[:16]}"
    )
    lines += [f"Closed   {line}" for line in closed_loops(compiled.arrivals)]
    lines += [
        f"Kill     {kill.program} at {kill.at_ns / SECOND_NS:.3f} s" for kill in compiled.kills
    ]
    lines += [f"Slow     {line}" for line in describe_slow(compiled.slow)]
    lines += [f"Away     {line}" for line in describe_interruptions(compiled.interruptions)]
    if campaign.trace_share:
        lines.append(f"Traces   {campaign.trace_share:.4g} of the creates")
    network = describe_network(campaign.faults.network)
    lines += [f"Network  {network}"] if network else []
    lines.append(f"SLOs     {_slo_line(campaign)}")
    return "\n".join(lines)


def _cluster_lines(compiled: Compiled) -> list[str]:
    knobs = compiled.campaign.cluster
    source = f" (first from {knobs.node_list})" if knobs.node_list else ""
    return [
        f"Cluster  {compiled.nodes} nodes{source}",
        f"         {knobs.store_shards} store shards by {knobs.shard_by}"
        + (", each an etcd, " if knobs.store_engine == "etcd" else ", ")
        + ("in the API server's program, " if knobs.store_placement == "apiserver" else "")
        + f"durability {knobs.durability}, "
        + (f"{knobs.api_servers} API servers, " if knobs.api_servers > 1 else "")
        + f"{knobs.scheduler_partitions} scoring partitions, "
        f"{knobs.controller_shards} controller shards ({knobs.controller_profile}), "
        f"{knobs.hollow_actors} hollow-node actors"
        + (f" over {knobs.machines} machines or more" if knobs.machines > 1 else "")
        + ("" if knobs.heartbeats else ", heartbeats off"),
    ]


def _target_lines(target: Target) -> list[str]:
    nodes = "nodes unknown" if target.nodes is None else f"{target.nodes} nodes"
    writes = (
        f"writes in namespace {target.namespace}, which the run makes and removes"
        if target.namespace
        else f"reads only; {target.left_out} arrivals of the campaign are not sent"
    )
    return [
        f"Target   {target.server}, {target.version or 'version unknown'}, {nodes}",
        f"         {writes}",
    ]


def _phase_counts(compiled: Compiled) -> list[list[tuple[str, int]]]:
    out = []
    for index in range(len(compiled.campaign.phases)):
        counts = Counter(
            f"{a.verb} {a.resource}" + ("" if a.name or a.namespace else " (all namespaces)")
            for a in compiled.arrivals
            if a.phase == index
        )
        out.append(sorted(counts.items()))
    return out


def _slo_line(campaign: Campaign) -> str:
    slos = campaign.slos
    thresholds = {
        "mutating p99": slos.mutating_ns,
        "get p99": slos.get_ns,
        "list p99": slos.list_ns,
        "pod start p99": slos.pod_start_ns,
        "watch delivery p99": slos.watch_delivery_ns,
    }
    parts = [f"{name} <= {ns / SECOND_NS:g} s" for name, ns in thresholds.items() if ns]
    return ", ".join([*parts, f"errors <= {campaign.slos.errors_max:.2%}"])
