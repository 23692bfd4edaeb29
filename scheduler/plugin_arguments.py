"""The arguments of the built-in plugins that have some.

Source: staging/src/k8s.io/kube-scheduler/config/v1/types_pluginargs.go; apis/config/v1/defaults.go;
apis/config/validation/validation_pluginargs.go, v1.36.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from api.core import JsonObject
from api.sections import Section
from scheduler.framework import PREEMPTION_LIMITS, PreemptionLimits
from scheduler.plugins import (
    balanced_allocation,
    inter_pod_affinity,
    node_affinity,
    node_resources_fit,
)
from scheduler.plugins.resource_scoring import (
    ShapePoint,
    Strategy,
    Weighted,
    by_shape,
    least_allocated,
    mean_of_points,
    mean_of_used_points,
    most_allocated,
)
from scheduler.pod_shape import node_selector_term
from scheduler.queue import SECOND_NS
from scheduler.registry import BUILT_IN, Configured
from scheduler.relations import SYSTEM_DEFAULTS, DefaultConstraint, SpreadDefaults
from scheduler.resources import CPU, MEMORY

STRATEGIES = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
AFFINITY_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
AFFINITY_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
PLAIN = (Weighted(CPU, 1), Weighted(MEMORY, 1))


def read_arguments(name: str, arguments: Section) -> Configured | None:
    """None: the plugin takes none. Errors: ConfigurationError."""
    reader = READERS.get(name)
    return None if reader is None else reader(arguments)


def _fit(arguments: Section) -> Configured:
    ignored = arguments.texts("ignoredResources")
    groups = arguments.texts("ignoredResourceGroups")
    strategy = arguments.section("scoringStrategy")
    kind = strategy.choice("type", STRATEGIES, "LeastAllocated")
    resources = _resources(strategy)
    ratio = strategy.section("requestedToCapacityRatio")
    points = _shape(ratio)
    strategy.done()
    if (kind == "RequestedToCapacityRatio") is not bool(points):
        raise ratio.error("shape", "belongs to RequestedToCapacityRatio, which needs it")
    kept = node_resources_fit.filter_without(ignored, groups)
    score = node_resources_fit.SCORE
    if kind == "RequestedToCapacityRatio":
        score = node_resources_fit.score_by(resources, by_shape(points), mean_of_used_points)
    elif kind == "MostAllocated" or resources != PLAIN:
        chosen: Strategy = most_allocated if kind == "MostAllocated" else least_allocated
        score = node_resources_fit.score_by(resources, chosen, mean_of_points)
    return Configured(kept, score)


def _resources(section: Section) -> tuple[Weighted, ...]:
    found: dict[str, Weighted] = {}
    for one in section.optional_sections("resources"):
        name = one.text("name")
        if name in found:
            raise one.error("name", f"{name!r} is given twice")
        found[name] = Weighted(name, one.integer("weight", 1, 1, 100))
        one.done()
    return tuple(found.values()) or PLAIN


def _shape(section: Section) -> tuple[ShapePoint, ...]:
    points: list[ShapePoint] = []
    for one in section.optional_sections("shape"):
        if not one.has("utilization"):
            raise one.error("utilization", "is required")
        point = ShapePoint(one.integer("utilization", 0, 0, 100), one.integer("score", 0, 0, 10))
        if points and point.utilization <= points[-1].utilization:
            raise one.error("utilization", "must be above that of the point before")
        points.append(point)
        one.done()
    section.done()
    return tuple(points)


def _balanced(arguments: Section) -> Configured:
    resources = _resources(arguments)
    if any(one.weight != 1 for one in resources):
        raise arguments.error("resources", "every weight must be 1")
    names = [one.name for one in resources]
    return Configured(score=balanced_allocation.score_over(names))


def _inter_pod_affinity(arguments: Section) -> Configured:
    weights = inter_pod_affinity.Weights(
        arguments.integer("hardPodAffinityWeight", 1, 0, 100),
        arguments.flag("ignorePreferredTermsOfExistingPods", False),
    )
    return Configured(inter_pod_affinity.FILTER, inter_pod_affinity.score_with(weights))


def _node_affinity(arguments: Section) -> Configured:
    added = arguments.section("addedAffinity")
    required, preferred = None, []
    if added.has(AFFINITY_REQUIRED):
        terms = added.section(AFFINITY_REQUIRED)
        required = tuple(
            node_selector_term(_checked_term(term)) for term in terms.sections("nodeSelectorTerms")
        )
        terms.done()
    for one in added.optional_sections(AFFINITY_PREFERRED):
        weight = one.integer("weight", 0, 1, 100)
        preferred.append((weight, node_selector_term(_checked_term(one.section("preference")))))
        one.done()
    added.raw(AFFINITY_REQUIRED)
    added.done()
    both = node_affinity.AddedAffinity(required, tuple(preferred))
    return Configured(node_affinity.filter_with(both), node_affinity.score_with(both))


def _checked_term(section: Section) -> JsonObject:
    """A node selector term as an object, with nothing unknown in it."""
    term: JsonObject = {}
    for part in ("matchExpressions", "matchFields"):
        for one in section.optional_sections(part):
            requirement = {
                "key": one.text("key"),
                "operator": one.choice("operator", OPERATORS),
                "values": list(one.texts("values")),
            }
            term.setdefault(part, []).append(requirement)
            one.done()
    section.done()
    return term


def _spread(arguments: Section) -> Configured:
    kind = arguments.choice("defaultingType", ("System", "List"), "System")
    constraints = []
    for one in arguments.optional_sections("defaultConstraints"):
        action = one.choice("whenUnsatisfiable", ("DoNotSchedule", "ScheduleAnyway"))
        skew = one.integer("maxSkew", 0, 1, 1 << 31)
        constraints.append(
            DefaultConstraint(one.text("topologyKey"), skew, action == "DoNotSchedule")
        )
        one.done()
    if kind == "System" and constraints:
        raise arguments.error("defaultConstraints", "need defaultingType: List")
    built_in = BUILT_IN["PodTopologySpread"].plugin
    defaults = SYSTEM_DEFAULTS if kind == "System" else SpreadDefaults(tuple(constraints), True)
    return Configured(built_in.filter, built_in.score, spread_defaults=defaults)


def _preemption(arguments: Section) -> Configured:
    return Configured(
        preemption=PreemptionLimits(
            arguments.integer("minCandidateNodesPercentage", PREEMPTION_LIMITS.percentage, 0, 100),
            arguments.integer("minCandidateNodesAbsolute", PREEMPTION_LIMITS.at_least, 0),
        )
    )


def _volume_binding(arguments: Section) -> Configured:
    timeout_s = arguments.integer("bindTimeoutSeconds", 600, 0)
    if arguments.optional_sections("shape"):
        raise arguments.error("shape", "scoring by storage capacity is not supported")
    plugin = BUILT_IN["VolumeBinding"].plugin
    return replace(plugin, volume_timeout_ns=timeout_s * SECOND_NS)


READERS: Mapping[str, Callable[[Section], Configured]] = {
    "NodeResourcesFit": _fit,
    "NodeResourcesBalancedAllocation": _balanced,
    "InterPodAffinity": _inter_pod_affinity,
    "NodeAffinity": _node_affinity,
    "PodTopologySpread": _spread,
    "DefaultPreemption": _preemption,
    "VolumeBinding": _volume_binding,
}
