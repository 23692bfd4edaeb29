"""A sweep carried out: its trials, then its directory.

OUT/trials/KEY/            the bundle of each run; `hollowfleet report` makes its page
OUT/sweep-NAME-HASH/       sweep.json      what was varied, where each run lies, software
                           sweep.csv.gz    a line per run
                           arms.csv        a line per arm and metric: median and interval
                           index.html      curves
"""

from collections.abc import Callable
from pathlib import Path

from api.core import JsonObject
from api.streams import Stream
from loadtest.bundle import read_json, write_json, write_rows
from loadtest.experiments.estimate import Interval, median_interval
from loadtest.experiments.metrics import broken_slos, metrics_of
from loadtest.experiments.runner import Runner, line_of
from loadtest.experiments.sweep import Sweep
from loadtest.experiments.trials import Finished, Knobs, knobs_text
from loadtest.host import host_facts, versions

SWEEP_FILE = "sweep.json"
TABLE_FILE = "sweep.csv.gz"
ARM_COLUMNS = ("time", "metric", "median", "low", "high", "repetitions")
DIGITS = 12
"""Of a figure in a table; behind them is what sums of floats leave."""


def execute(sweep: Sweep, out: Path, jobs: int, tell: Callable[[str], None]) -> Path:
    """Run what is not there yet; returns the sweep's directory. Ctrl-C: what there is is written,
    stamped incomplete, and KeyboardInterrupt goes on."""
    directory = out / f"sweep-{sweep.name}-{sweep.key()}"
    directory.mkdir(parents=True, exist_ok=True)
    runner = Runner(out, jobs)
    trials = sweep.trials()
    done: list[Finished] = []
    try:
        for finished in runner.run(trials):
            done.append(finished)
            tell(f"[{len(done)}/{len(trials)}]{line_of(finished)}")
    finally:
        write_sweep(sweep, done, directory)
    if runner.kept:
        tell(f"{runner.kept} of {len(trials)} runs were there already")
    return directory


def write_sweep(sweep: Sweep, done: list[Finished], directory: Path) -> None:
    """Everything but the page, which is made from it."""
    arms = sweep.arms
    rows = [_row(sweep, arms, finished) for finished in done]
    rows.sort(key=lambda row: (row["arm"], row["repetition"]))
    host, software = host_facts(directory), versions()
    write_json(
        directory,
        SWEEP_FILE,
        {
            "version": 1,
            "name": sweep.name,
            "seed": sweep.seed,
            "simulated": sweep.base.shell == "virtual",
            "knobs": [[name, list(values)] for name, values in sweep.knobs],
            "arms": [dict(arm) for arm in arms],
            "repetitions": sweep.repetitions,
            "complete": len(done) == len(arms) * sweep.repetitions
            and all(finished.outcome == "complete" for finished in done),
            "slos": sweep.base.document["spec"].get("slos") or {},
            "campaign": sweep.base.document,
            "runs": rows,
            "host": host,
            "versions": software,
        },
    )
    write_tables(directory)


def _row(sweep: Sweep, arms: list[Knobs], finished: Finished) -> JsonObject:
    summary = finished.summary
    return {
        "arm": arms.index(finished.trial.knobs),
        "repetition": finished.trial.repetition,
        "seed": sweep.seed + finished.trial.repetition,
        "trial": finished.key,
        "outcome": finished.outcome,
        "stamp": str(summary.get("stamp", "NO DATA")),
        "headline": str(summary.get("headline", "NO DATA")),
        "broken": broken_slos(summary),
        "reasons": summary.get("reasons", []),
        "error": finished.error,
        "metrics": metrics_of(summary) if summary else {},
    }


def write_tables(directory: Path) -> None:
    """sweep.csv.gz and arms.csv, from sweep.json."""
    found = read_sweep(directory)
    knobs = [name for name, _ in found["knobs"]]
    names = sorted({name for row in found["runs"] for name in row["metrics"]})
    time = "virtual" if found["simulated"] else "real"
    head = ("arm", *knobs, "time", "repetition", "seed", "trial", "outcome", "stamp", "headline")
    lines: list[tuple[object, ...]] = []
    for row in found["runs"]:
        arm = found["arms"][row["arm"]]
        facts = [time, *(row[key] for key in head[len(knobs) + 2 :])]
        figures = [_figure(row["metrics"].get(name)) for name in names]
        lines.append((row["arm"], *(arm[knob] for knob in knobs), *facts, *figures))
    write_rows(directory / TABLE_FILE, (*head, *names), lines)
    lines = []
    for number, arm in enumerate(found["arms"]):
        for name in names:
            interval = arm_interval(found, number, name)
            if interval:
                ends = map(_figure, (interval.value, interval.low, interval.high))
                facts = [*(arm[knob] for knob in knobs), time, name]
                lines.append((number, *facts, *ends, interval.count))
    write_rows(directory / "arms.csv", ("arm", *knobs, *ARM_COLUMNS), lines)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}g}"


def read_sweep(directory: Path) -> JsonObject:
    """sweep.json. Errors: BundleError."""
    return read_json(directory, SWEEP_FILE)


def arm_values(found: JsonObject, arm: int, metric: str) -> list[float]:
    """Of the valid runs of an arm, by repetition."""
    return [
        row["metrics"][metric]
        for row in found["runs"]
        if row["arm"] == arm
        and row["outcome"] == "complete"
        and row["stamp"] == "VALID"
        and metric in row["metrics"]
    ]


def arm_interval(found: JsonObject, arm: int, metric: str) -> Interval | None:
    """Median and interval; None without a valid run that has the metric."""
    values = arm_values(found, arm, metric)
    if not values:
        return None
    return median_interval(values, Stream(found["seed"], f"sweep/bootstrap/{arm}/{metric}"))


def arm_name(found: JsonObject, arm: int) -> str:
    return knobs_text(tuple(found["arms"][arm].items()))
