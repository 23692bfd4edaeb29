"""What a campaign needs of memory, by nodes and pods: ``python -m benchmarks.bench_preflight``.

Small campaigns of some sizes, for real and in virtual time; prints the plane through them from
which loadtest/preflight.py has its figures.
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
SHELLS = {
    "real": ("run", ((500, 0), (2000, 0), (4000, 0), (500, 3000), (500, 8000))),
    "virtual": ("sim", ((1000, 0), (4000, 0), (10_000, 0), (1000, 5000), (1000, 20_000))),
}
"""Command, and sizes: (nodes, pods)."""
SPAN_S, PODS_SPAN_S = 15, 90
"""Of the load: short, because renewed Leases stay in the store for a while; long enough for a
closed loop to make all pods of a size."""


def campaign(nodes: int, pods: int, servers: int) -> dict[str, object]:
    load: list[dict[str, object]] = [{"scenario": "readers", "rate": "1/s"}]
    if pods:
        users = {"arrivals": "closed", "users": 32, "count": pods}
        load.append({"scenario": "pods", **users})
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "preflight"},
        "spec": {
            "settle": "300s",
            "cluster": {"nodes": nodes, "apiServers": servers},
            "phases": [
                {"name": "a", "duration": f"{PODS_SPAN_S if pods else SPAN_S}s", "load": load}
            ],
        },
    }


def peak_mib(command: str, nodes: int, pods: int, servers: int) -> float:
    """Of all processes together but the load's; of the one process in virtual time."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "campaign.yaml")
        file.write_text(yaml.safe_dump(campaign(nodes, pods, servers)))
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
    parser.add_argument("--servers", type=int, default=1, help="API servers")
    arguments = parser.parse_args()
    for shell in arguments.shells:
        command, sizes = SHELLS[shell]
        points = []
        for nodes, pods in sizes:
            points.append((1, nodes, pods, peak_mib(command, nodes, pods, arguments.servers)))
            peak = f"{points[-1][-1]:,.0f} MiB"
            print(f"{shell:<8} {nodes:>6} nodes, {pods:>6} pods: {peak}", flush=True)
        found = np.array(points, np.float64)
        (base, node, pod), *_ = np.linalg.lstsq(found[:, :3], found[:, 3], rcond=None)
        each = f"{node * 1024:.1f} KiB a node, {pod * 1024:.1f} KiB a pod"
        print(f"{shell:<8} {base:,.0f} MiB, {each}", flush=True)


if __name__ == "__main__":
    main()
