"""Shapes of bound pods in a few bytes each: their amounts are packed, all the rest of a shape is a
kind that many pods have in common. A shape is put together again when somebody asks for it, which
is when its pod changes, goes or is to make room; it has no number then: nobody schedules it.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgpack

from scheduler.interned import Interned
from scheduler.pod_shape import UNNUMBERED, Shape, ShapeKey
from scheduler.relations import Relations
from scheduler.resources import CPU, MEMORY

if TYPE_CHECKING:
    # A profile is made of plugins, which look at these.
    from scheduler.framework import Profile

RECENT_MAX = 1024
"""Shapes put together that are kept, for nodes are looked at again and again."""


class PackedShapes:
    """Packs shapes and puts them together again; counts how many pods have each kind."""

    def __init__(self) -> None:
        self._kinds: Interned[ShapeKey] = Interned()
        """With amounts of 0."""
        self._profiles: dict[str, Profile] = {}
        self._recent: OrderedDict[tuple[int, bytes, int], Shape] = OrderedDict()

    def pack(self, shape: Shape) -> tuple[int, bytes]:
        """The number of its kind, used once more, and its amounts."""
        key = shape.key
        names = tuple((name, 0) for name, _ in key.requests)
        kind = self._kinds.take(key._replace(requests=names, scored=(0, 0), counted=(0, 0)))
        self._profiles[key.profile] = shape.profile
        amounts = [amount for _, amount in key.requests]
        if not key.scored == key.counted == (shape.cpu, shape.memory):
            amounts += (*key.scored, *key.counted)
        packed: bytes = msgpack.packb(amounts)
        return kind, packed

    def give_back(self, kind: int) -> None:
        """A pod of this kind is gone."""
        if self._kinds.give_back(kind):
            # Its number may come to mean another one.
            self._recent.clear()

    def shape(self, kind: int, packed: bytes, relations: Relations) -> Shape:
        """Equal in content to the one that was packed, with these relations."""
        known = self._recent.get((kind, packed, relations.number))
        if known is None:
            known = self._recent[kind, packed, relations.number] = self._made(
                self._kinds[kind], msgpack.unpackb(packed), relations
            )
            if len(self._recent) > RECENT_MAX:
                self._recent.popitem(last=False)
        return known

    def _made(self, kind: ShapeKey, amounts: list[int], relations: Relations) -> Shape:
        requests = tuple(
            (name, amount) for (name, _), amount in zip(kind.requests, amounts, strict=False)
        )
        asked = dict(requests)
        cpu, memory = asked.get(CPU, 0), asked.get(MEMORY, 0)
        rest = amounts[len(requests) :] or [cpu, memory, cpu, memory]
        key = kind._replace(
            requests=requests, scored=(rest[0], rest[1]), counted=(rest[2], rest[3])
        )
        profile = self._profiles[kind.profile]
        return Shape(UNNUMBERED, UNNUMBERED, key, cpu, memory, relations, profile)
