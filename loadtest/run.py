"""One run of a campaign: boot the cluster, wait for its nodes, load it, let it settle, stop it.

Whatever happens, what was recorded is kept, and no process is left.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from actors.blueprint import API_SERVER
from actors.cluster import ClusterHandle
from actors.disk import DirectoryError
from actors.hollow import all_shapes
from actors.outages import gone, outages_of, stranded
from actors.plan import SPANS, ClusterPlan
from actors.ray.cluster import ClusterError
from loadtest.absences import SAID
from loadtest.allocation import write_nodes
from loadtest.audit import audit
from loadtest.bodies import collection_path, namespace_body
from loadtest.bundle import RunState, write_json, write_rows, write_state
from loadtest.client import ApiClient, Endpoint, ServerUnreachable, create
from loadtest.compiled import Compiled, document, write_schedule
from loadtest.faults import Slowing
from loadtest.fields import SECOND_NS
from loadtest.fleet import GeneratorError, GeneratorFleet
from loadtest.host import cores_awaited_us, host_facts, versions
from loadtest.interruptions import Interruption
from loadtest.observer import Observer
from loadtest.otlp import read_spans, write_traces
from loadtest.progress import Display, Progress
from loadtest.saboteur import Deed, Saboteur
from loadtest.sampled import SPANS_GLOB
from loadtest.sampling import Sampler
from loadtest.signals import no_end_heard
from loadtest.timeline import POD_COLUMNS
from store.journal import JournalError

READY_STALL_S = 60.0
"""Give up waiting for nodes when none has become Ready for this long."""
START_LEAD_S = 0.3
"""Between the word to start and the start, so that all generators hear it in time."""
TICK_S = 1.0
PROGRAM_LOG = "programs.log"
"""Written by the cluster into its run directory, kept in the bundle."""


Starter = Callable[[ClusterPlan, Callable[[str], None]], ClusterHandle]


class RunError(Exception):
    """A run that cannot go on; the text is one sentence for the user."""


class CampaignRun:
    """One run, used once."""

    def __init__(
        self, compiled: Compiled, directory: Path, state: RunState, display: Display
    ) -> None:
        self.state = state
        self._compiled = compiled
        self._directory = directory
        self._display = display
        # Beside the bundle, not in the temporary directory: that may be memory, where an fsync
        # costs nothing.
        self._cluster = directory / "cluster"
        self._handle: ClusterHandle | None = None
        self._observer: Observer | None = None
        self._sampler: Sampler | None = None
        self._fleet: GeneratorFleet | None = None
        self._saboteur: Saboteur | None = None
        self._load_start_mono: float | None = None
        self._awaited_us: int | None = None
        """When the load began: see loadtest.host.cores_awaited_us."""
        state.nodes_expected = compiled.nodes

    def execute(self, start: Starter) -> RunState:
        """Run to the end, an error or ctrl-C; the state says which. Writes the bundle."""
        try:
            self._write_inputs()
            self._boot(start)
            self._load()
            self._settle()
            self.state.outcome = "complete"
        except KeyboardInterrupt:
            self.state.outcome = "interrupted"
            self._display.message("Interrupted: stopping, partial data is kept.")
        except (RunError, ClusterError, ServerUnreachable, GeneratorError) as error:
            self.state.error = str(error)
            # A start that was broken off by ctrl-C may find that it cannot clean up.
            if isinstance(error.__context__, KeyboardInterrupt):
                self.state.outcome = "interrupted"
        finally:
            self._finish()
        return self.state

    def _write_inputs(self) -> None:
        write_state(self._directory, self.state)
        write_json(self._directory, "campaign.json", document(self._compiled))
        write_schedule(self._compiled.arrivals, self._directory)
        write_nodes(self._directory, all_shapes(self._compiled.cluster))
        write_json(self._directory, "host.json", host_facts(self._directory))
        write_json(self._directory, "versions.json", versions())

    def _boot(self, start: Starter) -> None:
        began = time.monotonic()
        plan = replace(self._compiled.cluster, run_directory=str(self._cluster))
        self._handle = start(plan, self._display.message)
        handle = self._handle
        endpoint = Endpoint(handle.server, handle.ca_file, handle.token, handle.identity_file)
        self._observer = self._observer_of(endpoint)
        self._observer.start()
        self._sampler = Sampler(self._handle, self._observer, self._directory)
        # Generators import Locust meanwhile; they start only when told.
        # Their token lies with the cluster's secrets, which go however the run ends.
        private = Path(self._handle.ca_file).parent
        self._fleet = GeneratorFleet(
            self._compiled, endpoint, self._directory, private, self._handle.servers
        )
        self._wait_nodes(began)
        self.state.boot_s = round(time.monotonic() - began, 3)
        if not self._compiled.target:
            self._display.message(
                f"{self.state.nodes_ready} nodes Ready after {self.state.boot_s:.1f} s"
            )
        self._make_namespaces(endpoint)
        self._fleet.wait_ready()
        self._display.message(self._fleet.ceiling())

    def _observer_of(self, endpoint: Endpoint) -> Observer:
        """Of a target, only what the run itself makes is followed."""
        target = self._compiled.target
        if target is None:
            return Observer(endpoint)
        own = collection_path("pods", target.namespace) if target.namespace else ""
        return Observer(endpoint, own, with_nodes=False)

    def _wait_nodes(self, began: float) -> None:
        assert self._observer
        best, last_change = -1, time.monotonic()
        while True:
            ready = self._observer.nodes.ready
            self.state.nodes_ready = ready
            if ready >= self._compiled.nodes and self._observer.synced:
                return
            now = time.monotonic()
            if ready > best:
                best, last_change = ready, now
            elif self._observer.refused or now - last_change > READY_STALL_S:
                why = self._observer.problem
                raise RunError(
                    f"only {ready} of {self._compiled.nodes} nodes became Ready"
                    + (f" ({why})" if why else "")
                )
            pods = self._observer.pods
            self._display.show(
                Progress(
                    phase="boot",
                    elapsed_s=now - began,
                    total_s=0.0,
                    nodes_ready=ready,
                    nodes_expected=self._compiled.nodes,
                    created=pods.created,
                    bound=pods.bound,
                    running=pods.running,
                )
            )
            time.sleep(0.1)

    def _goal(self) -> tuple[float, int]:
        return self._compiled.duration_ns / SECOND_NS, self._compiled.nodes

    def _make_namespaces(self, endpoint: Endpoint) -> None:
        client = ApiClient(endpoint)
        try:
            for name in self._compiled.namespaces:
                create(client, collection_path("namespaces", ""), namespace_body(name))
        except RuntimeError as error:
            raise RunError(str(error)) from None
        finally:
            client.close()

    def _load(self) -> None:
        assert self._fleet and self._sampler
        self._sampler.sample_processes(0.0, self._fleet)
        start_ns = time.time_ns() + int(START_LEAD_S * SECOND_NS)
        self.state.load_start_wall_ns = start_ns
        self._load_start_mono = time.monotonic() + START_LEAD_S
        self._awaited_us = cores_awaited_us()
        self._fleet.go(start_ns)
        assert self._handle
        plan = self._compiled
        deeds: list[Deed] = [*plan.slow, *plan.interruptions, *plan.kills]
        self._saboteur = Saboteur(self._handle, deeds, self._display.message)
        self._saboteur.start(start_ns)
        while self._fleet.running:
            self._tick(self._phase_name())
            if failures := self._fleet.failures():
                raise RunError("; ".join(failures))
        if failures := self._fleet.failures():
            raise RunError("; ".join(failures))
        self._end_load()

    def _end_load(self) -> None:
        """Note how long it was, and whether the machine had cores for it."""
        self.state.load_s = round(self._elapsed_s(), 3)
        awaited_us = cores_awaited_us()
        if awaited_us is not None and self._awaited_us is not None and self.state.load_s > 0:
            share = (awaited_us - self._awaited_us) / 1e6 / self.state.load_s
            self.state.cores_awaited = round(min(1.0, share), 4)

    def _settle(self) -> None:
        assert self._observer
        deadline = time.monotonic() + self._compiled.campaign.settle_ns / SECOND_NS
        while True:
            self.state.settled = self._observer.pods.at_rest and self._all_back()
            if self.state.settled or time.monotonic() >= deadline:
                return
            self._tick("settle")

    def _all_back(self) -> bool:
        assert self._handle
        return all(outage.back_ns for outage in outages_of(self._handle.lives()))

    def _tick(self, phase: str) -> None:
        assert self._sampler and self._handle
        alone = self._compiled.cluster.store_placement == "own"
        keeps = "store-" if alone else API_SERVER
        if lost := [one for one in gone(self._handle.lives()) if one.startswith(keeps)]:
            raise RunError(f"{', '.join(lost)} is gone for good, and there is no other copy")
        if lost := [one for one in stranded(self._handle.lives()) if one.startswith(keeps)]:
            raise RunError(
                f"a machine with a shard was lost, and there is no other copy: {lost[0]}"
            )
        began = time.monotonic()
        progress = self._sampler.tick(self._elapsed_s(), self._fleet, phase, self._goal())
        self._display.show(progress)
        time.sleep(max(0.05, TICK_S - (time.monotonic() - began)))

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._load_start_mono if self._load_start_mono else 0.0

    def _phase_name(self) -> str:
        end_s = 0.0
        elapsed_s = self._elapsed_s()
        for phase in self._compiled.campaign.phases:
            end_s += phase.duration_ns / SECOND_NS
            if elapsed_s < end_s:
                return phase.name
        return "drain"

    def _finish(self) -> None:
        """Stop everything and write what there is. A second ctrl-C must not leave processes."""
        with ExitStack() as steps:
            # Each step is done even if another fails. The last one pushed goes first: the load
            # ends, then what was seen is kept, while who saw it still lives; then the cluster
            # goes, and only then the log that it wrote to its end; the state has the last word.
            steps.enter_context(no_end_heard())
            steps.callback(self._write_state)
            steps.callback(shutil.rmtree, self._cluster, ignore_errors=True)
            steps.callback(self._audit)
            steps.callback(self._keep_log)
            steps.callback(self._keep_traces)
            steps.callback(self._stop_cluster)
            steps.callback(self._keep_failures)
            steps.callback(self._keep_outages)
            steps.callback(self._keep_pods)
            if self._sampler:
                steps.callback(self._sampler.write)
            if self._fleet:
                steps.callback(self._fleet.stop)
            if not self.state.load_s and self._load_start_mono:
                self._end_load()

    def _keep_pods(self) -> None:
        if self._observer is None:
            return
        self.state.nodes_ready = self._observer.nodes.ready
        self.state.observer_gaps = self._observer.gaps
        self._observer.stop()
        rows = [times.row() for times in self._observer.pods.pods.values()]
        write_rows(self._directory / "pods.csv.gz", POD_COLUMNS, rows)

    def _stop_cluster(self) -> None:
        if self._handle is None:
            return
        self._display.message(
            "Leaving the cluster" if self._compiled.target else "Stopping the cluster"
        )
        try:
            self._handle.stop()
        except ClusterError as error:
            self.state.failures.append(str(error))
        self.state.placement = list(self._handle.placement)

    def _keep_failures(self) -> None:
        if self._handle:
            self.state.failures += self._handle.failures()

    def _keep_outages(self) -> None:
        if self._handle is None:
            return
        killed: list[int] = []
        if self._saboteur:
            self._saboteur.stop()
            killed = self._saboteur.killed
            self.state.failures += [
                f"{deed.program} could not be {_done_to(deed)}: it did not run"
                for deed in self._saboteur.missed
                if isinstance(deed, Interruption) or deed.per_operation_ns
            ]
            self.state.interruptions = [asdict(away) for away in self._saboteur.away]
        for outage in outages_of(self._handle.lives()):
            row = asdict(outage)
            row["planned"] = all(pid in killed for pid in row.pop("pids"))
            self.state.outages.append(row)

    def _audit(self) -> None:
        """Only after a death: reading a long log takes its time."""
        plan = self._compiled.cluster
        places = [self._cluster / f"store-{shard}" for shard in range(plan.store_shards)]
        if self.state.placement and not all(place.is_dir() for place in places):
            return  # Of other machines; one was lost, or has more than it may bring.
        if not self.state.outages or plan.durability == "none" or plan.store_engine != "own":
            return
        try:
            found = audit(self._directory, self._cluster, plan.store_shards)
        except (DirectoryError, JournalError) as error:
            self.state.failures.append(f"the log of a store shard cannot be read: {error}")
        else:
            self.state.audit = asdict(found)

    def _keep_traces(self) -> None:
        """After the programs have ended and written what they had."""
        found = sorted((self._cluster / SPANS).glob("*.jsonl"))
        spans = {path.stem: read_spans(path) for path in found}
        if self._observer is not None:
            spans["driver"] = self._observer.pods.spans()
        for path in sorted(self._directory.glob(SPANS_GLOB)):
            spans[f"generator-{path.stem.partition('-')[2]}"] = read_spans(path)
            path.unlink()
        write_traces(self._directory, spans)

    def _keep_log(self) -> None:
        log = self._cluster / PROGRAM_LOG
        if log.exists():
            shutil.copy(log, self._directory / PROGRAM_LOG)
        self.state.error = self.state.error.replace(str(log), PROGRAM_LOG)

    def _write_state(self) -> None:
        write_state(self._directory, self.state)


def _done_to(deed: Slowing | Interruption) -> str:
    return SAID[deed.how] if isinstance(deed, Interruption) else "made slow"
