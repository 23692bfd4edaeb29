"""The sentence that tells a user why a pod stays pending.

Source: pkg/scheduler/framework/types.go (FitError), framework/preemption/preemption.go, v1.36;
tests/golden/scheduler/FORMAT.md, "The message".
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from scheduler.explain import Explanation
from scheduler.plugins import node_affinity
from scheduler.preemption import Trial

NOTE_BYTES_MAX = 1024
"""Events carry at most so much. Source: pkg/scheduler/schedule_one.go, truncateMessage."""
CUT = " ..."

NO_CLAIMS = "no new claims to deallocate"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_NODES = "no nodes available to schedule pods"
TERMINATING = "preemption: not eligible due to a terminating pod on the nominated node."
NOT_TRIED = "not tried"
NO_CANDIDATE = "preemption: no candidate node for preemption"
NEVER = "preemption: not eligible due to preemptionPolicy=Never."


def failure_message(explanation: Explanation, after: str) -> str:
    """``after``: what came of preemption; empty when the pod was nominated, NOT_TRIED when the
    profile does without it."""
    nodes = explanation.nodes
    if not nodes:
        return NO_NODES
    if explanation.stopped is not None:
        return f"0/{nodes} nodes are available: {explanation.stopped.reason}. not found"
    counts = Counter(explanation.reasons())
    if explanation.outside:
        names = f"[{node_affinity.NAME}]"
        counts[f"node(s) didn't satisfy plugin(s) {names}"] += explanation.outside
    sentence = _sentence(nodes, counts)
    if after == NOT_TRIED:
        return f"{sentence} {NO_CLAIMS}"
    return f"{sentence} {NO_CLAIMS}, {after}" if after else sentence


def broken_preemption_message(explanation: Explanation, trouble: str) -> str:
    """An error ends PostFilter, so that no other plugin of it has a say.
    Source: framework/runtime/framework.go, RunPostFilterPlugins, v1.36."""
    return f"{failure_message(explanation, '')} preemption: {trouble}"


def fruitless_preemption(explanation: Explanation, tried: Sequence[Trial]) -> str:
    """Why no node can be made free, in the form of the message itself."""
    counts: Counter[str] = Counter()
    for trial in tried:
        if trial.refusal is None:
            counts[NO_VICTIMS] += 1
        else:
            counts.update(reason.text for reason in trial.refusal.reasons)
    counts[NOT_HELPFUL] = explanation.nodes - len(tried)
    return "preemption: " + _sentence(explanation.nodes, +counts)


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


def _sentence(nodes: int, counts: Mapping[str, int]) -> str:
    parts = sorted(f"{count} {reason}" for reason, count in counts.items())
    if not parts:
        return f"0/{nodes} nodes are available:"
    return f"0/{nodes} nodes are available: {', '.join(parts)}."
