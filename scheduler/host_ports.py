"""Host ports that pods hold, by port and by row.

A port is held or it is not: where two pods were put on one, it is free as soon as the first of them
goes. That is how kube-scheduler counts, and who is sent away for a port depends on it.
Source: pkg/scheduler/framework/types.go (HostPortInfo), v1.36.
"""

from collections.abc import Iterable, Sequence

from scheduler.pod_shape import Port

ANY_ADDRESS = "0.0.0.0"


class HostPorts:
    """Which rows hold which port, and which ports a row holds: two indices of one relation."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], dict[str, dict[int, None]]] = {}
        """(protocol, port) -> ip -> rows."""
        self._held: dict[int, dict[Port, None]] = {}
        """By row."""

    def __bool__(self) -> bool:
        return bool(self._held)

    def of_row(self, row: int) -> tuple[Port, ...]:
        return tuple(self._held.get(row, ()))

    def set_row(self, row: int, ports: Iterable[Port]) -> None:
        """These and no others."""
        wanted = dict.fromkeys(ports)
        if list(wanted) != list(self._held.get(row, ())):
            self.leave(row, self.of_row(row))
            self.take(row, tuple(wanted))

    def take(self, row: int, ports: Sequence[Port]) -> None:
        held = self._held.setdefault(row, {}) if ports else {}
        for port in ports:
            held[port] = None
            of_port = self._rows.setdefault((port.protocol, port.port), {})
            of_port.setdefault(port.ip, {})[row] = None

    def leave(self, row: int, ports: Sequence[Port]) -> None:
        held = self._held.get(row, {})
        for port in ports:
            if port in held:
                del held[port], self._rows[port.protocol, port.port][port.ip][row]
        if row in self._held and not held:
            del self._held[row]

    def holders(self, port: Port) -> Iterable[dict[int, None]]:
        """Rows where the port is taken on an address that overlaps."""
        by_ip = self._rows.get((port.protocol, port.port), {})
        if port.ip == ANY_ADDRESS:
            return by_ip.values()
        return [by_ip[ip] for ip in (port.ip, ANY_ADDRESS) if ip in by_ip]
