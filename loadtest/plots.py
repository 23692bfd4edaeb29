"""The figures of a report, as inline SVG. One function a figure; no state of pyplot is used."""

import io
from collections.abc import Callable
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from api.core import JsonObject
from loadtest.measure import Floats, RoleUsage, per_second
from loadtest.recorder import NOT_SENT
from loadtest.summary import Summary

BLUE, ORANGE, GREEN, RED, PURPLE = "#2563eb", "#ea8a0a", "#0f9d6b", "#dc2626", "#7c3aed"
INK, MUTED, GRID = "#1f2937", "#6b7280", "#e5e7eb"
ROLE_COLOURS = {
    "store": "#1d4ed8",
    "apiserver": "#0891b2",
    "scheduler": "#7c3aed",
    "partition": "#a78bfa",
    "controllers": "#ea8a0a",
    "hollow": "#0f9d6b",
    "generator": "#dc2626",
    "driver": "#9ca3af",
    "ray": "#d1d5db",
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hollowfleet",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.borderpad": 0.2,
    "lines.linewidth": 1.6,
}
SIZE_IN = (5.6, 2.9)
BINS_MAX = 600
"""Points of a line over time."""
TIME_UNITS = ((86_400, "days"), (3_600, "hours"), (1, "seconds"))
Axes = Any


def figures(summary: Summary) -> list[tuple[str, str, str]]:
    """(title, caption, SVG) of each figure that has data."""
    plans: list[tuple[str, str, Callable[[Axes, Summary], bool]]] = [
        (
            "Offered and achieved load",
            "Requests per second: scheduled, answered, and without a good answer.",
            _rates,
        ),
        (
            "Request latency",
            "All requests but watches, over the run, from the intended start.",
            _latency,
        ),
        ("Pods", "Cumulative count of pods, as seen by a watch.", _pods_total),
        ("Pods per second", "Rate at which pods were created, bound and Running.", _pods_rate),
        ("CPU by component", "Cores in use, stacked; Ray's own processes apart.", _cpu),
        ("Memory by component", "Proportional set size, stacked.", _memory),
        ("Utilisation", "Requests of the bound pods, of what the nodes have.", _shares),
        (
            "GPU fragmentation",
            "GPUs not allocated, and what of them is fragmented.",
            _fragmentation,
        ),
        (
            "From created to Running",
            "Share of pods that were bound and Running within a time; watch delivery beside. "
            "What took less than 0.1 ms stands there.",
            _distribution,
        ),
        ("Latency spectrum", "Latency by percentile and kind of request.", _spectrum),
    ]
    out = []
    for title, caption, draw in plans:
        svg = svg_of(lambda axes, draw=draw: draw(axes, summary))  # type: ignore[misc]
        if svg:
            out.append((title, caption, svg))
    return out


def svg_of(draw: Callable[[Axes], bool]) -> str:
    """What ``draw`` draws, as the text of an <svg>; empty where it says that it drew nothing."""
    with mpl.rc_context(cast("dict[Any, Any]", STYLE)):
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        axes = figure.add_subplot()
        if not draw(axes):
            return ""
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _phases(axes: Axes, summary: Summary) -> float:
    """Mark the phases and the outages; returns the end of the time axis."""
    phases = cast("list[JsonObject]", summary.campaign["phases"])
    end = max(float(cast(float, summary.campaign["duration_s"])), summary.state.load_s)
    for index, phase in enumerate(phases):
        start, stop = phase["start_s"], phase["start_s"] + phase["duration_s"]
        if index % 2:
            axes.axvspan(start, stop, color="#f3f4f6", zorder=0, linewidth=0)
        if phase["duration_s"] > 0.07 * end:
            axes.annotate(
                phase["name"],
                ((start + stop) / 2, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
                color=MUTED,
            )
    for absence in summary.outages:
        back_s = end if absence.away_s is None else absence.died_s + absence.away_s
        axes.axvspan(absence.died_s, back_s, color=RED, alpha=0.15, linewidth=0, zorder=0)
    axes.set_xlim(0, end)
    unit, word = next((unit, word) for unit, word in TIME_UNITS if end >= 3 * unit or unit == 1)
    axes.xaxis.set_major_locator(UnitLocator(unit))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit:g}"))
    axes.set_xlabel(f"{word} since the start of the load")
    return end


