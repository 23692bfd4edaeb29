"""Promises and watermarks of two shards: what a merged list or watch stands on.

The merge itself belongs to the API server. Here a small one replays what two shards sent, under
random interleavings of writes, disks, promises, crashes and reconnects, and must never have to
release an event below what it already released.
"""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.storage import MAX_SHARDS, OK
from store.core import StoreSettings
from tests.store.shard_in_memory import MS, ShardInMemory

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "delete", "persist", "promise", "crash", "reopen", "tick"]),
        st.integers(0, 1),
        st.integers(0, 3),
    ),
    max_size=60,
)


class Reader:
    """Follows one shard through crashes and reopened streams; every claim is checked on arrival."""

    def __init__(self, shard: ShardInMemory) -> None:
        self.shard = shard
        self.events: list[int] = []
        self.watermark = 0
        self.open()

    def open(self) -> None:
        self.watcher = self.shard.watch(b"/", self.watermark)
        self.taken = 0

    def take(self) -> None:
        frames = self.shard.frames[self.watcher]
        for events, watermark in frames[self.taken :]:
            for event in events:
                # Once, in order, and never below a watermark that was told.
                assert event[2] > max(self.watermark, *self.events[-1:], 0)
                self.events.append(event[2])
            assert watermark >= self.watermark
            assert not self.events or self.events[-1] <= watermark
            self.watermark = watermark
        self.taken = len(frames)


def persisted(shard: ShardInMemory) -> list[int]:
    """Revisions of the changes on the shard's disk. Clock records hold no change."""
    return [revision for revision, ops in shard.log if len(ops[0]) > 1]


@settings(max_examples=150, deadline=None)
@given(MOVES, st.integers(0, 400))
@example([("put", 0, 0), ("persist", 0, 2), ("tick", 0, 1), ("promise", 0, 0)], 0)
def test_two_shards_keep_their_word(moves: list[tuple[str, int, int]], skew_ms: int) -> None:
    shards = [ShardInMemory(StoreSettings(shard=number, retain_ns=0)) for number in (0, 1)]
    shards[1].now_ns += skew_ms * MS
    readers = [Reader(shard) for shard in shards]
    promised: list[tuple[int, int, int]] = []
    """(shard, call, at least)."""
    for move, place, argument in moves:
        shard, reader = shards[place], readers[place]
        match move:
            case "put":
                shard.ask(("put", b"/%d" % argument, b"", b"v", -1, 0))
            case "delete":
                shard.ask(("del", b"/%d" % argument, -1))
            case "persist":
                shard.persist(argument)
            case "promise":
                # A list at the other shard's newest revision.
                at_least = shards[1 - place].core.clock.last
                promised.append((place, shard.ask(("promise", at_least)), at_least))
            case "tick":
                shard.now_ns += argument * 70 * MS
            case "crash":
                reader.take()
                promised = [entry for entry in promised if entry[0] != place]
                shards[place] = reader.shard = shard.crash()
                shards[place].now_ns -= argument * 1000 * MS
                reader.open()
            case "reopen":
                reader.take()
                shard.close_watch(reader.watcher)
                reader.open()
        shards[place].settle()
        reader.take()
        promised = check_promises(shards, readers, promised)
    for shard, reader in zip(shards, readers, strict=True):
        shard.persist()
        shard.settle()
        reader.take()
        assert reader.events == persisted(shard)
    check_promises(shards, readers, promised)
    assert not any(revision in readers[1].events for revision in readers[0].events)


def check_promises(
    shards: list[ShardInMemory], readers: list[Reader], promised: list[tuple[int, int, int]]
) -> list[tuple[int, int, int]]:
    """Answered promises hold; the others are returned."""
    waiting = []
    for place, call, at_least in promised:
        if call not in shards[place].replies:
            waiting.append((place, call, at_least))
            continue
        ((status, revision),) = shards[place].replies[call]
        assert status == OK and revision >= at_least and revision % MAX_SHARDS == place
        # Who has heard that much is told nothing, though the answer may say more (api/storage.py).
        assert readers[place].watermark >= (at_least or revision)
        assert shards[place].core.clock.last >= revision
    return waiting


def test_a_promise_waits_for_the_writes_before_it() -> None:
    shard = ShardInMemory()
    watcher = shard.watch(b"/")
    write = shard.ask(("put", b"/a", b"", b"", -1, 0))
    promise = shard.ask(("promise", 0))
    assert promise not in shard.replies
    shard.persist()
    ((_, written),), ((_, revision),) = shard.replies[write], shard.replies[promise]
    assert revision >= written and shard.watermark(watcher) >= revision
    assert shard.one("put", b"/a", b"", b"", -1, 0)[1] > revision


def test_a_promise_outlives_a_crash_and_a_clock_set_back() -> None:
    shard = ShardInMemory()
    ahead = shard.core.clock.last + 5_000_000 * MAX_SHARDS
    revision = shard.one("promise", ahead)[1]
    assert revision >= ahead
    again = shard.crash()
    again.now_ns -= 3600 * 1000 * MS
    assert again.one("put", b"/a", b"", b"", -1, 0)[1] > revision


def test_a_promise_out_of_all_time_is_refused() -> None:
    shard = ShardInMemory()
    assert shard.one("promise", 1 << 62)[0] == 4
    watcher = shard.watch(b"/", 1 << 62)
    assert shard.ended[watcher].startswith("invalid: ")
