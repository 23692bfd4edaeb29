"""Our explanation of an attempt in the fields of the recordings."""

import json
from collections import Counter

from api.core import JsonObject
from scheduler.explain import HOPELESS, UNSCHEDULABLE, Explanation, Stopped, hopeless_rows
from scheduler.node_table import NodeTable


def pod_key(pod: JsonObject) -> str:
    return f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"


def attempt_fields(explanation: Explanation, table: NodeTable, full: bool) -> dict[str, object]:
    """Everything that filters and scores said. ``full``: node by node as well."""
    names, feasible = table.names, explanation.feasible
    best = int(explanation.total.max()) if len(feasible) > 1 else None
    tied = [] if best is None else feasible[explanation.total == best].tolist()
    rejected_by: Counter[str] = Counter()
    for rejected in explanation.rejected:
        rejected_by[rejected.plugin] += len(rejected.rows)
    ours: dict[str, object] = {
        "nodes": explanation.nodes,
        "feasible_count": None if explanation.stopped else len(feasible),
        "chosen_total": best,
        "max_ties": len(tied) or len(feasible),
        "via_nominated_node": False,
        "reasons": dict(explanation.reasons()),
        "reject_plugins": dict(rejected_by),
        "reject_codes": dict(explanation.codes()),
    }
    if explanation.named is not None and not explanation.stopped:
        ours["prefilter_nodes"] = [names[row] for row in explanation.named.tolist()]
    if tied:
        at = feasible.tolist().index(tied[0])
        ours["chosen_scores"] = _scores_at(explanation, at)
        ours["nonconstant_scores"] = sorted(
            s.plugin.name
            for s in explanation.scored
            if int(s.normalised.min()) != int(s.normalised.max())
        )
    if full:
        ours["filter"] = _filter_list(explanation, table)
        if tied:
            ours["tie_nodes"] = [names[row] for row in tied]
            ours["score"] = [
                {
                    "node": names[row],
                    "total": int(explanation.total[at]),
                    "p": _scores_at(explanation, at),
                }
                for at, row in enumerate(feasible.tolist())
            ]
    return ours


def stopped_fields(stopped: Stopped) -> dict[str, object]:
    reject = {
        "node": "",
        "plugin": stopped.plugin,
        "code": HOPELESS,
        "reasons": [stopped.reason],
    }
    return {"prefilter_reject": reject, "postfilter_error": "not found"}


def short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 400 else text[:400] + "..."


def _filter_list(explanation: Explanation, table: NodeTable) -> list[JsonObject]:
    entries = []
    for rejected in explanation.rejected:
        hopeless = hopeless_rows(rejected)
        for at, row in enumerate(rejected.rows.tolist()):
            entry = {
                "node": table.names[row],
                "plugin": rejected.plugin,
                "code": HOPELESS if hopeless[at] else UNSCHEDULABLE,
                "reasons": [r.text for r in rejected.reasons if r.rows[at]],
            }
            entries.append((int(table.order[row]), entry))
    return [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]


def _scores_at(explanation: Explanation, at: int) -> dict[str, list[int]]:
    scores = {s.plugin.name: [int(s.raw[at]), int(s.normalised[at])] for s in explanation.scored}
    # DynamicResources scores every node 0 for a pod without claims.
    return scores | {"DynamicResources": [0, 0]}
