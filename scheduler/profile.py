"""The plugins of the default profile in the order in which Kubernetes runs them.
Source: pkg/scheduler/apis/config/v1/default_plugins.go, v1.36. Absent: see LACKING."""

from scheduler.plugins import (
    balanced_allocation,
    image_locality,
    node_affinity,
    node_name,
    node_ports,
    node_resources_fit,
    node_unschedulable,
    taint_toleration,
)

FILTERS = (
    node_unschedulable.PLUGIN,
    node_name.PLUGIN,
    taint_toleration.FILTER,
    node_affinity.FILTER,
    node_ports.PLUGIN,
    node_resources_fit.FILTER,
)
SCORES = (
    taint_toleration.SCORE,
    node_affinity.SCORE,
    node_resources_fit.SCORE,
    balanced_allocation.SCORE,
    image_locality.SCORE,
)

LACKING = (
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
    "DynamicResources",
    "NodeDeclaredFeatures",
)
"""Plugins of the profile that do not exist here. Pods that need one to be put rightly are refused
by name; where it would only change scores (preferred pod affinity, ScheduleAnyway spread, the
system's default spread) it is as if it gave every node the same score."""
