"""CPU of the controllers' core for one Deployment: ``python -m benchmarks.bench_controllers``.

The API and the kubelets are the in-memory ones of the tests; only the time inside the core's step
counts. Prints CPU per pod from creation to Running, and for its deletion with the namespace.
"""

import sys
import time
from collections.abc import Sequence

from api.calls import ApiRequest, Calls, ComponentEvent
from controllers.core import ControllersCore
from controllers.limits import limits_of
from tests.controllers.world import SECOND, Kubelets, Program, World


class TimedCore:
    """A core whose steps are timed."""

    def __init__(self, core: ControllersCore) -> None:
        self.core = core
        self.cpu_ns = 0
        self.steps = 0

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[Calls]:
        start = time.process_time_ns()
        out = self.core.step(events, now_ns)
        self.cpu_ns += time.process_time_ns() - start
        self.steps += 1
        return out

    def check(self) -> None:
        """Not part of the measurement."""

    def next_wakeup_ns(self) -> int | None:
        return self.core.next_wakeup_ns()


def main(pods: int) -> None:
    world = World()
    Kubelets(world)
    program = Program(world, "controllers-0", 1, limits_of("unlimited"), ())
    timed = TimedCore(program.core)
    program.core = timed  # type: ignore[assignment]
    for name in ("kube-system", "bench"):
        world.call(ApiRequest(-1, "create", "namespaces", body={"metadata": {"name": name}}))
    world.run(world.now_ns + SECOND)
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "registry.k8s.io/pause:3.10"}]},
    }
    spec = {"replicas": pods, "selector": {"matchLabels": labels}, "template": template}
    body = {"metadata": {"name": "web"}, "spec": spec}
    timed.cpu_ns = timed.steps = 0
    world.call(ApiRequest(-1, "create", "apps/deployments", "bench", body=body))
    world.run(world.now_ns + 5 * SECOND)
    item = world.api.get("apps/deployments", "bench", "web")
    assert item is not None and item["status"]["availableReplicas"] == pods
    report("created to Running", timed, pods)
    world.call(ApiRequest(-1, "delete", "namespaces", "", "bench"))
    world.run(world.now_ns + 60 * SECOND)
    assert world.api.get("namespaces", "", "bench") is None
    report("deleted with namespace", timed, pods)


def report(what: str, timed: TimedCore, pods: int) -> None:
    per_pod_us = timed.cpu_ns / 1000 / pods
    print(f"{what:24} {pods} pods  {timed.steps} steps  {per_pod_us:8.1f} µs CPU a pod")
    timed.cpu_ns = timed.steps = 0


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
