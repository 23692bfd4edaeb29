"""What it costs to take the scheduler's Lease over: who wins it lists nodes and pods anew.

    python -m benchmarks.bench_sim_takeover [--nodes 5000] [--pods 50000]

One API server in virtual time holds the nodes and as many bound pods; then a scheduler begins to
follow them. Printed are the virtual time from there to its last object, by the cost profile of the
simulator (sim/cost.py), and the CPU of one core by process: the scheduler's has the parsing of what
it lists in it. Nothing else happens meanwhile, and no pod waits.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from actors.clock import settle_gc
from api.core import JsonObject
from api.kinds import kind_of
from api.storage import PUT
from apiserver.core import ApiServerCore
from apiserver.records import encode
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from hollow_node.documents import node_conditions, node_object
from hollow_node.node_list import NodeShape
from scheduler.leader import SchedulerCore
from sim.campaign.clients import ComponentProgram
from sim.campaign.costs import DEFAULT
from sim.campaign.run import START_NS
from sim.campaign.servers import ApiServerProgram, StoreProgram, Wires
from sim.heap import Agenda
from sim.kernel import Kernel
from store.core import StoreCore, StoreSettings

MS = 1_000_000
BATCH = 500
CAPACITY = (("cpu", "32"), ("memory", "128Gi"), ("pods", "110"))


class Timed:
    """A core whose steps are timed."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self.seconds = 0.0

    def step(self, events: Sequence[Any], now_ns: int) -> Sequence[Any]:
        begin = time.process_time()
        effects: Sequence[Any] = self.core.step(events, now_ns)
        self.seconds += time.process_time() - begin
        return effects

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)


def pod(number: int, nodes: int) -> JsonObject:
    """Bound and running, about 1 kB as stored."""
    container = {
        "name": "main",
        "image": "registry.example/web:1",
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    words = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    conditions = [
        {"type": word, "status": "True", "lastTransitionTime": "2026-11-21T10:00:00Z"}
        for word in words
    ]
    return {
        "metadata": {
            "name": f"web-{number}",
            "namespace": "default",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "labels": {"app": f"web-{number % 100}", "pod-template-hash": "7d4b9c"},
        },
        "spec": {
            "containers": [container],
            "nodeName": f"n-{number % nodes}",
            "schedulerName": "default-scheduler",
            "priority": 0,
        },
        "status": {"phase": "Running", "conditions": conditions},
    }


def node(number: int) -> JsonObject:
    made = node_object(NodeShape(f"n-{number}", CAPACITY), number, "2026-11-21T10:00:00Z")
    made["status"]["conditions"] = node_conditions(True, "2026-11-21T10:00:01Z")
    return made


class Cluster:
    """A store with the objects in it, and an API server that has loaded them."""

    def __init__(self, nodes: int, pods: int) -> None:
        self.kernel = Kernel(1, Agenda(START_NS))
        self.wires = Wires(self.kernel, DEFAULT.frame_ns)
        core = StoreCore(StoreSettings(0, epoch_ns=START_NS))
        sync_ns = DEFAULT.sync_of("store-0", "fsync")
        store = StoreProgram(self.kernel, self.wires, "store-0", core, sync_ns)
        store.turns.wake()
        for key, count, made in (("nodes", nodes, node), ("pods", pods, lambda n: pod(n, nodes))):
            self._put(store, key, count, made)
        self.server = cast(
            Any, Timed(ApiServerCore(Sharding("kind", 1), 1, "apiserver-0", Limits()))
        )
        self.api = ApiServerProgram(self.kernel, self.wires, "apiserver-0", self.server, [store])
        self.api.turns.wake()
        self.until(lambda: self.server.ready)

    def _put(
        self, store: StoreProgram, key: str, count: int, made: Callable[[int], JsonObject]
    ) -> None:
        kind = kind_of(key)
        for first in range(0, count, BATCH):
            requests = []
            for number in range(first, min(first + BATCH, count)):
                header, value, _ = encode(kind, made(number))
                name = f"default/web-{number}" if key == "pods" else f"n-{number}"
                requests.append((PUT, f"/registry/{key}/{name}".encode(), header, value, 0, 0))
            answers: list[Any] = []
            self.wires.send_now(store.call, requests, answers.append)
            self.until(answers.__len__)

    def until(self, happened: Callable[[], object]) -> None:
        agenda = self.kernel.agenda
        while not happened():
            agenda.run(agenda.now_ns + 10 * MS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=50000)
    words = parser.parse_args()
    cluster = Cluster(words.nodes, words.pods)
    scheduler: Any = Timed(SchedulerCore(1))
    cost = DEFAULT.of("scheduler")
    program = ComponentProgram(
        cluster.kernel, cluster.wires, "scheduler", scheduler, (cluster.api, [], cost)
    )
    settle_gc()
    server_s, begin_s, begin_ns = (
        cluster.server.seconds,
        time.process_time(),
        cluster.kernel.agenda.now_ns,
    )
    program.start()

    def knows_all() -> bool:
        gauges = scheduler.gauges()
        return bool(gauges["nodes"] == words.nodes and gauges["pods"] == words.pods)

    cluster.until(knows_all)
    whole_s, server_s = time.process_time() - begin_s, cluster.server.seconds - server_s
    known_s = (cluster.kernel.agenda.now_ns - begin_ns) / 1e9
    busy_s = program.turns.busy_ns / 1e9
    print(f"{words.nodes:,} nodes, {words.pods:,} bound pods: {known_s:.2f} virtual s to the last")
    print(f"  object, {busy_s:.2f} virtual s of service time of the scheduler in all")
    print(f"  API server {server_s:.2f} s of CPU, scheduler {whole_s - server_s:.2f} s", end="")
    print(f", of which its steps {scheduler.seconds:.2f} s and the rest is parsing")


if __name__ == "__main__":
    main()
