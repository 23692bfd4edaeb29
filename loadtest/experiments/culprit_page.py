"""The page of a culprit: the verdict, what each component did, what relieving changed."""

from html import escape
from typing import Any

from api.core import JsonObject
from loadtest.fullness import component_table
from loadtest.page import heading, page, section, table
from loadtest.plots import BLUE, RED, svg_of


def page_html(document: JsonObject) -> str:
    """From culprit.json."""
    mark = " (simulated)" if document["simulated"] else ""
    title = f"hollowfleet culprit: {document['culprit']}{mark}"
    sections = [
        heading("LIMIT", f"{document['culprit']}{mark}", [document["verdict"]], ""),
        section(
            f"Utilisation, busiest 5 s{mark}",
            f'<div class="figures"><figure>{_figure(document)}</figure></div>',
        ),
        section(f"Components{mark}", component_table(document["components"])),
        section(f"Relieved{mark}", _reliefs(document)),
    ]
    return page(title, sections)


def _figure(document: JsonObject) -> str:
    def draw(axes: Any) -> bool:
        names = [one["name"] for one in document["components"]][::-1]
        shares = [100 * one["busiest"] for one in document["components"]][::-1]
        colours = [RED if name == document["culprit"] else BLUE for name in names]
        axes.barh(names, shares, color=colours, height=0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of one core, or of the disk's time")
        return True

    return svg_of(draw)


def _reliefs(document: JsonObject) -> str:
    rows = [
        [
            escape(one["component"]),
            escape(one["how"] or "no knob spreads it"),
            "–" if one["waiting"] is None else f"{document['waiting']:.3g} → {one['waiting']:.3g}",
            "–" if one["gain"] is None else f"{one['gain']:.0%}",
        ]
        for one in document["reliefs"]
    ]
    return table(["Component", "What was done", "Waiting work", "Less by"], rows, left=2) + (
        "<p class=note>Waiting work: requests and pods under way and what stands in front of each "
        "program, on average over the load.</p>"
    )
