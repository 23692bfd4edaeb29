"""Reads a KubeSchedulerConfiguration: profiles, their plugins, weights and arguments.

Fields that concern the process of kube-scheduler and not its decisions are taken and have no
effect; ``Configuration.without_effect`` names those that were given. What would change decisions
and does not exist here is refused by name.

Source: staging/src/k8s.io/kube-scheduler/config/v1/types.go and apis/config/v1/defaults.go, v1.36.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.sections import ConfigurationError, Section, nearest
from scheduler.extender import Extender
from scheduler.extender_configuration import read_extenders
from scheduler.framework import PREEMPTION_LIMITS, Filter, PreemptionLimits, Profile, Score
from scheduler.kernel_choice import KernelChoice
from scheduler.plugin_arguments import read_arguments
from scheduler.plugin_sets import (
    ALL_PLUGINS,
    MULTI_POINT,
    NOTHING_SAID,
    POINTS,
    Enabled,
    PluginSet,
    at_point,
    merged,
)
from scheduler.plugins import node_resources_fit
from scheduler.profile import DEFAULTS, SCHEDULER_NAME, Profiles
from scheduler.queue import BACKOFF, SECOND_NS, Backoff
from scheduler.registry import BUILT_IN, DEFAULT_ORDER, Configured, Plugin, Registry

API_VERSION = "kubescheduler.config.k8s.io/v1"
KIND = "KubeSchedulerConfiguration"
PROCESS_FIELDS = (
    "parallelism", "leaderElection", "clientConnection", "enableProfiling",
    "enableContentionProfiling", "delayCacheUntilActive",
)  # fmt: skip
"""Taken without effect."""
NEEDED = {"queueSort": "PrioritySort", "bind": "DefaultBinder", "preEnqueue": "SchedulingGates"}
"""What the scheduler does itself, so that a profile must name it."""
WEIGHT_MAX = 1_000_000
"""Times 100 it stays far below what the columns hold."""
PROFILES_MAX = 16


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that a scheduler can be told."""

    profiles: Profiles
    backoff: Backoff = BACKOFF
    without_effect: tuple[str, ...] = ()
    """Fields that were given and change nothing."""
    extenders: tuple[Extender, ...] = ()
    queueing_hints: bool = True
    """SchedulerQueueingHints, a feature gate: no file says it."""
    gather_quorum_percent: int = 100
    """So many of the partitions have to answer; 100: the choice is the best of all nodes."""
    kernel: KernelChoice = "auto"
    """What scores plain pods; decisions are the same."""


DEFAULT = Configuration(DEFAULTS)
"""As kube-scheduler's, but that all nodes are scored."""


def configuration_from(
    document: Mapping[str, object], source: str, third_party: Registry | None = None
) -> Configuration:
    """``source``: the file, for errors. ``third_party``: plugins beside the built-in ones.
    Errors: ConfigurationError that names file, field and remedy."""
    top = Section(source, "", document)
    if top.text("apiVersion") != API_VERSION:
        raise top.error("apiVersion", f"must be {API_VERSION}")
    if top.text("kind") != KIND:
        raise top.error("kind", f"must be {KIND}")
    percentage = top.integer("percentageOfNodesToScore", 0, 0, 100)
    first = top.integer("podInitialBackoffSeconds", 1, 1, 86_400)
    most = top.integer("podMaxBackoffSeconds", max(10, first), first, 86_400)
    extenders = read_extenders(top)
    without_effect = tuple(name for name in PROCESS_FIELDS if top.has(name))
    for name in PROCESS_FIELDS:
        top.raw(name)
    registry = {**BUILT_IN, **(third_party or {})}
    profiles: dict[str, Profile] = {}
    sections = top.optional_sections("profiles")
    if len(sections) > PROFILES_MAX:
        raise top.error("profiles", f"at most {PROFILES_MAX} profiles")
    for section in sections or [Section(source, "profiles[0]", {})]:
        profile = _profile(section, percentage, registry, extenders.ignored_resources)
        if profile.name in profiles:
            raise section.error("schedulerName", f"{profile.name!r} is given twice")
        profiles[profile.name] = profile
    top.done()
    backoff = Backoff(first * SECOND_NS, most * SECOND_NS)
    return Configuration(profiles, backoff, without_effect, extenders.extenders)


