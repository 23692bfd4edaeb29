"""The sentence that tells a user why a pod stays pending.

Source: pkg/scheduler/framework/types.go (FitError), framework/preemption/preemption.go, v1.36;
tests/golden/scheduler/FORMAT.md, "The message".
"""

from collections import Counter
from collections.abc import Mapping

from scheduler.explain import HOPELESS, UNSCHEDULABLE, Explanation
from scheduler.plugins import node_affinity

NOTE_BYTES_MAX = 1024
"""Events carry at most so much. Source: pkg/scheduler/schedule_one.go, truncateMessage."""
CUT = " ..."

NO_CLAIMS = "no new claims to deallocate"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_PREEMPTION = "preemption: not supported by this scheduler"
"""Our own words, where kube-scheduler would look for victims."""
NO_NODES = "no nodes available to schedule pods"
NEVER = "preemption: not eligible due to preemptionPolicy=Never."


def failure_message(explanation: Explanation, never_preempts: bool, victims_possible: bool) -> str:
    """``victims_possible``: there are pods of lower priority that might be preempted."""
    nodes = explanation.nodes
    if not nodes:
        return NO_NODES
    if explanation.conflict:
        return f"0/{nodes} nodes are available: {node_affinity.CONFLICT}. not found"
    counts = Counter(explanation.reasons())
    if explanation.outside:
        names = f"[{node_affinity.NAME}]"
        counts[f"node(s) didn't satisfy plugin(s) {names}"] += explanation.outside
    return f"{_sentence(nodes, counts)} {NO_CLAIMS}, " + _preemption(
        explanation, never_preempts, victims_possible
    )


def unsupported_message(nodes: int, plugins: tuple[str, ...]) -> str:
    """For a pod that only a plugin we lack could put rightly."""
    names = ", ".join(plugins)
    return f"0/{nodes} nodes are available: plugin(s) not supported by this scheduler: {names}."


def note(message: str) -> str:
    """A message cut to what an event may carry."""
    raw = message.encode()
    if len(raw) <= NOTE_BYTES_MAX:
        return message
    return raw[: NOTE_BYTES_MAX - len(CUT)].decode(errors="ignore") + CUT


def _preemption(explanation: Explanation, never_preempts: bool, victims_possible: bool) -> str:
    if never_preempts:
        return NEVER
    codes = explanation.codes()
    if victims_possible and codes[UNSCHEDULABLE]:
        return NO_PREEMPTION
    counts = Counter(
        {NO_VICTIMS: codes[UNSCHEDULABLE], NOT_HELPFUL: codes[HOPELESS] + explanation.outside}
    )
    return "preemption: " + _sentence(explanation.nodes, +counts)


def _sentence(nodes: int, counts: Mapping[str, int]) -> str:
    parts = sorted(f"{count} {reason}" for reason, count in counts.items())
    if not parts:
        return f"0/{nodes} nodes are available:"
    return f"0/{nodes} nodes are available: {', '.join(parts)}."
