"""What a campaign needs of memory, by nodes: ``python -m benchmarks.bench_preflight``.

Small campaigns of three sizes, for real and in virtual time; prints the straight lines through them
from which loadtest/preflight.py has its figures.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml

MIB = 1 << 20
SHELLS = {"real": ("run", (500, 2000, 4000)), "virtual": ("sim", (1000, 4000, 10_000))}


def campaign(nodes: int) -> dict[str, object]:
    load = [{"scenario": "readers", "rate": "1/s"}]
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "preflight"},
        "spec": {
            "settle": "60s",
            "cluster": {"nodes": nodes},
            "phases": [{"name": "a", "duration": "15s", "load": load}],
        },
    }


def peak_mib(command: str, nodes: int) -> float:
    """Of all processes together but the load's; of the one process in virtual time."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "campaign.yaml")
        file.write_text(yaml.safe_dump(campaign(nodes)))
        arguments = [sys.executable, "-m", "loadtest", command, str(file), "--out", place]
        timed = ["/usr/bin/env", sys.executable, "-c", _TIMED, *arguments]
        done = subprocess.run(timed, capture_output=True, text=True, check=False)
        summaries = list(Path(place).glob("*/summary.json"))
        assert summaries, done.stdout + done.stderr
        if command == "sim":
            return int(done.stdout.rsplit("maxrss ", 1)[1]) / 1024
        memory = json.loads(summaries[0].read_text())["memory_mib_max"]
        return float(sum(memory.values()))


_TIMED = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:]); "
    "print('maxrss', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
"""Runs a command and prints the largest resident set of its processes in KiB (Linux)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shells", nargs="*", default=list(SHELLS), help="real, virtual")
    for shell in parser.parse_args().shells:
        command, sizes = SHELLS[shell]
        points = []
        for nodes in sizes:
            points.append((nodes, peak_mib(command, nodes)))
            print(f"{shell:<8} {nodes:>6} nodes: {points[-1][1]:,.0f} MiB", flush=True)
        slope, base = np.polyfit(*np.array(points).T, 1)
        print(f"{shell:<8} {base:,.0f} MiB and {slope * 1024:.1f} KiB a node", flush=True)


if __name__ == "__main__":
    main()
