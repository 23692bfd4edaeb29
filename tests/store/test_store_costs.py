"""What the core's work grows with, told by counting steps, orders and visits, never by a clock."""

import pytest

from api.sorted_keys import BLOCK_KEYS
from api.storage import OK
from store.change_log import CHUNK, ChangeLog
from store.core import TRIM_PER_STEP, TRIM_PERIOD_NS, StoreSettings
from store.forms import KEYS_AND_HEADERS, WHOLE
from store.keyspace import Keyspace
from store.messages import (
    Append,
    Persisted,
    Record,
    Reply,
    RequestsArrived,
    SendWatchFrames,
    SnapshotWritten,
    StoreEvent,
    WriteSnapshot,
)
from store.reads import RANGE_BYTES_MAX, RangeRead
from store.snapshots import CHUNK_KEYS
from tests.store.shard_in_memory import SECOND, ShardInMemory

KEY = b"/registry/pods/default/a"


def key(number: int) -> bytes:
    return b"/registry/pods/default/%06d" % number


def filled(keys: int) -> ShardInMemory:
    shard = ShardInMemory(check=False)
    for first in range(0, keys, 1000):
        shard.do(*[("put", key(n), b"", b"v", -1, 0) for n in range(first, first + 1000)])
    return shard


def steps_of(shard: ShardInMemory, *request: object) -> int:
    """How many steps the core takes to answer."""
    call = shard.ask(request)
    steps = 1
    while call not in shard.replies:
        shard.step()
        steps += 1
    assert shard.replies[call][0][0] == OK
    return steps


def test_a_range_costs_what_it_returns_however_many_keys_there_are() -> None:
    few, many = filled(10_000), filled(30_000)
    span = (key(1500), key(9500), 0)
    for limit in (0, 3000):
        request = ("range", *span, limit, 0)
        assert steps_of(few, *request) == steps_of(many, *request) <= 4
    visits = []
    for shard in (few, many):
        read = RangeRead(*span[:2], shard.core.ledger.watermark, 500, WHOLE)
        complete, visited = read.advance(shard.core.keyspace, 1000)
        assert complete and len(read.items) == 500 and read.more
        visits.append(visited)
    assert visits[0] == visits[1]


def test_a_range_at_an_old_revision_shows_the_old_versions_in_the_same_chunks() -> None:
    shard = filled(3000)
    revision = shard.core.ledger.watermark
    shard.do(("put", key(7), b"", b"new", -1, 0), ("del", key(8), -1))
    shard.do(("put", key(3500), b"", b"new", -1, 0))
    read = shard.one("range", key(0), b"", revision, 0, 0)
    assert [item[0] for item in read[3]] == [key(n) for n in range(3000)]
    assert {item[5] for item in read[3]} == {b"v"}


def test_a_reply_ends_with_the_record_that_fills_it() -> None:
    shard = ShardInMemory(check=False)
    size = 1 << 20
    count = RANGE_BYTES_MAX // size + 3
    for number in range(count):
        shard.do(("put", key(number), b"", bytes(size), -1, 0))
    _, revision, more, items = shard.one("range", key(0), b"", 0, 0, 0)
    assert more and sum(len(item[5]) for item in items[:-1]) < RANGE_BYTES_MAX
    assert sum(len(item[0]) + len(item[5]) for item in items) >= RANGE_BYTES_MAX
    rest = shard.one("range", items[-1][0] + b"\0", b"", revision, 0, 0)
    assert not rest[2] and len(items) + len(rest[3]) == count
    keys_only = shard.one("range", key(0), b"", 0, 0, 1)
    assert not keys_only[2] and len(keys_only[3]) == count


def test_a_change_is_ordered_once_for_all_who_watch_the_same_keys() -> None:
    shard = ShardInMemory()
    same = [shard.watch(KEY) for _ in range(50)]
    with_previous = [shard.watch(KEY, want_previous=True) for _ in range(3)]
    others = [shard.watch(b"/registry/nodes/") for _ in range(5)]
    shard.effects.clear()
    shard.do(("put", KEY, b"", b"1", -1, 0), ("put", KEY, b"", b"2", -1, 0))
    orders = [effect for effect in shard.effects if isinstance(effect, SendWatchFrames)]
    assert [list(order.watchers) for order in orders] == [same, with_previous]
    assert all(len(shard.events(watcher)) == 2 for watcher in (*same, *with_previous))
    assert not any(shard.events(watcher) for watcher in others)
    shard.close_watch(same[0])
    shard.effects.clear()
    shard.do(("put", KEY, b"", b"3", -1, 0))
    orders = [effect for effect in shard.effects if isinstance(effect, SendWatchFrames)]
    assert [list(order.watchers) for order in orders] == [same[1:], with_previous]


