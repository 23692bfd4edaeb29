"""What the simulator costs: seeds, core steps and messages a second on one core.

    python benchmarks/bench_sim.py [--seeds 40]

A step is one call of a core; a message is one request, answer, watch event, record or report that
a core was given. A step takes in a batch of messages. Memory is the peak of the process.
"""

import argparse
import cProfile
import pstats
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from actors.clock import settle_gc
from sim.run import Outcome, run_seed

ROOMS = ("api", "store", "apiserver", "scheduler", "controllers", "hollow_node", "sim")


def measured(seeds: int) -> list[Outcome]:
    run_seed(1)
    settle_gc()
    begin, cpu = time.perf_counter(), time.process_time()
    outcomes = [run_seed(seed) for seed in range(1, seeds + 1)]
    wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    steps = sum(one.steps for one in outcomes)
    messages = sum(one.messages for one in outcomes)
    virtual_s = sum(one.virtual_s for one in outcomes)
    print(f"{seeds} seeds in {wall_s:.1f} s ({cpu_s:.1f} s of CPU); 60 s of CPU hold", end=" ")
    print(f"{60 * seeds / cpu_s:.0f} seeds")
    print(f"{'':14}{'a seed':>12}{'a CPU second':>16}")
    for name, count in (
        ("steps", steps),
        ("messages", messages),
        ("together", steps + messages),
        ("heap entries", sum(one.entries for one in outcomes)),
    ):
        print(f"{name:14}{count / seeds:>12,.0f}{count / cpu_s:>16,.0f}")
    print(f"virtual time runs {virtual_s / cpu_s:.0f} times as fast as CPU time")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return outcomes


def shares(seeds: int) -> None:
    """Where the time goes, by room; what a room calls in C counts for the room."""
    profile = cProfile.Profile()
    profile.enable()
    for seed in range(1, seeds + 1):
        run_seed(seed)
    profile.disable()
    root = Path(__file__).resolve().parent.parent
    spent: dict[str, float] = {}
    for (file, _, _), (_, _, own_s, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        sources = {file: own_s}
        if file == "~":
            sources = {caller[0]: times[2] for caller, times in callers.items()}
        for source, seconds in sources.items():
            path = Path(source)
            room = path.relative_to(root).parts[0] if path.is_relative_to(root) else "others"
            spent[room] = spent.get(room, 0.0) + seconds
    total = sum(spent.values())
    print("share of the time (profiled): ", end="")
    print(", ".join(f"{room} {spent.get(room, 0) / total:.0%}" for room in (*ROOMS, "others")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    seeds = parser.parse_args().seeds
    outcomes = measured(seeds)
    shares(min(seeds, 5))
    failed = [one.options.seed for one in outcomes if one.failure]
    if failed:
        print("seeds that failed:", failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
