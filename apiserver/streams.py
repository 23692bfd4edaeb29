"""What open watches send, and when they end.

An initial state goes out in pieces, one a step, so that a large one does not stall its neighbours;
changes that happen meanwhile queue behind it. Bookmarks and ends are timers.

What many HTTP watches are to be told lingers for a moment: a write to each of a thousand sockets
costs more than all else about a change, and one write can carry the changes of all who are just
then writing.
"""

import heapq
import traceback
from collections import Counter
from collections.abc import Sequence

import orjson

from api.calls import ADDED, BOOKMARK, ERROR
from api.errors import Expired
from api.kinds import Kind
from apiserver.caching import PIECE_BYTES, Caching
from apiserver.forms import event_line
from apiserver.messages import Crashed, Effect, EndStreams, StreamBodies, StreamBytes
from apiserver.negotiate import FRAME
from apiserver.recent import CacheEvent, Told
from apiserver.registry import Registry
from apiserver.watch import OpenedWatch, Watcher, Watchers

PIECE = 2000
"""Objects of an initial state sent in one step and of one body."""
HELD_MAX = 100_000
"""Changes held back for one watch while its initial state is sent; beyond it ends as slow."""
WIDE = 100
"""HTTP watches with something to be told from which on it lingers."""
LINGER_NS = 5_000_000
"""For how long: about ten commits of the store, and less than the pass over the sockets that
follows. Medians of five runs of the watch row of benchmarks/bench_apiserver.py, in turns: 6.5 us of
CPU an event, 10 without."""
_SYNCED = 5
"""In a watcher's queue: the initial state of a frame watch is complete."""


