"""index.html of an envelope: the limit as a curve over the other knob, and the heat map of runs."""

from functools import partial
from html import escape
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from api.core import JsonObject
from loadtest.measure import Floats
from loadtest.page import heading, page, section, table
from loadtest.plots import BLUE, GREEN, INK, MUTED, ORANGE, RED, svg_of

LOG_SPAN = 16
"""An axis whose ends differ by this factor is logarithmic."""


def page_html(document: JsonObject) -> str:
    """``document``: envelope.json."""
    mark = " (simulated)" if document["simulated"] else ""
    rows, across = document["rows"], document["across"]
    word = "ENVELOPE" if document["complete"] else "PARTIAL"
    title = f"{document['knob']} across {across}{mark}"
    lines = [f"{across}={row['value']}: {row['verdict']}" for row in rows]
    figures = [
        ("What holds, and where it ends: the limit lies between the marks.", _curve),
        ("Share of runs that held, of the value tried next to it (dots: values tried).", _heat),
    ]
    drawn = "".join(
        f"<figure>{svg}<figcaption>{caption}</figcaption></figure>"
        for caption, draw in figures
        if (svg := svg_of(partial(draw, document=document)))
    )
    return page(
        f"hollowfleet envelope: {title}",
        [
            heading(word, title, lines, _meta(document)),
            section(f"Envelope{mark}", f'<div class="figures">{drawn}</div>'),
            section(f"Limits{mark}", _table(document)),
        ],
    )


def _meta(document: JsonObject) -> str:
    unit, rows = document["unit"], document["rows"]
    runs = sum(row.get("runs", 0) for row in rows)
    return (
        f"{len(rows)} of {len(document['values'])} values, {runs} runs between "
        f"{document['from']:g}{unit} and {document['to']:g}{unit}, "
        f"tolerance {document['tolerance']:.0%}"
    )


def _table(document: JsonObject) -> str:
    def shown(number: float | None) -> str:
        return "" if number is None else f"{number:g}{escape(document['unit'])}"

    cells = []
    for row in document["rows"]:
        broken = row.get("first_broken")
        why = row["error"] or (broken[0][0] if broken else "")
        ends = [shown(row.get("holds")), shown(row.get("breaks"))]
        cells.append([escape(str(row["value"])), escape(why), *ends, str(row.get("runs", ""))])
    head = [escape(document["across"]), "First broken", "Holds", "Breaks", "Runs"]
    return table(head, cells, left=2)


def _places(document: JsonObject) -> tuple[list[float], bool]:
    """Where each value lies on the horizontal axis; and whether that is a scale of numbers."""
    values = document["values"]
    numeric = all(type(value) in (int, float) for value in values)
    return ([float(value) for value in values] if numeric else list(range(len(values)))), numeric


def _axes(axes: Any, document: JsonObject) -> None:
    unit = f", {document['unit']}" if document["unit"] else ""
    low, high = sorted((document["from"], document["to"]))
    if _is_log(low, high):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(low, high)
    axes.set_ylabel(document["knob"] + unit)
    axes.set_xlabel(document["across"])


def _is_log(low: float, high: float) -> bool:
    return low > 0 and high / low >= LOG_SPAN


def _name_places(axes: Any, document: JsonObject) -> None:
    values = document["values"]
    axes.set_xticks(range(len(values)), [str(value) for value in values])
    axes.set_xlim(-0.5, len(values) - 0.5)


def _curve(axes: Any, document: JsonObject) -> bool:
    places, numeric = _places(document)
    rows = [(x, row) for x, row in zip(places, document["rows"], strict=False) if not row["error"]]
    if not rows:
        return False
    rows.sort(key=lambda pair: pair[0])
    begin, end = document["from"], document["to"]
    x = [place for place, _ in rows]
    # What an open end leaves is coloured to where the search ended; no mark claims a limit there.
    holds = [begin if row["holds"] is None else row["holds"] for _, row in rows]
    breaks = [end if row["breaks"] is None else row["breaks"] for _, row in rows]
    _axes(axes, document)
    if numeric:
        axes.fill_between(x, [begin] * len(x), holds, color=GREEN, alpha=0.15, linewidth=0)
        axes.fill_between(x, holds, breaks, color=ORANGE, alpha=0.3, linewidth=0)
        if _is_log(min(x), max(x)):
            axes.set_xscale("log")
        axes.set_xticks(x, [f"{place:g}" for place in x])
        axes.minorticks_off()
    else:
        axes.vlines(x, [begin] * len(x), holds, color=GREEN, alpha=0.3, linewidth=14)
        axes.vlines(x, holds, breaks, color=ORANGE, alpha=0.4, linewidth=14)
        _name_places(axes, document)
    for end_of, label, colour, marker in (
        ("holds", "holds", BLUE, "o"),
        ("breaks", "does not hold", RED, "x"),
    ):
        y = [np.nan if row[end_of] is None else row[end_of] for _, row in rows]
        style = "-" if numeric else "none"
        axes.plot(x, y, linestyle=style, color=colour, marker=marker, markersize=4, label=label)
    axes.legend(loc="best", fontsize=8.5, ncols=2, handlelength=1.4)
    return True


def _heat(axes: Any, document: JsonObject) -> bool:
    low, high = sorted((document["from"], document["to"]))
    mesh = None
    for column, row in enumerate(document["rows"]):
        if row["error"]:
            axes.axvspan(column - 0.5, column + 0.5, color=MUTED, alpha=0.3, linewidth=0)
            continue
        tried = np.array(row["history"], np.float64)
        values, held, broke = tried.T
        mesh = axes.pcolormesh(
            [column - 0.5, column + 0.5],
            cell_edges(values, low, high),
            (100 * held / (held + broke))[:, None],
            cmap="RdYlBu",
            vmin=0,
            vmax=100,
        )
        axes.plot([column] * len(values), values, "o", color=INK, markersize=2)
    if mesh is None:
        return False
    _axes(axes, document)
    _name_places(axes, document)
    axes.grid(visible=False)
    axes.figure.colorbar(mesh, ax=axes, label="% of runs that held")
    return True


def cell_edges(values: Floats, low: float, high: float) -> Floats:
    """Borders halfway between neighbours of ``values`` (rising), on the axis as it is drawn."""
    if _is_log(low, high):
        between = np.sqrt(values[:-1] * values[1:])
    else:
        between = (values[:-1] + values[1:]) / 2
    return np.concatenate(([low], between, [high]))
