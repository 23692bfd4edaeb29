"""Decisions a second of the scheduler's core on one CPU: no sockets, no API server.

``python -m benchmarks.bench_scheduler`` prints one line a case: all nodes filtered and scored for
every pod, the pod counted on its node before the next one. "leader" includes the whole step:
parsing the watched pods, queue, bindings and their answers, events.
"""

import resource
import time
from collections.abc import Callable

import msgpack

from api.calls import ADDED, ApiReply, Calls, CallsDone, ObjectsSeen, WatchReset, WatchSynced
from api.core import JsonObject
from api.streams import Stream
from scheduler.engine import Engine
from scheduler.explain import Pod, explain
from scheduler.follower import NODES, PODS
from scheduler.framework import PreemptionLimits
from scheduler.kernel import kernel_named, kernel_of
from scheduler.leader import BATCH_MAX, SchedulerCore
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from scheduler.pod_shape import Shape
from scheduler.pool import ScoringPool
from scheduler.preemption import best_trials, enough_of, trials
from scheduler.relations import HOSTNAME
from scheduler.shapes import Shapes

NODE_COUNT = 5000
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
SEED = 1
KERNEL = kernel_of("auto")


def main() -> None:
    print(f"{NODE_COUNT} nodes, all scored; one core; seed {SEED}; {kernel_named(KERNEL)}")
    print("unequal nodes: 16 sizes of cpu and of memory, every fifth with a soft taint")
    print(f"{'case':52} {'decisions/s':>12} {'us each':>9}")
    for name, pods, shape_of, equal_nodes in (
        ("identical pods, equal nodes", 20000, equal_pod, True),
        ("identical pods, unequal nodes", 20000, equal_pod, False),
        ("all different in requests, unequal nodes", 4000, different_pod, False),
        ("all different, node affinity and taints", 2000, _choosy_pod, False),
    ):
        _report(name, pods, engine_seconds(pods, shape_of, equal_nodes))
    for name, pods, shape_made, existing in (
        ("spread over zones and hosts, identical", 6000, spread_pod(0), 50000),
        ("spread over zones and hosts, different", 2000, spread_pod(1), 50000),
        ("required anti-affinity on hosts, identical", 4000, apart_pod(0), 0),
        ("required anti-affinity on hosts, different", 4000, apart_pod(1), 0),
        ("required and preferred affinity, different", 2000, near_pod, 50000),
    ):
        _report(name, pods, engine_seconds(pods, shape_made, False, existing))
    _report("preemption, one victim each", 2000, preemption_seconds(2000))
    for name, pods, shape_of in (
        ("leader, identical pods, equal nodes", 10000, equal_pod),
        ("leader, all different, equal nodes", 4000, different_pod),
    ):
        _report(name, pods, _leader_case(pods, shape_of))
    leader, partition = _pool_case(4000)
    _report("pool of 2, all different: the leader's share", 4000, leader)
    _report("pool of 2, all different: each partition's share", 4000, partition)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory of the process: {peak_kib / 1024:.0f} MiB")


def _report(name: str, pods: int, seconds: float) -> None:
    print(f"{name:52} {pods / seconds:12,.0f} {seconds / pods * 1e6:9.1f}")


def ten_applications(number: int) -> JsonObject:
    """app0 among them."""
    return labelled(pod_asking(number, "10m", "10Mi"), f"app{number % 10}")


def engine_seconds(
    pods: int,
    pod_of: Callable[[int], JsonObject],
    equal_nodes: bool,
    existing: int = 0,
    existing_pod_of: Callable[[int], JsonObject] = ten_applications,
) -> float:
    """CPU of deciding for so many pods, with ``existing`` ones spread over the nodes before."""
    table, shapes, ties = NodeTable(), Shapes(), Stream(SEED, "ties")
    for number in range(NODE_COUNT):
        table.put_node(node_facts(cluster_node(number, equal_nodes)))
    wanted: list[Shape] = [shapes.of_pod(pod_of(number)) for number in range(pods)]
    for number in range(existing):
        shape = shapes.of_pod(existing_pod_of(number))
        table.add_pod(f"default/x{number}", f"n{number % NODE_COUNT}", shape)
    engine = Engine(table, kernel=KERNEL)
    begin = time.process_time()
    for number, shape in enumerate(wanted):
        row = engine.choose(shape, max(ties.next_u64(), 1))
        assert row >= 0
        table.add_pod(f"default/p{number}", table.names[row], shape)
    return time.process_time() - begin


