"""What a virtual campaign's cluster is made of, and how its timers run when heartbeats are off."""

from dataclasses import dataclass, replace
from typing import Final

from apiserver.caching import DEFAULT_CACHING, Caching
from apiserver.shards import ShardBy
from controllers.limits import ControllerLimits, Profile, limits_of
from hollow_node.fleet import QUANTUM_NS, SILENT, Heartbeats, heartbeats
from hollow_node.node_list import NodeShape
from scheduler.configuration import DEFAULT as DEFAULT_SCHEDULER
from scheduler.configuration import Configuration
from sim.campaign.costs import DEFAULT as DEFAULT_COSTS
from sim.campaign.costs import CostProfile
from sim.connection import SECOND
from store.core import StoreSettings

DAY_NS: Final = 86_400 * SECOND
NEVER_NS: Final = 3_650 * DAY_NS
"""Longer than any campaign."""


@dataclass(frozen=True, slots=True)
class VirtualPlan:
    """One cluster in virtual time."""

    seed: int
    nodes: tuple[NodeShape, ...]
    store_shards: int
    shard_by: ShardBy
    durability: str
    retain_ns: int
    """History that a shard keeps, as in a real cluster. Quiet ones keep an hour."""
    partitions: int
    controller_shards: int
    hollow_actors: int
    profile: Profile
    lease_period_ns: int
    """0: heartbeats are off. No Lease is renewed, neither a node's nor a controller's; no node
    reports its status again and none is given up for silent; idle watches hear no bookmarks."""
    pod_delay_ms: int
    heartbeat: str = "lease"
    """Or "status": the whole status in that period, and no Lease renewed."""
    encode_once: bool = True
    consistent_lists: bool = True
    """See apiserver.caching.Caching."""
    scheduler: Configuration = DEFAULT_SCHEDULER
    costs: CostProfile = DEFAULT_COSTS
    slow: tuple[tuple[int, str, int], ...] = ()
    """Since the start of the load; program; ns that each of its operations takes from then on."""

    api_servers: int = 1
    away: tuple[tuple[int, str, str, int], ...] = ()
    """Since the start of the load; program; "pause" or "disconnect"; until then."""

    @property
    def quiet(self) -> bool:
        return not self.lease_period_ns

    @property
    def heartbeats(self) -> Heartbeats:
        return SILENT if self.quiet else heartbeats(self.lease_period_ns, self.heartbeat)

    @property
    def quantum_ns(self) -> int:
        """Heartbeats that are due within it travel together: a twentieth of the period, where a
        real cluster's nodes take a tenth of a second."""
        return max(QUANTUM_NS, self.lease_period_ns // 20)

    @property
    def caching(self) -> Caching:
        bookmark_ns = DAY_NS if self.quiet else DEFAULT_CACHING.bookmark_ns
        return Caching(
            bookmark_ns=bookmark_ns,
            encode_once=self.encode_once,
            consistent_lists=self.consistent_lists,
        )

    def store_settings(self, shard: int, epoch_ns: int) -> StoreSettings:
        if not self.quiet:
            return StoreSettings(shard, self.durability, self.retain_ns, epoch_ns=epoch_ns)
        hour_ns = 3600 * SECOND
        return StoreSettings(shard, self.durability, hour_ns, hour_ns, epoch_ns)

    def controller_limits(self) -> ControllerLimits:
        limits = limits_of(self.profile)
        if not self.quiet:
            return limits
        nodes = replace(
            limits.nodes,
            monitor_period_ns=DAY_NS,
            grace_ns=NEVER_NS,
            startup_grace_ns=NEVER_NS,
        )
        leases = replace(
            limits.leases, duration_ns=NEVER_NS, renew_deadline_ns=NEVER_NS, retry_ns=NEVER_NS
        )
        return replace(limits, nodes=nodes, leases=leases, collector_period_ns=DAY_NS)
