"""The default profile: Kubernetes' default plugins in the order in which it runs them.
Source: pkg/scheduler/apis/config/v1/default_plugins.go, v1.36. Absent: see LACKING."""

from collections.abc import Mapping

from scheduler.framework import Profile
from scheduler.plugins import (
    balanced_allocation,
    image_locality,
    inter_pod_affinity,
    node_affinity,
    node_name,
    node_ports,
    node_resources_fit,
    node_unschedulable,
    node_volume_limits,
    pod_topology_spread,
    taint_toleration,
    volume_binding,
    volume_restrictions,
    volume_zone,
)

FILTERS = (
    node_unschedulable.PLUGIN,
    node_name.PLUGIN,
    taint_toleration.FILTER,
    node_affinity.FILTER,
    node_ports.PLUGIN,
    node_resources_fit.FILTER,
    volume_restrictions.FILTER,
    node_volume_limits.FILTER,
    volume_binding.FILTER,
    volume_zone.FILTER,
    pod_topology_spread.FILTER,
    inter_pod_affinity.FILTER,
)
SCORES = (
    taint_toleration.SCORE,
    node_affinity.SCORE,
    node_resources_fit.SCORE,
    pod_topology_spread.SCORE,
    inter_pod_affinity.SCORE,
    balanced_allocation.SCORE,
    image_locality.SCORE,
)
SCHEDULER_NAME = "default-scheduler"
DEFAULT = Profile(SCHEDULER_NAME, FILTERS, SCORES)
Profiles = Mapping[str, Profile]
"""By scheduler name; the first is never missing."""
DEFAULTS: Profiles = {SCHEDULER_NAME: DEFAULT}

LACKING = (
    "DynamicResources",
    "NodeDeclaredFeatures",
)
"""Plugins of the profile that do not exist here. Pods that need one to be put rightly are refused
by name."""
