"""The kernel's loops say what the plugins' vectors say: as they are written here, and compiled
where numba is installed."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.streams import Stream
from scheduler.engine import Engine
from scheduler.explain import choose, explain
from scheduler.kernel import Kernel, KernelError, Loops, best_row, kernel_of, score_rows
from scheduler.node_facts import node_facts
from scheduler.standings import Standings, counts_of
from scheduler.views import ShapeView, StaticView
from tests.scheduler.scheduler_objects import node, pod
from tests.scheduler.test_scheduler_equality import World, nodes, pods

INTERPRETED = Kernel("interpreted", Loops(score_rows, best_row))
KERNELS = [kernel for kernel in (INTERPRETED, kernel_of("auto")) if kernel is not None]

amounts = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["0", "3", "7", "64"]),
        "memory": st.sampled_from(["0", "3Gi", "257Gi"]),
        "pods": st.integers(0, 4),
    }
)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
@settings(max_examples=40, deadline=None)
@given(
    node_list=st.lists(st.one_of(nodes, amounts), min_size=1, max_size=8),
    pod_list=st.lists(pods, min_size=1, max_size=8),
    seed=st.integers(0, 2**32),
)
def test_pods_are_placed_as_without_it(
    kernel: Kernel, node_list: list[Any], pod_list: list[Any], seed: int
) -> None:
    world = World(1)
    engine = Engine(world.table, kernel=kernel)
    for number, facts in enumerate(node_list):
        world.table.put_node(node_facts(node(f"n{number}", **facts)))
    salts = Stream(seed, "salts")
    for number, kind in enumerate([*pod_list, *pod_list]):
        shape = world.shapes.of_pod(pod("p", **kind))
        static = StaticView(shape, world.table)
        plain = ShapeView(shape, world.table, static).base
        assert ShapeView(shape, world.table, static, kernel).base.tolist() == plain.tolist()
        salt = salts.next_u64() if number % 5 else 0
        best = choose(explain(shape, world.table), world.table, salt)
        assert engine.choose(shape, salt) == best
        world.place(f"default/p{number}", best, shape)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_it_draws_as_standings_do(kernel: Kernel) -> None:
    salts = Stream(3, "salts")
    for rows in (1, 5, 2000, 5000):
        total = np.array([salts.below(3) - 1 for _ in range(rows)], np.int32)
        standings = Standings(total, counts_of(total))
        for _ in range(4):
            salt = salts.next_u64()
            assert kernel.best(total, salt) == standings.best(salt)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_it_leaves_other_pods_to_the_plugins(kernel: Kernel) -> None:
    world = World(1)
    world.table.put_node(node_facts(node("n0")))

    def known(**kind: Any) -> bool:
        shape = world.shapes.of_pod(pod("p", **kind))
        static = StaticView(shape, world.table)
        filters = [p for p in shape.profile.node_filters if not p.static]
        scores = [p for p in shape.profile.node_scores if not p.static]
        plugins = tuple(
            [p for p in of if p.applies(shape, world.table)] for of in (filters, scores)
        )
        found = kernel.base(shape, world.table, static.admitted, static.fixed, plugins)  # type: ignore[arg-type]
        return found is not None

    assert known()
    assert not known(ports=(80,)), "NodePorts applies too"
    assert not known(cpu="", memory=""), "the balance does not apply"
    assert not known(extended={"x/unheard": "1"})
    world.table.put_node(node_facts(node("n1", memory="1Ei")))
    assert not known(), "such amounts are not exact in floats"


def test_which_kernel_is_a_choice() -> None:
    assert kernel_of("numpy") is None
    if find_spec("numba") is None:
        assert kernel_of("auto") is None
        with pytest.raises(KernelError, match="make kernel"):
            kernel_of("numba")
    else:
        assert kernel_of("auto") is kernel_of("numba") is not None
