"""The plan of a cluster and the configuration of each of its programs, as frozen data."""

from dataclasses import dataclass
from typing import Literal

from apiserver.keys import CacheIndex
from scheduler.kernel_choice import KernelChoice

Durability = Literal["fsync", "buffered", "none"]
ShardBy = Literal["kind", "namespace", "hash"]
Heartbeat = Literal["lease", "status"]
StoreEngine = Literal["own", "etcd"]
StorePlacement = Literal["own", "apiserver"]
SPANS = "spans"
"""Directory of the programs' spans, in the run directory."""


@dataclass(frozen=True, slots=True)
class Security:
    """Identity of one cluster; made by the shell from the OS, never from a seed."""

    cluster_id: str
    frame_token: str
    """Presented in the handshake of every frame connection."""
    directory: str
    """Holds ca.crt, apiserver.crt, apiserver.key, tokens.csv (mode 0600) and kubeconfig."""
    created_ns: int = 0
    """When the cluster was made, wall clock: the epoch of its revisions."""
    encrypted: bool = False
    """Frames go by TLS, and both sides show the certificate of the cluster's programs, which lies
    in ``directory``: some of them leave their machine."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    shard: int
    directory: str
    security: Security
    durability: Durability = "fsync"
    host: str = "127.0.0.1"
    port: int = 0
    retain_revisions_s: float = 300.0
    """History kept for watches and exact reads; older versions are compacted."""
    take_from: str = ""
    """Program that holds the shard and is to hand it over to the new ``directory``; empty: none."""
    begun: bool = False
    """The shard has served before, so its directory must have a log."""
    spans: str = ""
    """File for spans of what clients sample; empty: nothing is traced."""


@dataclass(frozen=True, slots=True)
class EtcdStoreConfig:
    """A shard whose engine is a real etcd, started in ``directory``."""

    shard: int
    directory: str
    security: Security
    host: str = "127.0.0.1"
    port: int = 0
    retain_revisions_s: float = 300.0
    """History kept for watches and exact reads; older versions are compacted."""


@dataclass(frozen=True, slots=True)
class ApiServerConfig:
    name: str
    stores: tuple[str, ...]
    """Names of the shards, in order of shard number: of programs, or of ``embedded``."""
    security: Security
    seed: int
    shard_by: ShardBy = "kind"
    host: str = "127.0.0.1"
    https_port: int = 0
    frame_port: int = 0
    requests_in_flight_max: int = 4096
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    """For who is not in system:masters, by kube-apiserver's names and defaults."""
    watch_cache_index: CacheIndex = "btree"
    encode_once: bool = True
    consistent_lists: bool = True
    """See apiserver.caching.Caching."""
    spans: str = ""
    """File for spans of what clients sample; empty: nothing is traced."""
    beside_controllers: bool = False
    """It warns of what they do not act on (controllers.absent)."""
    embedded: tuple[StoreConfig, ...] = ()
    """Its shards, if they live in this program. Nobody else reaches them: they have no port."""


@dataclass(frozen=True, slots=True)
class PartitionConfig:
    name: str
    security: Security
    host: str = "127.0.0.1"
    port: int = 0
    configuration: str = ""
    """That of the scheduler, whose plugins score."""
    kernel: KernelChoice = "auto"
    """See scheduler.kernel."""
    spans: str = ""
    """File for spans of what clients sample; empty: nothing is traced."""


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    api_server: str
    partitions: tuple[str, ...]
    """Program names of the scoring partitions; empty: the leader scores alone."""
    security: Security
    seed: int
    name: str = "scheduler"
    """Holder of the Lease while it leads."""
    configuration: str = ""
    """A KubeSchedulerConfiguration as JSON; empty: the default."""
    queueing_hints: bool = True
    """SchedulerQueueingHints."""
    gather_quorum_percent: int = 100
    """So many of the partitions have to answer before a batch is decided."""
    kernel: KernelChoice = "auto"
    """See scheduler.kernel."""
    spans: str = ""
    """File for spans of what clients sample; empty: nothing is traced."""


