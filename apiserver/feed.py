"""Keeps the watch caches of one group of shards complete, and says when they are fresh.

Start: RANGE everything on each shard, then follow its watch stream from there. The group is usable
once the merged frontier has passed the newest of these revisions.

A consistent read asks each shard for a PROMISE; once the frontier has passed the greatest promise,
the cache holds whatever had been acknowledged before. What is held back behind shards that lag
needs a PROMISE of them at least that great, which they tell all who watch them. So one server asks,
the one that has written it, and the others only when that has not come after a while. Nothing ticks
while nobody writes or reads.
"""

import heapq
from collections.abc import Callable, Sequence
from functools import partial

from api.core import InvariantError
from api.merge import Merger, StoreEvent
from api.storage import COMPACTED, OK, PROMISE, RANGE, StoreReply
from apiserver.cache import ResourceCache
from apiserver.messages import OpenStoreWatch, StoreEvents, StoreStreamEnded
from apiserver.outbox import Outbox
from apiserver.recent import CacheEvent
from apiserver.records import Record

START = b"/registry/"
END = b"/registry0"
NONE = b"\0"
"""No key begins with it."""
CHUNK = 2000
"""Records of one RANGE while loading."""
PATIENCE_NS = 10_000_000
"""How long what others have written may be held back before this server asks for it: several round
trips of theirs."""

Fresh = Callable[[bool], None]
"""Told True when the cache is fresh, False when a shard did not answer."""


