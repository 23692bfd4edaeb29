"""A campaign in virtual time, from the compiled plan to the files of its bundle.

The files are those of a real run. Every time in them is virtual, and the "CPU seconds" of
processes.csv.gz are service times by the cost profile of the simulation (sim/cost.py).
"""

import gc
import gzip
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import TextIO

from actors.clock import settle_gc
from actors.hollow import all_shapes
from actors.plan import SOUND_NETWORK, ProcessSample
from actors.plugins import scheduler_configuration
from api.calls import MERGE_PATCH, WATCH_EVENT_NAMES
from api.core import JsonObject
from loadtest.allocation import write_nodes
from loadtest.bodies import deployment_body, namespace_body, pod_body
from loadtest.bundle import (
    SERIES_COLUMNS,
    ProcessLog,
    RunState,
    write_json,
    write_rows,
    write_state,
)
from loadtest.campaign import Campaign
from loadtest.compiled import Compiled, document, write_schedule
from loadtest.fields import SECOND_NS, CampaignError
from loadtest.host import host_facts, versions
from loadtest.interruptions import spans
from loadtest.loads import WatchLoad
from loadtest.progress import Display
from loadtest.recorder import Recorder
from loadtest.schedule import Arrival, open_and_closed
from loadtest.timeline import POD_COLUMNS, NodeTimeline, PodTimeline
from loadtest.virtual_progress import VirtualProgress
from sim.campaign.clients import Scheduled
from sim.campaign.costs import DEFAULT, CostProfile
from sim.campaign.plan import VirtualPlan
from sim.campaign.run import VirtualError, VirtualRun
from sim.topics import Violation

SAMPLES = 500
"""Rows of the series of a long campaign; a short one has one a second."""
MS_NS = 1_000_000
AWAY_NS_MAX = 30 * SECOND_NS
"""A real API server gives up a call to a shard then: CALL_TIMEOUT_S of actors.net.client."""
GC_THRESHOLDS = (200_000, 50, 100)
"""One process holds the caches of all programs, and cores leave no cycles behind."""


def check_virtual_time(campaign: Campaign, source: str) -> None:
    """Refuse what only a real cluster can do. Errors: CampaignError."""
    cluster, faults = campaign.cluster, campaign.faults
    for one in (*faults.pause, *faults.disconnect):
        if one.for_ns > AWAY_NS_MAX:
            raise CampaignError(
                f"{source}: spec.faults.{one.how}: {one.component} is away for more than "
                f"{AWAY_NS_MAX // SECOND_NS} s, and in virtual time no call ends for want of an "
                "answer: use `hollowfleet run`, or a shorter one"
            )
    for field, real in (
        ("cluster.nodeTransport: https", cluster.node_transport != "frames"),
        ("cluster.storeEngine: etcd", cluster.store_engine != "own"),
        ("cluster.storePlacement: apiserver", cluster.store_placement != "own"),
        ("cluster.watchCacheIndex: hash", cluster.watch_cache_index != "btree"),
        ("cluster.schedulers above 1", cluster.schedulers > 1),
        ("tracing.sample above 0", bool(campaign.trace_share)),
        ("cluster.machines above 1", cluster.machines > 1),
        ("faults.kills", bool(faults.kills)),
        ("faults.network", faults.network != SOUND_NETWORK),
        ("phases.load.readRate", _slow_readers(campaign)),
    ):
        if real:
            raise CampaignError(
                f"{source}: spec.{field} needs real time: use `hollowfleet run`, or leave it out"
            )


def _slow_readers(campaign: Campaign) -> bool:
    loads = [load for phase in campaign.phases for load in phase.load]
    return any(isinstance(load, WatchLoad) and load.read_bytes_s for load in loads)


