"""Addresses of Services: cluster IPs of 10.96.0.0/16 and node ports 30000-32767.

What is taken is read from the cache of services; what was just given out and may not be there yet
is remembered for a while. Two API servers that allocate in the same moment may give out one address
twice: Kubernetes prevents that with IPAddress objects, which are not emulated.

Source: pkg/registry/core/service/{ipallocator,portallocator} of Kubernetes 1.36: addresses are
drawn from the upper band first, the lower 256 (of ports: 86) are left to those who ask for one.
"""

from ipaddress import IPv4Address, IPv4Network

from api.core import JsonObject
from api.defaults.services import (
    EXTERNAL_TYPES,
    normalize_cluster_ips,
    ports_wanting_node_port,
    set_addresses,
    wants_cluster_ip,
    wants_health_check_port,
)
from api.errors import Cause, InternalError, Invalid
from api.streams import Stream
from api.validation.exposure import check_families
from apiserver.cache import ResourceCache
from apiserver.records import Record

_NETWORK = IPv4Network("10.96.0.0/16")
_IPS_LOW = 256
_PORTS = range(30_000, 32_768)
_PORTS_LOW = 86
_RANGE_TEXT = "provided port is not in the valid range. The range of valid ports is 30000-32767"
_REMEMBERED_NS = 30 * 10**9
_TRIES = 64
"""Random draws before the range is searched in order."""


class Addresses:
    """Cluster IPs and node ports in use, and which Service has each."""

    def __init__(self, services: ResourceCache, chance: Stream) -> None:
        self._services = services
        self._chance = chance
        self._revision = -1
        self._ips: dict[str, bytes] = {}
        self._ports: dict[int, bytes] = {}
        self._given: dict[str | int, tuple[bytes, int]] = {}
        """Address or port to whom it was given just now, and when."""

    def allocate(self, service: JsonObject, old: JsonObject | None, now_ns: int) -> None:
        """Complete the addresses of a Service in place. Invalid when one is none, or is taken."""
        self._catch_up(now_ns)
        if old is not None:
            normalize_cluster_ips(service, old)
        meta, spec = service["metadata"], service["spec"]
        key = self._services.key(meta["namespace"], meta.get("name", ""))
        if spec["type"] == "ExternalName":
            return
        causes: list[Cause] = []
        check_families(causes, spec)
        if causes:
            raise Invalid("Service", meta.get("name", ""), causes)
        ip = self._free_ip() if wants_cluster_ip(service) else None
        if ip is None and spec["clusterIP"] != "None":
            self._check_ip(spec["clusterIP"], key, service)
        set_addresses(service, ip)
        if spec["type"] in EXTERNAL_TYPES:
            self._allocate_ports(service, key)
        for address in (spec.get("clusterIP"), *self._ports_of(service)):
            if address:
                self._given[address] = (key, now_ns)

    def _allocate_ports(self, service: JsonObject, key: bytes) -> None:
        spec = service["spec"]
        for index, port in enumerate(spec.get("ports") or ()):
            if port.get("nodePort"):
                self._check_port(port["nodePort"], key, f"spec.ports[{index}].nodePort", service)
        for index in ports_wanting_node_port(service):
            spec["ports"][index]["nodePort"] = self._free_port(self._ports_of(service))
        if wants_health_check_port(service):
            spec["healthCheckNodePort"] = self._free_port(self._ports_of(service))

    def _check_ip(self, ip: str, key: bytes, service: JsonObject) -> None:
        name = service["metadata"].get("name", "")
        if self._ips.get(ip, key) != key or self._given.get(ip, (key, 0))[0] != key:
            text = f"failed to allocate IP {ip}: provided IP is already allocated"
        elif ":" in ip or IPv4Address(ip) not in _NETWORK:
            text = (
                f"failed to allocate IP {ip}: the provided IP ({ip}) is not in the valid range. "
                f"The range of valid IPs is {_NETWORK}"
            )
        else:
            return
        raise Invalid("Service", name, [Cause.invalid("spec.clusterIPs", [ip], text)])

    def _check_port(self, port: int, key: bytes, field: str, service: JsonObject) -> None:
        if port not in _PORTS:
            text = _RANGE_TEXT
        elif self._ports.get(port, key) != key or self._given.get(port, (key, 0))[0] != key:
            text = "provided port is already allocated"
        else:
            return
        name = service["metadata"].get("name", "")
        raise Invalid("Service", name, [Cause.invalid(field, port, text)])

    def _free_ip(self) -> str:
        first = int(_NETWORK.network_address)
        size = _NETWORK.num_addresses - 1
        for number in self._candidates(_IPS_LOW, size):
            ip = str(IPv4Address(first + number))
            if ip not in self._ips and ip not in self._given:
                return ip
        raise InternalError("failed to allocate a serviceIP: range is full")

    def _free_port(self, taken: list[int]) -> int:
        for number in self._candidates(_PORTS_LOW, len(_PORTS)):
            port = _PORTS[number]
            if port not in self._ports and port not in self._given and port not in taken:
                return port
        raise InternalError("failed to allocate a nodePort: range is full")

    def _candidates(self, low: int, size: int) -> list[int]:
        """Random numbers of the upper band, then every number from 1, upper band first."""
        drawn = [low + self._chance.below(size - low) for _ in range(_TRIES)]
        if len(self._ips) < size // 2 and len(self._ports) < len(_PORTS) // 2:
            return drawn
        return [*drawn, *range(low, size), *range(1, low)]

    @staticmethod
    def _ports_of(service: JsonObject) -> list[int]:
        spec = service["spec"]
        ports = [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]
        if spec.get("healthCheckNodePort"):
            ports.append(spec["healthCheckNodePort"])
        return ports

    def _catch_up(self, now_ns: int) -> None:
        """Take in what happened to services since the last time."""
        cache = self._services
        if self._revision < cache.horizon:
            self._ips, self._ports = {}, {}
            for record in cache.records.values():
                self._take(record)
        else:
            for event in cache.events.after(self._revision):
                if event.previous is not None:
                    self._give_back(event.previous)
                if event.previous is not event.record:
                    self._take(event.record)
        self._revision = cache.last_revision
        oldest_ns = now_ns - _REMEMBERED_NS
        stale = [a for a, (_, given_ns) in self._given.items() if given_ns < oldest_ns]
        for address in stale:
            del self._given[address]

    def _take(self, record: Record) -> None:
        if record.fields[0]:
            self._ips[record.fields[0]] = record.key
        if b'"nodePort":' in record.value:
            for port in self._ports_of(record.object()):
                self._ports[port] = record.key

    def _give_back(self, record: Record) -> None:
        ip = record.fields[0]
        if self._ips.get(ip) == record.key:
            del self._ips[ip]
            self._given.pop(ip, None)
        if b'"nodePort":' in record.value:
            for port in self._ports_of(record.object()):
                self._ports.pop(port, None)
                self._given.pop(port, None)
