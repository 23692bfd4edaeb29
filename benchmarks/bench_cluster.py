"""The whole cluster on a private Ray: start, idle, a Deployment of 1,000 pods, its namespace.

    python -m benchmarks.bench_cluster [--nodes 1523] [--transport frames|https] [--idle 20]

Prints one table. CPU is that of the cluster's programs, by role, without Ray's own processes,
which are printed apart; the client is this process and its CPU is printed too. fsync is on and pod
stages have no delay. Beside each figure stands the real system's on two cores of the same kind:
etcd, kube-apiserver, kube-controller-manager, kube-scheduler 1.36.3 and KWOK 0.8.0.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from actors.cluster import ClusterHandle, start_cluster
from actors.plan import ClusterPlan, NodeSpec, ProcessSample
from actors.processes import TICKS_PER_S, start_ticks
from api.core import JsonObject
from benchmarks.cluster_client import Client

PODS = 1000
REAL = {1523: {"ready": "13.6 s for 1,000"}, 5000: {"ready": "79.5 s", "idle": "1.20 cores"}}


def node_ready(node: JsonObject) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def pod_running(pod: JsonObject) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def cpu_by_role(samples: list[ProcessSample]) -> dict[str, float]:
    roles: dict[str, float] = defaultdict(float)
    for sample in samples:
        roles[sample.role] += sample.cpu_s
    return dict(roles)


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {role: after[role] - before.get(role, 0.0) for role in after}


def total(roles: dict[str, float]) -> float:
    return sum(value for role, value in roles.items() if role != "ray")


def say(what: str, value: str, roles: dict[str, float] | None = None, per: float = 1.0) -> None:
    print(f"{what:<48} {value}", flush=True)
    if roles:
        parts = [f"{role} {value / per:.3g}" for role, value in sorted(roles.items())]
        print(f"{'':<48}   {', '.join(parts)}", flush=True)


def since_process_start() -> float:
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - start_ticks(os.getpid()) / TICKS_PER_S


def idle(cluster: ClusterHandle, seconds: float) -> None:
    before = cpu_by_role(cluster.samples())
    begun = time.monotonic()
    time.sleep(seconds)
    samples = cluster.samples()
    wall = time.monotonic() - begun
    roles = spent(before, cpu_by_role(samples))
    say(f"idle for {wall:.0f} s: cores", f"{total(roles) / wall:.3f}", roles, wall)
    memory: dict[str, float] = defaultdict(float)
    for sample in samples:
        memory[sample.role] += sample.pss_bytes / 2**20
    say("memory, MiB PSS", f"{total(memory):.0f} and Ray's own {memory['ray']:.0f}", memory)


def deployment(cluster: ClusterHandle, client: Client) -> None:
    client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "bench"}})
    labels = {"app": "web"}
    container = {"name": "c", "image": "nginx", "resources": {"requests": {"cpu": "10m"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": PODS, "selector": {"matchLabels": labels}, "template": template}
    before = cpu_by_role(cluster.samples())
    begun = time.monotonic()
    body = {"metadata": {"name": "web"}, "spec": spec}
    client.call("POST", "/apis/apps/v1/namespaces/bench/deployments", body)
    last = client.wait_all("/api/v1/namespaces/bench/pods", PODS, pod_running)
    roles = spent(before, cpu_by_role(cluster.samples()))
    say(f"Deployment of {PODS} applied -> all Running", f"{last - begun:.2f} s (real: 12-15 s)")
    say("  CPU ms a pod", f"{total(roles):.2f} (real: 24-30 ms)", roles)

    before = cpu_by_role(cluster.samples())
    begun = time.monotonic()
    client.call("DELETE", "/api/v1/namespaces/bench")
    gone = client.wait_gone("/api/v1/namespaces/bench")
    roles = spent(before, cpu_by_role(cluster.samples()))
    say("its namespace deleted", f"{gone - begun:.2f} s (real: 18-24 s)")
    say("  CPU ms a pod", f"{total(roles):.2f}", roles)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1523)
    parser.add_argument("--transport", choices=("frames", "https"), default="frames")
    parser.add_argument("--idle", type=float, default=20.0)
    options = parser.parse_args()
    print(f"\n{options.nodes} nodes by {options.transport}, fsync, 2 store shards by kind")
    with tempfile.TemporaryDirectory(prefix="hollowfleet-bench-") as directory:
        plan = ClusterPlan(
            directory, nodes=(NodeSpec(options.nodes),), node_transport=options.transport
        )
        cluster = start_cluster(plan, lambda text: print(f"  {text}", file=sys.stderr))
        try:
            say("process start to the API server up", f"{since_process_start():.1f} s")
            client = Client(cluster)
            client.wait_all("/api/v1/nodes", options.nodes, node_ready)
            real = REAL.get(options.nodes, {}).get("ready", "not measured")
            say("process start to all Ready", f"{since_process_start():.1f} s (real: {real})")
            say("  CPU seconds until then", "", cpu_by_role(cluster.samples()))
            if options.idle:
                idle(cluster, options.idle)
            deployment(cluster, client)
            say("this client's own CPU, s", f"{time.process_time():.1f}")
            for line in cluster.failures():
                print("  failure:", line)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
