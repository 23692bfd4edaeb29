"""report.html: one file that opens offline and prints well. Verdict first."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import cast

from actors.plan import NetworkFaults
from api.core import JsonObject
from loadtest.absences import audit_text
from loadtest.components import busiest_text
from loadtest.faults import Slowing, describe_network, describe_slow
from loadtest.foreign.report import target_conditions, target_section, target_tile
from loadtest.fullness import fullness
from loadtest.interruptions import Interruption, describe_interruptions
from loadtest.junit import junit_xml, verdict_text
from loadtest.page import page, section, table
from loadtest.plots import figures, grouped
from loadtest.predicted import prediction_section
from loadtest.simulated import (
    SIMULATED,
    allocation_note,
    simulated_conditions,
    simulated_section,
    waits_table,
)
from loadtest.summary import Summary, summarise, write_summary
from loadtest.traces import traces_section

MEANING = {
    "PASS": "Every SLO that was judged holds.",
    "FAIL": "At least one SLO does not hold.",
    "INVALID": "The numbers below do not describe the cluster: see why.",
    "PARTIAL": "The run did not come to its end; what follows is what was recorded.",
}


ONE_RUN = (
    "This is one run: how far another one would lie from it is not known from this page; "
    "hollowfleet sweep repeats it."
)


def render(directory: Path) -> Summary:
    """Make summary.json, junit.xml and report.html of a run again. Errors: BundleError."""
    summary = summarise(directory)
    beside = {
        "Sampled pods": traces_section(directory),
        "Prediction beside measurement": prediction_section(directory),
    }
    write_summary(directory, summary)
    (directory / "junit.xml").write_text(junit_xml(summary))
    (directory / "report.html").write_text(report_html(summary, beside))
    return summary


def report_html(summary: Summary, beside: Mapping[str, str]) -> str:
    """The whole page. ``beside``: more sections by title, as HTML; empty ones are left out."""
    campaign = cast(JsonObject, summary.campaign["campaign"])
    mark = " (simulated)" if summary.state.simulated else ""
    target = cast("JsonObject | None", summary.campaign.get("target"))
    title = f"hollowfleet: {campaign['name']}{mark}"
    sections = [
        _header(summary, campaign),
        _figures_of_merit(summary),
        *([section("Whom the load was sent to", target_section(target))] if target else []),
        *([section("What is simulated", simulated_section(summary))] if mark else []),
        section(f"Service level objectives{mark}", _slo_table(summary)),
        section(f"From created to bound{mark}", waits_table(summary)),
        section(f"Over the run{mark}", _plots(summary)),
        *([] if target else [section(f"Where it is full{mark}", fullness(summary))]),
        *(section(name, html) for name, html in beside.items() if html),
        section(f"Requests{mark}", _request_table(summary)),
        section(f"Components{mark}", _component_table(summary)),
        *(
            [section(f"Deaths, absences and returns{mark}", _outages(summary))]
            if summary.outages or not (mark or target)
            else []
        ),
        *([section("Machines", machines)] if (machines := _machines(summary)) else []),
        section("Validity", _validity(summary)),
        section("Conditions", _conditions(summary)),
        section("Configuration", _configuration(summary, campaign)),
    ]
    return page(title, sections)


def _header(summary: Summary, campaign: JsonObject) -> str:
    word = summary.headline
    lines = [MEANING[word]]
    failed = [v.sli for v in summary.verdicts if v.result == "FAIL"]
    if failed:
        lines.append("Not held: " + "; ".join(failed) + ".")
    if summary.components:
        lines.append(busiest_text(summary.components, summary.state.cores_awaited))
    lines.append(SIMULATED if summary.state.simulated else ONE_RUN)
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in summary.reasons)
    return (
        f'<header class="{word.lower()}"><div class="badge">{word}</div><div>'
        f"<h1>{escape(str(campaign['name']))}</h1>"
        f"<p>{escape(' '.join(lines))}</p>"
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + f'<p class="meta">{escape(summary.state.started)} · seed {campaign["seed"]} · '
        f"run {escape(summary.state.run_id)}</p></div></header>"
    )


def _figures_of_merit(summary: Summary) -> str:
    pods = summary.pods
    target = cast("JsonObject | None", summary.campaign.get("target"))
    nodes = (f"{summary.state.nodes_ready:,}", "nodes Ready")
    tiles = [
        target_tile(target) if target else nodes,
        (f"{summary.state.boot_s:.1f} s", "until the load" if target else "until all Ready"),
        (f"{len(pods.created_s):,}", "pods created"),
        (f"{summary.bound_per_s_max:.1f}/s", "pods bound, best 5 s"),
        (
            verdict_text(summary.pod_start.p99 if summary.pod_start else None, "s"),
            "pod start p99",
        ),
        (f"{len(summary.requests.code):,}", "requests"),
    ]
    mark = ", simulated" if summary.state.simulated else ""
    cells = "".join(
        f"<div><b>{escape(big)}</b><span>{small}{mark}</span></div>" for big, small in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _slo_table(summary: Summary) -> str:
    rows = []
    for verdict in summary.verdicts:
        word = verdict.result.lower().replace(" ", "-")
        rows.append(
            [
                f'<span class="result {word}">{verdict.result}</span>',
                escape(verdict.sli),
                escape(verdict.worst),
                escape(verdict_text(verdict.measured, verdict.unit)),
                escape("≤ " + verdict_text(verdict.threshold, verdict.unit))
                if verdict.threshold is not None
                else "not judged",
                f"{verdict.count:,}",
            ]
        )
    for name, quantiles in (("Scheduling (created to bound) p99", summary.scheduling),):
        if quantiles:
            rows.append(
                [
                    '<span class="result info">INFO</span>',
                    name,
                    "",
                    verdict_text(quantiles.p99, "s"),
                    "not judged",
                    f"{quantiles.count:,}",
                ]
            )
    head = ["Result", "Indicator", "Decided by", "Measured", "Objective", "Samples"]
    return table(head, rows, left=3) + (
        "<p class=note>Thresholds are Kubernetes' official ones unless the campaign says "
        "otherwise. Latency is measured at the client from the intended start of each request, "
        "over the run; the official indicators are measured in the API server, over a day. The "
        "slowest pair of verb and resource decides. Pod start counts from the answered create, or "
        "from the first sight of the pod if that was earlier, to its Running phase as a watch "
        "shows it.</p>" + _closed_note(summary)
    )


def _plots(summary: Summary) -> str:
    out = []
    mark = " Simulated." if summary.state.simulated else ""
    for title, caption, svg in figures(summary):
        out.append(
            f"<figure><figcaption><b>{escape(title)}</b> {escape(caption)}{mark}</figcaption>"
            f"{svg}</figure>"
        )
    if not out:
        return "<p>No samples were recorded.</p>"
    note = allocation_note(summary.allocation) if summary.allocation else ""
    return f'<div class="figures">{"".join(out)}</div>{note}'


def _request_table(summary: Summary) -> str:
    codes: dict[str, list[str]] = {}
    for key, count in sorted(summary.codes.items()):
        verb, resource, code = key.split(" ")
        word = "no answer" if code == "0" else code
        codes.setdefault(f"{verb} {resource}", []).append(f"{word} × {count:,}")
    rows = []
    for (verb, resource, scope), q in sorted(summary.latency.items()):
        cells = [verdict_text(value, "s") for value in (q.p50, q.p90, q.p99, q.max)]
        answers = ", ".join(codes.get(f"{verb} {resource}", []))
        rows.append([verb, escape(resource), scope, escape(answers), f"{q.count:,}", *cells])
    head = ["Verb", "Resource", "Scope", "Answers", "Count", "p50", "p90", "p99", "max"]
    return table(head, rows, left=4) + (
        "<p class=note>Answers are of the verb and resource in all scopes together.</p>"
    )


def _component_table(summary: Summary) -> str:
    span = max((u.span_s for u in summary.usage.values()), default=0.0) or 1.0
    rows = []
    for role, usages in grouped(summary.usage):
        cpu = sum(usage.cpu_s for usage in usages)
        peak = sum(float(usage.mib.max()) if len(usage.mib) else 0.0 for usage in usages)
        roles = [name for name in summary.usage if name.partition("-")[0] == role]
        label = "Ray's own processes" if role == "ray" else role
        rows.append(
            [
                escape(label),
                f"{len(roles)}",
                f"{cpu:.1f} s",
                f"{cpu / span:.2f}",
                "–" if summary.state.simulated else f"{peak:,.0f} MiB",
            ]
        )
    if not rows:
        return "<p>No process was sampled.</p>"
    head = ["Component", "Programs", "CPU", "Mean cores", "Peak memory (PSS)"]
    return table(head, rows)


def _outages(summary: Summary) -> str:
    if not summary.outages:
        return "<p>No program died, and none was paused or cut off.</p>"
    rows = [
        [
            escape(absence.program),
            absence.said,
            f"{absence.died_s:.3f} s",
            "did not come back"
            if absence.away_s is None
            else f"{absence.died_s + absence.away_s:.3f} s",
            "–" if absence.away_s is None else f"{absence.away_s:.3f} s",
        ]
        for absence in summary.outages
    ]
    note = (
        "<p class=note>Seconds since the start of the load. A program that died is back when it "
        "serves again in a new process; one that was paused stood still, its connections open; to "
        "one that was cut off no other program could speak, and what they sent waited. Red bands "
        "in the figures are these times.</p>"
    )
    audit = escape(audit_text(summary.state))
    head = ["Program", "What", "From", "Until", "Away"]
    return table(head, rows, left=2) + (f"<p>{audit}</p>" if audit else "") + note


def _machines(summary: Summary) -> str:
    """Empty when there was one."""
    said = "".join(f"<li>{escape(text)}</li>" for text in summary.state.placement)
    return f"<ul>{said}</ul>" if said else ""


def _validity(summary: Summary) -> str:
    rows = [
        [
            f"generator {index}",
            f"{facts.sent:,} of {facts.scheduled:,}",
            f"{facts.overflow:,}",
            f"{facts.unreached:,}",
            f"{facts.lateness_p99_s * 1e3:.1f} ms",
            f"{facts.lateness_max_s * 1e3:.1f} ms",
            f"{facts.cpu_cores_max:.2f}",
        ]
        for index, facts in enumerate(summary.generators)
    ]
    head = [
        "Process",
        "Sent",
        "Not sent",
        "Not reached",
        "Lateness p99",
        "Lateness max",
        "Cores, busiest 5 s",
    ]
    text = (
        "<p class=note>The load is an open loop"
        + (", but for the closed ones named above" if summary.campaign.get("closed") else "")
        + ": requests leave when the schedule says so, however slow the answers are. A run is "
        "INVALID when a generator was late, had to leave requests out, or used its whole core.</p>"
    )
    return (table(head, rows) if rows else "<p>No generator reported.</p>") + text


def _closed_note(summary: Summary) -> str:
    """Said where latencies are: what those of a closed loop are worth."""
    loops = cast("list[str]", summary.campaign.get("closed", []))
    if not loops:
        return ""
    return (
        f"<p class=note><b>Closed loop:</b> {escape('; '.join(loops))}. Each user sends when its "
        "last request has been answered, so a slow server is asked less, and the requests that "
        "were not sent meanwhile are in no percentile (coordinated omission). These latencies "
        "count from when a request was sent, and are not to be compared with those of an open "
        "loop. What users had not come to when the phase ended is not reached, and no failure.</p>"
    )


def _conditions(summary: Summary) -> str:
    host, versions = summary.host, summary.versions
    cluster = cast(JsonObject, summary.campaign["campaign"])["cluster"]
    span = max((u.span_s for u in summary.usage.values()), default=0.0) or 1.0
    cores = sum(u.cpu_s for u in summary.usage.values()) / span
    partitions = cluster["scheduler_partitions"]
    network = NetworkFaults(**cast(JsonObject, summary.campaign["campaign"])["faults"]["network"])
    configured = cluster.get("scheduler_config")
    scored = f"as {configured} says" if configured else "100 % of the nodes scored"
    facts = {
        "Hardware": f"{host['cpu_model']}, {host['cores']} cores "
        f"({host['cores_usable']} usable), {host['memory_bytes'] / 2**30:.1f} GiB, "
        f"load average {host['load_average_1m']} before the run",
        "Kernel": f"Linux {host['kernel']} {host['machine']}",
        "Cores used": f"{cores:.2f} on average during the load, all processes together",
        "Durability": f"{cluster['durability']}, one copy, on {host['store_filesystem']}",
        "Store": f"{_many(cluster['store_shards'], 'shard')} by {cluster['shard_by']}, engine "
        f"{cluster['store_engine']}"
        + (", in the API server's program" if cluster["store_placement"] == "apiserver" else "")
        + f", history of {cluster['compaction_retention_ns'] / 1e9:g} s",
        "Scheduler": f"{scored}, {_many(partitions, 'scoring partition')}",
        "Nodes": f"{summary.campaign['nodes']:,} hollow, by {cluster['node_transport']}, Lease "
        f"every {cluster['lease_period_ns'] / 1e9:g} s, pod stages delayed by "
        f"{cluster['pod_delay_ns'] / 1e9:g} s, no image pulls",
        "Network between programs": describe_network(network) or "loopback, as it is",
        "Generators": "on the same machine as the cluster",
        "Software": f"Python {versions['python']}, "
        + ", ".join(f"{name} {version}" for name, version in versions["packages"].items()),
        "Commit": (str(versions["commit"]) or "not a git checkout")
        + (", with local changes" if versions["modified"] else ""),
    }
    slow = [Slowing(**row) for row in cast("list[JsonObject]", summary.campaign.get("slow", []))]
    if slow:
        facts["Slow by intent"] = "; ".join(describe_slow(slow))
    rows = cast("list[JsonObject]", summary.campaign.get("interruptions", []))
    if away := [Interruption(**row) for row in rows]:
        facts["Away by intent"] = "; ".join(describe_interruptions(away))
    if summary.state.simulated:
        facts |= simulated_conditions(summary)
    if target := cast("JsonObject | None", summary.campaign.get("target")):
        facts = target_conditions(facts, target)
    lines = [[escape(key), escape(value)] for key, value in facts.items()]
    return table(["", ""], lines, left=2).replace("<table>", '<table class="facts">')


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _configuration(summary: Summary, campaign: JsonObject) -> str:
    rows = []
    phases = cast("list[JsonObject]", summary.campaign["phases"])
    for phase in phases:
        loads = ", ".join(f"{count:,} {what}" for what, count in phase["arrivals"].items())
        rows.append(
            [
                escape(phase["name"]),
                escape(loads or "no load"),
                f"{phase['duration_s']:g} s",
                f"{phase['peak_per_s']}/s",
            ]
        )
    return table(["Phase", "Scheduled", "Duration", "Peak"], rows, left=2) + (
        f"<p class=note>{summary.campaign['arrivals_total']:,} requests; schedule sha256 "
        f"<code>{summary.campaign['schedule_sha256']}</code>. The same campaign and seed "
        f"({campaign['seed']}) give the same schedule, byte for byte. The whole compiled "
        "configuration is in <code>campaign.json</code> beside this file, with the raw data.</p>"
    )
