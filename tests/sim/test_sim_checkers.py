"""Checkers, on stories small enough to be judged by eye: each says what is wrong, and only that."""

from collections.abc import Callable

import orjson
import pytest

from api.calls import ADDED, MODIFIED, ApiRequest, WatchSpec
from api.core import JsonObject
from api.storage import CONFLICT, DELETE, GET, OK, PUT, RANGE
from sim.checkers.acknowledged import Acknowledged
from sim.checkers.api_watches import ApiWatches
from sim.checkers.bindings import STALE_NS, Bindings
from sim.checkers.history import History
from sim.checkers.identities import Identities
from sim.checkers.leaders import KEY as LEASE
from sim.checkers.leaders import Leaders
from sim.checkers.leases import Lease, Leases
from sim.checkers.store_reads import StoreReads
from sim.checkers.store_watches import StoreWatches
from sim.topics import Topics, Violation
from store.messages import OP_DELETE, OP_PUT

X, Y = b"/registry/probes/x", b"/registry/probes/y"
CONFIGS = WatchSpec("configmaps", "configmaps")
PODS = WatchSpec("pods", "pods")


class Told:
    """All checkers of a shard and of a cluster, and what they are told. ``say`` speaks to the
    listeners of a topic."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.topics = Topics()
        self.history = History(self.topics, 1, lambda: self.now_ns)
        Acknowledged(self.topics, self.history)
        Identities(self.history)
        Bindings(self.history)
        self.leases = Leases(self.history)
        Leaders(self.topics, self.history, 2)
        StoreReads(self.topics, self.history)
        self.store_watches = StoreWatches(self.topics, self.history)
        self.api_watches = ApiWatches(self.topics, self.history)
        self.index = 0

    def put(self, revision: int, key: bytes, value: bytes) -> None:
        self.index += 1
        record = (revision, ((OP_PUT, key, b"", value, 0),))
        self.topics.persisted[0](0, self.index, [record])

    def delete(self, revision: int, key: bytes) -> None:
        self.index += 1
        self.topics.persisted[0](0, self.index, [(revision, ((OP_DELETE, key),))])

    def recovered(self, first_index: int, *records: tuple[int, bytes, bytes]) -> None:
        made = [(revision, ((OP_PUT, key, b"", value, 0),)) for revision, key, value in records]
        for heard in self.topics.recovered:
            heard(0, first_index, made, 0)

    def answered(self, request: tuple[object, ...], *reply: object) -> None:
        for heard in self.topics.store_answered:
            heard(0, request, reply)

    def store_watched(self, watermark: int, *events: tuple[object, ...]) -> None:
        for heard in self.topics.store_watched:
            heard("api", 0, events, watermark)

    def store_follows(self, listed: int, revision: int, previous: bool = False) -> None:
        self.topics.store_listed[0]("api", 0, listed)
        self.topics.store_watch_opened[0]("api", 0, b"/registry/", revision, previous)

    def opened(self, spec: WatchSpec, revision: int = 0, who: str = "one") -> None:
        self.topics.watch_opened[0](who, spec, revision)

    def seen(self, spec: WatchSpec, kind: int, revision: int, obj: bytes, who: str = "one") -> None:
        for heard in self.topics.watched:
            heard(who, spec, [kind], [revision], [obj])

    def synced(self, spec: WatchSpec, revision: int, who: str = "one") -> None:
        for heard in self.topics.synced:
            heard(who, spec, revision)

    def binds(self, who: str) -> None:
        self.topics.called[0](who, [ApiRequest(1, "create", "pods", "d", "p2", "binding")])


def node(name: str, **spec: object) -> tuple[bytes, bytes]:
    room = {"cpu": "2", "memory": "1Gi", "pods": "2"}
    meta = {"name": name, "uid": f"u-{name}", "labels": {"zone": "z0"}}
    body = {"metadata": meta, "spec": spec, "status": {"allocatable": room}}
    return f"/registry/nodes/{name}".encode(), orjson.dumps(body)


def pod(name: str, on: str = "", cpu: str = "1", memory: str = "1Mi", **more: str) -> bytes:
    requests = {"requests": {"cpu": cpu, "memory": memory}}
    spec: JsonObject = {"containers": [{"resources": requests}]}
    if on:
        spec["nodeName"] = on
    if "zone" in more:
        spec["nodeSelector"] = {"zone": more["zone"]}
    if "tolerates" in more:
        spec["tolerations"] = [{"key": more["tolerates"]}]
    meta = {"name": name, "namespace": "d", "uid": more.get("uid", f"u-{name}")}
    status = {"phase": more.get("phase", "Pending")}
    return orjson.dumps({"metadata": meta, "spec": spec, "status": status})


def path(name: str) -> bytes:
    return f"/registry/pods/d/{name}".encode()


def event(key: bytes, revision: int, previous: object = None) -> tuple[object, ...]:
    return (0, key, revision, revision, 1, b"", b"", previous)


def config(name: str) -> bytes:
    return orjson.dumps({"metadata": {"name": name, "namespace": "d", "uid": f"u-{name}"}})


def config_key(name: str) -> bytes:
    return f"/registry/configmaps/d/{name}".encode()


def lease(holder: str) -> bytes:
    meta = {"name": "s", "uid": "u-lease"}
    return orjson.dumps({"metadata": meta, "spec": {"holderIdentity": holder}})


def two_puts(told: Told) -> None:
    told.put(10, X, b"a")
    told.put(20, Y, b"b")


def with_node(told: Told, **spec: object) -> None:
    told.put(1, *node("n", **spec))


def scheduler_takes_over(told: Told) -> None:
    """``b`` has taken the Lease from ``a`` after p1 was bound at 4."""
    with_node(told)
    told.put(2, LEASE, lease("a"))
    told.put(3, path("p1"), pod("p1"))
    told.put(4, path("p1"), pod("p1", "n"))
    told.put(5, LEASE, lease("b"))
    told.opened(PODS, 0, "b")


def owned_lease(told: Told, alive_until_ns: int, revoked: bool = False) -> None:
    key = b"/registry/leased/k"
    told.leases.attaching(key, Lease(0, 7, 10, alive_until_ns, revoked))
    told.put(1, key, b"v")
    told.now_ns = 100
    told.delete(2, key)


def history_recovered(told: Told, *records: tuple[int, bytes, bytes]) -> None:
    two_puts(told)
    told.recovered(1, *records)


def reads(told: Told, request: tuple[object, ...], *reply: object) -> None:
    two_puts(told)
    told.answered(request, *reply)


def item(key: bytes, revision: int, value: bytes) -> tuple[object, ...]:
    return (key, revision, revision, 1, b"", value, 0)


def lists(told: Told, revision: int, limit: int, at: int, *items: tuple[object, ...]) -> None:
    reads(told, (RANGE, X, Y + b"\0", revision, limit, 0), OK, at, False, list(items))


def store_told(told: Told, watermark: int, *events: tuple[object, ...]) -> None:
    told.store_follows(5, 5, previous=True)
    two_puts(told)
    told.store_watched(watermark, *events)


def api_listed(told: Told, revision: int, *names: str) -> None:
    """Two config maps are made, and ``names`` are listed."""
    told.put(10, config_key("a"), config("a"))
    told.put(20, config_key("b"), config("b"))
    told.opened(CONFIGS)
    for name in names:
        told.seen(CONFIGS, ADDED, {"a": 10, "b": 20}[name], config(name))
    told.synced(CONFIGS, revision)


def api_follows(told: Told, kind: int, revision: int) -> None:
    api_listed(told, 20, "a", "b")
    told.put(30, config_key("a"), config("a"))
    told.put(40, config_key("c"), config("c"))
    told.seen(CONFIGS, kind, revision, config("a"))


def both(first: Callable[[Told], None], *then: Callable[[Told], None]) -> Callable[[Told], None]:
    def story(told: Told) -> None:
        for part in (first, *then):
            part(told)

    return story


Story = Callable[[Told], object]

GOOD: dict[str, Story] = {
    "recovered as it was": lambda t: history_recovered(t, (10, X, b"a"), (20, Y, b"b")),
    "more recovered than was reported": lambda t: history_recovered(
        t, (10, X, b"a"), (20, Y, b"b"), (30, X, b"c")
    ),
    "a write acknowledged": lambda t: reads(t, (PUT, X, b"", b"a", -1, 0), OK, 10),
    "a conflict": lambda t: reads(t, (PUT, X, b"", b"c", 5, 0), CONFLICT, 10),
    "a get": lambda t: reads(t, (GET, X, 0), OK, 10, b"", b"a"),
    "a get of the past": lambda t: reads(t, (GET, Y, 15), OK, 0, b"", b""),
    "a list": lambda t: lists(t, 0, 0, 20, item(X, 10, b"a"), item(Y, 20, b"b")),
    "a list of the past": lambda t: lists(t, 15, 0, 15, item(X, 10, b"a")),
    "events in order": lambda t: store_told(t, 20, event(X, 10), event(Y, 20)),
    "half of the events": lambda t: store_told(t, 19, event(X, 10)),
    "a full node": both(
        with_node,
        lambda t: t.put(2, path("p1"), pod("p1", "n")),
        lambda t: t.put(3, path("p2"), pod("p2", "n")),
    ),
    "room of one that ended": both(
        with_node,
        lambda t: t.put(2, path("p1"), pod("p1", "n", "2")),
        lambda t: t.put(3, path("p1"), pod("p1", "n", "2", phase="Failed")),
        lambda t: t.put(4, path("p2"), pod("p2", "n", "2")),
    ),
    "room of one that is gone": both(
        with_node,
        lambda t: t.put(2, path("p1"), pod("p1", "n", "2")),
        lambda t: t.delete(3, path("p1")),
        lambda t: t.put(4, path("p2"), pod("p2", "n", "2")),
    ),
    "a node that has just gone": both(
        with_node,
        lambda t: t.delete(2, node("n")[0]),
        lambda t: setattr(t, "now_ns", STALE_NS - 1),
        lambda t: t.put(3, path("p1"), pod("p1", "n")),
    ),
    "a taint tolerated": both(
        lambda t: with_node(t, taints=[{"key": "gpu"}]),
        lambda t: t.put(2, path("p1"), pod("p1", "n", tolerates="gpu")),
    ),
    "a lease that is over": lambda t: owned_lease(t, 100),
    "a lease that is revoked": lambda t: owned_lease(t, 101, revoked=True),
    "the new leader knows all": both(
        scheduler_takes_over,
        lambda t: t.seen(PODS, ADDED, 4, pod("p1"), "b"),
        lambda t: t.synced(PODS, 5, "b"),
        lambda t: t.binds("b"),
    ),
    "a list of the api": lambda t: api_listed(t, 20, "a", "b"),
    "a list of the api's past": lambda t: api_listed(t, 15, "a"),
    "the next event": lambda t: api_follows(t, MODIFIED, 30),
}

BAD: dict[str, tuple[str, Story]] = {
    "a gap in a log": ("durability", both(two_puts, lambda t: setattr(t, "index", 5), two_puts)),
    "a record lost": ("durability", lambda t: history_recovered(t, (10, X, b"a"))),
    "a record changed": (
        "durability",
        lambda t: history_recovered(t, (10, X, b"a"), (20, Y, b"other")),
    ),
    "a revision changed": (
        "durability",
        lambda t: history_recovered(t, (10, X, b"a"), (21, Y, b"b")),
    ),
    "a write at what was told": (
        "watermarks",
        both(
            lambda t: t.store_follows(5, 5),
            lambda t: t.store_watched(10),
            lambda t: t.put(10, X, b"a"),
        ),
    ),
    "a write that is not on disk": (
        "acknowledged",
        lambda t: reads(t, (PUT, X, b"", b"a", -1, 0), OK, 11),
    ),
    "another value on disk": (
        "acknowledged",
        lambda t: reads(t, (PUT, X, b"", b"c", -1, 0), OK, 10),
    ),
    "a deletion that wrote": ("acknowledged", lambda t: reads(t, (DELETE, X, -1), OK, 10)),
    "a value that nobody wrote": (
        "store reads",
        lambda t: reads(t, (GET, X, 0), OK, 10, b"", b"c"),
    ),
    "a get of the future": ("store reads", lambda t: reads(t, (GET, Y, 15), OK, 20, b"", b"b")),
    "a key missing in a list": ("store reads", lambda t: lists(t, 0, 0, 20, item(X, 10, b"a"))),
    "a key too many in a list": (
        "store reads",
        lambda t: lists(t, 15, 0, 15, item(X, 10, b"a"), item(Y, 20, b"b")),
    ),
    "another value in a list": (
        "store reads",
        lambda t: lists(t, 0, 0, 20, item(X, 10, b"a"), item(Y, 20, b"c")),
    ),
    "a list of another time": ("store reads", lambda t: lists(t, 15, 0, 14, item(X, 10, b"a"))),
    "more than the limit": (
        "store reads",
        lambda t: lists(t, 0, 1, 20, item(X, 10, b"a"), item(Y, 20, b"b")),
    ),
    "a wrong count": (
        "store reads",
        lambda t: reads(t, (RANGE, X, Y + b"\0", 0, 0, 2), OK, 20, False, 1),
    ),
    "an event too early": (
        "store watches",
        lambda t: store_told(t, 30, event(X, 10), event(Y, 20), event(X, 30)),
    ),
    "an event skipped": ("store watches", lambda t: store_told(t, 20, event(Y, 20))),
    "an event of another revision": ("store watches", lambda t: store_told(t, 20, event(X, 11))),
    "a watermark and an event owed": (
        "store watches",
        lambda t: store_told(t, 20, event(X, 10)),
    ),
    "a wrong previous state": (
        "store watches",
        lambda t: store_told(t, 10, event(X, 10, item(X, 5, b"z"))),
    ),
    "a watch from nowhere": ("store watches", lambda t: t.store_follows(5, 6)),
    "a uid twice": (
        "identities",
        both(
            lambda t: t.put(1, path("p1"), pod("p1", uid="u")),
            lambda t: t.put(2, path("p2"), pod("p2", uid="u")),
        ),
    ),
    "a pod that moved": (
        "bindings",
        both(
            with_node,
            lambda t: t.put(2, path("p1"), pod("p1", "n")),
            lambda t: t.put(3, path("p1"), pod("p1", "m")),
        ),
    ),
    "a pod that left": (
        "bindings",
        both(
            with_node,
            lambda t: t.put(2, path("p1"), pod("p1", "n")),
            lambda t: t.put(3, path("p1"), pod("p1")),
        ),
    ),
    "a node that never was": ("bindings", lambda t: t.put(2, path("p1"), pod("p1", "n"))),
    "a node that is long gone": (
        "bindings",
        both(
            with_node,
            lambda t: t.delete(2, node("n")[0]),
            lambda t: setattr(t, "now_ns", STALE_NS),
            lambda t: t.put(3, path("p1"), pod("p1", "n")),
        ),
    ),
    "another zone": (
        "bindings",
        both(with_node, lambda t: t.put(2, path("p1"), pod("p1", "n", zone="z1"))),
    ),
    "a taint not tolerated": (
        "bindings",
        both(
            lambda t: with_node(t, taints=[{"key": "gpu"}]),
            lambda t: t.put(2, path("p1"), pod("p1", "n", tolerates="other")),
        ),
    ),
    "too much cpu": (
        "bindings",
        both(with_node, lambda t: t.put(2, path("p1"), pod("p1", "n", "2001m"))),
    ),
    "too much memory": (
        "bindings",
        both(with_node, lambda t: t.put(2, path("p1"), pod("p1", "n", memory="1025Mi"))),
    ),
    "too many pods": (
        "bindings",
        both(
            with_node,
            *(lambda t, n=n: t.put(n, path(f"p{n}"), pod(f"p{n}", "n", "0")) for n in (2, 3, 4)),
        ),
    ),
    "a lease that is not over": ("leases", lambda t: owned_lease(t, 101)),
    "a lease not known any more": ("leases", lambda t: t.leases.gone(Lease(0, 7, 10, 2), 1)),
    "one who does not lead": ("leaders", both(scheduler_takes_over, lambda t: t.binds("a"))),
    "a leader without a list": ("leaders", both(scheduler_takes_over, lambda t: t.binds("b"))),
    "a leader with an old list": (
        "leaders",
        both(
            scheduler_takes_over,
            lambda t: t.seen(PODS, ADDED, 3, pod("p1"), "b"),
            lambda t: t.synced(PODS, 3, "b"),
            lambda t: t.binds("b"),
        ),
    ),
    "a list that lacks one": ("api watches", lambda t: api_listed(t, 20, "a")),
    "a list with one too many": ("api watches", lambda t: api_listed(t, 15, "a", "b")),
    "one twice in a list": ("api watches", lambda t: api_listed(t, 20, "a", "a")),
    "an event of another type": ("api watches", lambda t: api_follows(t, ADDED, 30)),
    "one event left out": ("api watches", lambda t: api_follows(t, ADDED, 40)),
    "an event where none is due": (
        "api watches",
        both(
            lambda t: api_listed(t, 20, "a", "b"),
            lambda t: t.seen(CONFIGS, MODIFIED, 30, config("a")),
        ),
    ),
    "a watch that goes back": (
        "api watches",
        both(lambda t: api_listed(t, 20, "a", "b"), lambda t: t.opened(CONFIGS, 19)),
    ),
    "a watch that skips": (
        "api watches",
        both(lambda t: api_follows(t, MODIFIED, 30), lambda t: t.opened(CONFIGS, 40)),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_passes(name: str) -> None:
    GOOD[name](Told())


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_found(name: str) -> None:
    checker, story = BAD[name]
    with pytest.raises(Violation) as found:
        story(Told())
    assert found.value.checker == checker


def test_what_was_not_told_in_the_end_is_owed() -> None:
    told = Told()
    told.store_follows(5, 5)
    api_listed(told, 20, "a", "b")
    assert told.api_watches.owed(0) == []
    assert len(told.store_watches.owed(0)) == 1
    told.store_watched(20, event(config_key("a"), 10), event(config_key("b"), 20))
    assert told.store_watches.owed(0) == []
    told.now_ns = 5
    told.put(30, config_key("a"), config("a"))
    assert told.api_watches.owed(4) == []
    assert len(told.api_watches.owed(5)) == 1
    assert told.store_watches.owed(4) == []
    assert len(told.store_watches.owed(5)) == 1


def test_leased_keys_that_stay_are_missing_their_end() -> None:
    told = Told()
    told.put(1, b"/registry/leased/k", b"v")
    assert len(told.leases.missing()) == 1
