"""What the scheduler's core weighs: bytes a node and bytes a bound pod, as tracemalloc counts them.

    python -m benchmarks.bench_scheduler_memory [PODS]

Objects are what a watch tells: names and uids of the length they have in a cluster, each string
its own. Pods of ten applications, or each with other requests, or each with a label of its own.
"""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from uuid import UUID

from api.calls import ADDED, ObjectsSeen, WatchSynced
from api.core import JsonObject
from api.streams import Stream
from benchmarks.bench_scheduler import NODE_COUNT, SEED, cluster_node, labelled, pod_asking
from scheduler.follower import NODES, PODS
from scheduler.leader import SchedulerCore

PIECE = 1000


def main() -> None:
    pods = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{NODE_COUNT} nodes, {pods} bound pods, seed {SEED}; bytes by tracemalloc")
    for name, pod_of in (
        ("pods of ten applications", _of_ten),
        ("each with other requests", _other_requests),
        ("each with a label of its own", _own_label),
    ):
        a_node, a_pod = _weigh(pods, pod_of)
        print(f"{name:32} {a_node:7.0f} a node {a_pod:7.0f} a placed pod", flush=True)


def _weigh(pods: int, pod_of: Callable[[int, str], JsonObject]) -> tuple[float, float]:
    core, uids = SchedulerCore(SEED), Stream(SEED, "uids")
    tracemalloc.start()
    empty = _now()
    for first in range(0, NODE_COUNT, PIECE):
        _see(core, NODES, [cluster_node(first + n, False) for n in range(PIECE)])
    with_nodes = _now()
    for first in range(0, pods, PIECE):
        batch = []
        for number in range(first, first + PIECE):
            pod = pod_of(number, f"app{number % 10}-7c79c4bf97-{number:05x}")
            uid = UUID(int=uids.next_u64() << 64 | uids.next_u64(), version=4)
            pod["metadata"]["uid"] = str(uid)
            pod["spec"]["nodeName"] = f"n{number * 7919 % NODE_COUNT}"
            pod["status"]["startTime"] = "2026-01-01T00:00:00Z"
            batch.append(pod)
        _see(core, PODS, batch)
    del batch, pod
    for watch in core.watches:
        core.step([WatchSynced(watch.name)], 1)
    core.check()
    with_pods = _now()
    tracemalloc.stop()
    return (with_nodes - empty) / NODE_COUNT, (with_pods - with_nodes) / pods


def _see(core: SchedulerCore, watch: str, objects: Sequence[JsonObject]) -> None:
    core.step([ObjectsSeen(watch, [ADDED] * len(objects), objects, [])], 1)


def _now() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _of_ten(number: int, name: str) -> JsonObject:
    pod = labelled(pod_asking(number, "10m", "10Mi"), f"app{number % 10}")
    pod["metadata"]["name"] = name
    return pod


def _other_requests(number: int, name: str) -> JsonObject:
    pod = labelled(pod_asking(number, "10m", f"{10240 + number}Ki"), f"app{number % 10}")
    pod["metadata"]["name"] = name
    return pod


def _own_label(number: int, name: str) -> JsonObject:
    pod = _of_ten(number, name)
    pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = name
    return pod


if __name__ == "__main__":
    main()
