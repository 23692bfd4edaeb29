"""A pass looks at the nodes that changed or fell silent, and at no other."""

from hypothesis import given
from hypothesis import strategies as st

from controllers.calm_nodes import CalmNodes

GRACE, PERIOD = 40, 5
NODES = ("a", "b", "c")

happenings = st.lists(
    st.tuples(st.sampled_from(["heard", "changed", "gone", "pass"]), st.sampled_from(NODES)),
    max_size=60,
)


@given(happenings, st.lists(st.integers(0, 9), min_size=60, max_size=60))
def test_a_pass_looks_at_those_that_changed_or_fell_silent(
    story: list[tuple[str, str]], waits: list[int]
) -> None:
    calm, now, passed = CalmNodes(GRACE, PERIOD), 1000, 1000
    heard: dict[str, int] = {}
    disturbed: set[str] = set()
    for (what, node), wait in zip(story, waits, strict=False):
        now += wait
        if what == "heard" and node in heard:
            heard[node] = now
        elif what == "changed":
            heard.setdefault(node, now)
            calm.disturb(node)
            disturbed.add(node)
        elif what == "gone":
            heard.pop(node, None)
            calm.forget(node)
            disturbed.discard(node)
        elif what == "pass" and now >= passed + PERIOD:
            passed = now
            calm.begin_pass(heard, now)
            silent = {one for one, at in heard.items() if at < now - GRACE}
            assert set(calm.restless) == disturbed | silent
            for one in sorted(calm.restless):
                if one not in silent:
                    calm.settle(one, heard[one], now)
            disturbed = silent


def test_a_calm_node_is_looked_at_once_in_its_grace() -> None:
    calm, heard = CalmNodes(GRACE, PERIOD), {"a": 0}
    calm.disturb("a")
    looks = 0
    for now in range(0, 20 * GRACE, PERIOD):
        heard["a"] = now
        before = dict(calm._until)
        calm.begin_pass(heard, now)
        if calm.restless:
            calm.settle("a", now, now)
        looks += calm._until != before
    assert looks <= 21
