"""The store against an obvious model: a list of whole states, one for each revision.

Crashes fall between any two effects: what is appended and not persisted is gone, and a core built
from the log must look like the model after the last persisted record.
"""

import os
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from api.storage import COMPACTED, CONFLICT, FUTURE, NOT_FOUND, OK
from store import core, ledger, reads, watchers
from store.core import StoreSettings
from store.journal import HEADER_BYTES, decoded_ops, decoded_records, encoded_log
from store.messages import OP_REVOKE, AppendFailed
from tests.store.shard_in_memory import SECOND, ShardInMemory

KEYS = [b"/registry/pods/a/1", b"/registry/pods/a/2", b"/registry/pods/b/1", b"/registry/nodes/1"]
PREFIXES = [b"", b"/registry/pods/", b"/registry/pods/a/", b"/registry/nodes/1", b"/none/"]
TTL_S = 1000
SEARCH = "STORE_MODEL_EXAMPLES" in os.environ
"""Look for new schedules instead of repeating the known ones."""
MAX_EXAMPLES = int(os.environ.get("STORE_MODEL_EXAMPLES", "60"))
keys = st.sampled_from(KEYS)
values = st.binary(max_size=3)

Item = tuple[bytes, int, int, int, bytes, bytes]
State = dict[bytes, tuple[Item, int]]
"""Key to (item, lease)."""


