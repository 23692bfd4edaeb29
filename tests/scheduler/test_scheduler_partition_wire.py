"""What a partition is asked comes back whole, and what cannot be a question is refused."""

import msgpack
import pytest

from scheduler.partition_wire import question_body, request_from
from tests.scheduler.scheduler_objects import pod
from tests.scheduler.test_scheduler_equality import World


def body(amounts_bytes: int = 0) -> list[object]:
    """A question about two pods; ``amounts_bytes`` more than it has, or less."""
    world = World(1)
    shapes = [world.shapes.of_pod(pod(f"p{number}", cpu=f"{number + 1}")) for number in range(2)]
    keys = [shape.key for shape in shapes]
    question = msgpack.unpackb(question_body(1, 4, keys, [(0, 11), (1, 12)]))
    question[4] = (question[4] + bytes(max(amounts_bytes, 0)))[: min(amounts_bytes, 0) or None]
    return [7, True, 0, [], [], [], b"", b"", [], [], 0, 1, 0, msgpack.packb(question)]


def test_shapes_come_back_from_their_kinds_and_amounts() -> None:
    changed, asked = request_from(body())
    assert changed.sequence == 7 and changed.reset
    assert [dict(key.requests)["cpu"] for key in asked.shapes] == [1000, 2000]


@pytest.mark.parametrize("more", [-8, 8, -16, 800])
def test_amounts_that_are_not_those_of_the_shapes_are_refused(more: int) -> None:
    with pytest.raises(ValueError, match="amounts are not those of the shapes"):
        request_from(body(more))