class Streams:
    """All open watches and their timers."""

    def __init__(self, registry: Registry, caching: Caching) -> None:
        self._registry = registry
        self._bookmark_ns = caching.bookmark_ns
        self._piece_bytes = caching.piece_bytes
        self._watchers = Watchers(caching.encode_once)
        self._opening: dict[int, OpenedWatch] = {}
        self._woken: dict[int, Watcher] = {}
        self.busy: dict[int, None] = {}
        """Streams on which much is unsent: their initial state waits."""
        self._ending: list[tuple[int, str]] = []
        self._timers: list[tuple[int, int, bool]] = []
        """(due, stream, ends). A timer of a closed stream finds nothing."""
        self._lingers_until: int | None = None

    def __len__(self) -> int:
        return len(self._watchers)

    def by_kind(self) -> dict[Kind, int]:
        """How many watches of each kind are open."""
        return dict(Counter(watcher.cache.kind for watcher in self._watchers))

    def open(self, opened: OpenedWatch) -> None:
        """A watch that was asked for begins, or ends at once with its failure."""
        watcher, now_ns = opened.watcher, self._registry.now_ns
        if opened.failure and opened.over_frames:
            self._ending.append((watcher.id, "expired"))
            return
        if opened.failure:
            watcher.pending.append((ERROR, 0, event_line(ERROR, opened.failure)))
            self._woken[watcher.id] = watcher
            self._ending.append((watcher.id, ""))
            return
        self._watchers.add(watcher)
        namespace = watcher.selection.namespace
        watcher.tell(
            [e for e in opened.replay if not namespace or e.record.namespace == namespace], now_ns
        )
        if watcher.pending:
            self._woken[watcher.id] = watcher
        if opened.initial or opened.initial_end or opened.synced:
            self._opening[watcher.id] = opened
        if opened.ends_ns:
            heapq.heappush(self._timers, (opened.ends_ns, watcher.id, True))
        if watcher.bookmarks:
            heapq.heappush(self._timers, (now_ns + self._bookmark_ns, watcher.id, False))

    def close(self, stream: int) -> None:
        """The client has gone, or the watch has ended."""
        self._watchers.remove(stream)
        self._opening.pop(stream, None)
        self._woken.pop(stream, None)
        self.busy.pop(stream, None)

    def tell(self, resource: str, events: Sequence[CacheEvent], now_ns: int) -> None:
        """What changed of a resource, to all who watch it."""
        self._watchers.tell(resource, events, now_ns, self._wake)

    def _wake(self, watcher: Watcher) -> None:
        self._woken[watcher.id] = watcher

    def expire(self, resource: str) -> None:
        """End every watch of a resource whose history is lost."""
        status = orjson.dumps(Expired("too old resource version").status())
        for watcher in self._watchers:
            if watcher.cache.kind.key != resource:
                continue
            if watcher.form is FRAME:
                self._ending.append((watcher.id, "expired"))
            else:
                watcher.pending.append((ERROR, 0, event_line(ERROR, status)))
                self._woken[watcher.id] = watcher
                self._ending.append((watcher.id, ""))
            self._opening.pop(watcher.id, None)
            self._watchers.remove(watcher.id)

    def next_wakeup_ns(self) -> int | None:
        """When a watch has something to send or to end by."""
        if self._opening and any(stream not in self.busy for stream in self._opening):
            return self._registry.now_ns
        due_ns = self._timers[0][0] if self._timers else None
        lingers_ns = self._lingers_until
        if due_ns is None or (lingers_ns is not None and lingers_ns < due_ns):
            return lingers_ns
        return due_ns

    def _tick(self, now_ns: int) -> None:
        while self._timers and self._timers[0][0] <= now_ns:
            _, stream, ends = heapq.heappop(self._timers)
            watcher = self._watchers.get(stream)
            if watcher is None:
                continue
            if watcher.bookmarks and stream not in self._opening:
                if watcher.bookmark(self._registry.frontier(watcher.cache.kind), False, now_ns):
                    self._wake(watcher)
                if not ends:
                    heapq.heappush(self._timers, (now_ns + self._bookmark_ns, stream, False))
            if ends:
                self._ending.append((stream, ""))
                self._watchers.remove(stream)
                self._opening.pop(stream, None)

    def _advance(self, opened: OpenedWatch, now_ns: int) -> None:
        """Queue the next piece of an initial state; hold back what has happened since."""
        watcher = opened.watcher
        self._hold(opened)
        if watcher.id not in self._opening:
            return
        since, watcher.since = watcher.since, 0
        size = 0
        while opened.initial and len(watcher.pending) < PIECE and size < self._piece_bytes:
            record = opened.initial.popleft()
            size += len(record.value)
            watcher.tell((CacheEvent(ADDED, record.revision, record, None),), now_ns)
        watcher.since = since
        if not opened.initial:
            if opened.synced:
                watcher.pending.append((_SYNCED, opened.synced, b""))
            if opened.initial_end:
                watcher.bookmark(opened.initial_end, True, now_ns)
            watcher.pending.extend(opened.held)
            del self._opening[watcher.id]
        self._wake(watcher)

    def _hold(self, opened: OpenedWatch) -> None:
        """Keep back what has happened until the initial state is sent. A reader for whom that
        becomes too much is too slow."""
        watcher = opened.watcher
        opened.held.extend(watcher.pending)
        watcher.pending = []
        self._woken.pop(watcher.id, None)
        if len(opened.held) > HELD_MAX:
            self._ending.append((watcher.id, "slow"))
            self.close(watcher.id)

    def effects(self, now_ns: int) -> list[Effect]:
        """What is to be sent now. Empties the queues."""
        self._tick(now_ns)
        if not (self._woken or self._opening or self._ending or self._watchers.crashed):
            return []
        for stream, opened in list(self._opening.items()):
            if stream not in self.busy:
                self._advance(opened, now_ns)
            else:
                self._hold(opened)
        lines: tuple[list[int], list[bytes]] = ([], [])
        bodies: tuple[list[int], list[tuple[object, ...]]] = ([], [])
        last: list[Told] = []
        chunk = b""
        woken, self._woken = self._woken, {}
        if self._lingers(len(woken), now_ns):
            self._woken = {n: one for n, one in woken.items() if one.form is not FRAME}
            woken = {n: one for n, one in woken.items() if one.form is FRAME}
        for watcher in woken.values():
            pending, watcher.pending = watcher.pending, []
            if watcher.form is not FRAME:
                # Most watchers of a kind are told the same: it is joined once.
                if pending != last:
                    last, chunk = pending, b"".join([body for _, _, body in pending])
                lines[0].append(watcher.id)
                lines[1].append(chunk)
                continue
            for body in _frame_bodies(pending):
                bodies[0].append(watcher.id)
                bodies[1].append(body)
        out: list[Effect] = self._crashes()
        if lines[0]:
            out.append(StreamBytes(*lines))
        if bodies[0]:
            out.append(StreamBodies(*bodies))
        if self._ending:
            out.append(EndStreams([s for s, _ in self._ending], [r for _, r in self._ending]))
            self._ending = []
        return out

    def _lingers(self, woken: int, now_ns: int) -> bool:
        """Whether HTTP watches are told later, together with what happens until then. Not while
        some end or still get their initial state: nothing may be told after an end."""
        if woken < WIDE or self._ending or self._opening or self._watchers.crashed:
            self._lingers_until = None
            return False
        if self._lingers_until is None:
            self._lingers_until = now_ns + LINGER_NS
        if now_ns < self._lingers_until:
            return True
        self._lingers_until = None
        return False

    def _crashes(self) -> list[Effect]:
        """End the watches that met a bug."""
        out: list[Effect] = []
        for watcher, bug in self._watchers.crashed:
            out.append(Crashed(watcher.id, "".join(traceback.format_exception(bug))))
            if self._watchers.remove(watcher.id) is not None:
                self._ending.append((watcher.id, "invalid: internal error"))
        self._watchers.crashed = []
        return out

    def check(self) -> None:
        """Raises InvariantError if watches are indexed wrong."""
        self._watchers.check()


def _frame_bodies(pending: Sequence[Told]) -> list[tuple[object, ...]]:
    """Queued events as bodies of a frame watch, in order. Most are changes that fit into one."""
    kinds, revisions, objects = zip(*pending, strict=True)
    marked = BOOKMARK in kinds or _SYNCED in kinds
    if not marked and len(pending) <= PIECE and sum(map(len, objects)) < PIECE_BYTES:
        return [("items", kinds, revisions, objects)]
    out: list[tuple[object, ...]] = []
    items: list[Told] = []
    size = 0
    for entry in [*pending, (BOOKMARK, 0, b"")]:
        mark = entry[0] in (BOOKMARK, _SYNCED)
        if items and (mark or size >= PIECE_BYTES or len(items) >= PIECE):
            types, revisions, objects = zip(*items, strict=True)
            out.append(("items", types, revisions, objects))
            items, size = [], 0
        if not mark:
            items.append(entry)
            size += len(entry[2])
        elif entry[1]:
            out.append(("synced" if entry[0] == _SYNCED else "bookmark", entry[1]))
    return out
