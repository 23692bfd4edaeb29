"""A whole control plane in one process: programs wired as ``actors.blueprint`` wires them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from api.leadership import LeaseLimits
from apiserver.core import ApiServerCore
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from controllers.core import ControllersCore
from controllers.limits import limits_of
from hollow_node.core import HollowNodes
from hollow_node.fleet import Heartbeats
from hollow_node.node_list import NodeShape
from hollow_node.stages import general_stages
from scheduler.election import ElectedScheduler
from scheduler.leader import SchedulerCore
from scheduler.partition import PartitionCore
from sim.checkers.leases import Leases
from sim.checkers.store_reads import StoreReads
from sim.connection import MS, SECOND
from sim.cost import CONTROLLERS, HOLLOW, SCHEDULER, USER
from sim.disk import Disk
from sim.heap import ARRIVAL
from sim.keepers import Keeper
from sim.kernel import Kernel
from sim.mirrors import Mirror
from sim.network import Network
from sim.options import Options
from sim.probes import ApiKeys, Log, Probe, StoreKeys
from sim.processes import Process, Shell
from sim.readers import Reader
from sim.shells.apiserver import ApiServerShell
from sim.shells.component import ComponentShell
from sim.shells.partition import PartitionShell
from sim.shells.store import StoreShell
from sim.workload import NODE_CAPACITY, ZONES, Users
from store.core import StoreCore, StoreSettings
from store.recovery import Recovered, recovered_core

IN_FLIGHT_MAX: Final = 4096
LEASE_PERIOD_NS: Final = 10 * SECOND
ELECTION: Final = LeaseLimits(3 * SECOND, SECOND, SECOND // 2)
"""Of schedulers: short, so that faults outlast it. A Lease is no fence: what its holder sent at
last must arrive within the 2 s between the end of its right and that of the Lease. See
sim.faults.SURVIVED_NS."""
PROBE_PAUSE_MS: Final = 15
"""Longest pause of a probe of the shards, for each API server: all hear of what it writes."""
CALM_PROBES_NS: Final = 2 * SECOND
"""How long the shards are probed in the liveness phase."""


@dataclass(frozen=True, slots=True)
class Makers:
    """What makes each core and disk. Tests plant bugs here; a run of the product has none."""

    store: Callable[[StoreSettings, Recovered], StoreCore] = recovered_core
    api_server: Callable[[Sharding, int, str, Limits], ApiServerCore] = ApiServerCore
    scheduler: Callable[[int, int], SchedulerCore] = SchedulerCore
    elected: Callable[[SchedulerCore, str, bool, LeaseLimits], ElectedScheduler] = ElectedScheduler
    partition: Callable[[], PartitionCore] = PartitionCore
    controllers: Callable[..., ControllersCore] = ControllersCore
    hollow: Callable[..., HollowNodes] = HollowNodes
    disk: Callable[[Kernel, int, str, int], Disk] = Disk


class World:
    """All programs of one run. ``processes`` by name, in the order of their start."""

    def __init__(
        self,
        kernel: Kernel,
        options: Options,
        makers: Makers,
        checkers: tuple[Leases, StoreReads],
    ) -> None:
        """``checkers``: those that clients tell what they know."""
        self.kernel = kernel
        self.options = options
        self.network = Network(kernel, options.delay_us, options.backlog_frames_max)
        self.disks = [
            makers.disk(kernel, shard, options.durability, options.segment_bytes)
            for shard in range(options.store_shards)
        ]
        self.users = Users(options, kernel.agenda.now_ns)
        self.processes: dict[str, Process] = {}
        self._makers = makers
        self._born_ns = kernel.agenda.now_ns
        self._stores = [f"store-{shard}" for shard in range(options.store_shards)]
        self._servers = [f"apiserver-{number}" for number in range(options.api_servers)]
        self._partitions = [f"partition-{number}" for number in range(options.partitions)]
        self._schedulers = ["scheduler", *(f"scheduler-{n}" for n in range(1, options.schedulers))]
        self._add_programs()
        chance = kernel.stream("start")
        for process in self.processes.values():
            if options.skew_ms_max:
                process.skew_ns = (chance.below(2 * options.skew_ms_max) - options.skew_ms_max) * MS
            # Nodes may come later than pods, which then have to wait for them.
            late_ns = chance.below(3 * SECOND) if process.name.startswith("hollow-") else 0
            kernel.agenda.at(kernel.agenda.now_ns + late_ns, ARRIVAL, process.start)
        self._add("users", self._users, _ignore).start()

        self.store_log, self.api_log = Log(), Log()
        self._add_clients(checkers)

    def _add_clients(self, checkers: tuple[Leases, StoreReads]) -> None:
        """Add probes, keepers and readers: clients in the simulator itself, which have no core and
        never crash."""
        kernel, network, options = self.kernel, self.network, self.options
        until_ns = kernel.agenda.now_ns + options.fault_seconds * SECOND
        for number in range(options.probes):
            name = f"probe-{number}"
            pause_ms = PROBE_PAUSE_MS * options.api_servers
            keys = StoreKeys(network, f"{name}-store", self._stores, pause_ms)
            Probe(kernel, f"{name}-store", keys, self.store_log, until_ns + CALM_PROBES_NS)
            maps = ApiKeys(network, f"{name}-api", self._servers)
            Probe(kernel, f"{name}-api", maps, self.api_log, until_ns)
        for number in range(options.keepers):
            Keeper(kernel, network, f"keeper-{number}", self._stores, (*checkers, until_ns))
        for number in range(options.mirrors):
            store = (number % options.store_shards, self._stores[number % options.store_shards])
            Mirror(kernel, network, f"mirror-{number}", store, until_ns)
        for number in range(options.readers):
            Reader(kernel, network, f"reader-{number}", self._servers, until_ns)

    def _add(self, name: str, boot: Callable[[int], Shell], died: Callable[[str], None]) -> Process:
        process = Process(self.kernel, self.network, name, boot, died)
        self.processes[name] = process
        return process

    def _add_programs(self) -> None:
        options = self.options
        for shard, name in enumerate(self._stores):
            self._add(name, partial(self._store, name, shard), self.disks[shard].died)
        for name in self._partitions:
            self._add(name, partial(self._partition, name), _ignore)
        for name in self._servers:
            self._add(name, partial(self._api_server, name), _ignore)
        for number in range(options.controllers):
            name = f"controllers-{number}"
            self._add(name, partial(self._controllers, name, number), _ignore)
        for number, name in enumerate(self._schedulers):
            self._add(name, partial(self._scheduler, name, number), _ignore)
        for number in range(options.hollow_actors):
            name = f"hollow-{number}"
            self._add(name, partial(self._hollow, name, number), _ignore)

    # Each boot builds what the program's start in ``actors`` builds.

    def _store(self, name: str, shard: int, life: int) -> Shell:
        options, disk = self.options, self.disks[shard]
        found = disk.recovered()
        for recovered in self.kernel.topics.recovered:
            recovered(shard, found.first_index, list(found.records), found.snapshot_revision)
        settings = StoreSettings(
            shard, options.durability, options.retain_s * SECOND, epoch_ns=self._born_ns
        )
        core = self._makers.store(settings, found)
        core.snapshots.log_bytes_min = options.snapshot_bytes
        shell = StoreShell(self.kernel, name, core, disk)
        disk.attach(core.ledger.next_index, shell.disk_reports)
        return shell

    def _partition(self, name: str, life: int) -> Shell:
        return PartitionShell(self.kernel, name, self._makers.partition())

    def _api_server(self, name: str, life: int) -> Shell:
        options = self.options
        sharding = Sharding(options.shard_by, options.store_shards)
        core = self._makers.api_server(sharding, options.seed, name, Limits(IN_FLIGHT_MAX))
        return ApiServerShell(self.kernel, self.network, name, core, self._stores)

    def _controllers(self, name: str, number: int, life: int) -> Shell:
        core = self._makers.controllers(name, self.options.controllers, limits_of("unlimited"))
        return self._component(name, core, number, CONTROLLERS)

    def _scheduler(self, name: str, number: int, life: int) -> Shell:
        inner = self._makers.scheduler(self.options.seed, self.options.partitions)
        core: SchedulerCore | ElectedScheduler = inner
        if self.options.schedulers > 1:
            core = self._makers.elected(inner, name, number == 0, ELECTION)
        return self._component(name, core, number, SCHEDULER, self._partitions)

    def _hollow(self, name: str, number: int, life: int) -> Shell:
        options = self.options
        shapes = [
            NodeShape(f"hollow-{n}", NODE_CAPACITY, (("zone", ZONES[n % len(ZONES)]),))
            for n in range(number, options.nodes, options.hollow_actors)
        ]
        stages = general_stages(options.pod_delay_ms)
        core = self._makers.hollow(shapes, stages, options.seed, Heartbeats(LEASE_PERIOD_NS))
        return self._component(name, core, number, HOLLOW)

    def _users(self, life: int) -> Shell:
        assert life == 1, "users do not crash"
        return self._component("users", self.users, 0, USER)

    def _component(
        self, name: str, core: Any, number: int, cost: Any, partitions: list[str] | None = None
    ) -> Shell:
        server = self._servers[number % len(self._servers)]
        return ComponentShell(
            self.kernel, self.network, name, core, (server, partitions or [], cost)
        )


def _ignore(how: str) -> None:
    """A program without a disk leaves nothing behind."""