def _profile(
    section: Section, percentage: int, registry: Registry, ignored: Sequence[str]
) -> Profile:
    """``ignored``: resources that extenders count."""
    name = section.text("schedulerName", SCHEDULER_NAME)
    percentage = section.integer("percentageOfNodesToScore", percentage, 0, 100)
    plugins = _running(section.section("plugins"), registry)
    configured = _configured(section, registry, ignored)
    section.done()
    filters: list[Filter] = []
    scores: list[Score] = []
    for one in plugins["filter"]:
        found = configured.get(one.name, registry[one.name].plugin).filter
        if found is not None:
            filters.append(found)
    for one in plugins["score"]:
        score = configured.get(one.name, registry[one.name].plugin).score
        if score is not None:
            scores.append(score._replace(weight=one.weight or 1))
    preempts = any(one.name == "DefaultPreemption" for one in plugins["postFilter"])
    preemption: PreemptionLimits | None = PREEMPTION_LIMITS
    if "DefaultPreemption" in configured:
        preemption = configured["DefaultPreemption"].preemption
    spread = configured.get("PodTopologySpread", registry["PodTopologySpread"].plugin)
    volumes = configured.get("VolumeBinding", registry["VolumeBinding"].plugin)
    return Profile(
        name=name,
        filters=tuple(filters),
        scores=tuple(scores),
        percentage_of_nodes_to_score=percentage,
        preemption=preemption if preempts else None,
        spread_defaults=spread.spread_defaults,
        volume_timeout_ns=volumes.volume_timeout_ns,
    )


def _running(section: Section, registry: Registry) -> dict[str, tuple[Enabled, ...]]:
    """The plugins of each extension point, in order."""
    said = {point: _plugin_set(section, point, registry) for point in (MULTI_POINT, *POINTS)}
    section.done()
    points_of = {name: plugin.points for name, plugin in registry.items()}
    everywhere = merged(DEFAULT_ORDER, said[MULTI_POINT])
    running = {point: at_point(point, everywhere, said[point], points_of) for point in POINTS}
    for point, name in NEEDED.items():
        if [one.name for one in running[point]] != [name]:
            raise section.error(point, f"must be {name} alone; others do not exist here")
    _check_pairs(section, running, registry)
    return running


def _check_pairs(
    section: Section, running: Mapping[str, tuple[Enabled, ...]], registry: Registry
) -> None:
    """Here a plugin prepares where it filters and scores: one without the other cannot be had. But
    what only preScore prepared changes nothing, so score alone may be disabled, as
    kubernetes.io/docs/reference/scheduling/config has it in its first example."""
    for first, second in (("preFilter", "filter"), ("preScore", "score")):
        prepared = {one.name for one in running[first]}
        acting = {one.name for one in running[second]}
        for name, plugin in registry.items():
            if first not in plugin.points or second not in plugin.points:
                continue
            idle = name in prepared and name not in acting
            if (idle and second == "filter") or (name in acting and name not in prepared):
                raise section.error(first, f"{name} runs at {first} and {second}, or at neither")
    for name in ("DynamicResources", "NodeDeclaredFeatures"):
        if name not in {one.name for one in running["filter"]}:
            raise section.error(
                "filter", f"{name} cannot be disabled: pods that need it are refused"
            )


def _plugin_set(section: Section, point: str, registry: Registry) -> PluginSet:
    if section.raw(point) is None:
        return NOTHING_SAID
    body = section.section(point)
    enabled: dict[str, Enabled] = {}
    for one in body.optional_sections("enabled"):
        name = _known(one, registry)
        if point not in (MULTI_POINT, *registry[name].points):
            raise one.error("name", f"{name} does not run at {point}")
        if name in enabled:
            raise one.error("name", f"{name} is enabled twice")
        enabled[name] = Enabled(name, one.integer("weight", 0, 0, WEIGHT_MAX))
        one.done()
    disabled = []
    for one in body.optional_sections("disabled"):
        disabled.append(ALL_PLUGINS if one.text("name") == ALL_PLUGINS else _known(one, registry))
        one.integer("weight", 0, 0, WEIGHT_MAX)
        one.done()
    body.done()
    return PluginSet(tuple(enabled.values()), tuple(disabled))


def _known(section: Section, registry: Registry) -> str:
    name = section.text("name")
    if name not in registry:
        raise section.error("name", f"unknown plugin {name!r}{nearest(name, list(registry))}")
    return name


def _configured(
    section: Section, registry: Registry, ignored: Sequence[str]
) -> dict[str, Configured]:
    """Plugins with arguments of their own."""
    found: dict[str, Configured] = {}
    for one in section.optional_sections("pluginConfig"):
        name = _known(one, registry)
        if name in found:
            raise one.error("name", f"{name} has arguments twice")
        arguments = one.section("args")
        if name == node_resources_fit.NAME:
            arguments = arguments.with_texts("ignoredResources", ignored)
        found[name] = _with_arguments(name, registry[name], arguments)
        one.done()
    if ignored and node_resources_fit.NAME not in found:
        kept = node_resources_fit.filter_without(ignored, ())
        found[node_resources_fit.NAME] = Configured(kept, node_resources_fit.SCORE)
    return found


def _with_arguments(name: str, plugin: Plugin, arguments: Section) -> Configured:
    if plugin.configure is not None:
        return plugin.configure(arguments)
    for field, wanted in (("apiVersion", API_VERSION), ("kind", f"{name}Args")):
        if arguments.text(field, wanted) != wanted:
            raise arguments.error(field, f"must be {wanted}")
    configured = read_arguments(name, arguments)
    if configured is None:
        raise arguments.error("", f"{name} takes no arguments")
    arguments.done()
    return configured


__all__ = ["DEFAULT", "Configuration", "ConfigurationError", "configuration_from"]
