"""index.html of a sweep: a curve per metric with its interval, the knee marked, and the table."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from api.core import JsonObject
from loadtest.experiments.estimate import Interval
from loadtest.experiments.metrics import METRICS, Metric
from loadtest.experiments.sweep_run import arm_interval, arm_name, read_sweep
from loadtest.page import heading, page, section, table
from loadtest.plots import BLUE, GREEN, MUTED, ORANGE, PURPLE, RED, svg_of

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, "#0891b2", "#78350f", MUTED)
TABLED = ("mutating_p99_s", "list_p99_s", "pod_start_p99_s", "scheduling_p99_s", "bound_per_s")
"""Columns of the table of arms; arms.csv has all."""
LOG_SPAN = 16
"""An axis whose ends differ by this factor is logarithmic."""


def write_page(directory: Path) -> None:
    """From sweep.json. Errors: BundleError."""
    (directory / "index.html").write_text(page_html(read_sweep(directory)))


def page_html(found: JsonObject) -> str:
    mark = " (simulated)" if found["simulated"] else ""
    sections = [
        _top(found, mark),
        section(f"Curves{mark}", _curves(found)),
        section(f"Arms{mark}", _arms(found)),
        section("Runs", _runs(found)),
        section("Conditions", _conditions(found)),
        section("Campaign", _campaign(found)),
    ]
    return page(f"hollowfleet sweep: {found['name']}{mark}", sections)


def _top(found: JsonObject, mark: str) -> str:
    lines = [
        f"{name}: " + ", ".join(str(value) for value in values) for name, values in found["knobs"]
    ]
    missing = len(found["arms"]) * found["repetitions"] - len(found["runs"])
    if missing:
        lines.append(f"{missing} runs are missing: the same command goes on with them")
    word = "COMPLETE" if found["complete"] else "PARTIAL"
    last = found["seed"] + found["repetitions"] - 1
    meta = f"{found['repetitions']} repetitions, seeds {found['seed']} to {last}"
    return heading(word, f"{found['name']}{mark}", lines, meta)


def axis_of(found: JsonObject) -> tuple[str, list[object]]:
    """The knob along x: the numeric one with the most values, else the first."""
    numeric = [
        (name, values)
        for name, values in found["knobs"]
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    ]
    pool = numeric or [tuple(found["knobs"][0])]
    name, values = max(pool, key=lambda pair: len(pair[1]))
    return name, list(values)


def _series(found: JsonObject, axis: str) -> list[tuple[str, list[int]]]:
    """Arms by what else they have set: (label, arms in the order of the axis)."""
    groups: dict[str, list[int]] = {}
    for number, arm in enumerate(found["arms"]):
        label = ", ".join(f"{knob}={value}" for knob, value in arm.items() if knob != axis)
        groups.setdefault(label, []).append(number)
    return list(groups.items())


def _curves(found: JsonObject) -> str:
    axis, values = axis_of(found)
    out = []
    for metric in filter(lambda one: _tells(found, one), METRICS):

        def draw(axes: Any, metric: Metric = metric) -> bool:
            return _draw(axes, found, metric, axis)

        svg = svg_of(draw)
        if svg:
            out.append(
                f"<figure><figcaption><b>{escape(metric.title)}</b> by {escape(axis)}</figcaption>"
                f"{svg}</figure>"
            )
    if not out:
        return "<p>No run was valid.</p>"
    return (
        f'<div class="figures">{"".join(out)}</div><p class=note>Medians of the valid runs of an '
        "arm, with the 95 % bootstrap interval over repetitions as a band (one repetition has "
        "none). Dotted: the first value at which every valid run of some arm broke an SLO.</p>"
        if len(values) > 1
        else f'<div class="figures">{"".join(out)}</div>'
    )


def _tells(found: JsonObject, metric: Metric) -> bool:
    """Not 0 in every run."""
    return any(row["metrics"].get(metric.name) for row in found["runs"])


def _draw(axes: Any, found: JsonObject, metric: Metric, axis: str) -> bool:
    drawn: list[float] = []
    series = _series(found, axis)
    places = _places(found, axis)
    for index, (label, arms) in enumerate(series):
        points = [(places[arm], arm_interval(found, arm, metric.name)) for arm in arms]
        kept = [(x, interval) for x, interval in points if interval is not None]
        if not kept:
            continue
        drawn += _line(axes, kept, label, COLOURS[index % len(COLOURS)])
    if not drawn:
        return False
    _axes(axes, found, axis, drawn)
    knee = _knee(found, places)
    if knee is not None:
        axes.axvline(knee, color=RED, linestyle=":", linewidth=1.2)
    if len(series) > 1:
        axes.legend(loc="best", fontsize=7.5, handlelength=1.4)
    return True


def _line(
    axes: Any, points: Sequence[tuple[float, Interval]], label: str, colour: str
) -> list[float]:
    """Returns what the y axis must hold."""
    xs = [x for x, _ in points]
    ys = [interval.value for _, interval in points]
    axes.plot(xs, ys, color=colour, label=label, marker="o", markersize=3.5)
    banded = [(x, i.low, i.high) for x, i in points if np.isfinite(i.low)]
    if len(banded) > 1:
        at, low, high = zip(*banded, strict=True)
        axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    elif banded:
        axes.vlines(*banded[0], color=colour, alpha=0.4)
    return ys


def _axes(axes: Any, found: JsonObject, axis: str, ys: Sequence[float]) -> None:
    values = axis_of(found)[1]
    axes.set_xlabel(axis)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers = [float(value) for value in values]  # type: ignore[arg-type]
        if min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_SPAN:
            axes.set_xscale("log")
        axes.set_xticks(numbers, [f"{number:g}" for number in numbers], fontsize=8)
        axes.minorticks_off()
    else:
        axes.set_xticks(range(len(values)), [str(value) for value in values])
    if min(ys) > 0 and max(ys) / min(ys) >= LOG_SPAN:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)


def _places(found: JsonObject, axis: str) -> list[float]:
    """Of each arm along x; a knob without numbers stands at 0, 1, 2."""
    values = axis_of(found)[1]
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return [
        float(arm[axis]) if numeric else float(values.index(arm[axis])) for arm in found["arms"]
    ]


def _knee(found: JsonObject, places: Sequence[float]) -> float | None:
    """Where the first arm is of which every valid run broke an SLO."""
    broken = []
    for number, place in enumerate(places):
        runs = [r for r in found["runs"] if r["arm"] == number and r["stamp"] == "VALID"]
        if runs and all(run["broken"] for run in runs):
            broken.append(place)
    return min(broken, default=None)


def _arms(found: JsonObject) -> str:
    metrics = [metric for metric in METRICS if metric.name in TABLED and _tells(found, metric)]
    rows = []
    for number in range(len(found["arms"])):
        runs = [row for row in found["runs"] if row["arm"] == number]
        words = sorted({row["headline"] for row in runs})
        counts = ", ".join(
            f"{sum(row['headline'] == word for row in runs)} {word}" for word in words
        )
        cells = [interval_text(arm_interval(found, number, metric.name)) for metric in metrics]
        rows.append([escape(arm_name(found, number)), escape(counts), *cells])
    return table(["Arm", "Runs", *(escape(metric.title) for metric in metrics)], rows, left=2)


def interval_text(interval: Interval | None) -> str:
    """HTML: the median, and the interval below it."""
    if interval is None:
        return "–"
    text = f"{interval.value:.3g}"
    if interval.count < 2:
        return text
    return f"{text}<br><small>{interval.low:.3g} – {interval.high:.3g}</small>"


def _runs(found: JsonObject) -> str:
    rows = [
        [
            escape(arm_name(found, row["arm"])),
            escape(row["headline"]),
            escape("; ".join([*row["broken"], *row["reasons"]]) or row["error"]),
            f"<code>trials/{escape(row['trial'])}</code>",
            str(row["seed"]),
        ]
        for row in found["runs"]
    ]
    return table(["Arm", "Result", "Why", "Bundle", "Seed"], rows, left=4)


def _campaign(found: JsonObject) -> str:
    """As it was read; what an arm changes of it stands above."""
    return f"<pre>{escape(yaml.safe_dump(found['campaign'], sort_keys=False))}</pre>"


def _conditions(found: JsonObject) -> str:
    host, software = found["host"], found["versions"]
    what = "Simulated on" if found["simulated"] else "Hardware"
    facts = {
        what: f"{host['cpu_model']}, {host['cores']} cores, {host['memory_bytes'] / 2**30:.1f} GiB",
        "Software": f"Python {software['python']}",
        "Commit": (str(software["commit"]) or "not a git checkout")
        + (", with local changes" if software["modified"] else ""),
        "Data": "sweep.csv.gz (a line per run), arms.csv (medians and intervals), sweep.json",
    }
    rows = [[escape(key), escape(value)] for key, value in facts.items()]
    return table(["", ""], rows, left=2).replace("<table>", '<table class="facts">')
