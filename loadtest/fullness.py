"""The part of a page that says how full each component was."""

from dataclasses import asdict
from html import escape

from api.core import JsonObject
from loadtest.components import busiest_text
from loadtest.page import table
from loadtest.summary import Summary

NOTE = (
    "Utilisation of one core, which is all that a program can use, and of the time of a shard's "
    "disk; queues as the programs report them at each sample."
)


def fullness(summary: Summary) -> str:
    """A sentence, a table, and whether samples and latencies agree."""
    if not summary.components:
        return "<p>No component was sampled.</p>"
    balance, law = summary.balance, ""
    if balance:
        law = (
            f" Little's law: {balance.sampled:.3g} requests were under way by samples, "
            f"{balance.from_latency:.3g} by their latencies."
        )
    return (
        f"<p>{escape(busiest_text(summary.components, summary.state.cores_awaited))}</p>"
        + component_table([asdict(one) for one in summary.components])
        + f"<p class=note>{NOTE}{law} <code>hollowfleet culprit</code> confirms by relieving the "
        "fullest.</p>"
    )


def component_table(components: list[JsonObject]) -> str:
    """Utilisation and queue of each, in the given order."""
    rows = [
        [
            escape(one["name"]),
            f"{one['busiest']:.0%}",
            f"{one['mean']:.0%}",
            "–" if one["queue_mean"] is None else f"{one['queue_mean']:.3g}",
            "–" if one["queue_max"] is None else f"{one['queue_max']:.3g}",
        ]
        for one in components
    ]
    head = ["Component", "Busiest 5 s", "Mean", "Queue, mean", "Queue, largest sample"]
    return table(head, rows)