def test_idle_watchers_hear_the_watermark_by_one_order() -> None:
    shard = ShardInMemory(StoreSettings(shard=3, retain_ns=0, watermark_period_ns=SECOND))
    watchers = [shard.watch(b"/registry/%d/" % number) for number in range(20)]
    shard.now_ns += SECOND
    shard.settle()
    shard.persist()
    shard.effects.clear()
    shard.now_ns += SECOND
    shard.settle()
    orders = [effect for effect in shard.effects if isinstance(effect, SendWatchFrames)]
    assert [list(order.watchers) for order in orders] == [watchers]


@pytest.mark.parametrize("closed", [False, True])
def test_who_begins_after_the_present_is_told_what_comes_after_that(closed: bool) -> None:
    shard = ShardInMemory()
    present = shard.one("put", KEY, b"", b"0", -1, 0)[1]
    start = present + 64 * 2
    shard.now_ns -= SECOND  # So that revisions go on in single steps.
    ahead = shard.watch(KEY, start)
    assert shard.core.clock.last >= start, "what is written from now on comes after it"
    if closed:
        shard.close_watch(ahead)
    revisions = [shard.one("put", KEY, b"", b"%d" % n, -1, 0)[1] for n in range(3)]
    assert [event[2] for event in shard.events(ahead)] == ([] if closed else revisions)


def test_compaction_frees_a_bounded_number_in_a_step_and_answers_meanwhile() -> None:
    shard = ShardInMemory(check=False)
    for first in range(0, 2000, 1000):
        shard.do(*[("put", KEY, b"", b"%d" % n, -1, 0) for n in range(first, first + 1000)])
    (newest,) = shard.do(("put", KEY, b"", b"last", -1, 0))
    shard.ask(("compact", newest[1]))
    shard.persist()
    core, keyspace = shard.core, shard.core.keyspace
    steps = 1
    while len(keyspace.changes) > 1:
        kept = len(keyspace.changes)
        arrived = RequestsArrived((10_000 + steps,), ((("get", KEY, 0),),))
        effects = core.step([arrived], shard.now_ns)
        assert any(isinstance(effect, Reply) for effect in effects)
        freed = kept - len(keyspace.changes)
        assert freed <= TRIM_PER_STEP
        steps += 1
        if freed and not core.ledger.trimmed:
            assert core.next_wakeup_ns() == shard.now_ns + TRIM_PERIOD_NS, "others have the machine"
            core.step((), shard.now_ns)
            assert kept - len(keyspace.changes) == freed, "not before that"
        shard.now_ns += TRIM_PERIOD_NS
    assert steps >= 2000 // TRIM_PER_STEP
    shard.settle()
    keyspace.check()
    assert len(keyspace.changes) == 1


def test_compaction_and_snapshot_take_a_bounded_part_of_each_step_and_no_write_waits() -> None:
    """However many keys there are: a write is on its way to the disk in the step that it came in,
    and answered in the one that hears of the disk."""
    keys = 3000
    shard = ShardInMemory(StoreSettings(shard=3, retain_ns=SECOND), check=False)
    core, keyspace = shard.core, shard.core.keyspace
    for first in range(0, 2 * keys, 1000):
        shard.do(*[("put", key(n % keys), b"", b"v", -1, 0) for n in range(first, first + 1000)])
    shard.now_ns += 10 * SECOND
    events: list[StoreEvent] = [Persisted(core.ledger.persisted_index, 1 << 30)]
    chunks: list[WriteSnapshot] = []
    steps = 0
    while not chunks or not chunks[-1].last or len(keyspace.changes) > steps:
        call = 1000 + steps
        kept = len(keyspace.changes)
        asked = RequestsArrived((call,), ((("put", key(call % keys), b"", b"w", -1, 0),),))
        effects = core.step([*events, asked], shard.now_ns)
        assert kept + bool(steps) - len(keyspace.changes) <= TRIM_PER_STEP
        answered = [effect.calls for effect in effects if isinstance(effect, Reply)]
        assert answered == ([[call - 1]] if steps else [])
        (order,) = [effect for effect in effects if isinstance(effect, Append)]
        events = [Persisted(order.first_index + len(order.records) - 1, 1 << 30)]
        written = [effect for effect in effects if isinstance(effect, WriteSnapshot)]
        assert len(written) <= 1 and all(len(chunk.rows) <= CHUNK_KEYS for chunk in written)
        events += [SnapshotWritten(chunk.revision, 0) for chunk in written]
        chunks += written
        steps += 1
        shard.now_ns += TRIM_PERIOD_NS
    assert sum(len(chunk.rows) for chunk in chunks) == keys
    assert steps >= 2 * keys // TRIM_PER_STEP


