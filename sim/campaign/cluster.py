"""All programs of a virtual campaign's cluster, as ``actors.blueprint`` would start them."""

from collections import Counter
from typing import Any

from apiserver.core import ApiServerCore
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from controllers.core import ControllersCore
from hollow_node.core import HollowNodes
from hollow_node.stages import general_stages
from scheduler.kernel import kernel_of
from scheduler.leader import SchedulerCore
from scheduler.partition import PartitionCore
from sim.campaign.clients import ComponentProgram, Partition
from sim.campaign.hold import Hold
from sim.campaign.plan import VirtualPlan
from sim.campaign.servers import ApiServerProgram, StoreProgram, Wires
from sim.connection import SECOND
from sim.cost import Cost
from sim.kernel import Kernel
from store.core import StoreCore

IN_FLIGHT_MAX = 4096
FREE = Cost(0, 0)
"""The cost of observers: none, as they are no part of the cluster that is measured."""


class VirtualCluster:
    """``start`` begins with the stores and the API server; ``join`` lets the rest connect, once
    ``ready``."""

    def __init__(self, kernel: Kernel, plan: VirtualPlan) -> None:
        self._kernel = kernel
        self._plan = plan
        self.wires = Wires(kernel, plan.costs.frame_ns)
        """Of the load and the API servers: these are always whole."""
        born_ns = kernel.agenda.now_ns
        self.stores = [
            StoreProgram(
                kernel,
                self.wires,
                f"store-{shard}",
                StoreCore(plan.store_settings(shard, born_ns)),
                plan.costs.sync_of(f"store-{shard}", plan.durability),
            )
            for shard in range(plan.store_shards)
        ]
        sharding = Sharding(plan.shard_by, plan.store_shards)
        self.apis = [self._api(number, sharding) for number in range(plan.api_servers)]
        for store in self.stores:
            store.turns.cost = plan.costs.of(store.name)
        self.partitions = [
            Partition(
                kernel,
                self.wires.others(),
                PartitionCore(plan.scheduler.profiles, kernel_of(plan.scheduler.kernel)),
                plan.costs.of(f"partition-{number}"),
            )
            for number in range(plan.partitions)
        ]
        self.components = [self._controllers(number) for number in range(plan.controller_shards)]
        scheduler = SchedulerCore(plan.seed, plan.partitions, plan.scheduler)
        self.scheduler = self.component("scheduler", scheduler, 0, plan.costs.of("scheduler"))
        self.scheduler.partitions_may_be_away = bool(plan.away or plan.slow)
        self.components.append(self.scheduler)
        self.components += [self._hollow(number) for number in range(plan.hollow_actors)]

    def _api(self, number: int, sharding: Sharding) -> ApiServerProgram:
        plan, name = self._plan, f"apiserver-{number}"
        core = ApiServerCore(sharding, plan.seed, name, Limits(IN_FLIGHT_MAX), plan.caching)
        api = ApiServerProgram(self._kernel, self.wires, name, core, self.stores)
        api.turns.cost = plan.costs.of(name)
        return api

    def component(
        self, name: str, core: Any, number: int = 0, cost: Cost = FREE
    ) -> ComponentProgram:
        """A client of this cluster, not started. ``number``: of its kind; API servers take turns,
        as in actors.blueprint.server_of."""
        peers = (self.apis[number % len(self.apis)], self.partitions, cost)
        return ComponentProgram(self._kernel, self.wires.others(), name, core, peers)

    def _controllers(self, number: int) -> ComponentProgram:
        plan, name = self._plan, f"controllers-{number}"
        core = ControllersCore(name, plan.controller_shards, plan.controller_limits())
        return self.component(name, core, number, plan.costs.of(name))

    def _hollow(self, number: int) -> ComponentProgram:
        plan = self._plan
        shapes = plan.nodes[number :: plan.hollow_actors]
        stages = general_stages(plan.pod_delay_ms)
        core = HollowNodes(shapes, stages, plan.seed, plan.heartbeats, plan.quantum_ns)
        name = f"hollow-{number}"
        return self.component(name, core, number, plan.costs.of(name))

    def start(self) -> None:
        for store in self.stores:
            store.turns.wake()
        for api in self.apis:
            api.turns.wake()

    @property
    def ready(self) -> bool:
        return all(api.core.ready for api in self.apis)

    def asked(self) -> dict[tuple[str, str, str], int]:
        """Requests of all API servers by verb, resource and subresource."""
        return dict(sum((api.asked for api in self.apis), Counter()))

    def join(self) -> None:
        for component in self.components:
            component.start()

    @property
    def programs(self) -> list[StoreProgram | ApiServerProgram | ComponentProgram]:
        """All that step by themselves; scoring partitions answer when they are asked."""
        return [*self.stores, *self.apis, *self.components]

    def busy_ns(self) -> dict[str, int]:
        """Service time that each program has used, in virtual ns."""
        busy = {program.name: program.turns.busy_ns for program in self.programs}
        return busy | {
            f"partition-{number}": one.busy_ns for number, one in enumerate(self.partitions)
        }

    def slow(self, program: str, service_ns: int) -> None:
        """Let every operation of a program take so long: see actors.hold; 0: no longer."""
        for component in self.components:
            if component.name == program:
                component.slow(service_ns)
                return
        self._holds[program].slow(service_ns)

    def send_away(self, program: str, how: str, until_ns: int) -> None:
        """Let a program stand still, or cut it off from all others, until then. Nothing is lost."""
        if how == "pause" and not program.startswith("partition-"):
            (found,) = [one for one in self.programs if one.name == program]
            found.turns.pause(until_ns)
            return
        # A partition does nothing but answer: whoever asks cannot tell the one from the other.
        for wires in self._wires_of(program):
            wires.cut(until_ns)

    def _wires_of(self, program: str) -> list[Wires]:
        """All between it and other programs; the load is none."""
        partitions = [one.wires for one in self.partitions]
        found: dict[str, list[Wires]] = {
            one.name: [api.to_stores[shard] for api in self.apis]
            for shard, one in enumerate(self.stores)
        }
        found |= {f"partition-{number}": [wires] for number, wires in enumerate(partitions)}
        for api in self.apis:
            clients = [one.wires for one in self.components if one.api is api]
            found[api.name] = [*api.to_stores, *clients]
        found |= {one.name: [one.wires] for one in self.components}
        found[self.scheduler.name] += partitions
        return found[program]

    @property
    def _holds(self) -> dict[str, Hold]:
        partitions = {f"partition-{number}": one for number, one in enumerate(self.partitions)}
        return {name: one.hold for name, one in partitions.items()} | {
            program.name: program.hold for program in self.programs
        }

    def gauges(self) -> dict[str, dict[str, float]]:
        """What the cores say of themselves, by program, and who is held back for how long."""
        servers = {one.name: dict(one.core.gauges()) for one in self.apis}
        disks = {one.name: {"disk_busy_s": one.disk_busy_ns / SECOND} for one in self.stores}
        said = servers | disks | {one.name: dict(one.core.gauges()) for one in self.components}
        for name, hold in self._holds.items():
            if held := hold.gauges():
                said[name] = said.get(name, {}) | held
        return said

    def check(self) -> None:
        """Every core's own state, whole."""
        for program in self.programs:
            program.turns.check()
