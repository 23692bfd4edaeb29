"""The workloads of scheduler_perf, upstream's benchmark of the scheduler, on our core.

    python -m benchmarks.bench_scheduler_perf

Each row: a workload, the pods a second below which upstream's CI complains (on its own machines),
what kube-scheduler binds on two cores of the kind used here, and what this core decides on one, all
nodes scored, in CPU time. Decisions and bindings are not the same thing: read the columns by their
ratios. 5,000 nodes in three zones; existing pods are of the measured kind.

Source: kubernetes test/integration/scheduler_perf, {misc,affinity,topology_spreading}/
performance-config.yaml and their pod templates.
"""

from collections.abc import Callable
from typing import NamedTuple

from api.core import JsonObject
from benchmarks.bench_scheduler import (
    PREFERRED,
    REQUIRED,
    engine_seconds,
    labelled,
    pod_asking,
    preemption_seconds,
)
from scheduler.relations import HOSTNAME

PodOf = Callable[[int], JsonObject]


class Workload(NamedTuple):
    name: str
    threshold: int
    real: str
    pod_of: PodOf
    existing: int
    pods: int


def main() -> None:
    basic = 0.0
    heads = ("scheduler_perf", "threshold", "real, bound/s", "ours, decided/s", "basic/this")
    print("{:34} {:>9} {:>22} {:>15} {:>10}".format(*heads))
    for one in WORKLOADS:
        rate = one.pods / engine_seconds(one.pods, one.pod_of, True, one.existing, one.pod_of)
        basic = basic or rate
        _say(one.name, one.threshold, one.real, rate, basic)
    _say("PreemptionAsync", 570, "", 2000 / preemption_seconds(2000), basic)


def _say(name: str, threshold: int, real: str, rate: float, basic: float) -> None:
    print(f"{name:34} {threshold:9} {real:>22} {rate:15,.0f} {basic / rate:10.1f}", flush=True)


def _plain(number: int) -> JsonObject:
    return pod_asking(number, "100m", "500Mi")


def _with(**spec: object) -> PodOf:
    def made(number: int) -> JsonObject:
        return labelled(pod_asking(number, "100m", "500Mi", **spec), "perf")

    return made


def _near(kind: str, key: str, required: bool) -> PodOf:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "perf"}}}
    terms: JsonObject = (
        {REQUIRED: [term]} if required else {PREFERRED: [{"weight": 1, "podAffinityTerm": term}]}
    )
    return _with(affinity={kind: terms})


def _spread(when: str) -> PodOf:
    selector = {"matchLabels": {"app": "perf"}}
    constraint = {"topologyKey": "zone", "maxSkew": 5, "labelSelector": selector}
    return _with(topologySpreadConstraints=[{**constraint, "whenUnsatisfiable": when}])


def _on_two_zones() -> PodOf:
    zones = {"key": "zone", "operator": "In", "values": ["z0", "z1"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [zones]}]}
    return _with(affinity={"nodeAffinity": {REQUIRED: terms}})


WORKLOADS = (
    Workload("SchedulingBasic", 680, "82 (10 %: 268-333)", _plain, 1000, 10000),
    Workload("TopologySpreading", 460, "111", _spread("DoNotSchedule"), 5000, 5000),
    Workload("PreferredTopologySpreading", 340, "", _spread("ScheduleAnyway"), 5000, 5000),
    Workload("SchedulingNodeAffinity", 220, "", _on_two_zones(), 5000, 10000),
    Workload(
        "SchedulingPreferredPodAffinity", 90, "", _near("podAffinity", HOSTNAME, False), 5000, 3000
    ),
    Workload(
        "SchedulingPreferredPodAntiAffinity",
        90,
        "",
        _near("podAntiAffinity", HOSTNAME, False),
        5000,
        3000,
    ),
    Workload(
        "SchedulingPodAntiAffinity", 60, "221", _near("podAntiAffinity", HOSTNAME, True), 1000, 2000
    ),
    Workload("SchedulingPodAffinity", 35, "", _near("podAffinity", "zone", True), 5000, 3000),
)


if __name__ == "__main__":
    main()
