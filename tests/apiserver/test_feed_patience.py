"""What shards hold back is asked for by the server that wrote it, and by others after a while."""

from collections.abc import Sequence

from api.storage import OK, PROMISE
from apiserver.cache import ResourceCache
from apiserver.feed import PATIENCE_NS, Feed
from apiserver.messages import StoreEvents, StoreReplied
from apiserver.outbox import Outbox
from apiserver.recent import CacheEvent

NOW_NS = 1_000_000_000


def _no_cache(key: bytes) -> ResourceCache | None:
    return None


def _no_change(resource: str, changes: Sequence[CacheEvent]) -> None: ...


def _no_frontier(frontier: int) -> None: ...


class Loaded:
    """A feed of two empty shards, loaded at revision 10 of each."""

    def __init__(self) -> None:
        self.outbox = Outbox(2)
        self.feed = Feed((0, 1), self.outbox, _no_cache, _no_change, _no_frontier)
        self.feed.load()
        for call in self.outbox.drain():
            self.outbox.replied(StoreReplied(call.shard, call.ids, [(OK, 10, False, [])]))
        self.watches = {order.shard: order.watch for order in self.feed.to_open}
        self.feed.ask(NOW_NS)
        assert not self.outbox.drain()

    def hears(self, shard: int, watermark: int, revision: int = 0) -> None:
        events = [(0, b"/registry/x/y", revision, revision, 1, b"", b"", None)] if revision else []
        self.feed.arrived(StoreEvents(shard, self.watches[shard], events, watermark), NOW_NS)

    def due_ns(self) -> int | None:
        return self.feed.due_ns

    def asked(self, now_ns: int) -> list[tuple[int, int]]:
        """(shard, what it has to pass) of each promise that is asked for at the end of a step."""
        self.feed.ask(now_ns)
        calls = self.outbox.drain()
        requests = [(call.shard, request) for call in calls for request in call.requests]
        assert all(request[0] == PROMISE for _, request in requests)
        return [(shard, request[1]) for shard, request in requests]


def test_what_it_wrote_itself_is_asked_for_at_once() -> None:
    loaded = Loaded()
    loaded.hears(0, 20, revision=20)
    loaded.feed.wrote(20)
    assert loaded.asked(NOW_NS) == [(1, 20)]
    assert loaded.due_ns() is None


def test_what_others_wrote_is_asked_for_after_a_while_and_once() -> None:
    loaded = Loaded()
    loaded.hears(0, 20, revision=20)
    assert loaded.asked(NOW_NS) == []
    assert loaded.due_ns() == NOW_NS + PATIENCE_NS
    assert loaded.asked(NOW_NS + PATIENCE_NS - 1) == []
    assert loaded.asked(NOW_NS + PATIENCE_NS) == [(1, 20)]
    assert loaded.due_ns() is None
    assert loaded.asked(NOW_NS + 2 * PATIENCE_NS) == []


def test_what_others_asked_for_is_not_asked_for_again() -> None:
    loaded = Loaded()
    loaded.hears(0, 20, revision=20)
    assert loaded.asked(NOW_NS) == []
    loaded.hears(1, 20)
    assert loaded.feed.frontier == 20
    assert loaded.asked(NOW_NS + 1) == []
    assert loaded.due_ns() is None


def test_patience_begins_anew_with_what_came_since() -> None:
    loaded = Loaded()
    loaded.hears(0, 20, revision=20)
    assert loaded.asked(NOW_NS) == []
    loaded.hears(0, 30, revision=30)
    loaded.hears(1, 20)
    assert loaded.asked(NOW_NS + 5) == []
    assert loaded.due_ns() == NOW_NS + 5 + PATIENCE_NS
    assert loaded.asked(NOW_NS + 5 + PATIENCE_NS) == [(1, 30)]


def test_a_watermark_of_the_same_step_is_heeded() -> None:
    loaded = Loaded()
    loaded.feed.wrote(20)
    loaded.hears(0, 20, revision=20)
    loaded.hears(1, 25)
    assert loaded.asked(NOW_NS) == []