@dataclass(frozen=True, slots=True)
class ControllersConfig:
    name: str
    api_server: str
    shards: int
    """Number of key shards; each is led by whoever holds its Lease."""
    security: Security
    seed: int
    profile: Literal["kubernetes", "unlimited"] = "unlimited"
    spans: str = ""
    """File for spans of what clients sample; empty: nothing is traced."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """Nodes of one shape: ``count`` of them, named ``prefix`` + number."""

    count: int
    prefix: str = "hollow-"
    capacity: tuple[tuple[str, str], ...] = (("cpu", "32"), ("memory", "256Gi"), ("pods", "110"))
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HollowNodesConfig:
    name: str
    api_server: str
    security: Security
    seed: int
    index: int = 0
    actors: int = 1
    """This actor hosts the nodes whose position modulo ``actors`` is ``index``."""
    nodes: tuple[NodeSpec, ...] = (NodeSpec(1),)
    node_list_csv: str = ""
    """A node list in openb's columns; its rows come before ``nodes``."""
    node_list_rows_max: int = 0
    """Use the first so many rows of the list; 0: all."""
    lease_period_s: float = 10.0
    heartbeat: Heartbeat = "lease"
    """Or the whole status in that period, and no Lease renewed."""
    pod_delay_s: float = 0.0
    """Delay of each pod stage; 0 means as fast as the control plane goes."""
    kubeconfig: str = ""
    """Join the cluster of this file by HTTPS; empty: join ``api_server`` by frames."""
    spans: str = ""
    """File for spans of what clients sample; empty: nothing is traced."""


@dataclass(frozen=True, slots=True)
class NetworkFaults:
    """What the connections between programs suffer; see actors.net.fault_proxy."""

    delay_s: float = 0.0
    """Of every byte, one way."""
    jitter_s: float = 0.0
    """Up to so much more."""
    loss: float = 0.0
    """Share of TCP segments that are lost, and come a retransmission later."""
    bandwidth_bytes_s: int = 0
    """Of one connection and direction; 0: no limit."""
    cut_every_s: float = 0.0
    """Mean life of a connection, which is then reset; 0: none is cut."""
    stall_every_s: float = 0.0
    """Mean time between partitions of two programs; 0: none."""
    stall_s: float = 0.0
    """How long a partition lasts: nothing passes, and all comes later."""
    near: str = ""
    """With ``far``: only the way between these two programs; empty: all ways."""
    far: str = ""

    @property
    def active(self) -> bool:
        return self != SOUND_NETWORK


SOUND_NETWORK = NetworkFaults()


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """Everything that decides how a cluster is built. One plan and seed: one cluster."""

    run_directory: str
    seed: int = 1
    nodes: tuple[NodeSpec, ...] = ()
    node_list_csv: str = ""
    node_list_rows_max: int = 0
    store_shards: int = 2
    shard_by: ShardBy = "kind"
    durability: Durability = "fsync"
    store_engine: StoreEngine = "own"
    """etcd: each shard is a real one, and shards are by kind: nothing orders their revisions."""
    store_placement: StorePlacement = "own"
    """Of our own shards: a program each, or all of them in that of the only API server."""
    compaction_retention_s: float = 300.0
    """History that a shard keeps; an etcd is compacted as often to what is as old."""
    watch_cache_index: CacheIndex = "btree"
    """Of the API server."""
    encode_once: bool = True
    consistent_lists: bool = True
    """See apiserver.caching.Caching."""
    api_servers: int = 1
    """Clients of frames and load generators are dealt out to them in turn."""
    scheduler_partitions: int = 2
    scheduler_configuration: str = ""
    """A KubeSchedulerConfiguration as JSON; empty: the default."""
    controller_shards: int = 2
    hollow_actors: int = 1
    machines: int = 1
    """The Ray cluster is to have so many at least, with the driver's; its start waits for them."""
    https_port: int = 0
    lease_period_s: float = 10.0
    heartbeat: Heartbeat = "lease"
    pod_delay_s: float = 0.0
    node_transport: Literal["frames", "https"] = "frames"
    controller_profile: Literal["kubernetes", "unlimited"] = "unlimited"
    queueing_hints: bool = True
    """Of the scheduler: SchedulerQueueingHints."""
    gather_quorum_percent: int = 100
    """Of the scheduler: so many of its partitions have to answer before a batch is decided."""
    scheduler_kernel: KernelChoice = "auto"
    """Of the scheduler and its partitions: see scheduler.kernel."""
    schedulers: int = 1
    """The first to get the Lease schedules, the others stand by. 0: somebody from outside does."""
    network: NetworkFaults = SOUND_NETWORK
    """Of frames; HTTPS is not touched."""
    traced: bool = False
    """Programs write spans of what clients sample, below SPANS of the run directory."""


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process of the cluster at one moment."""

    role: str
    """store-0, apiserver-0, scheduler, partition-0, controllers-0, hollow-0, ray ..."""
    pid: int
    cpu_s: float
    pss_bytes: int
