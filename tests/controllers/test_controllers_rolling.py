"""Laws of the rollout arithmetic: bounds hold at each step, and each rollout ends."""

from hypothesis import given
from hypothesis import strategies as st

from api.core import JsonObject
from controllers.rolling import (
    Old,
    fence_posts,
    max_surge,
    max_unavailable,
    new_replicas,
    old_steps,
    proportional,
    scaled,
)

amount = st.one_of(st.integers(0, 20), st.integers(0, 100).map(lambda n: f"{n}%"))


@st.composite
def specs(draw: st.DrawFn) -> JsonObject:
    rolling = {"maxSurge": draw(amount), "maxUnavailable": draw(amount)}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return {"replicas": draw(st.integers(0, 60)), "strategy": strategy}


def test_percentages_round_up_for_surge_and_down_for_unavailable() -> None:
    assert scaled("25%", 3, up=True) == 1
    assert scaled("25%", 3, up=False) == 0
    rolling = {"maxSurge": 0, "maxUnavailable": "1%"}
    assert fence_posts({"replicas": 3, "strategy": {"rollingUpdate": rolling}}) == (0, 1)


@given(specs(), st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_a_rollout_keeps_its_bounds_and_ends(spec: JsonObject, sizes: list[int]) -> None:
    """Every pod asked for is available at the next step; old ones are available from the start."""
    wanted = spec["replicas"]
    start = sum(sizes)
    new = 0
    for _ in range(500):
        ceiling = max(wanted + max_surge(spec), start)
        floor = min(wanted - max_unavailable(spec), start)
        grown = min(wanted, new_replicas(spec, sum(sizes) + new, new))
        if grown != new:
            new = grown
        else:
            steps = old_steps(spec, [Old(size, size) for size in sizes], Old(new, new))
            sizes = steps[-1] if steps else sizes
        assert sum(sizes) + new <= ceiling
        assert sum(sizes) + new >= floor
        if new == wanted and not any(sizes):
            return
    raise AssertionError(f"stuck at {sizes} and {new} of {wanted}")


@given(specs(), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 60))
def test_proportional_scaling_meets_the_new_total(
    spec: JsonObject, sizes: list[int], before: int
) -> None:
    sizes = sorted(sizes, reverse=True)
    out = proportional(spec, sizes, [before] * len(sizes), 0)
    allowed = spec["replicas"] + max_surge(spec) if spec["replicas"] else 0
    assert all(size >= 0 for size in out)
    if out[0] > 0:
        assert sum(out) == allowed


def test_a_lagging_status_stops_the_step() -> None:
    spec: JsonObject = {"replicas": 5, "strategy": {"rollingUpdate": {"maxUnavailable": 2}}}
    assert old_steps(spec, [Old(5, 11)], Old(3, 0)) == [[5]]
