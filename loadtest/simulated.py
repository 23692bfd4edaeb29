"""What a report says more of a run in virtual time, and how full the nodes of any run were."""

from html import escape
from typing import cast

import numpy as np

from api.core import JsonObject
from loadtest.allocation import Allocation, waits
from loadtest.junit import verdict_text
from loadtest.summary import Summary

SIMULATED = "Simulated in virtual time: every figure below follows from a model of service times."
REAL = (
    "the cores of the API server, the store's shards, the scheduler, its partitions, the "
    "controllers and the hollow nodes, unchanged: every object is validated, encoded, stored, "
    "watched and decided upon as in a real run, and names and uids come from the seed"
)
VIRTUAL = (
    "time. A program is busy for as long as a small cost profile says (see Service times), a "
    "frame is 100 µs on its way, a write of the log takes what its durability costs on its disk. "
    "Latencies and cores in use follow from that profile: they show order and queueing, and "
    "measure no machine"
)
OWN = "the simulator's own, rounded figures of benchmarks; they are in costs.json"
PROFILE = (
    "of a profile that was given with the run: measured on a machine, or changed on purpose. "
    "They are in costs.json; a profile by hollowfleet calibrate names its errors"
)
ABSENT = (
    "HTTPS, Locust and Ray (the load speaks frames), sockets, authentication, logs on disk, "
    "snapshots, and faults but for programs that are slow, stand still or are cut off for a time: "
    "nothing is lost or restarted, and no call but those to scoring partitions times out"
)


def simulated_section(summary: Summary) -> str:
    """What of the run was real, what virtual, and what was not there."""
    state = summary.state
    cluster = cast(JsonObject, summary.campaign["campaign"])["cluster"]
    rows = {"Real": REAL, "Virtual": VIRTUAL, "Not there": ABSENT}
    rows["Service times"] = PROFILE if state.profile else OWN
    if not cluster["heartbeats"]:
        rows["Heartbeats"] = (
            "off. Nodes register, say that they are Ready and renew nothing; no node is given up "
            "for silent; controllers keep their Leases for good; idle watches hear no bookmarks; "
            "shards tick, and forget history, once an hour"
        )
    else:
        rows["Heartbeats"] = (
            "on. Those that are due within a twentieth of the Lease period travel together, where "
            "hollow nodes in real time take a tenth of a second"
        )
    rows["Simulator"] = (
        f"{state.steps:,} steps of cores and {state.messages:,} messages in {state.cpu_s:.1f} s of "
        "CPU on the machine below"
    )
    asked = sorted(state.asked.items(), key=lambda item: (-item[1], item[0]))
    rows["Requests"] = "from components and load, since the boot: " + ", ".join(
        f"{count:,} {what}" for what, count in asked
    )
    cells = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in rows.items())
    return (
        f'<table class="facts"><tbody>{cells}</tbody></table><p class=note>The same campaign, '
        f"seed and commit give the digest <code>{escape(state.digest)}</code>. It is over every "
        "record of every shard's log and the code of every answer, with their virtual times.</p>"
    )


def waits_table(summary: Summary) -> str:
    """Time from creation to bound."""
    found = waits(summary.pods.created_s, summary.pods.bound_s)
    if not found:
        return "<p>No pod was bound.</p>"
    bound = int((~np.isnan(summary.pods.bound_s)).sum())
    never = len(summary.pods.created_s) - bound
    head = "".join(f"<th class=n>{escape(key)}</th>" for key in found)
    cells = "".join(
        f"<td class=n>{escape(verdict_text(max(value, 0.0), 's'))}</td>" for value in found.values()
    )
    return (
        f"<table><thead><tr><th>Pods bound</th><th>Never bound</th>{head}</tr></thead>"
        f"<tbody><tr><td>{bound:,}</td><td>{never:,}</td>{cells}</tr></tbody></table>"
        "<p class=note>Time from the answered create, or the first sight of the pod, to its "
        "binding as a watch shows it, by percentile. Pods never bound are not among them.</p>"
    )


def allocation_note(allocation: Allocation) -> str:
    """How fragmentation is counted."""
    if not allocation.gpus:
        return ""
    return (
        "<p class=note>Fragmentation is F of Weng et al., Beware of Fragmentation: Scheduling "
        "GPU-Sharing Workloads with Fragmentation Gradient Descent, USENIX ATC 2023: the free GPU "
        "capacity that could not be given to a pod of this run, each kind of pod as likely as it "
        f"was frequent; {allocation.tasks:,} kinds by CPU, memory and GPU. To a pod without GPU "
        "all free GPUs count as fragmented, as in the paper. The scheduler counts GPUs by node; "
        "here each pod gets the fullest GPU that has room. "
        f"{allocation.split:,} pods found room on their node but on no GPU of it, and were split "
        "over what was free.</p>"
    )


def simulated_conditions(summary: Summary) -> dict[str, str]:
    """Conditions of which virtual time makes others."""
    cluster = cast(JsonObject, summary.campaign["campaign"])["cluster"]
    beats = (
        f"Lease every {cluster['lease_period_ns'] / 1e9:g} s"
        if cluster["heartbeats"]
        else "heartbeats off"
    )
    return {
        "Hardware": "none: the cluster is simulated",
        "Kernel": "none",
        "Cores used": "service times by the cost profile, see Components",
        "Durability": f"{cluster['durability']}, one copy, on a disk that is simulated",
        "Nodes": f"{summary.campaign['nodes']:,} hollow, by frames, {beats}, pod stages delayed by "
        f"{cluster['pod_delay_ns'] / 1e9:g} s, no image pulls",
        "Network between programs": "a fixed time for each frame, of the service times",
        "Generators": "in virtual time, by frames",
        "Simulated on": f"{summary.host['cpu_model']}, {summary.host['cores']} cores",
    }
