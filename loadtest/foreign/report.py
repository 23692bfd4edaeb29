"""What a report says of a run against a cluster that is there."""

from html import escape

from api.core import JsonObject

APPLY = ("Hardware", "Kernel", "Software", "Commit")
"""Conditions that are those of the machine which sent the load."""


def target_section(target: JsonObject) -> str:
    """Whom the load was sent to, what was left out, and what of the figures that leaves."""
    namespace = target["namespace"]
    rows = {
        "Server": f"{target['server']}, {target['version'] or 'version unknown'}",
        "Nodes": "unknown: they may not be listed"
        if target["nodes"] is None
        else f"{target['nodes']:,} when the run began",
        "Writes": f"in namespace {namespace}, which the run made and removed"
        if namespace
        else f"none: {target['left_out']:,} arrivals of the campaign are writes or follow from "
        "them, and were not sent",
        "Seen": f"pods of namespace {namespace}, by a watch"
        if namespace
        else "nothing but the answers to the load: no pod was followed",
        "Not there": "the programs of the cluster: how full they were is theirs to say",
    }
    cells = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in rows.items())
    return f'<table class="facts"><tbody>{cells}</tbody></table>'


def target_conditions(facts: dict[str, str], target: JsonObject) -> dict[str, str]:
    """Those of ``facts`` that say something here."""
    kept = {f"{key} of the generators": facts[key] for key in APPLY if key in facts}
    server = f"{target['server']}, {target['version'] or 'version unknown'}"
    return {"Target": server, "Generators": "on the machine of this report", **kept}


def target_tile(target: JsonObject) -> tuple[str, str]:
    """In place of how many nodes became Ready."""
    return ("?" if target["nodes"] is None else f"{target['nodes']:,}", "nodes of the target")
