"""Every constant of kube-controller-manager that a study may want to turn, and two profiles."""

from dataclasses import dataclass, field
from typing import Literal

from api.leadership import LeaseLimits
from controllers.replicaset import ReplicaSetLimits
from controllers.workqueue import RetryLimits

SECOND = 1_000_000_000
Profile = Literal["kubernetes", "unlimited"]


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """Source: pkg/controller/nodelifecycle, its flags' defaults (v1.36)."""

    monitor_period_ns: int = 5 * SECOND
    grace_ns: int = 50 * SECOND
    """A node not heard of for so long is Unknown (node-monitor-grace-period)."""
    startup_grace_ns: int = 60 * SECOND
    """The grace period for a node that was never Ready."""
    eviction_qps: float = 0.1
    """Nodes per second and zone that get a NoExecute taint."""
    secondary_eviction_qps: float = 0.01
    """Evictions a second in a zone of which too many nodes are down."""
    large_zone_min: int = 50
    """Nodes from which on a zone is large. In a smaller one with too many nodes down nothing is
    evicted."""
    unhealthy_zone_fraction: float = 0.55


@dataclass(frozen=True, slots=True)
class ControllerLimits:
    """Limits of one program."""

    qps: float = 20.0
    """Requests per second and controller; 0: no limit. Source: --kube-api-qps."""
    burst: int = 30
    workers: int = 5
    """Syncs at once of the ReplicaSet and the Deployment controller, each."""
    gc_workers: int = 20
    namespace_workers: int = 10
    node_workers: int = 8
    gc_reads_first: bool = True
    """The collector reads an object before it deletes it, so it runs at half its QPS."""
    namespace_grace_ns: int = 5 * SECOND
    """Wait before a deleted namespace is emptied. Source: namespaceDeletionGracePeriod."""
    collector_period_ns: int = 20 * SECOND
    """Between two rounds of the pod collector. Source: podgc, gcCheckPeriod."""
    syncs_per_step_max: int = 500
    replica_sets: ReplicaSetLimits = field(default_factory=ReplicaSetLimits)
    retries: RetryLimits = field(default_factory=RetryLimits)
    nodes: NodeLimits = field(default_factory=NodeLimits)
    leases: LeaseLimits = field(default_factory=LeaseLimits)


def limits_of(profile: Profile) -> ControllerLimits:
    if profile == "kubernetes":
        return ControllerLimits()
    return ControllerLimits(
        qps=0.0,
        burst=0,
        workers=256,
        gc_workers=512,
        namespace_workers=64,
        node_workers=512,
        gc_reads_first=False,
        namespace_grace_ns=0,
        replica_sets=ReplicaSetLimits(burst=10_000, slow_start=64),
        retries=RetryLimits(qps=0.0),
    )
