"""Readers of a shard: list a prefix, follow it, break off, go on, and list anew when what is
missing was compacted. What they hear is for ``sim.checkers.store_watches``.
"""

from typing import Any, Final

from api.storage import OK, RANGE
from api.streams import Stream
from sim.connection import MS, SECOND, Client
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.network import Network

PREFIXES: Final = (b"/registry/", b"/registry/pods/", b"/registry/leased/", b"/registry/pair/")
PAUSE_NS: Final = 50 * MS
TIMEOUT_NS: Final = SECOND


class Mirror:
    """One reader of one shard."""

    def __init__(
        self, kernel: Kernel, network: Network, name: str, store: tuple[int, str], until_ns: int
    ) -> None:
        """``until_ns``: from then on it does not break off by itself."""
        self._kernel = kernel
        self._name = name
        self._shard, peer = store
        self._client = Client(network, name, peer)
        self._chance: Stream = kernel.stream(name)
        self._prefix = PREFIXES[self._chance.below(len(PREFIXES))]
        self._want_previous = bool(self._chance.below(2))
        self._until_ns = until_ns
        self._revision = 0
        self._stream = 0
        self._list()
        self._later((200 + self._chance.below(2000)) * MS, self._break_off)

    def _later(self, delay_ns: int, action: Any) -> None:
        agenda = self._kernel.agenda
        agenda.at(agenda.now_ns + delay_ns, ARRIVAL, action)

    def _list(self) -> None:
        end = self._prefix[:-1] + b"0"
        request = (RANGE, self._prefix, end, 0, 0, 1)

        def done(replies: Any) -> None:
            if replies is None or replies[0][0] != OK:
                self._later(PAUSE_NS, self._list)
                return
            topics = self._kernel.topics
            for answered in topics.store_answered:
                answered(self._shard, request, replies[0])
            # From 0 would be from now on.
            self._revision = max(replies[0][1], 1)
            for listed in topics.store_listed:
                listed(self._name, self._shard, self._revision)
            self._open()

        self._client.send([request], done, TIMEOUT_NS)

    def _open(self) -> None:
        words = (self._prefix, self._revision, self._want_previous)
        for opened in self._kernel.topics.store_watch_opened:
            opened(self._name, self._shard, *words)
        self._stream = self._client.open(words, self._body, self._ended)

    def _body(self, body: Any) -> None:
        events, watermark = body
        for watched in self._kernel.topics.store_watched:
            watched(self._name, self._shard, events, watermark)
        self._revision = max(self._revision, watermark)

    def _ended(self, reason: str) -> None:
        self._stream = 0
        self._later(PAUSE_NS, self._list if reason == "compacted" else self._open)

    def _break_off(self) -> None:
        if self._kernel.agenda.now_ns >= self._until_ns:
            return
        if self._stream:
            self._client.forget(self._stream)
            self._stream = 0
            self._later(self._chance.below(800) * MS, self._open)
        self._later((200 + self._chance.below(2000)) * MS, self._break_off)
