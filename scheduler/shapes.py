"""Gives equal pods the same shape, so that what is worked out for one holds for all."""

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from api.core import JsonObject
from scheduler.pod_shape import UNNUMBERED, Shape, ShapeKey, shape_key
from scheduler.profile import DEFAULTS, Profiles
from scheduler.relations import NOBODY, Relations, RelationsIndex, relations_key
from scheduler.resources import CPU, MEMORY

SHAPES_MAX = 4096
"""Shapes remembered, of a kilobyte each. A forgotten one gets a new number and is scored anew: only
slower."""


class Shapes:
    """Bounded memories of shapes by their content."""

    def __init__(self, profiles: Profiles = DEFAULTS) -> None:
        self._profiles = profiles
        self._default = next(iter(profiles))
        self._shapes: OrderedDict[ShapeKey, Shape] = OrderedDict()
        """Without relations."""
        self._related: OrderedDict[tuple[int, int], Shape] = OrderedDict()
        self._relations = RelationsIndex()
        self._alone = self._relations.of_key(NOBODY)
        self._places: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._next = 0

    def of_pod(self, pod: JsonObject) -> Shape:
        """Raises QuantityError and SelectorError for a quantity or a selector that is none."""
        shape = self.of_key(self._key(pod))
        relations = self._relations.of_key(relations_key(pod))
        related = self._related.get((shape.number, relations.number))
        if related is None:
            related = replace(shape, relations=relations)
            self._related[shape.number, relations.number] = related
            _trim(self._related)
        return related

    def of_placed(self, pod: JsonObject) -> Shape:
        """The same for a pod that is on a node: without a number, and not remembered."""
        key, relations = self._key(pod), self._relations.of_key(relations_key(pod))
        return self._made(key, UNNUMBERED, UNNUMBERED, relations)

    def _key(self, pod: JsonObject) -> ShapeKey:
        profile = pod["spec"].get("schedulerName", self._default)
        if profile not in self._profiles:
            # Another scheduler's pod: only counted.
            profile = self._default
        return shape_key(pod["spec"], profile, pod.get("status"))

    def of_key(self, key: ShapeKey) -> Shape:
        """Without relations."""
        shape = self._shapes.get(key)
        if shape is None:
            place_key = key[key._fields.index("tolerations") : -1]
            place = self._places.get(place_key)
            if place is None:
                place = self._places[place_key] = self._fresh()
                _trim(self._places)
            shape = self._shapes[key] = self._made(key, self._fresh(), place, self._alone)
            _trim(self._shapes)
        return shape

    def _made(self, key: ShapeKey, number: int, place: int, relations: Relations) -> Shape:
        amounts = dict(key.requests)
        cpu, memory = amounts.get(CPU, 0), amounts.get(MEMORY, 0)
        return Shape(number, place, key, cpu, memory, relations, self._profiles[key.profile])

    def _fresh(self) -> int:
        self._next += 1
        return self._next


def _trim(cache: OrderedDict[Any, Any]) -> None:
    if len(cache) > SHAPES_MAX:
        cache.popitem(last=False)
