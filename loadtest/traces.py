"""The part of a report that shows the way of sampled pods: how long each stage took of all of them,
and the slowest, span by span."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from api.tracing import Span
from loadtest.otlp import TRACES_FILE, read_traces
from loadtest.page import table
from loadtest.plots import ROLE_COLOURS, svg_of
from loadtest.timeline import SEEN

SHOWN = 4
"""Pods whose spans are drawn."""
ROWS_MAX = 20
"""Of one drawing."""
POD, NAMESPACE = "k8s.pod.name", "k8s.namespace.name"


class Stage(NamedTuple):
    """A kind of span: who does what."""

    program: str
    """Without its number."""
    name: str


@dataclass(frozen=True, slots=True)
class PodTrace:
    """The spans that led one pod to where it got, in order of their begin."""

    pod: str
    spans: tuple[tuple[str, Span], ...]
    """(program, span)."""

    @property
    def length_ns(self) -> int:
        begin, end = self.ends
        return end - begin

    @property
    def ends(self) -> tuple[int, int]:
        found = [span for _, span in self.spans]
        return min(span.start_ns for span in found), max(span.end_ns for span in found)


def pod_traces(found: Sequence[tuple[str, Span]]) -> list[PodTrace]:
    """One for each sampled pod until it runs, the slowest first. Of a Deployment's trace, what
    was done before there was the pod belongs to each of its pods."""
    by_trace: dict[str, list[tuple[str, Span]]] = defaultdict(list)
    for program, span in found:
        by_trace[span.context.trace].append((program, span))
    out = []
    for spans in by_trace.values():
        spans.sort(key=lambda one: (one[1].start_ns, one[1].end_ns))
        pods = dict.fromkeys(pod for _, span in spans if (pod := pod_of(span)))
        out += [PodTrace(pod, tuple(_until_running(pod, spans))) for pod in pods]
    return sorted(out, key=lambda trace: (-trace.length_ns, trace.pod))


def _until_running(pod: str, spans: Sequence[tuple[str, Span]]) -> Iterator[tuple[str, Span]]:
    own = [span for _, span in spans if pod_of(span) == pod]
    alone = any(not span.parent for span in own)
    """The trace is of this pod only: the request that began it made the pod."""
    begin_ns = min(span.start_ns for span in own)
    runs_ns = min((span.end_ns for span in own if span.name == SEEN), default=None)
    for program, span in spans:
        whose = pod_of(span)
        late = runs_ns is not None and span.start_ns > runs_ns
        if not late and (whose == pod or (not whose and (alone or span.start_ns <= begin_ns))):
            yield program, span


def pod_of(span: Span) -> str:
    """ "NAMESPACE/NAME", empty for a span that is of no single pod."""
    facts = span.attributes
    if POD in facts:
        return f"{facts[NAMESPACE]}/{facts[POD]}"
    key = str(facts.get("db.key", ""))
    _, is_pod, pod = key.partition("/registry/pods/")
    return pod if is_pod else ""


def stages_of(traces: Sequence[PodTrace]) -> list[tuple[Stage, list[int]]]:
    """Durations of each stage in ns, over all traces, in the order in which stages begin. A span
    that pods have in common counts once."""
    found: dict[Stage, list[int]] = defaultdict(list)
    begins: dict[Stage, list[int]] = defaultdict(list)
    counted: set[str] = set()
    for trace in traces:
        first, _ = trace.ends
        for program, span in trace.spans:
            if span.id in counted:
                continue
            counted.add(span.id)
            stage = Stage(program.partition("-")[0], _kind(span))
            found[stage].append(span.end_ns - span.start_ns)
            begins[stage].append(span.start_ns - first)
    order = sorted(found, key=lambda stage: (float(np.median(begins[stage])), stage))
    return [(stage, found[stage]) for stage in order]


def _kind(span: Span) -> str:
    """Its name without what is of one object only, and the resource that it was about."""
    method, _, path = span.name.partition(" /")
    if path:
        return f"{method} /…/{path.rpartition('/')[2]}"
    resource = "/".join(str(span.attributes.get("db.key", "")).split("/")[2:-2])
    return f"{span.name} {resource}" if resource else span.name


def traces_section(directory: Path) -> str:
    """HTML; empty for a run of which nothing was sampled."""
    traces = pod_traces(list(read_traces(directory)))
    if not traces:
        return ""
    rows = [
        [
            escape(stage.program),
            escape(stage.name),
            f"{len(times):,}",
            *(_ms(float(np.percentile(times, share))) for share in (50, 99, 100)),
        ]
        for stage, times in stages_of(traces)
    ]
    head = ["Program", "Stage", "Spans", "p50", "p99", "max"]
    each = {trace.spans[0][1].context.trace: trace for trace in reversed(traces)}
    slowest = sorted(each.values(), key=lambda trace: (-trace.length_ns, trace.pod))[:SHOWN]
    drawn = "".join(
        f"<figure><figcaption><b>{escape(trace.pod)}</b> {_ms(trace.length_ns)} from its create "
        f"to its last span.</figcaption>{waterfall(trace)}</figure>"
        for trace in slowest
    )
    return (
        f"<p>The way of {len(traces):,} sampled pods, from the moment that their create was due. "
        f"All spans are in {TRACES_FILE}, as OTLP JSON.</p>"
        + table(head, rows, left=2)
        + f'<p>The slowest of them, one of each Deployment:</p><div class="figures">{drawn}</div>'
    )


def _ms(ns: float) -> str:
    return f"{ns / 1e6:,.2f} ms"


def waterfall(trace: PodTrace) -> str:
    """The spans of one pod below each other, on one axis of time."""
    spans = trace.spans[:ROWS_MAX]
    first, last = trace.ends

    def draw(axes: Any) -> bool:
        for row, (program, span) in enumerate(spans):
            begin, length = (span.start_ns - first) / 1e6, (span.end_ns - span.start_ns) / 1e6
            colour = ROLE_COLOURS.get(program.partition("-")[0], "#6b7280")
            least = (last - first) / 1e6 / 200
            axes.barh(row, max(length, least), left=begin, color=colour, height=0.7)
        names = [f"{program}  {_kind(span)}" for program, span in spans]
        axes.set_yticks(range(len(spans)), names, fontsize=7)
        axes.invert_yaxis()
        axes.set_xlabel("ms since the create was due")
        return True

    return svg_of(draw)