def check_scheduler(compiled: Compiled, source: str) -> None:
    """Nobody answers over HTTP in virtual time. Errors: CampaignError."""
    if scheduler_configuration(compiled.cluster.scheduler_configuration).extenders:
        raise CampaignError(
            f"{source}: spec.cluster.schedulerConfig: extenders need real time: use "
            "`hollowfleet run`, or leave them out"
        )


def virtual_plan(compiled: Compiled, costs: CostProfile = DEFAULT) -> VirtualPlan:
    knobs = compiled.campaign.cluster
    scheduler = scheduler_configuration(compiled.cluster.scheduler_configuration)
    return VirtualPlan(
        seed=compiled.campaign.seed,
        nodes=tuple(all_shapes(compiled.cluster)),
        store_shards=knobs.store_shards,
        shard_by=knobs.shard_by,
        durability=knobs.durability,
        retain_ns=knobs.compaction_retention_ns,
        partitions=knobs.scheduler_partitions,
        scheduler=replace(
            scheduler,
            queueing_hints=knobs.queueing_hints,
            gather_quorum_percent=knobs.gather_quorum_percent,
            kernel=knobs.scheduler_kernel,
        ),
        controller_shards=knobs.controller_shards,
        hollow_actors=knobs.hollow_actors,
        profile=knobs.controller_profile,
        lease_period_ns=knobs.lease_period_ns if knobs.heartbeats else 0,
        heartbeat=knobs.heartbeat,
        encode_once=knobs.encode_once,
        consistent_lists=knobs.consistent_list_from_cache,
        pod_delay_ms=knobs.pod_delay_ns // MS_NS,
        costs=costs,
        slow=tuple((one.at_ns, one.program, one.per_operation_ns) for one in compiled.slow),
        api_servers=knobs.api_servers,
        away=tuple(
            (one.at_ns, one.program, one.how, end_ns)
            for one, end_ns in spans(compiled.interruptions)
        ),
    )


def scheduled(arrival: Arrival) -> Scheduled:
    """The words of a request, as the Locust users have them."""
    value, resource = dict(arrival.value), arrival.resource
    namespace, name = arrival.namespace, arrival.name
    if arrival.verb == "watch":
        hold_ns = max(1, int(value["milliseconds"])) * MS_NS
        return Scheduled(arrival.at_ns, (resource, namespace, "", "", 0), hold_ns)
    subresource, query, body, content_type = "", "", b"", ""
    verb = arrival.verb
    match verb:
        case "create":
            make = pod_body if resource == "pods" else deployment_body
            name, body = "", make(arrival).encode()
        case "scale":
            verb, subresource, content_type = "patch", "scale", MERGE_PATCH
            body = json.dumps({"spec": {"replicas": value["replicas"]}}).encode()
        case "delete":
            query = "" if resource == "pods" else "propagationPolicy=Background"
        case "list":
            query = f"limit={value['limit']}"
        case _:
            assert verb == "get", arrival
    words = (verb, resource, namespace, name, subresource, query, body, content_type, False)
    return Scheduled(arrival.at_ns, words)


