"""Which programs a plan needs, with the configuration of each, in the order of their start."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from actors.plan import (
    SOUND_NETWORK,
    SPANS,
    ApiServerConfig,
    ClusterPlan,
    ControllersConfig,
    EtcdStoreConfig,
    HollowNodesConfig,
    NetworkFaults,
    PartitionConfig,
    SchedulerConfig,
    Security,
    StoreConfig,
)
from actors.program import Resolve, Running

ProgramConfig = (
    StoreConfig
    | EtcdStoreConfig
    | ApiServerConfig
    | PartitionConfig
    | SchedulerConfig
    | ControllersConfig
    | HollowNodesConfig
)

MODULES: dict[type[Any], str] = {
    StoreConfig: "actors.store",
    EtcdStoreConfig: "actors.etcd.engine",
    ApiServerConfig: "actors.apiserver",
    PartitionConfig: "actors.partition",
    SchedulerConfig: "actors.scheduler",
    ControllersConfig: "actors.controllers",
    HollowNodesConfig: "actors.hollow",
}
"""Where the ``start`` of each program is. Imported only where it runs."""

API_SERVER = "apiserver-0"
"""The first, which kubeconfigs name."""
SCHEDULER = "scheduler"
"""The first; those that stand by have a number."""


@dataclass(frozen=True, slots=True)
class Part:
    """One program to start."""

    name: str
    config: ProgramConfig
    stage: int
    """Parts of one stage start together, after all parts of the stages before."""
    network: NetworkFaults = SOUND_NETWORK
    """Of its connections to other parts."""
    seed: int = 0
    """Of the network's chance."""


def parts_of(plan: ClusterPlan, security: Security) -> list[Part]:
    """The programs of a cluster, in order of their stage."""
    directory = Path(plan.run_directory)
    shards = {
        name: _store_config(plan, security, shard, str(directory / name))
        for shard, name in enumerate(f"store-{shard}" for shard in range(plan.store_shards))
    }
    alone = plan.store_placement == "own"
    parts = [Part(name, config, 0) for name, config in shards.items() if alone]
    parts += _scoring_parts(plan, security)
    parts += _api_server_parts(plan, security, shards)
    parts += _controllers_parts(plan, security)
    parts += _scheduler_parts(plan, security)
    if plan.nodes or plan.node_list_csv:
        parts += [_hollow_part(plan, security, index) for index in range(plan.hollow_actors)]
    if plan.traced:
        parts = [_traced(part, directory / SPANS) for part in parts]
    return [_networked(part, plan) for part in parts]


def _partitions_of(plan: ClusterPlan) -> tuple[str, ...]:
    scorers = plan.scheduler_partitions if plan.schedulers else 0
    return tuple(f"partition-{number}" for number in range(scorers))


def _scoring_parts(plan: ClusterPlan, security: Security) -> Iterator[Part]:
    configured, kernel = plan.scheduler_configuration, plan.scheduler_kernel
    for name in _partitions_of(plan):
        config = PartitionConfig(name, security, configuration=configured, kernel=kernel)
        yield Part(name, config, 0)


def _api_server_parts(
    plan: ClusterPlan, security: Security, shards: Mapping[str, StoreConfig | EtcdStoreConfig]
) -> Iterator[Part]:
    alone = plan.store_placement == "own"
    embedded = () if alone else _embedded(plan, list(shards.values()))
    for index in range(plan.api_servers):
        config = ApiServerConfig(
            server_of(plan, index),
            tuple(shards),
            security,
            plan.seed,
            plan.shard_by,
            https_port=0 if index else plan.https_port,
            watch_cache_index=plan.watch_cache_index,
            encode_once=plan.encode_once,
            consistent_lists=plan.consistent_lists,
            beside_controllers=plan.controller_shards > 0,
            embedded=embedded,
        )
        yield Part(config.name, config, 1)


def _controllers_parts(plan: ClusterPlan, security: Security) -> Iterator[Part]:
    shards, profile = plan.controller_shards, plan.controller_profile
    for index in range(shards):
        name, server = f"controllers-{index}", server_of(plan, index)
        yield Part(name, ControllersConfig(name, server, shards, security, plan.seed, profile), 2)


def _scheduler_parts(plan: ClusterPlan, security: Security) -> Iterator[Part]:
    for index in range(plan.schedulers):
        name = f"{SCHEDULER}-{index}" if index else SCHEDULER
        config = SchedulerConfig(
            server_of(plan, index),
            _partitions_of(plan),
            security,
            plan.seed,
            name,
            plan.scheduler_configuration,
            plan.queueing_hints,
            plan.gather_quorum_percent,
            plan.scheduler_kernel,
        )
        yield Part(name, config, 2)


def server_of(plan: ClusterPlan, index: int) -> str:
    """The API server of the component of this number: each has its turn."""
    return f"apiserver-{index % plan.api_servers}"


def _networked(part: Part, plan: ClusterPlan) -> Part:
    network = plan.network
    meant = not network.near or part.name in (network.near, network.far)
    return replace(part, network=network if meant else SOUND_NETWORK, seed=plan.seed)


def _traced(part: Part, spans: Path) -> Part:
    """An etcd writes none."""
    config = part.config
    if isinstance(config, EtcdStoreConfig):
        return part
    if isinstance(config, ApiServerConfig):
        shards = zip(config.stores, config.embedded, strict=False)
        embedded = [replace(shard, spans=str(spans / f"{name}.jsonl")) for name, shard in shards]
        config = replace(config, embedded=tuple(embedded))
    return replace(part, config=replace(config, spans=str(spans / f"{part.name}.jsonl")))


def _store_config(
    plan: ClusterPlan, security: Security, shard: int, directory: str
) -> StoreConfig | EtcdStoreConfig:
    kept_s = plan.compaction_retention_s
    if plan.store_engine == "own":
        return StoreConfig(shard, directory, security, plan.durability, retain_revisions_s=kept_s)
    assert plan.durability == "fsync", "etcd has no other durability"
    assert plan.store_shards == 1 or plan.shard_by == "kind", "etcds are not merged"
    return EtcdStoreConfig(shard, directory, security, retain_revisions_s=kept_s)


def _embedded(
    plan: ClusterPlan, shards: Sequence[StoreConfig | EtcdStoreConfig]
) -> tuple[StoreConfig, ...]:
    """The shards of the API server's own program."""
    assert plan.api_servers == 1, "another API server could not reach them"
    assert plan.store_engine == "own", "an etcd is a program of its own"
    return tuple(shard for shard in shards if isinstance(shard, StoreConfig))


def _hollow_part(plan: ClusterPlan, security: Security, index: int) -> Part:
    name = f"hollow-{index}"
    config = HollowNodesConfig(
        name,
        server_of(plan, index),
        security,
        plan.seed,
        index,
        plan.hollow_actors,
        plan.nodes,
        plan.node_list_csv,
        plan.node_list_rows_max,
        plan.lease_period_s,
        plan.heartbeat,
        plan.pod_delay_s,
        f"{plan.run_directory}/kubeconfig" if plan.node_transport == "https" else "",
    )
    return Part(name, config, 2)


async def start_part(config: ProgramConfig, resolve: Resolve) -> Running:
    """Import the program's module and start it on the running loop."""
    module = import_module(MODULES[type(config)])
    running: Running = await module.start(config, resolve)
    return running
