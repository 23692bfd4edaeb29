"""The one page of ``hollowfleet reproduce``: the index, then each experiment with its curves beside
the published points and its acceptances."""

from collections.abc import Iterable
from html import escape
from typing import Any, Final

from matplotlib.ticker import FuncFormatter, NullFormatter

from loadtest.experiments.reference.experiment import Curve, Figure, Finding
from loadtest.experiments.reference.registry import MISSING
from loadtest.experiments.reference.session import (
    CSV_ACCEPTANCES,
    CSV_FIGURES,
    Outcome,
    Session,
    held_text,
)
from loadtest.page import heading, page, table
from loadtest.plots import BLUE, GREEN, MUTED, ORANGE, PURPLE, RED, svg_of

MEASURED: Final = (ORANGE, BLUE, GREEN, PURPLE, RED, "#0891b2")
"""The historic arm comes first."""
PUBLISHED: Final = (("s", "#374151"), ("^", MUTED), ("D", "#9a3412"), ("v", "#1e3a8a"))
CSS: Final = """
.experiment{margin-top:38px;border-top:2px solid var(--line);padding-top:16px}
.experiment h2{font-size:19px}.experiment h2 .result{margin-right:10px;vertical-align:2px}
.experiment ul{margin:6px 0;padding-left:18px;font-size:12.5px;color:var(--muted)}
.experiment h3{font-size:13px;margin:14px 0 4px;color:var(--muted)}
.experiment table{margin-top:12px}.experiment td{overflow-wrap:anywhere}
.result.error{background:var(--fail)}.result.not-run,.result.not-yet,.result.not-judged{background:#e5e7eb;color:#374151}
.result{white-space:nowrap}
.index td:first-child{white-space:nowrap;font-weight:600}
.experiment td:nth-child(2){white-space:nowrap}.index td:nth-child(3){white-space:nowrap}
.index td:nth-child(3) code{font-size:11px}.index a{color:#1d4ed8}
@media print{.experiment{break-before:page;border:0;margin:0;padding:0}
.experiment h2{font-size:15px}.experiment ul{font-size:9px;margin:2px 0}
.experiment h3{margin:6px 0 2px;font-size:10px}}
"""


def page_html(session: Session) -> str:
    sections = [
        f"<style>{CSS}</style>",
        _top(session),
        _index(session),
        *(_experiment(one) for one in session.outcomes if one.finding is not None),
        _conditions(session),
    ]
    return page("hollowfleet: reference experiments", sections)


def _top(session: Session) -> str:
    words = [one.word for one in session.outcomes]
    lines = [f"{words.count('PASS')} of {len(words)} experiments reproduce the published limit"]
    if session.word == "PARTIAL":
        why = "interrupted" if session.interrupted else "not all ran to their end"
        lines.append(f"Partial: {why}; what ran is below")
    lines.append(
        "Judged by counts, constants of virtual time, ratios of two arms and shapes, never by an "
        "absolute time. Published points stand beside measured ones, in grey."
    )
    cpu_s = sum(one.cpu_s for one in session.outcomes)
    meta = f"scale {session.scale}, {cpu_s:.0f} s of CPU, real cores on a virtual clock"
    return heading(session.word, "Published scaling limits, reproduced", lines, meta)


def _mark(word: str) -> str:
    return f'<span class="result {word.lower().replace(" ", "-")}">{escape(word)}</span>'


def _index(session: Session) -> str:
    rows = {}
    for one in session.outcomes:
        experiment, finding = one.experiment, one.finding
        judged = finding.acceptances if finding is not None else ()
        link = f'<a href="#{experiment.id}">{experiment.id}</a>' if finding else experiment.id
        arms = f"{experiment.arms.historic} → {experiment.arms.remedy}"
        rows[experiment.id] = [
            link,
            escape(experiment.title)
            + (f"<br><small>{escape(one.error)}</small>" if one.error else ""),
            f"<code>{escape(experiment.knob)}</code><br><small>{escape(arms)}</small>",
            _mark(one.word),
            held_text(judged).removesuffix(" held") if judged else "–",
            f"{one.cpu_s:.1f}",
        ]
    for place in MISSING:
        rows[place.id] = [
            place.id,
            f"{escape(place.title)}<br><small>not yet: needs {escape(place.needs)}</small>",
            "–",
            _mark("NOT YET"),
            "–",
            "–",
        ]
    ordered = [rows[name] for name in sorted(rows, key=lambda name: int(name[1:]))]
    head = ["", "Limit", "Knob, in both positions", "Result", "Held", "CPU s"]
    return f'<section class="index">{table(head, ordered, left=4)}</section>'