def test_freed_changes_are_let_go_of_as_they_are_freed() -> None:
    """Not at the end, together: to free 50,000 records at once is a pause."""
    keyspace = Keyspace()
    total = 3 * CHUNK
    records: list[Record] = [(b"/k", 1, n + 1, n + 1, b"", b"", 0) for n in range(total)]
    for first in range(0, total, 100):
        keyspace.apply(records[first : first + 100])
    keyspace.compact(total)
    kept = len(keyspace.changes)
    while not keyspace.trim(total - 1, TRIM_PER_STEP):
        assert 0 < kept - len(keyspace.changes) <= TRIM_PER_STEP
        kept = len(keyspace.changes)
    assert len(keyspace.changes) == len(keyspace.older.of(b"/k")[b"/k"]) == 1
    keyspace.check()


def test_the_map_of_older_versions_does_not_grow_as_one() -> None:
    """A dict that is full moves all that is in it, and all writers wait."""
    keyspace = Keyspace()
    for revision in (1, 2):
        keyspace.apply([(b"/%d" % n, 1, revision, 1, b"", b"", 0) for n in range(10_000)])
    sizes = [len(part) for part in keyspace.older.parts]
    assert sum(sizes) == 10_000 and max(sizes) < 3 * 10_000 / len(sizes)


@pytest.mark.parametrize("mode", [WHOLE, KEYS_AND_HEADERS])
def test_a_reply_ends_with_the_record_that_fills_it_whatever_the_largest_one(mode: int) -> None:
    """Bytes are counted only when as many of the largest would be too many."""
    keyspace = Keyspace()
    large = bytes(1 << 20)
    part = bytes(12_000)
    for n in range(3000):
        keyspace.apply([(key(n), n + 1, n + 1, 1, part, part, 0)])
    keyspace.apply([(b"/zone", 9999, 9999, 1, b"", large, 0)])
    read = RangeRead(b"", b"", 9999, 0, mode)
    while not read.advance(keyspace, 1000)[0]:
        pass
    each = len(key(0)) + len(part) * (2 if mode == WHOLE else 1)
    assert len(read.items) == -(-RANGE_BYTES_MAX // each) < 3000 and read.more


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_changes_after_a_revision_are_those_of_a_plain_list(limit: int) -> None:
    plain: list[Record] = [(b"/k", 1, n // 3, 1, b"", b"", 0) for n in range(3, 2 * CHUNK)]
    log = ChangeLog()
    for first in range(0, len(plain), 7):
        log.extend(plain[first : first + 7])
    last = plain[-1][2]
    for revision in (0, 1, 2, CHUNK // 3 - 1, CHUNK // 3, CHUNK // 3 + 1, last - 1, last):
        behind = [record for record in plain if record[2] > revision]
        assert log.count_after(revision) == len(behind)
        known = dict.fromkeys(record[2] for record in behind[:limit])
        assert log.after(revision, limit) == [record for record in behind if record[2] in known]
    taken: list[Record] = []
    done = False
    while not done:
        some, done = log.take(last - 1, limit)
        assert len(some) <= limit
        taken += some
    assert taken + list(log) == plain and log.newest == last == taken[-1][2] + 1


def test_an_insert_moves_one_block_whatever_the_number_of_keys() -> None:
    shard = filled(10_000)
    blocks = shard.core.keyspace.keys._blocks
    assert max(map(len, blocks)) < 2 * BLOCK_KEYS
