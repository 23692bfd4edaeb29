"""What campaigns in virtual time cost: CPU seconds of one core for the shipped ones.

    python -m benchmarks.bench_sim_campaign [--only openb|heartbeats]

openb: the whole trace, 8,152 pods over 149 days on 1,523 nodes, without heartbeats. heartbeats: an
hour of 1,523 nodes that renew a Lease every ten seconds and report every five minutes. The goal is
60 s of CPU each. The CPU is that of the simulation, without the report.

Steps and messages are those of bench_sim: a step is one call of a core, a message one thing that it
was given. A campaign has no faults and no checkers. Of heartbeats also what one renewal costs: the
boot, the reports of nodes and all else of the hour are spread over the renewals that are due.
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

from actors.hollow import all_shapes
from loadtest.bundle import RunState, new_bundle
from loadtest.campaign import read_campaign
from loadtest.compiled import compile_campaign
from loadtest.progress import PlainDisplay
from loadtest.virtual import VirtualCampaign

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
GOAL_CPU_S = 60.0
RENEWAL_S = 10.0
"""The mean pause between two renewals of a node, as examples/heartbeats.yaml has it."""
BAR = 150_000
"""Steps or messages a second on one core that the project wants."""


def measured(name: str) -> bool:
    """Run one; whether it kept to its goal."""
    path = EXAMPLES / f"{name}.yaml"
    compiled = compile_campaign(read_campaign(path), path.parent)
    with tempfile.TemporaryDirectory() as parent:
        directory, run_id = new_bundle(Path(parent), name)
        state = RunState(run_id, "")
        VirtualCampaign(compiled, directory, state, PlainDisplay(sys.stdout)).execute()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:12}{state.load_s:>14,.0f} virtual s{state.cpu_s:>8.1f} s of CPU"
        f"{state.steps:>12,} steps{state.messages:>12,} messages{peak:>7.0f} MiB  {state.digest}"
    )
    work = state.steps + state.messages
    rate = work / state.cpu_s
    print(f"  {rate:,.0f} steps and messages a second of CPU, {rate / BAR:.0%} of {BAR:,}")
    if name == "heartbeats":
        due = len(all_shapes(compiled.cluster)) * state.load_s / RENEWAL_S
        print(
            f"  a renewal: {state.steps / due:.2f} steps, {state.messages / due:.2f} messages,"
            f" {1e6 * state.cpu_s / due:.0f} us of CPU ({due:,.0f} were due)"
        )
    if state.error:
        print("failed:", state.error)
    return not state.error and state.cpu_s <= GOAL_CPU_S


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("openb", "heartbeats"))
    only = parser.parse_args().only
    kept = [measured(name) for name in ((only,) if only else ("heartbeats", "openb"))]
    if not all(kept):
        print(f"not within {GOAL_CPU_S:g} s of CPU")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