class UnitLocator(MaxNLocator):
    """Ticks at round numbers of a unit of time."""

    def __init__(self, unit: int) -> None:
        super().__init__(nbins=8, steps=[1, 2, 5, 10])
        self._unit = unit

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        ticks = super().tick_values(vmin / self._unit, vmax / self._unit)
        return [tick * self._unit for tick in ticks]


def _legend(axes: Axes, columns: int = 1) -> None:
    axes.legend(loc="best", fontsize=8.5, ncols=columns, handlelength=1.4)


def _step(axes: Axes, counts: Floats, label: str, colour: str) -> None:
    times, means = _coarse(counts)
    axes.plot(times, means, label=label, color=colour)


def _coarse(counts: Floats) -> tuple[Floats, Floats]:
    """Counts of seconds as the middles and means of at most BINS_MAX equal spans."""
    width = -(-len(counts) // BINS_MAX)
    padded = np.concatenate((counts, np.zeros(-len(counts) % width)))
    means: Floats = padded.reshape(-1, width).mean(axis=1)
    middles: Floats = (np.arange(len(means), dtype=np.float64) + 0.5) * width
    return middles, means


def _rates(axes: Axes, summary: Summary) -> bool:
    requests = summary.requests
    if not len(requests.code):
        return False
    end = _phases(axes, summary)
    axes.fill_between(
        *_coarse(summary.offered),
        color=BLUE,
        alpha=0.15,
        linewidth=0,
        label="offered",
    )
    answered = (requests.code > 0) & (requests.code < 400)
    _step(axes, per_second(requests.answered_s[answered], end), "answered", BLUE)
    if not answered.all():
        _step(axes, per_second(requests.answered_s[~answered], end), "refused or lost", RED)
    axes.set_ylabel("requests/s")
    axes.set_ylim(bottom=0)
    _legend(axes)
    return True


def _latency(axes: Axes, summary: Summary) -> bool:
    requests = summary.requests
    kept = (requests.code != NOT_SENT) & (requests.verb != "watch")
    if not kept.any():
        return False
    bin_s = float(-(-_phases(axes, summary) // BINS_MAX))
    bins = (requests.intended_s[kept] // bin_s).astype(np.int64)
    latency_ms = np.maximum(requests.latency_s[kept] * 1e3, 1e-3)
    edges = np.unique(bins)
    for percentile, colour in ((99, RED), (90, ORANGE), (50, BLUE)):
        values = [
            np.percentile(latency_ms[bins == one], percentile, method="inverted_cdf")
            for one in edges
        ]
        axes.plot((edges + 0.5) * bin_s, values, color=colour, label=f"p{percentile}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylabel("latency, ms")
    _legend(axes, columns=3)
    return True


def _pods_total(axes: Axes, summary: Summary) -> bool:
    pods = summary.pods
    if not len(pods.created_s):
        return False
    end = _phases(axes, summary)
    for column, label, colour in (
        (pods.created_s, "created", BLUE),
        (pods.bound_s, "bound", PURPLE),
        (pods.running_s, "Running", GREEN),
        (pods.deleted_s, "deleted", MUTED),
    ):
        times = np.sort(column[~np.isnan(column)])
        if len(times):
            stop = max(end, float(times[-1]))
            axes.step(
                np.concatenate(([0.0], times, [stop])),
                np.concatenate(([0], np.arange(1, len(times) + 1), [len(times)])),
                where="post",
                label=label,
                color=colour,
            )
    axes.set_xlim(0, end)
    axes.set_ylabel("pods")
    axes.set_ylim(bottom=0)
    _legend(axes)
    return True


def _pods_rate(axes: Axes, summary: Summary) -> bool:
    pods = summary.pods
    if not len(pods.created_s):
        return False
    end = _phases(axes, summary)
    _step(axes, per_second(pods.created_s, end), "created", BLUE)
    _step(axes, per_second(pods.bound_s, end), "bound", PURPLE)
    _step(axes, per_second(pods.running_s, end), "Running", GREEN)
    axes.set_ylabel("pods/s")
    axes.set_ylim(bottom=0)
    _legend(axes, columns=3)
    return True


def grouped(usage: dict[str, RoleUsage]) -> list[tuple[str, list[RoleUsage]]]:
    """Roles by component: store-0 and store-1 are "store"; in the order of ROLE_COLOURS."""
    groups: dict[str, list[RoleUsage]] = {}
    for role, of_role in usage.items():
        groups.setdefault(role.partition("-")[0], []).append(of_role)
    order = [*ROLE_COLOURS, *sorted(key for key in groups if key not in ROLE_COLOURS)]
    return [(key, groups[key]) for key in order if key in groups]


def _stack(axes: Axes, summary: Summary, pick: Callable[[RoleUsage], Floats]) -> bool:
    groups = grouped(summary.usage)
    times = np.unique(np.concatenate([u.t_s for _, us in groups for u in us])) if groups else None
    if times is None or len(times) < 2:
        return False
    _phases(axes, summary)
    layers = []
    for _, usages in groups:
        total = np.zeros_like(times)
        for usage in usages:
            if len(usage.t_s):
                total += np.interp(times, usage.t_s, pick(usage), left=0.0, right=0.0)
        layers.append(total)
    colours = [ROLE_COLOURS.get(key, MUTED) for key, _ in groups]
    axes.stackplot(times, layers, colors=colours, labels=[key for key, _ in groups], linewidth=0)
    axes.set_ylim(bottom=0)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8.5, reverse=True, handlelength=1.0
    )
    return True


def _cpu(axes: Axes, summary: Summary) -> bool:
    drawn = _stack(axes, summary, lambda usage: usage.cores)
    axes.set_ylabel("cores")
    return drawn


def _memory(axes: Axes, summary: Summary) -> bool:
    if not any(usage.mib.any() for usage in summary.usage.values()):
        return False
    drawn = _stack(axes, summary, lambda usage: usage.mib)
    axes.set_ylabel("MiB")
    return drawn


def _shares(axes: Axes, summary: Summary) -> bool:
    allocation = summary.allocation
    if allocation is None:
        return False
    _phases(axes, summary)
    axes.plot(allocation.t_s, allocation.cpu_share * 100, label="CPU", color=BLUE)
    axes.plot(allocation.t_s, allocation.memory_share * 100, label="memory", color=GREEN)
    if allocation.gpus:
        axes.plot(allocation.t_s, allocation.gpu_share * 100, label="GPU", color=PURPLE)
    axes.set_ylabel("% requested")
    axes.set_ylim(bottom=0)
    _legend(axes, columns=3)
    return True


def _fragmentation(axes: Axes, summary: Summary) -> bool:
    allocation = summary.allocation
    if allocation is None or not allocation.gpus:
        return False
    _phases(axes, summary)
    axes.plot(allocation.t_s, allocation.gpus_free, label="free", color=ORANGE)
    axes.plot(allocation.t_s, allocation.gpus_fragmented, label="of these fragmented", color=RED)
    axes.set_ylabel("GPUs")
    axes.set_ylim(bottom=0)
    _legend(axes)
    return True


def _distribution(axes: Axes, summary: Summary) -> bool:
    pods = summary.pods
    drawn = False
    for column, label, colour in (
        (pods.bound_s - pods.created_s, "bound", PURPLE),
        (pods.running_s - pods.created_s, "Running", GREEN),
        (pods.watch_delivery_s, "watch event after its write", ORANGE),
    ):
        values = np.sort(column[~np.isnan(column)]) * 1e3
        if len(values):
            share = np.arange(1, len(values) + 1) / len(values) * 100
            axes.step(np.maximum(values, 0.1), share, where="post", label=label, color=colour)
            drawn = True
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("ms")
    axes.set_ylabel("% of pods")
    axes.set_ylim(0, 100)
    if drawn:
        _legend(axes)
    return drawn


def _spectrum(axes: Axes, summary: Summary) -> bool:
    requests = summary.requests
    sent = requests.code != NOT_SENT
    drawn = False
    for verbs, label, colour in (
        (("create", "scale", "delete"), "mutating", RED),
        (("get",), "get", BLUE),
        (("list",), "list", GREEN),
        (("watch",), "watch opened", MUTED),
    ):
        values = np.sort(requests.latency_s[sent & np.isin(requests.verb, verbs)]) * 1e3
        if len(values):
            rank = (np.arange(1, len(values) + 1) - 0.5) / len(values)
            axes.plot(1 / (1 - rank), np.maximum(values, 1e-3), label=label, color=colour)
            drawn = True
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = (1, 2, 10, 100, 1000, 10_000)
    axes.set_xticks(ticks, ["0", "50", "90", "99", "99.9", "99.99"])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(1, max(100.0, 2.0 * len(requests.code)))
    axes.set_xlabel("percentile")
    axes.set_ylabel("latency, ms")
    if drawn:
        _legend(axes)
    return drawn
