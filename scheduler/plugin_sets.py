"""Which plugins run at an extension point, and in what order, when a configuration enables and
disables some.

Source: pkg/scheduler/apis/config/v1/default_plugins.go (mergePluginSet) and
pkg/scheduler/framework/runtime/framework.go (expandMultiPointPlugins), v1.36.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

ALL_PLUGINS = "*"
MULTI_POINT = "multiPoint"
POINTS = (
    "preEnqueue", "queueSort", "preFilter", "filter", "postFilter", "preScore", "score",
    "reserve", "permit", "preBind", "bind", "postBind",
)  # fmt: skip
"""Extension points in the order in which a pod passes them."""


class Enabled(NamedTuple):
    """A plugin and its weight in sums of scores; 0 counts as 1."""

    name: str
    weight: int


class PluginSet(NamedTuple):
    """What one extension point of a profile says."""

    enabled: tuple[Enabled, ...] = ()
    disabled: tuple[str, ...] = ()


NOTHING_SAID = PluginSet()


def merged(defaults: Sequence[Enabled], custom: PluginSet) -> tuple[Enabled, ...]:
    """The plugins for all their points: a default one keeps its place when it is named again."""
    by_name = {one.name: one for one in custom.enabled}
    kept = [
        by_name.get(one.name, one)
        for one in defaults
        if ALL_PLUGINS not in custom.disabled and one.name not in custom.disabled
    ]
    placed = {one.name for one in kept}
    return (*kept, *(one for one in custom.enabled if one.name not in placed))


def at_point(
    point: str,
    everywhere: Sequence[Enabled],
    custom: PluginSet,
    points_of: Mapping[str, Sequence[str]],
) -> tuple[Enabled, ...]:
    """The plugins that run at a point, in order. ``everywhere``: those enabled for all their
    points; one that the point names itself goes first, in the order in which it is named."""
    named = {one.name for one in custom.enabled}
    general = [one for one in everywhere if point in points_of[one.name]]
    if ALL_PLUGINS in custom.disabled:
        general = []
    general = [one for one in general if one.name not in custom.disabled]
    overridden = {one.name for one in general if one.name in named}
    first = [one for one in custom.enabled if one.name in overridden]
    second = [one for one in custom.enabled if one.name not in overridden]
    return (*first, *second, *(one for one in general if one.name not in named))