def preemption_seconds(pods: int) -> float:
    """Every node is full with four pods; each new pod needs the room of one."""
    table, shapes = NodeTable(), Shapes()
    for number in range(NODE_COUNT):
        table.put_node(node_facts(cluster_node(number, True)))
    filler = shapes.of_pod(pod_asking(0, "4", "4Gi"))
    for number in range(4 * NODE_COUNT):
        table.add_pod(f"default/x{number}", f"n{number % NODE_COUNT}", filler, number % 3, number)
    engine, starts = Engine(table), Stream(SEED, "starts")
    shape = shapes.of_pod(pod_asking(0, "4", "4Gi"))
    begin = time.process_time()
    for number in range(pods):
        who = Pod(f"default/p{number}", 10)
        assert engine.choose(shape, 1, who) < 0
        found = explain(shape, table, who)
        enough = enough_of(NODE_COUNT, starts.next_u64(), PreemptionLimits())
        best = best_trials(trials(shape, table, who, found, (), enough))[0]
        node = table.names[best.row]
        (victim,) = best.victims
        table.remove_pod(victim.pod, node)
        table.add_pod(who.name, node, shape, who.priority)
    return time.process_time() - begin


def _leader_case(pods: int, pod_of: Callable[[int], JsonObject]) -> float:
    core = SchedulerCore(SEED)
    nodes = [cluster_node(number, True) for number in range(NODE_COUNT)]
    objects = [pod_of(number) for number in range(pods)]
    now_ns = 1_800_000_000_000_000_000
    core.step([WatchReset(NODES), ObjectsSeen(NODES, [ADDED] * NODE_COUNT, nodes, [])], now_ns)
    core.step([WatchSynced(spec.name) for spec in core.watches if spec.name != PODS], now_ns)
    begin = time.process_time()
    core.step([WatchReset(PODS), ObjectsSeen(PODS, [ADDED] * pods, objects, [])], now_ns)
    effects = core.step([WatchSynced(PODS)], now_ns)
    while effects or core.next_wakeup_ns() is not None:
        now_ns += 1_000_000
        replies = [
            ApiReply(request.id, 201, 1, b"")
            for effect in effects
            if isinstance(effect, Calls)
            for request in effect.requests
        ]
        effects = core.step([CallsDone(replies)], now_ns)
    seconds = time.process_time() - begin
    assert core.decided == pods
    return seconds


def _pool_case(pods: int) -> tuple[float, float]:
    """CPU seconds of the leader and of one of two partitions, batches of 128, wire included."""
    table, shapes, ties = NodeTable(), Shapes(), Stream(SEED, "ties")
    for number in range(NODE_COUNT):
        table.put_node(node_facts(cluster_node(number, False)))
    pool, cores = ScoringPool(table, Engine(table), 2), (PartitionCore(), PartitionCore())
    wanted = [shapes.of_pod(different_pod(number)) for number in range(pods)]
    leader = partition = 0.0
    for first in range(0, pods, BATCH_MAX):
        batch = wanted[first : first + BATCH_MAX]
        begin = time.process_time()
        questions = [(n, shape, max(ties.next_u64(), 1)) for n, shape in enumerate(batch)]
        orders = [(number, msgpack.packb(body)) for number, body in pool.ask(questions, 0, 0)]
        leader += time.process_time() - begin
        for number, frame in orders:
            begin = time.process_time()
            (answer,) = cores[number].step(request_from(msgpack.unpackb(frame)), 0)
            frame = msgpack.packb(answer_body(answer))
            partition += time.process_time() - begin
            begin = time.process_time()
            pool.answered(number, msgpack.unpackb(frame), 0)
            leader += time.process_time() - begin
        begin = time.process_time()
        pool.close()
        for number, shape, salt in questions:
            row = pool.choose(number, shape, salt)
            table.add_pod(f"default/p{first + number}", table.names[row], shape)
        leader += time.process_time() - begin
    assert pool.fallbacks == 0
    return leader, partition / 2


