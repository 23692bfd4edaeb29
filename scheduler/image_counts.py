"""Which nodes have which images."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class ImageState:
    """An image somewhere in the cluster. Size: as the first node reported it."""

    size: int
    rows: dict[int, None] = field(default_factory=dict)
    nodes: int = 0
    """How many nodes of the whole cluster have it."""


def come(images: dict[str, ImageState], row: int, names: Sequence[tuple[str, int]]) -> None:
    """A node has these (name, bytes)."""
    for name, size in names:
        state = images.setdefault(name, ImageState(size))
        if row not in state.rows:
            state.rows[row] = None
            state.nodes += 1


def go(images: dict[str, ImageState], row: int, names: Sequence[tuple[str, int]]) -> None:
    """It has them no longer."""
    for name, _ in names:
        state = images.get(name)
        if state is not None and row in state.rows:
            del state.rows[row]
            state.nodes -= 1
            if not state.rows:
                del images[name]
