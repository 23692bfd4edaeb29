"""Promise: what a shard says to have read at a revision is the state at that revision, whatever
was written, compacted, snapshotted or restarted in the meantime; what was compacted is refused.
"""

from api.storage import COMPACT, COMPACTED, GET, OK, RANGE, TXN, StoreReply, StoreRequest
from sim.checkers.history import Change, History
from sim.topics import Topics, Violation

NAME = "store reads"
COUNT = 2
"""Mode of a range: only how many there are."""


class StoreReads:
    """Listens to the answers of the shards."""

    def __init__(self, topics: Topics, history: History) -> None:
        self.reads = 0
        self.compacted: dict[int, int] = {}
        """Shard to the greatest revision that it has said to be compacted."""
        self._history = history
        topics.store_answered.append(self._answered)

    def _answered(self, shard: int, request: StoreRequest, reply: StoreReply) -> None:
        if reply[0] != OK:
            return
        if request[0] == RANGE:
            self._range(shard, request, reply)
        elif request[0] == GET:
            self._get(shard, request, reply)
        elif request[0] == COMPACT:
            self.compacted[shard] = max(self.compacted.get(shard, 0), reply[1])
        elif request[0] == TXN:
            branch = request[2] if reply[2] else request[3]
            for nested, answer in zip(branch, reply[3], strict=True):
                if nested[0] == RANGE and not nested[3]:
                    self._range(shard, (*nested[:3], answer[1], *nested[4:]), answer)

    def _get(self, shard: int, request: StoreRequest, reply: StoreReply) -> None:
        self.reads += 1
        _, key, revision = request
        what = f"shard {shard} reads {key!r} at {revision or 'the end'}"
        if revision:
            change = self._history.state(shard, revision, key, key + b"\0").get(key)
            found = 0 if change is None else change.revision
            if found != reply[1]:
                raise Violation(NAME, f"{what} as of {reply[1]}, it is of {found}")
        if not reply[1]:
            return
        change = self._history.written.get((shard, reply[1]), {}).get(key)
        if change is None or change.new is None or change.new.value != reply[3]:
            raise Violation(NAME, f"{what} as of {reply[1]}, where no such value was written")

    def _range(self, shard: int, request: StoreRequest, reply: StoreReply) -> None:
        self.reads += 1
        _, start, end, revision, limit, mode = request[:6]
        _, at, more, items = reply[:4]
        what = f"shard {shard} lists {start!r} to {end!r} at {at}"
        if revision and at != revision:
            raise Violation(NAME, f"{what}, it was asked for {revision}")
        state = self._history.state(shard, at, start, end)
        if mode == COUNT:
            if items != len(state):
                raise Violation(NAME, f"{what}: {items} keys, there are {len(state)}")
            return
        expected = [state[key] for key in sorted(state)]
        if more:
            expected = expected[: len(items)]
        got = [(item[0], item[2]) for item in items]
        if got != [(change.key, change.revision) for change in expected]:
            wrong = set(got) ^ {(change.key, change.revision) for change in expected}
            raise Violation(NAME, f"{what}, wrong about {sorted(wrong)[:3]}")
        if limit and len(items) > limit:
            raise Violation(NAME, f"{what}: {len(items)} keys, at most {limit} were asked for")
        if mode == 0:
            _compare_values(what, items, expected)

    def old_read(self, shard: int, revision: int, compacted: int, reply: StoreReply) -> None:
        """A read at ``revision``, asked when ``compacted`` had been answered. A shard that has
        written nothing yet names revision 0, and whoever asks for 0 later means the present."""
        if 0 < revision < compacted and reply[0] != COMPACTED:
            message = f"shard {shard} reads at {revision} and had compacted {compacted}"
            raise Violation(NAME, message)


def _compare_values(what: str, items: list[tuple[object, ...]], expected: list[Change]) -> None:
    for item, change in zip(items, expected, strict=True):
        if change.new is None or item[5] != change.new.value:
            raise Violation(NAME, f"{what}: {change.key!r} has another value")
