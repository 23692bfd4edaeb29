"""A group of shards that is loaded anew while answers of before are still under way."""

from api.storage import COMPACTED, OK, StoreReply
from apiserver.feed import Feed
from apiserver.messages import (
    OpenStoreWatch,
    StoreCall,
    StoreEvents,
    StoreReplied,
    StoreStreamEnded,
)
from apiserver.outbox import Outbox


class Group:
    """A feed of two shards whose store the test plays."""

    def __init__(self) -> None:
        self.outbox = Outbox(2)
        self.feed = Feed((0, 1), self.outbox, lambda _: None, lambda *_: None, lambda _: None)
        self.feed.load()
        self.listed(*self.asked(), revision=10)
        self.watches = self.opened()

    def asked(self) -> list[StoreCall]:
        return self.outbox.drain()

    def listed(self, *calls: StoreCall, revision: int) -> None:
        """Nothing is stored at ``revision``."""
        reply: StoreReply = (OK, revision, False, [])
        for call in calls:
            self.outbox.replied(StoreReplied(call.shard, call.ids, [reply]))

    def opened(self) -> dict[int, OpenStoreWatch]:
        orders, self.feed.to_open = self.feed.to_open, []
        return {order.shard: order for order in orders}

    def tells(self, watch: OpenStoreWatch, watermark: int) -> None:
        self.feed.arrived(StoreEvents(watch.shard, watch.watch, [], watermark), 0)

    def ends(self, watch: OpenStoreWatch, reason: str) -> bool:
        return self.feed.stream_ended(StoreStreamEnded(watch.shard, watch.watch, reason))


def test_a_stream_of_before_a_load_does_not_pass_what_was_left_out_while_it_lasted() -> None:
    group = Group()
    before = group.watches
    assert group.ends(before[1], "compacted")
    group.feed.load()
    calls = group.asked()
    group.listed(calls[0], revision=11)
    group.tells(before[0], 20)  # nobody keeps these events while shard 1 has not answered
    group.listed(calls[1], revision=12)
    group.tells(before[0], 30)  # in one step with the end of the load
    after = group.opened()
    assert after[0].start_revision == 11
    assert group.feed.frontier == 11, "the events up to 20 have still to come"
    assert not group.ends(before[0], "lost")
    assert not group.opened(), "the new stream has not ended"
    group.tells(after[0], 30)
    group.tells(after[1], 30)
    assert group.feed.frontier == 30


def test_only_the_newest_load_counts() -> None:
    group = Group()
    assert group.ends(group.watches[1], "compacted")
    group.feed.load()
    first = group.asked()
    group.feed.load()
    second = group.asked()
    group.listed(*second, revision=40)
    group.listed(*first, revision=20)
    assert {order.start_revision for order in group.opened().values()} == {40}
    assert group.feed.frontier == 40


def test_a_shard_that_does_not_answer_is_asked_again_once_for_all() -> None:
    group = Group()
    assert group.ends(group.watches[0], "invalid: no such revision")
    group.feed.load()
    for call in group.asked():
        reply: StoreReply = (COMPACTED, 0)
        group.outbox.replied(StoreReplied(call.shard, call.ids, [reply]))
    assert group.feed.to_load == [0, 1]
    group.feed.to_load.clear()
    group.feed.load()
    assert [call.shard for call in group.asked()] == [0, 1]
