"""Watches over two shards: nothing missing, nothing twice, in order of revision.

Writes go to both shards by the hash of their keys; the test decides when each shard's events
arrive, breaks streams and connections, and reconnects watchers where they left off.
"""

from dataclasses import dataclass, field

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.calls import DELETED
from api.merge import Merger
from apiserver.shards import Sharding
from tests.apiserver.apiserver_rig import FrameStream, Rig

NAMES = [f"n{number}" for number in range(6)]

actions = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("hold"), st.integers(0, 1)),
    st.tuples(st.just("release"), st.integers(0, 1)),
    st.tuples(st.just("lose"), st.integers(0, 1)),
    st.tuples(st.just("reconnect"), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.integers(1, 50)),
)


@dataclass
class Client:
    """A watcher that resumes where it was, as an informer does."""

    start: int
    stream: FrameStream
    seen: list[int] = field(default_factory=list)
    state: dict[str, int] = field(default_factory=dict)

    def read(self) -> None:
        for body in self.stream.bodies:
            if body[0] == "items":
                for kind, revision, raw in zip(*body[1:], strict=True):
                    obj = orjson.loads(raw)
                    assert obj["metadata"]["resourceVersion"] == str(revision)
                    self.seen.append(revision)
                    if kind == DELETED:
                        del self.state[obj["metadata"]["name"]]
                    else:
                        self.state[obj["metadata"]["name"]] = revision
        self.stream.bodies.clear()

    @property
    def position(self) -> int:
        return self.seen[-1] if self.seen else self.start


class Run:
    """A rig over two hash shards with three watchers and a record of every write."""

    def __init__(self) -> None:
        self.rig = Rig(2, "hash")
        self.rig.namespace("x")
        _, listed = self.rig.call("GET", "/api/v1/namespaces/x/configmaps")
        self.start = int(listed["metadata"]["resourceVersion"])
        self.clients = [Client(self.start, self.open(self.start)) for _ in range(3)]
        self.history: list[int] = []

    def open(self, since: int) -> FrameStream:
        return self.rig.frame_watch("configmaps", "x", since=since)

    def act(self, action: tuple[object, ...]) -> None:
        rig = self.rig
        rig.now_ns += 1_000
        match action:
            case ("write", str(name), value):
                self.write(name, value)
            case ("delete", str(name)):
                [answer] = rig.frame_calls(("delete", "configmaps", "x", name))
                if answer.code == 200:
                    self.history.append(answer.revision)
            case ("hold", int(shard)):
                rig.held.add(shard)
            case ("release", int(shard)):
                rig.release(shard)
            case ("lose", int(shard)):
                rig.lose_stream(shard)
            case ("reconnect", int(number)):
                client = self.clients[number]
                client.read()
                client.stream = self.open(client.position)
            case ("wait", int(ms)):
                rig.run(ms / 1000)

    def write(self, name: str, value: object) -> None:
        body = orjson.dumps({"metadata": {"name": name}, "data": {"v": str(value)}})
        [answer] = self.rig.frame_calls(("create", "configmaps", "x", "", "", "", body))
        if answer.code == 409:
            patch = orjson.dumps({"data": {"v": str(value)}})
            words = (
                "patch",
                "configmaps",
                "x",
                name,
                "",
                "",
                patch,
                "application/merge-patch+json",
            )
            [answer] = self.rig.frame_calls(words)
        assert answer.code in (200, 201)
        if answer.revision not in self.history:
            # A patch that changes nothing answers the revision that the object has.
            self.history.append(answer.revision)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, min_size=1, max_size=40))
def test_merged_watch_misses_nothing_and_repeats_nothing(plan: list[tuple[object, ...]]) -> None:
    run = Run()
    for action in plan:
        run.act(action)
    run.rig.release(0)
    run.rig.release(1)
    _, listed = run.rig.call("GET", "/api/v1/namespaces/x/configmaps")
    present = {
        one["metadata"]["name"]: int(one["metadata"]["resourceVersion"]) for one in listed["items"]
    }
    run.rig.core.check()
    for client in run.clients:
        client.read()
        assert client.seen == sorted(run.history)
        assert client.state == present


def test_keys_of_one_resource_lie_on_both_shards() -> None:
    run = Run()
    for name in NAMES:
        run.write(name, 1)
    sharding = Sharding("hash", 2)
    shards = {
        sharding.shard_of("configmaps", f"/registry/configmaps/x/{n}".encode()) for n in NAMES
    }
    assert shards == {0, 1}
    _, listed = run.rig.call("GET", "/api/v1/namespaces/x/configmaps?limit=4")
    assert [one["metadata"]["name"] for one in listed["items"]] == NAMES[:4]
    token = listed["metadata"]["continue"]
    run.write("n4", 2)
    _, rest = run.rig.call("GET", f"/api/v1/namespaces/x/configmaps?limit=4&continue={token}")
    assert [(one["metadata"]["name"], one["data"]["v"]) for one in rest["items"]] == [
        ("n4", "1"),
        ("n5", "1"),
    ]


def test_the_merger_holds_an_event_until_every_shard_has_passed_it() -> None:
    merger = Merger({0: 0, 1: 0})
    event = (0, b"k", 10, 10, 1, b"", b"", None)
    assert list(merger.arrived(0, [event], 10)) == []
    assert merger.newest_held() == 10
    assert merger.wanted(10) == [1]
    assert list(merger.arrived(1, [], 9)) == []
    assert list(merger.arrived(1, [], 11)) == [event]
    assert merger.frontier == 10
    assert list(merger.arrived(0, [event], 12)) == [], "a repeated event is dropped"
