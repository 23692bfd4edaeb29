"""Clients of the shards that use what API servers do not: leases, transactions over two keys,
reads in the past, compaction. Each asks one thing at a time, and all answers are checked.
"""

from collections.abc import Callable
from typing import Any, Final

from api.storage import (
    COMPACT,
    DELETE_RANGE,
    GET,
    GRANT,
    KEEPALIVE,
    NOT_FOUND,
    OK,
    PUT,
    RANGE,
    REVOKE,
    TXN,
    StoreReply,
    StoreRequest,
)
from api.streams import Stream
from sim.checkers.leases import PREFIX, Lease, Leases
from sim.checkers.store_reads import StoreReads
from sim.connection import MS, SECOND, Client
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.network import Network
from sim.topics import Violation

TIMEOUT_NS: Final = SECOND
PAUSE_MS: Final = (10, 60)
"""Least time to think, and what chance adds."""
LEASES_MAX: Final = 3
"""Leases that one keeper holds at a time."""
REMEMBERED_MAX: Final = 40
"""Revisions that a keeper may read again."""

Heard = Callable[[StoreReply], None]


def pair_of(shard: int) -> tuple[bytes, bytes]:
    """Two keys of a shard that are only ever written together."""
    return b"/registry/pair/%d/a" % shard, b"/registry/pair/%d/b" % shard