def _experiment(outcome: Outcome) -> str:
    one, finding = outcome.experiment, outcome.finding
    assert finding is not None
    arms = f"Knob <code>{escape(one.knob)}</code>: {escape(one.arms.historic)} (historic), "
    arms += f"{escape(one.arms.remedy)} (remedy)."
    return (
        f'<section class="experiment" id="{one.id}"><h2>{_mark(outcome.word)}{one.id}. '
        f"{escape(one.title)}</h2><p>{escape(one.mechanism)}</p><p class=note>{arms}</p>"
        f'<div class="figures">{"".join(map(_figure, finding.figures))}</div>'
        f"{_acceptances(finding)}<h3>Conditions</h3>{_list(finding.conditions)}"
        f"<h3>Published in</h3>{_list(one.sources)}</section>"
    )


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _acceptances(finding: Finding) -> str:
    rows = [
        [
            _mark(one.word),
            escape(one.kind),
            escape(one.claim),
            escape(one.measured),
            escape(one.wanted),
        ]
        for one in finding.acceptances
    ]
    return table(["", "Kind", "Acceptance", "Measured", "Wanted"], rows, left=5)


def _figure(figure: Figure) -> str:
    svg = svg_of(lambda axes: _draw(axes, figure))
    return (
        f"<figure><figcaption><b>{escape(figure.title)}</b> {escape(figure.caption)}</figcaption>"
        f"{svg}</figure>"
    )


def _draw(axes: Any, figure: Figure) -> bool:
    measured = [curve for curve in figure.curves if not curve.source]
    published = [curve for curve in figure.curves if curve.source]
    for number, curve in enumerate(published):
        _published(axes, curve, *PUBLISHED[number % len(PUBLISHED)])
    for number, curve in enumerate(measured):
        colour = MEASURED[number % len(MEASURED)]
        xs, ys = zip(*curve.points, strict=True)
        axes.plot(xs, ys, color=colour, label=curve.label, marker="o", markersize=3.5)
    if "x" in figure.log:
        axes.set_xscale("log")
        _plain_ticks(axes.xaxis)
    if "y" in figure.log:
        axes.set_yscale("log")
        _plain_ticks(axes.yaxis)
    else:
        axes.set_ylim(bottom=0)
    places = sorted({x for curve in figure.curves for x, _ in curve.points})
    if "x" not in figure.log and len(places) <= 6:
        axes.set_xticks(places)
    axes.set_xlabel(figure.x)
    axes.set_ylabel(figure.y)
    axes.legend(loc="best", fontsize=7, handlelength=1.6)
    return True


def _plain_ticks(axis: Any) -> None:
    """Numbers as people write them; between decades only where there is no full one."""
    plain = FuncFormatter(lambda value, _: f"{value:,.10g}")
    axis.set_major_formatter(plain)
    low, high = axis.get_view_interval()
    axis.set_minor_formatter(plain if high < 10 * low else NullFormatter())


def _published(axes: Any, curve: Curve, marker: str, colour: str) -> None:
    xs, ys = zip(*curve.points, strict=True)
    label = f"{curve.label} [{curve.source}]"
    axes.plot(
        xs, ys, color=colour, label=label, marker=marker, markersize=5.5, markerfacecolor="none",
        linestyle=":" if len(xs) > 1 else "none", linewidth=1.0,
    )  # fmt: skip


def _conditions(session: Session) -> str:
    host, software = session.host, session.software
    commit = str(software["commit"]) or "not a git checkout"
    facts = {
        "Computed on": f"{host['cpu_model']}, {host['cores']} cores; no figure above is a time of "
        "this machine unless its condition says so",
        "Software": f"Python {software['python']}",
        "Commit": commit + (", with local changes" if software["modified"] else ""),
        "Data": f"{CSV_FIGURES} (all points), {CSV_ACCEPTANCES} (all acceptances), reproduce.json",
    }
    rows = [[escape(key), escape(value)] for key, value in facts.items()]
    facts_table = table(["", ""], rows, left=2).replace("<table>", '<table class="facts">')
    return f"<section><h2>Conditions</h2>{facts_table}</section>"
