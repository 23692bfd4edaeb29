"""The shards behind a door as one store.

One shard is passed through as it is. Several are asked each for its part: reads of a span happen at
one revision that every shard has promised, changes of a span are merged in order of revision, and
a lease is kept by one shard while others adopt it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from actors.clock import WallClock
from actors.etcd.merged_watch import MergedWatch
from actors.shard import Shard, WatchSink
from api.storage import (
    ADOPT,
    ALARM,
    COMPACT,
    COMPACTED,
    DELETE_RANGE,
    FUTURE,
    GRANT,
    KEEPALIVE,
    LEASE,
    LEASES,
    NO_SPACE,
    NOT_FOUND,
    OK,
    PROMISE,
    PUT,
    RANGE,
    REVOKE,
    TXN,
    StoreReply,
    StoreRequest,
)
from store.etcd.spread import (
    home_of,
    joined_delete,
    joined_range,
    leases_of,
    prefix_of,
    shard_of,
    shard_of_transaction,
    shards_of_span,
)

RETRY_S: Final = 1.0
"""Before a shard whose disk refused it is told again that a lease is over."""
Close = Callable[[], None]
_Ask = Callable[[StoreRequest], Awaitable[StoreReply]]


class Shards:
    """Answers requests of api/storage.py in their forms for etcd's clients."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.all = tuple(shards)
        self._count = len(self.all)
        self._loop = asyncio.get_running_loop()
        self._now_ns = WallClock()
        self._told = 0
        """The greatest revision of a write that was answered."""
        self._adopted: dict[tuple[int, int], None] = {}
        """(shard, lease) that need not be adopted again."""
        self._wanted = [0] * self._count
        """What each shard is to promise next, because a merged watch waits for it."""
        self._nudged = [False] * self._count
        self._rounds_task: asyncio.Task[None] | None = None
        self._round: asyncio.Future[int] | None = None
        self._next_round: asyncio.Future[int] | None = None
        self._by_name: dict[str, _Ask] = {
            PUT: self._put,
            RANGE: self._range,
            DELETE_RANGE: self._delete_range,
            TXN: self._transaction,
            COMPACT: self._compact,
            GRANT: self._at_home,
            KEEPALIVE: self._at_home,
            REVOKE: self._revoke,
            LEASE: self._lease,
            LEASES: self._leases,
            ALARM: self._alarm,
        }
        if self._count > 1:
            for place, shard in enumerate(self.all):
                shard.on_leases_ended = partial(self._leases_ended, place)

    @property
    def revision(self) -> int:
        """No shard has applied anything above it."""
        return max(shard.revision for shard in self.all)

    @property
    def compact_revision(self) -> int:
        return max(shard.core.keyspace.compact_revision for shard in self.all)

    async def ask(self, request: StoreRequest) -> StoreReply:
        """EtcdError for what several shards cannot do."""
        if self._count == 1:
            return await self.all[0].ask(request)
        return await self._by_name[request[0]](request)

    async def present(self) -> int:
        """A revision at which all that was acknowledged can be read, and which every later write
        exceeds. Who asks while a round is under way shares the next one."""
        if self._round is not None:
            if self._next_round is None:
                self._next_round = self._loop.create_future()
            return await asyncio.shield(self._next_round)
        self._round = mine = self._loop.create_future()
        self._rounds_task = self._loop.create_task(self._rounds())
        return await asyncio.shield(mine)

    async def now(self) -> int:
        """Where a watch begins that begins now."""
        return self.revision if self._count == 1 else await self.present()

    async def settle_leases(self) -> None:
        """After a start: end what hangs on leases that were over before the others heard of it."""
        if self._count == 1:
            return
        found = await asyncio.gather(*(shard.ask((LEASES,)) for shard in self.all))
        for place, (_, _, adopted) in enumerate(found):
            dead = [
                lease for lease in adopted if lease not in found[home_of(lease, self._count)][1]
            ]
            self._end_at(place, dead)

    def open_watch(self, sink: WatchSink, span: tuple[bytes, bytes], after: int) -> Close:
        """Follow the raw changes of a span above revision ``after``."""
        places = shards_of_span(*span, self._count)
        followed = prefix_of(*span)
        if len(places) == 1 and (self._count == 1 or after <= self.revision):
            shard = self.all[places[0]]
            return partial(shard.close_watch, shard.open_watch(sink, followed, after, "raw"))
        start = max(1, min(after, self.revision))
        watch = MergedWatch(sink, self.nudge, dict.fromkeys(places, start), after)
        watch.follow([self.all[place] for place in places], followed)
        return watch.close

    def nudge(self, place: int, at_least: int) -> None:
        """Have a shard promise a revision, so that what other shards hold back can go out."""
        if at_least <= self._wanted[place]:
            return
        self._wanted[place] = at_least
        if not self._nudged[place]:
            self._nudged[place] = True
            self._send_nudge(place)

    def _send_nudge(self, place: int) -> None:
        asked = self._wanted[place]

        def promised(replies: Sequence[StoreReply]) -> None:
            if self._wanted[place] > asked:
                self._send_nudge(place)
            else:
                self._nudged[place] = False

        self.all[place].call([(PROMISE, asked)], promised)

    async def _rounds(self) -> None:
        while self._round is not None:
            revision = await self._promised()
            self._round.set_result(revision)
            self._round, self._next_round = self._next_round, None

    async def _promised(self) -> int:
        replies = await asyncio.gather(*(shard.ask((PROMISE, 0)) for shard in self.all))
        revision: int = max(reply[1] for reply in replies)
        behind = [
            shard for shard, reply in zip(self.all, replies, strict=True) if reply[1] < revision
        ]
        await asyncio.gather(*(shard.ask((PROMISE, revision)) for shard in behind))
        return revision

    # Requests.

    async def _write(self, place: int, request: StoreRequest) -> StoreReply:
        """A write whose revision exceeds all that were answered before, also by other shards."""
        shard = self.all[place]
        if self._told > shard.core.clock.at(self._now_ns()):
            await shard.ask((PROMISE, self._told))
        reply = await shard.ask(request)
        if reply[0] == OK:
            self._told = max(self._told, reply[1])
        return reply

    async def _put(self, request: StoreRequest) -> StoreReply:
        place = shard_of(request[1], self._count)
        return await self._adopting(place, request)

    async def _transaction(self, request: StoreRequest) -> StoreReply:
        place = shard_of_transaction(request, self._count)
        return await self._adopting(place, request)

    async def _adopting(self, place: int, request: StoreRequest) -> StoreReply:
        """Write, after the shard has adopted the leases that keys are to hang on. First it adopts
        and then the home is asked: a lease that ends in between ends here too."""
        for lease in leases_of(request):
            home = home_of(lease, self._count)
            if home == place or (place, lease) in self._adopted:
                continue
            adopted = await self.all[place].ask((ADOPT, lease))
            if adopted[0] != OK:
                return adopted
            self._adopted[place, lease] = None
            alive = await self.all[home].ask((LEASE, lease))
            if alive[0] != OK:
                self._end_at(place, (lease,))
                return (NOT_FOUND,)
        return await self._write(place, request)

    async def _range(self, request: StoreRequest) -> StoreReply:
        _, start, end, revision, *_ = request
        places = shards_of_span(start, end, self._count)
        if revision > self.revision:
            return (FUTURE, self.revision)
        if len(places) == 1 and not revision:
            return await self.all[places[0]].ask(request)
        at = revision or await self.present()
        behind = [self.all[place] for place in places if self.all[place].revision < at]
        await asyncio.gather(*(shard.ask((PROMISE, at)) for shard in behind))
        request = (*request[:3], at, *request[4:])
        replies = await asyncio.gather(*(self.all[place].ask(request) for place in places))
        refused = [reply for reply in replies if reply[0] != OK]
        return refused[0] if refused else joined_range(request, max(at, self._told), replies)

    async def _delete_range(self, request: StoreRequest) -> StoreReply:
        places = shards_of_span(request[1], request[2], self._count)
        replies = await asyncio.gather(*(self._write(place, request) for place in places))
        refused = [reply for reply in replies if reply[0] != OK]
        return refused[0] if refused else joined_delete(replies)

    async def _compact(self, request: StoreRequest) -> StoreReply:
        """On all shards. One that has compacted so far already did so in an attempt that was cut
        short: only when all have is the request refused."""
        revision = request[1]
        if revision > self.revision:
            return (FUTURE, self.revision)
        await asyncio.gather(*(shard.ask((PROMISE, revision)) for shard in self.all))
        replies = await asyncio.gather(*(shard.ask(request) for shard in self.all))
        refused = [reply for reply in replies if reply[0] not in (OK, COMPACTED)]
        done = [reply for reply in replies if reply[0] == OK]
        return (refused or done or replies)[0]

    async def _alarm(self, request: StoreRequest) -> StoreReply:
        """The alarm of any shard is the door's; each refuses by its own."""
        replies = await asyncio.gather(*(shard.ask(request) for shard in self.all))
        refused = [reply for reply in replies if reply[0] != OK]
        return refused[0] if refused else (OK, any(reply[1] for reply in replies))

    # Leases.

    async def _at_home(self, request: StoreRequest) -> StoreReply:
        return await self.all[home_of(request[1], self._count)].ask(request)

    async def _lease(self, request: StoreRequest) -> StoreReply:
        """What the home says, with the keys of all."""
        lease = request[1]
        home = home_of(lease, self._count)
        replies = await asyncio.gather(*(shard.ask(request) for shard in self.all))
        if replies[home][0] != OK:
            return replies[home]
        keys = [key for reply in replies if reply[0] == OK for key in reply[3]]
        return (*replies[home][:3], keys)

    async def _leases(self, request: StoreRequest) -> StoreReply:
        replies = await asyncio.gather(*(shard.ask(request) for shard in self.all))
        return (OK, [lease for reply in replies for lease in reply[1]], [])

    async def _revoke(self, request: StoreRequest) -> StoreReply:
        """At home, then everywhere, before the answer."""
        home = home_of(request[1], self._count)
        reply = await self.all[home].ask(request)
        if reply[0] == OK:
            others = [shard for place, shard in enumerate(self.all) if place != home]
            await asyncio.gather(*(shard.ask(request) for shard in others))
        return reply

    def _leases_ended(self, place: int, leases: Sequence[int]) -> None:
        """Leases are over on a shard: if it kept them, the others are told. What they do is the
        same however often they hear it."""
        own = [lease for lease in leases if home_of(lease, self._count) == place]
        for other in range(self._count):
            for lease in leases:
                self._adopted.pop((other, lease), None)
            if other != place:
                self._end_at(other, own)

    def _end_at(self, place: int, leases: Sequence[int]) -> None:
        if not leases:
            return
        for lease in leases:
            self._adopted.pop((place, lease), None)

        def ended(replies: Sequence[StoreReply]) -> None:
            left = [
                lease for lease, reply in zip(leases, replies, strict=True) if reply[0] == NO_SPACE
            ]
            if left:
                self._loop.call_later(RETRY_S, self._end_at, place, left)

        self.all[place].call([(REVOKE, lease) for lease in leases], ended)
