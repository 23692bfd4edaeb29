"""Shards change hands on a virtual clock: nobody acts twice, no work is lost."""

from api.calls import ApiRequest
from controllers.limits import limits_of
from tests.controllers.world import SECOND, Kubelets, Program, World

LIMITS = limits_of("unlimited")
DURATION_NS = LIMITS.leases.duration_ns


def cluster(shards: int) -> World:
    world = World()
    Kubelets(world)
    for name in ("kube-system", *(f"ns{i}" for i in range(8))):
        world.call(ApiRequest(-1, "create", "namespaces", body={"metadata": {"name": name}}))
    world.programs = [Program(world, f"controllers-{i}", shards, LIMITS, ()) for i in range(2)]
    return world


def deploy(world: World, namespace: str, replicas: int) -> None:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "pause"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    body = {"metadata": {"name": "web"}, "spec": spec}
    world.call(ApiRequest(-1, "create", "apps/deployments", namespace, body=body))


def running(world: World, namespace: str) -> int:
    return sum(pod["status"]["phase"] == "Running" for pod in world.api.list("pods", namespace))


def run(world: World, seconds: float) -> None:
    world.run(world.now_ns + int(seconds * SECOND))


def test_two_processes_share_two_shards() -> None:
    world = cluster(2)
    run(world, 1)
    assert [program.core.gauges()["shards_led"] for program in world.programs] == [1, 1]
    for index in range(8):
        deploy(world, f"ns{index}", 5)
    run(world, 3)
    assert [running(world, f"ns{index}") for index in range(8)] == [5] * 8
    for program in world.programs:
        assert any(call.resource == "pods" for call in program.calls)


def test_the_survivor_takes_over_and_finishes_the_work() -> None:
    world = cluster(2)
    run(world, 1)
    world.programs[1].kill()
    killed_ns = world.now_ns
    for index in range(8):
        deploy(world, f"ns{index}", 5)
    run(world, 3)
    done = sum(running(world, f"ns{index}") == 5 for index in range(8))
    assert 0 < done < 8, "the dead one's shard waits for its Lease to run out"
    world.run(killed_ns + DURATION_NS + 5 * SECOND)
    assert [running(world, f"ns{index}") for index in range(8)] == [5] * 8
    assert world.programs[0].core.gauges()["shards_led"] == 2


def test_who_cannot_renew_stops_before_another_may_take_over() -> None:
    world = cluster(1)
    run(world, 1)
    leader = next(p for p in world.programs if p.core.gauges()["shards_led"])
    other = next(p for p in world.programs if p is not leader)
    leader.cut_off = True
    cut_ns, stopped_ns, taken_ns = world.now_ns, 0, 0
    while not taken_ns:
        run(world, 0.1)
        leader.core.step([], world.now_ns)
        led = leader.core.gauges()["shards_led"], other.core.gauges()["shards_led"]
        assert led != (1, 1)
        stopped_ns = stopped_ns or (world.now_ns if not led[0] else 0)
        taken_ns = world.now_ns if led[1] else 0
        assert world.now_ns < cut_ns + 2 * DURATION_NS
    assert stopped_ns < taken_ns


def test_same_seed_same_calls() -> None:
    def calls() -> list[str]:
        world = cluster(2)
        for index in range(8):
            deploy(world, f"ns{index}", 20)
        run(world, 5)
        return [repr(call) for program in world.programs for call in program.calls]

    first = calls()
    assert first == calls()
    assert len(first) > 300
