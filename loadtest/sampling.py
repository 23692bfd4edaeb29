"""What the driver writes down each second of a run: series, processes, gauges."""

import gzip
import json
import os
import time
from pathlib import Path

from actors.cluster import ClusterHandle
from actors.plan import ProcessSample
from actors.processes import cpu_seconds, pss_bytes
from loadtest.bundle import SERIES_COLUMNS, ProcessLog, write_rows
from loadtest.components import queue_now
from loadtest.fleet import GeneratorFleet
from loadtest.observer import Observer
from loadtest.progress import ComponentNow, Progress

PROCESS_PERIOD_S = 2.0


class Sampler:
    """Call ``tick`` about once a second; ``write`` at the end."""

    def __init__(self, handle: ClusterHandle, observer: Observer, directory: Path) -> None:
        self._handle = handle
        self._observer = observer
        self._directory = directory
        self._series: list[tuple[float, ...]] = []
        self._processes = ProcessLog()
        self._next_processes_s = float("-inf")
        self._gauges: list[str] = []
        self._components: list[ComponentNow] = []
        self._sampled_s = time.monotonic()
        self._last: tuple[float, int, int, int] = (0.0, 0, 0, 0)

    def tick(
        self, t_s: float, fleet: GeneratorFleet | None, phase: str, goal: tuple[float, int]
    ) -> Progress:
        """Sample everything. ``t_s``: seconds since the start of the load.
        ``goal``: length of the load in s and number of nodes expected."""
        pods, nodes = self._observer.pods, self._observer.nodes
        totals = fleet.totals() if fleet else {}
        sent, done = totals.get("sent", 0.0), totals.get("done", 0.0)
        in_flight, overflow = totals.get("in_flight", 0.0), totals.get("overflow", 0.0)
        self._series.append(
            (
                round(t_s, 3),
                nodes.ready,
                pods.created,
                pods.bound,
                pods.running,
                pods.deleted,
                sent,
                done,
                in_flight,
                overflow,
                totals.get("watch_events", 0.0),
            )
        )
        if t_s >= self._next_processes_s:
            self._next_processes_s = t_s + PROCESS_PERIOD_S
            self.sample_processes(t_s, fleet)
        rates = self._rates(t_s)
        return Progress(
            phase=phase,
            elapsed_s=max(0.0, t_s),
            total_s=goal[0],
            nodes_ready=nodes.ready,
            nodes_expected=goal[1],
            created=pods.created,
            bound=pods.bound,
            running=pods.running,
            created_per_s=rates[0],
            bound_per_s=rates[1],
            running_per_s=rates[2],
            requests_done=int(done),
            in_flight=int(in_flight),
            overflow=int(overflow),
            load=totals,
            components=self._components,
        )

    def sample_processes(self, t_s: float, fleet: GeneratorFleet | None) -> None:
        samples = list(self._handle.samples())
        own = [("driver", os.getpid())]
        own += [(f"generator-{i}", pid) for i, pid in enumerate(fleet.pids if fleet else [])]
        for role, pid in own:
            try:
                samples.append(ProcessSample(role, pid, cpu_seconds(pid), pss_bytes(pid)))
            except (FileNotFoundError, ProcessLookupError):
                continue
        self._processes.add(t_s, samples)
        gauges = self._handle.gauges()
        self._components = self._now(samples, gauges)
        row = {"t_s": round(t_s, 3), "wall_ns": time.time_ns(), "gauges": gauges}
        self._gauges.append(json.dumps(row))

    def _now(
        self, samples: list[ProcessSample], gauges: dict[str, dict[str, float]]
    ) -> list[ComponentNow]:
        """Processes of one role together."""
        now_s = time.monotonic()
        gap_s = max(0.2, now_s - self._sampled_s)
        self._sampled_s = now_s
        before = {one.name: one.cpu_s for one in self._components}
        cpu_s: dict[str, float] = {}
        pss: dict[str, int] = {}
        for sample in samples:
            cpu_s[sample.role] = cpu_s.get(sample.role, 0.0) + sample.cpu_s
            pss[sample.role] = pss.get(sample.role, 0) + sample.pss_bytes
        return [
            ComponentNow(
                name=role,
                cpu_s=used,
                pss_bytes=pss[role],
                cores=max(0.0, used - before.get(role, used)) / gap_s,
                queue=queue_now(role, gauges.get(role, {})),
                gauges=gauges.get(role, {}),
            )
            for role, used in cpu_s.items()
        ]

    def _rates(self, t_s: float) -> tuple[float, float, float]:
        pods = self._observer.pods
        before, now = self._last, (t_s, pods.created, pods.bound, pods.running)
        self._last = now
        gap_s = max(0.2, now[0] - before[0])
        return (
            (now[1] - before[1]) / gap_s,
            (now[2] - before[2]) / gap_s,
            (now[3] - before[3]) / gap_s,
        )

    def write(self) -> None:
        with gzip.open(self._directory / "gauges.jsonl.gz", "wt") as file:
            file.writelines(line + "\n" for line in self._gauges)
        write_rows(self._directory / "series.csv", SERIES_COLUMNS, self._series)
        self._processes.write(self._directory)
