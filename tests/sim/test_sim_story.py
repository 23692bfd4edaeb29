"""Whose story is told."""

import pytest

from sim.story import Story


@pytest.mark.parametrize(
    ("key", "path", "told"),
    [
        ("pods/default/bare-1", "pods/default/bare-1", True),
        ("pods/default/bare-1", "pods/default/bare-1/status", True),
        ("pods/default/bare-1", "pods/default/bare-16", False),
        ("pods/default/web", "pods/default/web-7f-x2x", True),
        ("bare-1", "pods/default/bare-16", True),
        ("a.b/c", "aab/c", False),
    ],
)
def test_an_object_is_not_its_neighbour(key: str, path: str, told: bool) -> None:
    story = Story(key, 0)
    story.tell(0, "store-0", "logs", path)
    assert bool(story.lines) is told


def test_a_program_is_told_of_by_its_whole_name() -> None:
    story = Story("store-1", 0)
    story.tell(0, "store-10", "dies", "")
    story.tell(0, "store-1", "dies", "")
    assert [line.split()[1] for line in story.lines] == ["store-1"]
