"""The directory of one run: what is in it, and how it is written and read.

    campaign.json      compiled campaign        samples-N.csv.gz   a line per request (recorder)
    campaign.yaml      the file as given        generator-N.json   histograms, counters, CPU
    schedule.jsonl.gz  every arrival            pods.csv.gz        a line per pod (timeline)
    versions.json      Python, packages, commit series.csv         a line per second
    host.json          CPU, memory, kernel      processes.csv.gz   CPU and PSS per process
    state.json         how the run went         gauges.jsonl.gz    counters of each program
    nodes.csv          what each node has       allocation.csv     how full they were
    summary.json       SLIs and verdicts        junit.xml, report.html
    costs.json         service times, of a run in virtual time
    traces.jsonl       spans of sampled pods, OTLP JSON

summary.json, junit.xml, report.html and allocation.csv are made from the rest, and can be made
again.
"""

import csv
import gzip
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TextIO, cast

from actors.plan import ProcessSample

STATE_FILE = "state.json"
PROCESS_COLUMNS = ("t_s", "role", "pid", "cpu_s", "pss_bytes")
SERIES_COLUMNS = (
    "t_s",
    "nodes_ready",
    "pods_created",
    "pods_bound",
    "pods_running",
    "pods_deleted",
    "requests_sent",
    "requests_done",
    "in_flight",
    "overflow",
    "watch_events",
)


class BundleError(Exception):
    """A directory that is not a run; the text is one sentence for the user."""


@dataclass(slots=True)
class RunState:
    """How a run went, written at its end."""

    run_id: str
    started: str
    """UTC, RFC 3339."""
    outcome: str = "failed"
    """complete, interrupted or failed."""
    error: str = ""
    nodes_expected: int = 0
    nodes_ready: int = 0
    boot_s: float = 0.0
    """Start of the cluster to all nodes Ready."""
    load_start_wall_ns: int = 0
    load_s: float = 0.0
    """From the start of the load to its end or interruption."""
    cores_awaited: float | None = None
    """Share of the load in which something waited for a core of the driver's machine; None: the
    kernel does not say, or virtual time, where each program has its own."""
    settled: bool = False
    observer_gaps: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    """What programs of the cluster and generators reported as failures."""
    outages: list[dict[str, object]] = field(default_factory=list)
    """Each: program, died_ns and back_ns (wall clock; 0: did not come back), planned."""
    interruptions: list[dict[str, object]] = field(default_factory=list)
    """Each: program, how (loadtest.faults), since_ns and until_ns (wall clock): it was away by the
    campaign's word and came back as it was."""
    placement: list[str] = field(default_factory=list)
    """Of a cluster over several machines: what is where, and what became of them, in sentences."""
    audit: dict[str, object] = field(default_factory=dict)
    """Of acknowledged creates, after the cluster stopped; empty: not made. See loadtest.audit."""
    simulated: bool = False
    """In virtual time, with the service times of costs.json: all times but ``started`` and
    ``cpu_s`` are virtual."""
    profile: bool = False
    """The service times are not the simulator's own, but those of a profile that was given."""
    digest: str = ""
    steps: int = 0
    messages: int = 0
    cpu_s: float = 0.0
    """Of the process that simulated."""
    asked: dict[str, int] = field(default_factory=dict)
    """Requests that the simulated API server got, from components too, by "VERB RESOURCE"."""


def new_bundle(parent: Path, name: str) -> tuple[Path, str]:
    """A fresh directory NAME-UUID below ``parent``, and the UUID of the run."""
    run_id = str(uuid.uuid4())
    directory = parent / f"{name}-{run_id}"
    directory.mkdir(parents=True)
    return directory, run_id


def write_json(directory: Path, name: str, value: object) -> None:
    """Written beside and moved into place, so that a reader never sees half of it."""
    temporary = directory / f".{name}.tmp"
    temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    temporary.replace(directory / name)


def read_json(directory: Path, name: str) -> dict[str, object]:
    """Errors: BundleError."""
    try:
        value = json.loads((directory / name).read_text())
    except FileNotFoundError:
        raise BundleError(f"{directory}: not a run: {name} is missing") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{directory / name}: cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise BundleError(f"{directory / name}: is not an object")
    return value


def write_state(directory: Path, state: RunState) -> None:
    write_json(directory, STATE_FILE, asdict(state))


def read_state(directory: Path) -> RunState:
    if not directory.is_dir():
        raise BundleError(f"{directory}: no such run directory")
    try:
        return RunState(**read_json(directory, STATE_FILE))  # type: ignore[arg-type]
    except TypeError:
        raise BundleError(f"{directory / STATE_FILE}: not of this version") from None


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file; gzipped when its name ends in .gz."""
    with _open(path, "wt") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _open(path: Path, mode: Literal["rt", "wt"]) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, mode, newline="")
    return cast(TextIO, path.open(mode, newline=""))


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file; of a truncated gzip file, those before the cut; none if absent."""
    if not path.exists():
        return
    with _open(path, "rt") as file:
        try:
            for row in csv.DictReader(file):
                if None in row.values():
                    return
                yield row
        except EOFError:
            return


def numbered(directory: Path, pattern: str) -> list[Path]:
    """Files such as samples-0.csv.gz, samples-1.csv.gz in order of their number."""
    return sorted(
        directory.glob(pattern), key=lambda path: int(path.name.split("-")[1].split(".")[0])
    )


class ProcessLog:
    """CPU and memory of every process over the run, kept until written."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, str, int, float, int]] = []

    def add(self, t_s: float, samples: Iterable[ProcessSample]) -> None:
        for sample in samples:
            cpu_s = round(sample.cpu_s, 3)
            self._rows.append((round(t_s, 2), sample.role, sample.pid, cpu_s, sample.pss_bytes))

    def write(self, directory: Path) -> None:
        write_rows(directory / "processes.csv.gz", PROCESS_COLUMNS, self._rows)