def cluster_node(number: int, equal: bool) -> JsonObject:
    shape = 0 if equal else number * 7919 % 16
    labels = {"kubernetes.io/hostname": f"n{number}", "zone": f"z{number % 3}"}
    taints = [{"key": "spot", "value": "yes", "effect": "PreferNoSchedule"}]
    return {
        "metadata": {"name": f"n{number}", "uid": f"u{number}", "labels": labels},
        "spec": {"taints": taints} if not equal and number % 5 == 0 else {},
        "status": {
            "allocatable": {
                "cpu": str(16 + 4 * shape),
                "memory": f"{64 + 8 * (shape * 5 % 16)}Gi",
                "pods": "110",
            }
        },
    }


def pod_asking(number: int, cpu: str, memory: str, **spec: object) -> JsonObject:
    requests = {"requests": {"cpu": cpu, "memory": memory}}
    return {
        "metadata": {"namespace": "default", "name": f"p{number}", "uid": f"p{number}"},
        "spec": {
            "containers": [{"name": "c", "image": "app:1", "resources": requests}],
            "schedulerName": "default-scheduler",
            **spec,
        },
        "status": {"phase": "Pending"},
    }


def equal_pod(number: int) -> JsonObject:
    return pod_asking(number, "100m", "100Mi")


def different_pod(number: int) -> JsonObject:
    return pod_asking(number, f"{100 + number % 900}m", f"{100 + number}Mi")


def _choosy_pod(number: int) -> JsonObject:
    zone = {"key": "zone", "operator": "In", "values": ["z0", f"z{number % 2 + 1}"]}
    preferred = [{"weight": 10, "preference": {"matchExpressions": [zone]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    return pod_asking(number, f"{100 + number % 900}m", f"{100 + number}Mi", affinity=affinity)


def labelled(pod: JsonObject, app: str, **labels: str) -> JsonObject:
    pod["metadata"]["labels"] = {"app": app, **labels}
    return pod


def _term(key: str, app: str) -> JsonObject:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}


def spread_pod(different: int) -> Callable[[int], JsonObject]:
    """Hard over zones, soft over hosts."""

    def made(number: int) -> JsonObject:
        constraints = [
            {**_term("zone", "app0"), "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"},
            {**_term(HOSTNAME, "app0"), "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"},
        ]
        found = pod_asking(
            number, *_sizes(number * different), topologySpreadConstraints=constraints
        )
        return labelled(found, "app0")

    return made


def apart_pod(different: int) -> Callable[[int], JsonObject]:
    def made(number: int) -> JsonObject:
        affinity = {"podAntiAffinity": {REQUIRED: [_term(HOSTNAME, "lonely")]}}
        return labelled(
            pod_asking(number, *_sizes(number * different), affinity=affinity), "lonely"
        )

    return made


def near_pod(number: int) -> JsonObject:
    app = f"app{number % 10}"
    preferred = {"weight": 10, "podAffinityTerm": _term(HOSTNAME, f"app{number * 3 % 10}")}
    affinity = {"podAffinity": {REQUIRED: [_term("zone", app)], PREFERRED: [preferred]}}
    return labelled(pod_asking(number, *_sizes(number), affinity=affinity), app)


def _sizes(number: int) -> tuple[str, str]:
    return f"{100 + number % 900}m", f"{100 + number}Mi"


if __name__ == "__main__":
    main()