class Keeper:
    """One client, until ``until_ns``; then it lets its leases expire."""

    def __init__(
        self,
        kernel: Kernel,
        network: Network,
        name: str,
        stores: list[str],
        checkers: tuple[Leases, StoreReads, int],
    ) -> None:
        """``checkers``: of leases and of reads; with them the time until which it works."""
        self._leases, self._reads, self._until_ns = checkers
        self._kernel = kernel
        self._name = name
        self._clients = [Client(network, name, store) for store in stores]
        self._chance: Stream = kernel.stream(name)
        self._held: list[Lease] = []
        self._number = 0
        self._seen: list[tuple[int, int, int]] = []
        """(shard, revision, when) that answers have named, in order."""
        self._acts = (
            self._grant,
            self._attach,
            self._attach,
            self._revoke,
            self._write_pair,
            self._read_pair,
            self._read_old,
            self._list,
            self._compact,
            self._sweep,
        )
        self._think()

    # One thing at a time.

    def _think(self) -> None:
        agenda = self._kernel.agenda
        pause_ns = (PAUSE_MS[0] + self._chance.below(PAUSE_MS[1])) * MS
        if agenda.now_ns + pause_ns < self._until_ns:
            agenda.at(agenda.now_ns + pause_ns, ARRIVAL, self._act)

    def _act(self) -> None:
        now_ns = self._kernel.agenda.now_ns
        for lease in self._held:
            if now_ns > lease.alive_until_ns - lease.ttl_ns * 2 // 3:
                self._keep_alive(lease)
                return
        self._acts[self._chance.below(len(self._acts))]()

    def _ask(self, shard: int, request: StoreRequest, heard: Heard | None = None) -> None:
        def done(replies: Any) -> None:
            if replies is not None:
                (reply,) = replies
                for answered in self._kernel.topics.store_answered:
                    answered(shard, request, reply)
                if heard is not None:
                    heard(reply)
            self._think()

        self._clients[shard].send([request], done, TIMEOUT_NS)

    def _shard(self) -> int:
        return self._chance.below(len(self._clients))

    def _remember(self, shard: int, revision: int) -> None:
        self._seen.append((shard, revision, self._kernel.agenda.now_ns))
        del self._seen[:-REMEMBERED_MAX]

    # Leases.

    def _grant(self) -> None:
        if len(self._held) == LEASES_MAX:
            self._think()
            return
        self._number += 1
        number = int(self._name.rpartition("-")[2]) * 1_000_000 + self._number
        ttl_s = 1 + self._chance.below(3)
        lease = Lease(self._shard(), number, ttl_s * SECOND)
        begin_ns = self._kernel.agenda.now_ns

        def heard(reply: StoreReply) -> None:
            if reply[0] == OK:
                lease.alive_until_ns = begin_ns + lease.ttl_ns
                self._held.append(lease)

        self._ask(lease.shard, (GRANT, number, ttl_s), heard)

    def _keep_alive(self, lease: Lease) -> None:
        begin_ns = self._kernel.agenda.now_ns
        # Sooner or later its owner forgets each of them.
        forgets = self._chance.below(6) == 0
        if forgets:
            self._held.remove(lease)

        def heard(reply: StoreReply) -> None:
            if reply[0] == OK:
                lease.alive_until_ns = begin_ns + lease.ttl_ns
            elif reply[0] == NOT_FOUND:
                self._leases.gone(lease, self._kernel.agenda.now_ns)
                if lease in self._held:
                    self._held.remove(lease)

        self._ask(lease.shard, (KEEPALIVE, lease.number), heard)

    def _attach(self) -> None:
        if not self._held:
            self._grant()
            return
        lease = self._held[self._chance.below(len(self._held))]
        self._number += 1
        key = PREFIX + f"{self._name}/{self._number}".encode()
        self._leases.attaching(key, lease)

        def heard(reply: StoreReply) -> None:
            if reply[0] == NOT_FOUND:
                self._leases.gone(lease, self._kernel.agenda.now_ns)
            elif reply[0] == OK:
                self._remember(lease.shard, reply[1])

        self._ask(lease.shard, (PUT, key, b"", b"leased", 0, lease.number), heard)

    def _revoke(self) -> None:
        if not self._held:
            self._think()
            return
        lease = self._held.pop(self._chance.below(len(self._held)))
        lease.revoked = True
        self._ask(lease.shard, (REVOKE, lease.number))

    # Keys.

    def _write_pair(self) -> None:
        """A transaction: the two keys get one value, whatever others do."""
        self._number += 1
        value = f"{self._name} {self._number}".encode()
        shard = self._shard()
        pair = pair_of(shard)
        puts = [(PUT, key, b"", value, -1, 0) for key in pair]
        read = (RANGE, pair[0], pair[1] + b"\0", 0, 0, 0)
        compares = [("version", ">", pair[0], 0)] if self._chance.below(2) else []

        def heard(reply: StoreReply) -> None:
            if reply[0] == OK:
                self._remember(shard, reply[1])

        self._ask(shard, (TXN, compares, [*puts, read], [*reversed(puts), read]), heard)

    def _read_pair(self) -> None:
        shard = self._shard()
        pair = pair_of(shard)

        def heard(reply: StoreReply) -> None:
            if reply[0] == OK:
                values = {item[5] for item in reply[3]}
                if len(values) > 1 or len(reply[3]) not in (0, len(pair)):
                    raise Violation("transactions", f"shard {shard} shows half of one: {reply[3]}")

        self._ask(shard, (RANGE, pair[0], pair[1] + b"\0", 0, 0, 0), heard)

    def _read_old(self) -> None:
        if not self._seen:
            self._think()
            return
        shard, revision, _ = self._seen[self._chance.below(len(self._seen))]
        compacted = self._reads.compacted.get(shard, 0)
        request: StoreRequest = (GET, pair_of(shard)[self._chance.below(2)], revision)
        if self._chance.below(2):
            mode = self._chance.below(3)
            request = (RANGE, b"/registry/", b"/registry0", revision, 0, mode)

        def heard(reply: StoreReply) -> None:
            self._reads.old_read(shard, revision, compacted, reply)

        self._ask(shard, request, heard)

    def _list(self) -> None:
        shard = self._shard()
        limit = self._chance.below(2) * 5

        def heard(reply: StoreReply) -> None:
            if reply[0] == OK:
                self._remember(shard, reply[1])

        self._ask(shard, (RANGE, b"/registry/", b"/registry0", 0, limit, 0), heard)

    def _compact(self) -> None:
        """Compact what is at least a second old, so that watches still have some history to begin
        from."""
        now_ns = self._kernel.agenda.now_ns
        old = [seen for seen in self._seen if seen[2] < now_ns - SECOND]
        if not old or self._chance.below(3):
            self._think()
            return
        shard, revision, _ = old[-1]
        self._ask(shard, (COMPACT, revision))

    def _sweep(self) -> None:
        """Delete the pair, all of it at one revision."""
        if self._chance.below(4):
            self._think()
            return
        shard = self._shard()
        pair = pair_of(shard)
        self._ask(shard, (DELETE_RANGE, pair[0], pair[1] + b"\0", False))
