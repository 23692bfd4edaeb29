"""The plugins that a configuration may name: at which extension points each runs, and what it
filters and scores when it has no arguments.

Source: plugins/registry.go and apis/config/v1/default_plugins.go, v1.36.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from api.sections import Section
from scheduler.framework import (
    PREEMPTION_LIMITS,
    VOLUME_TIMEOUT_NS,
    Filter,
    PreemptionLimits,
    Score,
)
from scheduler.plugin_sets import Enabled
from scheduler.profile import FILTERS, SCORES
from scheduler.relations import SYSTEM_DEFAULTS, SpreadDefaults


@dataclass(frozen=True, slots=True)
class Configured:
    """What a plugin brings into a profile."""

    filter: Filter | None = None
    score: Score | None = None
    preemption: PreemptionLimits = PREEMPTION_LIMITS
    spread_defaults: SpreadDefaults = SYSTEM_DEFAULTS
    volume_timeout_ns: int = VOLUME_TIMEOUT_NS


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry."""

    points: tuple[str, ...]
    plugin: Configured
    """Without arguments."""
    configure: Callable[[Section], Configured] | None = None
    """Third-party plugins: reads their arguments; raises ConfigurationError."""


Registry = Mapping[str, Plugin]

_FILTER = ("preFilter", "filter")
_SCORE = ("preScore", "score")
_POINTS: Mapping[str, tuple[str, ...]] = {
    "SchedulingGates": ("preEnqueue",),
    "PrioritySort": ("queueSort",),
    "NodeUnschedulable": ("filter",),
    "NodeName": ("filter",),
    "TaintToleration": ("filter", *_SCORE),
    "NodeAffinity": (*_FILTER, *_SCORE),
    "NodePorts": _FILTER,
    "NodeResourcesFit": (*_FILTER, *_SCORE),
    "VolumeRestrictions": _FILTER,
    "NodeVolumeLimits": _FILTER,
    "VolumeBinding": (*_FILTER, *_SCORE, "reserve", "preBind"),
    "VolumeZone": _FILTER,
    "PodTopologySpread": (*_FILTER, *_SCORE),
    "InterPodAffinity": (*_FILTER, *_SCORE),
    "DynamicResources": (*_FILTER, "postFilter", "score", "reserve", "preBind"),
    "NodeDeclaredFeatures": _FILTER,
    "DefaultPreemption": ("postFilter",),
    "NodeResourcesBalancedAllocation": _SCORE,
    "ImageLocality": ("score",),
    "DefaultBinder": ("bind",),
}
"""In the default order."""
_WEIGHTS = {score.name: score.weight for score in SCORES}
DEFAULT_ORDER = tuple(Enabled(name, _WEIGHTS.get(name, 0)) for name in _POINTS)
BUILT_IN: Registry = {
    name: Plugin(
        points,
        Configured(
            next((one for one in FILTERS if one.name == name), None),
            next((one for one in SCORES if one.name == name), None),
        ),
    )
    for name, points in _POINTS.items()
}


def plugin_of(filter: Filter | None = None, score: Score | None = None) -> Plugin:
    """A third-party plugin without arguments."""
    points = (("filter",) if filter else ()) + (("score",) if score else ())
    return Plugin(points, Configured(filter, score))
