"""Readers of the API: each follows one collection by selectors, breaks off, and goes on at another
API server from the last revision it heard. What they hear is for ``sim.checkers.api_watches``: a
list plus its watch has to equal the history of writes for any interleaving.
"""

from typing import Any, Final

from api.calls import WatchSpec
from api.streams import Stream
from sim.connection import MS, Client
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.network import Network

COLLECTIONS: Final = (
    ("pods", "default", "app=web-1", ""),
    ("pods", "", "app in (web-0,web-2)", ""),
    ("pods", "default", "!app", ""),
    ("pods", "", "", "spec.nodeName=hollow-1"),
    ("pods", "default", "", "status.phase=Pending"),
    ("pods", "other", "", ""),
    ("nodes", "", "zone=a", ""),
    ("nodes", "", "", "metadata.name=hollow-2"),
    ("configmaps", "default", "", ""),
    ("apps/replicasets", "", "app!=web-1", ""),
    ("coordination.k8s.io/leases", "kube-node-lease", "", ""),
)
"""(resource, namespace, label selector, field selector)."""
PAUSE_NS: Final = 50 * MS


class Reader:
    """One of them. It holds a connection to every API server and uses one at a time."""

    def __init__(
        self, kernel: Kernel, network: Network, name: str, servers: list[str], until_ns: int
    ) -> None:
        """``until_ns``: from then on it does not break off by itself."""
        self._kernel = kernel
        self._name = name
        self._chance: Stream = kernel.stream(name)
        self._spec = WatchSpec(name, *COLLECTIONS[self._chance.below(len(COLLECTIONS))])
        self._clients = [Client(network, name, server) for server in servers]
        self._client = self._clients[0]
        self._until_ns = until_ns
        self._revision = 0
        self._stream = 0
        self._open()
        self._later(self._patience_ns(), self._break_off)

    def _patience_ns(self) -> int:
        return (100 + self._chance.below(2000)) * MS

    def _later(self, delay_ns: int, action: Any) -> None:
        agenda = self._kernel.agenda
        agenda.at(agenda.now_ns + delay_ns, ARRIVAL, action)

    def _open(self) -> None:
        spec = self._spec
        for opened in self._kernel.topics.watch_opened:
            opened(self._name, spec, self._revision)
        words = (spec.resource, spec.namespace, spec.label_selector, spec.field_selector)
        self._client = self._clients[self._chance.below(len(self._clients))]
        self._stream = self._client.open((*words, self._revision), self._body, self._ended)

    def _body(self, body: Any) -> None:
        topics, spec = self._kernel.topics, self._spec
        if body[0] == "items":
            for watched in topics.watched:
                watched(self._name, spec, *body[1:])
            if self._revision:
                self._revision = body[2][-1]
        elif body[0] == "synced":
            self._revision = body[1]
            for synced in topics.synced:
                synced(self._name, spec, body[1])
        elif self._revision:
            self._revision = max(self._revision, body[1])

    def _ended(self, reason: str) -> None:
        assert not reason.startswith("invalid"), reason
        self._stream = 0
        if reason == "expired":
            self._revision = 0
        self._later(PAUSE_NS, self._open)

    def _break_off(self) -> None:
        if self._kernel.agenda.now_ns >= self._until_ns:
            return
        if self._stream:
            self._client.forget(self._stream)
            self._stream = 0
            self._later(self._chance.below(500) * MS, self._open)
        self._later(self._patience_ns(), self._break_off)