def scheduled_all(arrivals: Sequence[Arrival], servers: int, processes: int) -> list[Scheduled]:
    """The requests of a schedule, each for one of so many API servers by the rule of real
    generators; those of a user of a closed loop lead from one to the next."""
    out = [
        scheduled(arrival)._replace(server=arrival.group // processes % servers)
        for arrival in arrivals
    ]
    for places in open_and_closed(arrivals)[1].values():
        for place, then in zip_longest(places, islice(places, 1, None), fillvalue=-1):
            out[place] = out[place]._replace(then=then, until_ns=arrivals[place].until_ns)
    return out


class Witness:
    """Keeps what a run is remembered by: see sim.campaign.run.Witness."""

    def __init__(self, arrivals: Sequence[Arrival], recorder: Recorder) -> None:
        self.pods = PodTimeline()
        self.nodes = NodeTimeline()
        self.recorder = recorder
        self.series: list[tuple[float, ...]] = []
        self.processes = ProcessLog()
        self.gauges: list[str] = []
        self.run: VirtualRun | None = None
        self.progress: VirtualProgress | None = None
        self._arrivals = arrivals

    @property
    def nodes_ready(self) -> int:
        return self.nodes.ready

    @property
    def at_rest(self) -> bool:
        return self.pods.at_rest

    def see(self, resource: str, kind: int, item: JsonObject, now_ns: int) -> None:
        if resource == "pods":
            self.pods.see(WATCH_EVENT_NAMES[kind], item, now_ns)
        else:
            self.nodes.see(WATCH_EVENT_NAMES[kind], item)

    def answered(self, number: int, latency_ns: int, code: int, size: int) -> None:
        assert self.run is not None
        arrival, latency_us = self._arrivals[number], latency_ns // 1000
        row = (latency_us, latency_us, size, self.run.now_ns)
        closed = bool(arrival.until_ns)
        if closed:
            sent_ns = self.run.now_ns - latency_ns - self.run.load_start_ns
            arrival = arrival._replace(at_ns=sent_ns)
        self.recorder.counts["sent"] += 1
        self.recorder.record(self.recorder.sample(arrival, code, 0, row), closed)

    def left_out(self, number: int) -> None:
        arrival = self._arrivals[number]
        self.recorder.overflow(arrival, arrival.at_ns // 1000)

    def unreached(self, number: int) -> None:
        self.recorder.counts["unreached"] += 1

    def watched(self, events: int) -> None:
        self.recorder.counts["watch_events"] += events

    def tick(self, now_ns: int) -> None:
        assert self.run is not None
        t_s = (now_ns - self.run.load_start_ns) / SECOND_NS
        counts, pods = self.recorder.counts, self.pods
        if self.progress is not None:
            self.progress.tick(t_s, pods.created, pods.bound)
        in_flight = self.run.generator.in_flight
        self.series.append(
            (
                round(t_s, 3),
                self.nodes.ready,
                pods.created,
                pods.bound,
                pods.running,
                pods.deleted,
                counts["sent"] + in_flight,
                counts["done"],
                in_flight,
                counts["overflow"],
                counts["watch_events"],
            )
        )
        busy = self.run.cluster.busy_ns()
        rows = [ProcessSample(role, 0, ns / SECOND_NS, 0) for role, ns in busy.items()]
        self.processes.add(t_s, rows)
        gauges = self.run.cluster.gauges()
        for program, waiting in self.run.meter.take().items():
            gauges[program] = gauges.get(program, {}) | waiting
        row = {"t_s": round(t_s, 3), "wall_ns": now_ns, "gauges": gauges}
        self.gauges.append(json.dumps(row))


def _settle_gc() -> None:
    """As ``settle_gc``, with collections as rare as one process of all programs can bear."""
    settle_gc()
    gc.set_threshold(*GC_THRESHOLDS)


class VirtualCampaign:
    """One campaign, used once."""

    def __init__(
        self,
        compiled: Compiled,
        directory: Path,
        state: RunState,
        display: Display,
        costs: CostProfile = DEFAULT,
    ) -> None:
        self.state = state
        self._costs = costs
        self._compiled = compiled
        self._directory = directory
        self._display = display
        self._witness = Witness(compiled.arrivals, Recorder(directory / "samples-0.csv.gz"))
        self._run: VirtualRun | None = None
        state.simulated = True
        state.profile = costs != DEFAULT
        state.nodes_expected = compiled.nodes

    def show_progress(self, stream: TextIO) -> None:
        """From now on, a line on ``stream`` now and then."""
        length_s = self._compiled.duration_ns / SECOND_NS
        self._witness.progress = VirtualProgress(stream, length_s)

    def execute(self) -> RunState:
        """To the end, an error or ctrl-C; the state says which. Writes the bundle."""
        self._write_inputs()
        begin_s = time.process_time()
        try:
            self._simulate()
            self.state.outcome = "complete"
        except KeyboardInterrupt:
            self.state.outcome = "interrupted"
        except (VirtualError, Violation) as error:
            self.state.error = str(error)
        finally:
            self.state.cpu_s = round(time.process_time() - begin_s, 3)
            self._write()
        return self.state

    def _write_inputs(self) -> None:
        write_state(self._directory, self.state)
        write_json(self._directory, "campaign.json", document(self._compiled))
        write_schedule(self._compiled.arrivals, self._directory)
        write_nodes(self._directory, all_shapes(self._compiled.cluster))
        write_json(self._directory, "costs.json", asdict(self._costs))
        write_json(self._directory, "host.json", host_facts(self._directory))
        write_json(self._directory, "versions.json", versions())

    def _simulate(self) -> None:
        campaign, witness, state = self._compiled.campaign, self._witness, self.state
        schedule = scheduled_all(
            self._compiled.arrivals, campaign.cluster.api_servers, campaign.generator.processes
        )
        run = VirtualRun(virtual_plan(self._compiled, self._costs), schedule, witness)
        self._run = witness.run = run
        run.generator.in_flight_max = campaign.generator.in_flight_max
        began_ns = run.now_ns
        _settle_gc()
        run.boot([namespace_body(name).encode() for name in self._compiled.namespaces])
        _settle_gc()
        state.boot_s = round((run.now_ns - began_ns) / SECOND_NS, 3)
        self._display.message(
            f"{witness.nodes_ready} nodes Ready after {state.boot_s:.1f} virtual seconds"
        )
        length_ns = self._compiled.duration_ns
        run.load(length_ns, max(SECOND_NS, length_ns // SAMPLES))
        self._keep_times(run)
        state.settled = run.settle(campaign.settle_ns)

    def _keep_times(self, run: VirtualRun) -> None:
        self.state.load_start_wall_ns = run.load_start_ns
        self.state.load_s = round(max(0, run.now_ns - run.load_start_ns) / SECOND_NS, 3)

    def _away(self, run: VirtualRun) -> list[dict[str, object]]:
        """As a real run tells it, of what has begun."""
        start_ns = run.load_start_ns
        return [
            {
                "program": program,
                "how": how,
                "since_ns": start_ns + since_ns,
                "until_ns": min(start_ns + end_ns, run.now_ns),
            }
            for since_ns, program, how, end_ns in run.plan.away
            if start_ns and start_ns + since_ns < run.now_ns
        ]

    def _write(self) -> None:
        state, witness, directory = self.state, self._witness, self._directory
        run = self._run
        if run is not None:
            if not state.load_s and run.load_start_ns:
                self._keep_times(run)
            state.digest = run.digest
            state.interruptions = self._away(run)
            for (verb, resource, part), count in sorted(run.cluster.asked().items()):
                state.asked[f"{verb} {resource}" + (f"/{part}" if part else "")] = count
            state.steps, state.messages = run.kernel.steps, run.kernel.messages
        state.nodes_ready = witness.nodes_ready
        recorder = witness.recorder
        recorder.close()
        counts = Counter(recorder.counts)
        result = recorder.result()
        result["scheduled"] = len(self._compiled.arrivals)
        result["interrupted"] = state.outcome == "interrupted"
        result["start_wall_ns"] = state.load_start_wall_ns
        result["series"] = [{"t_s": state.load_s, "cpu_s": 0.0, "done": counts["done"]}]
        write_json(directory, "generator-0.json", result)
        rows = [times.row() for times in witness.pods.pods.values()]
        write_rows(directory / "pods.csv.gz", POD_COLUMNS, rows)
        write_rows(directory / "series.csv", SERIES_COLUMNS, witness.series)
        witness.processes.write(directory)
        with gzip.open(directory / "gauges.jsonl.gz", "wt") as file:
            file.writelines(line + "\n" for line in witness.gauges)
        write_state(directory, state)
