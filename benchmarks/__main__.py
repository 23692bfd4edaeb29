"""``make bench``: each benchmark in a process of its own, one after the other."""

import platform
import subprocess
import sys

RUNS = (
    ("benchmarks.bench_cluster", "--nodes", "1523"),
    ("benchmarks.bench_cluster", "--nodes", "5000"),
    ("benchmarks.bench_cluster", "--nodes", "5000", "--transport", "https"),
    ("benchmarks.bench_apiserver",),
    ("benchmarks.bench_store",),
    ("benchmarks.bench_net",),
    ("benchmarks.bench_scheduler",),
    ("benchmarks.bench_controllers",),
    ("benchmarks.bench_sim",),
    ("benchmarks.bench_sim_campaign", "--only", "heartbeats"),
    ("benchmarks.bench_sim_campaign", "--only", "openb"),
    ("benchmarks.bench_sim_takeover",),
)
LIMIT_S = 240


def main() -> int:
    print(f"{platform.processor() or platform.machine()}, {platform.platform()}")
    failed = [
        run
        for run in RUNS
        if subprocess.run([sys.executable, "-m", *run], check=False, timeout=LIMIT_S).returncode
    ]
    for run in failed:
        print("failed:", " ".join(run))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