class Feed:
    """One group of shards. The owner reads ``frontier``, ``ready`` and empties ``to_open``."""

    def __init__(
        self,
        shards: Sequence[int],
        outbox: Outbox,
        find: Callable[[bytes], ResourceCache | None],
        happened: Callable[[str, Sequence[CacheEvent]], None],
        advanced: Callable[[int], None],
    ) -> None:
        """``find``: the cache that keeps a key; ``happened``: told of changes of one resource that
        came together, in order; ``advanced``: told the frontier before anyone who waited for it is
        resumed."""
        self.shards = tuple(shards)
        self.frontier = 0
        self.horizon = 0
        self.unsettled = False
        """Loaded, and the owner has not yet told the caches where their history begins."""
        self.to_open: list[OpenStoreWatch] = []
        self.to_load: list[int] = []
        """Shards whose load failed and has to begin anew; the owner calls ``load`` later."""
        self._outbox = outbox
        self._find = find
        self._happened = happened
        self._advanced = advanced
        self._merger: Merger | None = None
        self._loaded: dict[int, int] = {}
        self._loads = 0
        """Answers to all but the newest load are not heeded."""
        self._opened = 0
        self._watches: dict[int, int] = {}
        """Shard to the number of its stream. Of an earlier one some may still be under way."""
        self._asking: list[Fresh] = []
        self._asked: list[Fresh] = []
        self._promises_due = 0
        self._promised = 0
        self._goal = 0
        """The greatest revision that the frontier has to pass at once: promised to a reader,
        written by this server, or held back for long."""
        self.due_ns: int | None = None
        """When what is held back has been so for long; None: nothing is, or it is asked for."""
        self._awaited = 0
        """The newest of it when ``due_ns`` was set."""
        self._nudged: dict[int, int] = {}
        """Shard to what it was asked to pass; the answer says that the watermark is on its way, so
        it is not asked for the same again."""
        self._nudging: dict[int, int] = {}
        self._moved = False
        """This step has brought a watermark or a promise. A shard that is lost is not asked again
        before one of them comes."""
        self._waiters: list[tuple[int, int, Fresh]] = []
        self._sequence = 0

    @property
    def ready(self) -> bool:
        """Whether the caches hold all that was stored when the feed began."""
        return self._merger is not None and self.frontier >= self.horizon

    # Loading

    def load(self) -> None:
        """Begin to load all shards. Caches must be clear."""
        self._merger = None
        self._loaded = {}
        self._nudged = {}
        self.due_ns = None
        self._watches = {}
        self.unsettled = True
        self._loads += 1
        for shard in self.shards:
            self._ask_for(shard, START, 0)

    def _ask_for(self, shard: int, start: bytes, at_revision: int) -> None:
        request = (RANGE, start, END, at_revision, CHUNK, 0)
        self._outbox.send(shard, request, partial(self._range_came, self._loads, shard))

    def _range_came(self, load: int, shard: int, reply: StoreReply | None) -> None:
        if load != self._loads:
            return
        if reply is None or reply[0] == COMPACTED:
            self.to_load.append(shard)
            return
        assert reply[0] == OK, reply
        _, at_revision, more, items = reply
        for key, created, revision, _version, header, value, _lease in items:
            cache = self._find(key)
            if cache is not None:
                cache.load(Record(key, header, value, revision, created))
        if more:
            self._ask_for(shard, items[-1][0] + b"\0", at_revision)
            return
        # An empty shard may be at 0, and a watch from 0 would begin after what comes in between.
        self._loaded[shard] = max(at_revision, 1)
        if len(self._loaded) == len(self.shards):
            self._merger = Merger(self._loaded)
            self.frontier = self._merger.frontier
            self.horizon = max(self._loaded.values())
            for each, revision in self._loaded.items():
                self._open(each, revision)
            self._progress()

    # Events

    def _open(self, shard: int, revision: int) -> None:
        self._opened += 1
        self._watches[shard] = self._opened
        self.to_open.append(OpenStoreWatch(shard, self._opened, revision))

    def arrived(self, body: StoreEvents, now_ns: int) -> None:
        """Take a body of a shard's watch stream."""
        if self._merger is None or self._watches[body.shard] != body.watch:
            return
        cache, prefix = None, NONE
        begin = 0
        events = self._merger.arrived(body.shard, body.events, body.watermark)
        for place, event in enumerate(events):
            # Most of a batch are of one resource.
            if not event[1].startswith(prefix):
                self._apply(cache, events[begin:place], now_ns)
                begin = place
                cache = self._find(event[1])
                prefix = NONE if cache is None else cache.prefix
        self._apply(cache, events[begin:], now_ns)
        self.frontier = self._merger.frontier
        self._progress()

    def _apply(self, cache: ResourceCache | None, run: Sequence[StoreEvent], now_ns: int) -> None:
        """Take what happened to one resource; None: to nothing that is served."""
        if cache is None or not run:
            return
        changes = cache.take(run, now_ns)
        if changes and changes[0].revision <= self.horizon:
            changes = [change for change in changes if change.revision > self.horizon]
        if changes:
            self._happened(cache.kind.key, changes)

    def stream_ended(self, end: StoreStreamEnded) -> bool:
        """True when the history is gone and the group must be loaded anew; else the stream is
        opened again from where it was."""
        if self._merger is None or self._watches[end.shard] != end.watch:
            return False
        if end.reason == "compacted" or end.reason.startswith("invalid"):
            return True
        self._nudged.pop(end.shard, None)
        self._open(end.shard, self._merger.watermarks[end.shard])
        return False

    # Freshness

    def fresh(self, then: Fresh) -> None:
        """Tell ``then`` when everything acknowledged before now is in the caches."""
        self._asking.append(then)

    def reached(self, revision: int, then: Fresh) -> None:
        """Tell ``then`` when the frontier has reached ``revision``, perhaps at once."""
        if self._merger is not None and self.frontier >= max(revision, self.horizon):
            then(True)
            return
        self._sequence += 1
        heapq.heappush(self._waiters, (revision, self._sequence, then))

    def wrote(self, revision: int) -> None:
        """This server has written something: it sees to it that nobody waits for it."""
        if revision > self._goal:
            self._goal = revision
            self._moved = True

    def ask(self, now_ns: int) -> None:
        """Send what this step as a whole needs. For readers one PROMISE a shard, one round at a
        time; then for what is held back, when the watermarks of all shards that came are known."""
        if self._asking and not self._asked:
            self._asked, self._asking = self._asking, []
            self._promises_due = len(self.shards)
            self._promised = 0
            for shard in self.shards:
                self._outbox.send(shard, (PROMISE, 0), self._promise_came)
        if self._moved or (self.due_ns is not None and self.due_ns <= now_ns):
            self._moved = False
            if self._merger is not None and len(self.shards) > 1:
                self._wait_for_others(self._merger, now_ns)
                self._nudge(self._merger)

    def _promise_came(self, reply: StoreReply | None) -> None:
        self._promises_due -= 1
        if reply is None or reply[0] != OK:
            self._promised = -1
        elif self._promised >= 0:
            self._promised = max(self._promised, reply[1])
        if self._promises_due:
            return
        asked, self._asked = self._asked, []
        for then in asked:
            if self._promised < 0:
                then(False)
            else:
                self.reached(self._promised, then)
        self._goal = max(self._goal, self._promised)
        self._moved = True

    def _progress(self) -> None:
        if self.ready:
            self._advanced(self.frontier)
            while self._waiters and self._waiters[0][0] <= self.frontier:
                heapq.heappop(self._waiters)[2](True)
        self._moved = True

    def _wait_for_others(self, merger: Merger, now_ns: int) -> None:
        """Whoever wrote what is held back asks for it; when he does not, it is for this server."""
        held = merger.newest_held()
        if held <= self._goal:
            self.due_ns = None
        elif self.due_ns is None or self._awaited <= self.frontier:
            self.due_ns, self._awaited = now_ns + PATIENCE_NS, held
        elif self.due_ns <= now_ns:
            self.due_ns, self._goal = None, held

    def _nudge(self, merger: Merger) -> None:
        """Ask the shards that hold the frontier back to pass the goal.

        Never a revision that a client named: that would push the store's clock."""
        target = max(self._goal, self.horizon)
        if target <= self.frontier:
            return
        for shard in merger.wanted(target):
            if self._nudged.get(shard, 0) < target and shard not in self._nudging:
                self._nudging[shard] = target
                self._outbox.send(shard, (PROMISE, target), partial(self._nudge_came, shard))

    def _nudge_came(self, shard: int, reply: StoreReply | None) -> None:
        target = self._nudging.pop(shard)
        if reply is not None and reply[0] == OK:
            self._nudged[shard] = target
            self._moved = True

    def check(self) -> None:
        """Raises InvariantError if merged events and the caches are not at one."""
        if self._merger is not None:
            self._merger.check()
            if self.frontier != self._merger.frontier:
                raise InvariantError("the frontier of a feed differs from its merger's")
