"""Which programs of a cluster share a machine, and which may not: a plan for placement groups.

The driver's machine runs the load, so it runs no program of the cluster: a generator that shares
its cores with a server measures itself. What cannot be had with few machines is given up and said:
``Layout.said`` has the sentences for the user and for the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from actors.blueprint import API_SERVER, Part
from actors.plan import ApiServerConfig, EtcdStoreConfig, HollowNodesConfig, StoreConfig

Strategy = Literal["STRICT_SPREAD", "SPREAD"]
FIRST_SHARD = "store-0"


@dataclass(frozen=True, slots=True)
class Group:
    """Programs that are placed together, over the machines that are not the driver's."""

    name: str
    programs: tuple[str, ...]
    strategy: Strategy
    beside: str = ""
    """A program of an earlier group, whose machine is the only one that will do; empty: any."""


@dataclass(frozen=True, slots=True)
class Layout:
    groups: tuple[Group, ...]
    """In the order in which they have to be placed. Each program is in one of them."""
    said: tuple[str, ...]


def layout(parts: Sequence[Part], machines: int) -> Layout:
    """``machines``: those that are not the driver's, at least one."""
    assert machines > 0
    stores = _names(parts, (StoreConfig, EtcdStoreConfig))
    hollow = _names(parts, (HollowNodesConfig,))
    servers = _names(parts, (ApiServerConfig,))
    known = {*stores, *hollow, *servers}
    others = tuple(part.name for part in parts if part.name not in known)
    apart = len(stores) <= machines
    groups = (
        Group("stores", stores, "STRICT_SPREAD" if apart else "SPREAD"),
        Group("servers", (API_SERVER,), "SPREAD", beside=FIRST_SHARD if stores else ""),
        Group("more servers", servers[1:], "SPREAD"),
        Group("components", others, "SPREAD"),
        Group("hollow nodes", hollow, "SPREAD"),
    )
    said = (
        "Load generators: on the driver's machine, which runs no program of the cluster.",
        _of_shards(len(stores), machines) if stores else f"Store: in {API_SERVER}'s own program.",
        _of_servers(len(servers), machines, bool(stores)),
        f"Hollow nodes and other components: spread over {_counted(machines, 'machine')}.",
    )
    return Layout(tuple(group for group in groups if group.programs), said)


def _names(parts: Sequence[Part], kinds: tuple[type, ...]) -> tuple[str, ...]:
    return tuple(part.name for part in parts if isinstance(part.config, kinds))


def _of_servers(servers: int, machines: int, shards: bool) -> str:
    if not shards:
        return f"API server: on one of {_counted(machines, 'machine')}."
    beside = f"beside {FIRST_SHARD}, without which it could not serve"
    if servers == 1:
        return f"API server: {beside}."
    return (
        f"API servers: {API_SERVER} {beside}, "
        f"{servers - 1} more spread over {_counted(machines, 'machine')}."
    )


def _of_shards(shards: int, machines: int) -> str:
    if shards <= machines:
        each = "each " if shards > 1 else ""
        return f"Store: {_counted(shards, 'shard')}, {each}on a machine of its own."
    return (
        f"Store: {_counted(shards, 'shard')} on {_counted(machines, 'machine')}: "
        f"{_counted(shards - machines, 'machine')} too few to keep them apart."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