class StoreModel(RuleBasedStateMachine):
    """Every write is decided by the model in the order of asking; ``states`` are all of them."""

    shard_settings = StoreSettings(shard=7, retain_ns=0)
    start = 0
    """The watermark of an empty shard, as far as the model may rely on it."""

    @initialize()
    def begin(self) -> None:
        self.shard = ShardInMemory(self.shard_settings)
        self.states: list[tuple[int, State]] = [(self.start, {})]
        """(revision, state after it), pending ones included."""
        self.expected: list[tuple[int, Any]] = []
        """(call, reply as predicted), unanswered, in order."""
        self.leases: dict[int, bool] = {}
        """Whether each lease lives once everything pending is applied."""
        self.deadlines: dict[int, int] = {}
        """Of those whose grant is applied, and which nobody has begun to revoke."""
        self.watches: dict[int, tuple[bytes, int, bool]] = {}
        """(prefix, revision after which, whether with previous values)."""
        self.compacted = self.kept_after = 0

    # What the model says.

    def applied(self) -> int:
        return self.shard.core.keyspace.changes.newest

    def state_at(self, revision: int) -> State:
        return [state for at, state in self.states if at <= revision][-1]

    def current(self) -> State:
        return self.states[-1][1]

    def write(self, changes: dict[bytes, tuple[bytes, int] | None]) -> int:
        """Predict the revision from the record that the core just logged."""
        return self.write_at(self.shard.queued[-1][0], changes)

    def write_at(self, revision: int, changes: dict[bytes, tuple[bytes, int] | None]) -> int:
        assert revision > self.states[-1][0] or not changes
        state = dict(self.current())
        for key, change in changes.items():
            if change is None:
                state.pop(key, None)
                continue
            before = state.get(key)
            create, version = (before[0][1], before[0][3] + 1) if before else (revision, 1)
            state[key] = ((key, create, revision, version, b"h", change[0]), change[1])
        if revision > self.states[-1][0]:
            self.states.append((revision, state))
        return revision

    def ask(self, *request: Any) -> tuple[int, bool]:
        """Returns the call and whether it was logged."""
        logged = len(self.shard.queued)
        call = self.shard.ask(request)
        return call, len(self.shard.queued) > logged

    # Writes.

    @rule(key=keys, value=values, expected=st.sampled_from(["any", "absent", "current", "wrong"]))
    def put(self, key: bytes, value: bytes, expected: str) -> None:
        now = self.current().get(key)
        mod = now[0][2] if now else 0
        number = {"any": -1, "absent": 0, "current": mod, "wrong": mod + 1}[expected]
        call, logged = self.ask("put", key, b"h", value, number, 0)
        fits = number in (-1, mod)
        assert logged == fits
        reply = (OK, self.write({key: (value, 0)})) if fits else (CONFLICT, mod)
        self.expected.append((call, reply))

    @rule(key=keys, data=st.data())
    def put_with_lease(self, key: bytes, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from([*self.leases, 99]))
        call, logged = self.ask("put", key, b"h", b"leased", -1, lease)
        alive = self.leases.get(lease, False)
        assert logged == alive
        reply = (OK, self.write({key: (b"leased", lease)})) if alive else (NOT_FOUND,)
        self.expected.append((call, reply))

    @rule(key=keys, guess=st.booleans())
    def delete(self, key: bytes, guess: bool) -> None:
        now = self.current().get(key)
        call, logged = self.ask("del", key, 12345 if guess else -1)
        if now is None or guess:
            assert not logged
            self.expected.append((call, (CONFLICT, now[0][2] if now else 0)))
        else:
            revision = self.write({key: None})
            self.expected.append((call, (OK, revision, now[0][4], now[0][5])))

    @rule(first=keys, second=keys, value=values, condition=keys)
    def transaction(self, first: bytes, second: bytes, value: bytes, condition: bytes) -> None:
        """Swap if ``condition`` is absent: put the first, delete the second, and read both."""
        if first == second:
            return
        reads = [("get", first, 0), ("range", b"/", b"0", 0, 0, 2)]
        then = [reads[0], ("put", first, b"h", value, -1, 0), ("del", second, -1), reads[1]]
        before = dict(self.current())
        call, logged = self.ask("txn", [("version", "=", condition, 0)], then, reads)
        succeeded = condition not in before
        assert logged == succeeded
        got = before[first][0] if first in before else None
        read = (OK, got[2], got[4], got[5]) if got else (OK, 0, b"", b"")
        if not succeeded:
            self.expected.append((call, ("read", read, len(before))))
            return
        revision = self.write({first: (value, 0), second: None})
        gone = before.get(second)
        deleted = (OK, revision, gone[0][4], gone[0][5]) if gone else (CONFLICT, 0)
        count = (OK, revision, False, len(self.current()))
        self.expected.append((call, (OK, revision, True, [read, (OK, revision), deleted, count])))

    @rule()
    def grant(self) -> None:
        call, _ = self.ask("grant", self.new_lease(), TTL_S)
        revision, ((_, lease, _),) = self.shard.queued[-1]
        self.leases[lease] = True
        if revision > self.states[-1][0]:
            self.states.append((revision, self.current()))
        self.expected.append((call, ("granted", lease)))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(list(self.leases)))
        call, _ = self.ask("revoke", lease)
        if not self.leases[lease]:
            self.expected.append((call, (NOT_FOUND,)))
            return
        self.leases[lease] = False
        self.deadlines.pop(lease, None)
        attached = [key for key, (_, held) in self.current().items() if held == lease]
        self.expected.append((call, (OK, self.write(dict.fromkeys(attached)))))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def keep_alive(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(list(self.leases)))
        (reply,) = self.shard.replies[self.shard.ask(("keepalive", lease))]
        self.expire()
        if lease in self.deadlines:
            assert reply == (OK, TTL_S)
            self.deadlines[lease] = self.shard.now_ns + TTL_S * SECOND
        else:
            granted = lease in self.shard.core.leases.granted
            assert reply == (NOT_FOUND,) or (granted and reply == (OK, TTL_S))

    @rule(seconds=st.sampled_from([1, TTL_S // 2, TTL_S + 1]))
    def time_passes(self, seconds: int) -> None:
        self.shard.now_ns += seconds * SECOND
        self.shard.settle()
        self.expire()
        assert all(deadline > self.shard.now_ns for deadline in self.deadlines.values())

    def expire(self) -> None:
        """Take over what the core logged of its own accord: the ends of leases that were due."""
        known = {at for at, _ in self.states}
        for revision, ops in self.shard.queued:
            if ops[-1][0] != OP_REVOKE or ops[-1][1] not in self.deadlines:
                continue
            lease = ops[-1][1]
            assert self.deadlines.pop(lease) <= self.shard.now_ns, "ended before its time"
            self.leases[lease] = False
            attached = [key for key, (_, held) in self.current().items() if held == lease]
            assert revision not in known or not attached
            self.write_at(revision, dict.fromkeys(attached))

    def new_lease(self) -> int:
        return 0

    @rule(prefix=st.sampled_from(PREFIXES[1:]))
    def delete_range(self, prefix: bytes) -> None:
        gone = [self.current()[key] for key in sorted(self.current()) if key.startswith(prefix)]
        call, logged = self.ask("delrange", prefix, prefix + b"\xff", True)
        assert logged == bool(gone)
        items = [(*item, lease) for item, lease in gone]
        revision = self.shard.core.clock.last
        if gone:
            revision = self.write(dict.fromkeys([item[0] for item in items]))
        self.expected.append((call, (OK, revision, len(items), items)))

    @rule(ahead=st.integers(0, 10_000))
    def promise(self, ahead: int) -> None:
        at_least = self.shard.core.clock.last + ahead
        call, _ = self.ask("promise", at_least)
        self.expected.append((call, ("promise", at_least)))

    # The disk, and what it may do.

    @rule(count=st.integers(1, 5))
    def persist(self, count: int) -> None:
        self.shard.persist(count)
        self.shard.settle()
        self.answers()

    @precondition(lambda self: self.shard.queued)
    @rule(keep=st.integers(0, 3))
    def refuse(self, keep: int) -> None:
        """The disk takes some and refuses the rest."""
        self.shard.persist(min(keep, len(self.shard.queued) - 1))
        self.shard.settle()
        self.answers()
        index = self.shard.core.ledger.next_index - len(self.shard.queued)
        lost = [ops[-1][1] for _, ops in self.shard.queued if ops[-1][0] == OP_REVOKE]
        self.shard.queued.clear()
        self.shard.step(AppendFailed(index, "full"))
        for lease in lost:
            # The end of a lease that the disk refused is tried again a second later.
            held = self.shard.core.leases.granted.get(lease)
            if held is not None:
                assert held.deadline_ns > self.shard.now_ns or not held.revoking
                self.deadlines[lease] = held.deadline_ns
        for call, _ in self.expected:
            assert self.shard.replies[call] == [(6, "full")]
        self.forget_pending()

    @rule(reached=st.integers(0, 3), torn_bytes=st.integers(0, 200))
    def crash_amid_a_write(self, reached: int, torn_bytes: int) -> None:
        """The disk has some of the queued records and a part of the next, and nobody was told."""
        queued = self.shard.queued
        whole = encoded_log(1, queued[:reached])
        data = bytes(HEADER_BYTES) + whole + encoded_log(reached + 1, queued[reached:])[:torn_bytes]
        for found in decoded_records("log", data, 1, True):
            self.shard.log.append((found.revision, decoded_ops(found.payload)))
        self.crash()

    @rule()
    def crash(self) -> None:
        told = max((mark for sent in self.shard.frames.values() for _, mark in sent), default=0)
        self.shard = self.shard.crash()
        # The wall clock may be behind after a restart.
        self.shard.now_ns -= SECOND
        self.forget_pending()
        self.watches.clear()
        assert self.shard.core.keyspace.compact_revision == self.compacted
        # Behind a snapshot the changes begin after it.
        self.kept_after = max(self.kept_after, self.shard.snapshot.snapshot_revision)
        # Every lease has its whole time again.
        now_ns = self.shard.now_ns
        self.deadlines = {
            lease: now_ns + TTL_S * SECOND for lease, lives in self.leases.items() if lives
        }
        self.shard.settle()
        assert self.shard.core.ledger.watermark >= told

    def forget_pending(self) -> None:
        self.expected.clear()
        kept = {revision for revision, _ in self.shard.log}
        snapshot = self.shard.snapshot.snapshot_revision
        oldest = max(self.start, snapshot)
        self.states = [(at, s) for at, s in self.states if at in kept or at <= oldest]
        self.leases = dict.fromkeys(self.leases, False) | dict.fromkeys(
            self.shard.core.leases.granted, True
        )

    def answers(self) -> None:
        """Everything persisted is answered as predicted, nothing else is."""
        while self.expected and self.expected[0][0] in self.shard.replies:
            call, predicted = self.expected.pop(0)
            (reply,) = self.shard.replies[call]
            match predicted:
                case ("promise", at_least):
                    assert reply[0] == OK and reply[1] >= at_least
                    # Who has heard that much is told nothing, though the answer may say more.
                    assert all(mark >= at_least for mark in self.marks())
                case ("read", read, count):
                    assert reply[2] is False
                    assert reply[3] == [read, (OK, reply[1], False, count)]
                case ("granted", lease):
                    assert reply == (OK, lease)
                    if self.leases[lease] and lease not in self.deadlines:
                        self.deadlines[lease] = self.shard.now_ns + TTL_S * SECOND
                case _:
                    assert reply == predicted
        assert not any(call in self.shard.replies for call, _ in self.expected)
        assert self.shard.queued or not self.expected

    def marks(self) -> list[int]:
        return [self.shard.watermark(watcher) for watcher in self.watches]

    # Reads and watches.

    @rule(data=st.data(), limit=st.integers(0, 3), prefix=st.sampled_from(PREFIXES))
    def read(self, data: st.DataObject, limit: int, prefix: bytes) -> None:
        watermark = self.shard.core.ledger.watermark
        visible = [at for at, _ in self.states if self.compacted <= at <= watermark and at]
        revision = data.draw(st.sampled_from([0, *visible]))
        call = self.shard.ask(("range", prefix, prefix + b"\xff", revision, limit, 0))
        self.shard.settle()
        (reply,) = self.shard.replies[call]
        state = self.state_at(revision or watermark)
        items = [state[key][0] for key in sorted(state) if key.startswith(prefix)]
        shown = items[:limit] if limit else items
        assert reply[:3] == (OK, revision or watermark, len(shown) < len(items))
        assert [item[:6] for item in reply[3]] == shown
        # Counted, and counted behind a limit: numbers that are not found by visiting.
        span = (prefix, prefix + b"\xff", revision)
        call = self.shard.ask(("range", *span, 0, 2), ("range", *span, limit, 3))
        self.shard.settle()
        counted, cut = self.shard.replies[call]
        assert counted == (OK, revision or watermark, False, len(items))
        assert (cut[2], cut[4]) == (len(shown) < len(items), len(items))
        assert [item[:6] for item in cut[3]] == shown

    @rule(prefix=st.sampled_from(PREFIXES), data=st.data(), previous=st.booleans())
    def watch(self, prefix: bytes, data: st.DataObject, previous: bool) -> None:
        watermark = self.shard.core.ledger.watermark
        start = data.draw(st.sampled_from([0, *[at for at, _ in self.states if at <= watermark]]))
        watcher = self.shard.watch(prefix, start, previous)
        if start and start < self.kept_after:
            assert self.shard.ended[watcher] == "compacted"
        else:
            self.watches[watcher] = (prefix, start or watermark, previous)

    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        watermark = self.shard.core.ledger.watermark
        revision = data.draw(st.sampled_from([at for at, _ in self.states if at <= watermark]))
        self.shard.persist()
        self.shard.settle()
        self.answers()
        (reply,) = self.shard.do(("compact", revision))
        if revision <= self.compacted and self.compacted:
            assert reply == (COMPACTED, self.compacted)
        else:
            assert reply == (OK, revision)
            self.compacted = revision
            # A watch may begin with the change of the compacted revision itself.
            self.kept_after = max(self.kept_after, revision - 1)

    @precondition(lambda self: self.compacted)
    @rule()
    def snapshot(self) -> None:
        if self.shard.snapshot.snapshot_revision < self.compacted:
            self.shard.write_snapshot()

    @rule(by_ms=st.sampled_from([1, 150]))
    def wait(self, by_ms: int) -> None:
        self.shard.now_ns += by_ms * 1_000_000
        self.shard.settle()

    @invariant()
    def watchers_saw_each_change_once_and_the_watermark_holds(self) -> None:
        if not hasattr(self, "shard"):
            return
        for watcher, (prefix, start, previous) in self.watches.items():
            events = self.shard.events(watcher)
            mark = self.shard.watermark(watcher)
            for event in events:
                assert event[7] == (self.before(event[1], event[2]) if previous else None)
            seen = [(event[2], event[1], event[0]) for event in events]
            assert [change[0] for change in seen] == sorted(change[0] for change in seen)
            # Within one revision the order is that of the transaction.
            seen.sort()
            assert seen == self.changes(prefix, start, mark)
            total = 0
            for sent, told in self.shard.frames[watcher]:
                total += len(sent)
                complete = self.changes(prefix, start, told)
                assert seen[: len(complete)] == complete and len(complete) <= total

    def before(self, key: bytes, revision: int) -> tuple[Any, ...] | None:
        """What the change at a revision replaced, with its lease."""
        state = [state for at, state in self.states if at < revision][-1]
        return (*state[key][0], state[key][1]) if key in state else None

    def changes(self, prefix: bytes, after: int, up_to: int) -> list[tuple[int, bytes, int]]:
        found = []
        for (_, before), (revision, state) in zip(self.states, self.states[1:], strict=False):
            if after < revision <= up_to:
                changed = [key for key in KEYS if before.get(key) != state.get(key)]
                changed = [key for key in changed if key.startswith(prefix)]
                found += [(revision, key, int(key not in state)) for key in changed]
        return sorted(found)


TestStoreModel = StoreModel.TestCase
TestStoreModel.settings = settings(
    max_examples=MAX_EXAMPLES, stateful_step_count=40, deadline=None, derandomize=not SEARCH
)


def test_the_model_holds_when_everything_goes_in_small_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A body of a watch for each revision, replays and ranges of two changes and keys a turn."""
    monkeypatch.setattr(watchers, "FRAME_BYTES", 1)
    monkeypatch.setattr(watchers, "REPLAY_CHUNK", 2)
    monkeypatch.setattr(reads, "RANGE_CHUNK_KEYS", 2)
    monkeypatch.setattr(ledger, "APPLY_PER_STEP", 2)
    monkeypatch.setattr(core, "TRIM_PER_STEP", 2)
    run_state_machine_as_test(StoreModel, settings=TestStoreModel.settings)


class DenseStoreModel(StoreModel):
    """The same with etcd's revisions: without gaps, over crashes and refused writes too."""

    shard_settings = StoreSettings(shard=0, retain_ns=0, revisions="dense")
    start = 1
    _leases_made = 0

    def new_lease(self) -> int:
        self._leases_made += 1
        return self._leases_made

    @rule(ahead=st.integers(1, 3))
    def promise(self, ahead: int) -> None:
        """Nothing is promised of the future, but what is pending is waited for."""
        watermark = self.shard.core.ledger.watermark
        last = self.shard.core.clock.last
        call, _ = self.ask("promise", last + ahead)
        assert self.shard.replies[call] == [(FUTURE, watermark)]
        call, _ = self.ask("promise", last)
        self.expected.append((call, ("promise", last)))

    @invariant()
    def revisions_have_no_gap(self) -> None:
        if hasattr(self, "shard"):
            revisions = [revision for revision, _ in self.states]
            assert revisions == list(range(1, len(revisions) + 1))


TestDenseStoreModel = DenseStoreModel.TestCase
TestDenseStoreModel.settings = TestStoreModel.settings
