"""An API server core over real store cores, in one thread, on a clock of the test's own.

No socket, disk or sleep: effects of one core are events of the other, carried at once or, for the
tests of merging, when the test says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

import store.messages as store_words
from api.core import JsonObject
from apiserver.core import ApiServerCore
from apiserver.messages import (
    Answer,
    Answers,
    CallsArrived,
    EndStreams,
    Event,
    FrameCall,
    FrameWatch,
    HttpArrived,
    HttpRequest,
    OpenStoreWatch,
    SendMessages,
    SessionOpened,
    StoreCall,
    StoreEvents,
    StoreReplied,
    StoreStreamEnded,
    StreamBodies,
    StreamBytes,
    StreamOpened,
    StreamsClosed,
    Upgrade,
    User,
    WatchesArrived,
)
from apiserver.shards import ShardBy, Sharding
from apiserver.tasks import Limits
from store.core import StoreCore, StoreSettings

ADMIN = User("admin", ("system:masters", "system:authenticated"))
ALICE = User("alice", ("dev", "system:authenticated"), "u-alice")
START_NS = 1_790_000_000 * 10**9


class Shard:
    """A store core with a disk that is never full."""

    def __init__(self, number: int) -> None:
        self.core = StoreCore(StoreSettings(shard=number, watermark_period_ns=10**15))
        self.out: list[store_words.StoreEffect] = []

    def take(self, events: Sequence[store_words.StoreEvent], now_ns: int) -> None:
        todo: list[store_words.StoreEvent] = list(events)
        for _ in range(100):
            persisted: list[store_words.StoreEvent] = []
            for effect in self.core.step(todo, now_ns):
                if isinstance(effect, store_words.Append):
                    last = effect.first_index + len(effect.records) - 1
                    persisted.append(store_words.Persisted(last))
                elif isinstance(effect, store_words.SendWatchFrames):
                    self.out += [replace(effect, watchers=(one,)) for one in effect.watchers]
                else:
                    self.out.append(effect)
            todo = persisted
            wakeup = self.core.next_wakeup_ns()
            if not todo and (wakeup is None or wakeup > now_ns):
                return
        raise AssertionError("the store does not come to rest")


@dataclass
class HttpStream:
    """What an HTTP watch has got so far."""

    content_type: str
    chunks: list[bytes] = field(default_factory=list)
    ended: str | None = None

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def events(self) -> list[tuple[str, JsonObject]]:
        parsed = [orjson.loads(line) for line in self.data.splitlines()]
        return [(event["type"], event["object"]) for event in parsed]


@dataclass
class Session:
    """What the client of a command has got so far."""

    protocol: str
    messages: list[bytes] = field(default_factory=list)
    ended: str | None = None

    def of(self, channel: int) -> bytes:
        """Everything of one channel."""
        return b"".join(one[1:] for one in self.messages if one[0] == channel)


@dataclass
class FrameStream:
    """What a frame watch has got so far."""

    bodies: list[tuple[Any, ...]] = field(default_factory=list)
    ended: str | None = None


class Rig:
    """One API server and its shards."""

    def __init__(
        self,
        shards: int = 1,
        shard_by: ShardBy = "kind",
        stores: list[Shard] | None = None,
        first_id: int = 0,
        limits: Limits | None = None,
    ) -> None:
        """``first_id``: where the numbers of calls begin; two rigs on the same shards differ."""
        self.now_ns = START_NS
        self.stores = stores or [Shard(number) for number in range(shards)]
        self.core = ApiServerCore(
            Sharding(shard_by, len(self.stores)), 7, "test", limits or Limits(1000)
        )
        self.answers: dict[int, Answer] = {}
        self.http: dict[int, HttpStream] = {}
        self.frames: dict[int, FrameStream] = {}
        self.sessions: dict[int, Session] = {}
        self.held: set[int] = set()
        """Shards whose watch frames the test holds back."""
        self.late: dict[int, list[StoreEvents]] = {}
        self._calls: dict[int, tuple[int, Sequence[int]]] = {}
        self._watchers: dict[int, int] = {}
        self._next = first_id
        self.store_watches: dict[int, int] = {}
        """Shard to the number of its newest stream."""
        self.step([])
        assert self.core.ready

    def step(self, events: Sequence[Event]) -> None:
        """Give the core these events and carry everything that follows, until all is quiet."""
        todo: list[Event] = list(events)
        for _ in range(10_000):
            effects = self.core.step(todo, self.now_ns)
            self.core.check()
            todo = []
            for effect in effects:
                self._carry(effect)
            for shard in range(len(self.stores)):
                todo += self._from_store(shard)
            wakeup = self.core.next_wakeup_ns()
            if not todo and not effects and (wakeup is None or wakeup > self.now_ns):
                return
        raise AssertionError("the API server does not come to rest")

    def _carry(self, effect: Any) -> None:
        match effect:
            case StoreCall(shard, ids, requests):
                self._next += 1
                self._calls[self._next] = (shard, ids)
                arrived = store_words.RequestsArrived([self._next], [requests])
                self.stores[shard].take([arrived], self.now_ns)
            case OpenStoreWatch(shard, watch, revision):
                self._next += 1
                self._watchers[self._next] = shard
                self.store_watches[shard] = watch
                opened = store_words.WatchOpened(self._next, b"/registry/", revision, False)
                self.stores[shard].take([opened], self.now_ns)
            case Answers(ids, answers):
                self.answers.update(zip(ids, answers, strict=True))
            case StreamOpened(stream, content_type):
                self.http[stream] = HttpStream(content_type)
            case StreamBytes(streams, chunks):
                for stream, chunk in zip(streams, chunks, strict=True):
                    assert self.http[stream].ended is None, "told after its end"
                    self.http[stream].chunks.append(chunk)
            case SessionOpened(stream, protocol):
                self.sessions[stream] = Session(protocol)
            case SendMessages(streams, messages):
                for stream, batch in zip(streams, messages, strict=True):
                    self.sessions[stream].messages += batch
            case StreamBodies(streams, bodies):
                for stream, body in zip(streams, bodies, strict=True):
                    assert self.frames[stream].ended is None, "told after its end"
                    self.frames[stream].bodies.append(body)
            case EndStreams(streams, reasons):
                for stream, reason in zip(streams, reasons, strict=True):
                    many = (self.http, self.sessions, self.frames)
                    next(of[stream] for of in many if stream in of).ended = reason
            case _:
                raise AssertionError(effect)

    def _from_store(self, shard: int) -> list[Event]:
        out, self.stores[shard].out = self.stores[shard].out, []
        events: list[Event] = []
        for effect in out:
            match effect:
                case store_words.Reply(calls, replies):
                    for call, reply in zip(calls, replies, strict=True):
                        _, ids = self._calls.pop(call)
                        events.append(StoreReplied(shard, ids, reply))
                case store_words.SendWatchFrames((watcher,), changes, watermark):
                    if self._watchers.get(watcher) == shard:
                        body = StoreEvents(shard, self.store_watches[shard], changes, watermark)
                        if shard in self.held:
                            self.late.setdefault(shard, []).append(body)
                        else:
                            events.append(body)
                    else:
                        # Of another rig on the same shard, or of a stream that was lost.
                        self.stores[shard].out.append(effect)
                case store_words.EndWatch(watcher, reason):
                    if self._watchers.pop(watcher, None) is not None:
                        events.append(self.stream_end(shard, reason))
                case _:
                    pass
        return events

    def release(self, shard: int) -> None:
        """Deliver what was held back of a shard's watch stream."""
        self.held.discard(shard)
        self.step(self.late.pop(shard, []))

    def lose_stream(self, shard: int) -> None:
        """The connection of a shard's watch stream breaks; what was under way is lost."""
        for watcher, of in list(self._watchers.items()):
            if of == shard:
                del self._watchers[watcher]
                self.stores[shard].take([store_words.WatchClosed(watcher)], self.now_ns)
        self.late.pop(shard, None)
        self.held.discard(shard)
        self.step([self.stream_end(shard, "lost")])

    def stream_end(self, shard: int, reason: str) -> StoreStreamEnded:
        """The end of the newest stream of a shard, to be given to a step."""
        return StoreStreamEnded(shard, self.store_watches[shard], reason)

    def run(self, seconds: float) -> None:
        """Let time pass, stopping at each timer."""
        end_ns = self.now_ns + int(seconds * 10**9)
        while True:
            wakeup = self.core.next_wakeup_ns()
            if wakeup is None or wakeup > end_ns:
                break
            self.now_ns = max(self.now_ns, wakeup)
            self.step([])
        self.now_ns = end_ns
        self.step([])

    # Clients

    def start(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "",
        accept: str = "",
        user: User = ADMIN,
        upgrade: Upgrade | None = None,
    ) -> int:
        """Send an HTTP request; return its id."""
        self._next += 1
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        bare, _, query = path.partition("?")
        request = HttpRequest(
            self._next, user, method, bare, query, raw, content_type, accept, "golden/1.0"
        )._replace(upgrade=upgrade)
        self.step([HttpArrived([request])])
        return request.id

    def call(self, method: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
        """Send an HTTP request and return code and parsed body."""
        answer = self.ask(method, path, body, **more)
        return answer.code, orjson.loads(answer.body) if answer.body else None

    def ask(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        request = self.start(method, path, body, **more)
        if request not in self.answers:
            self.run(4)
        return self.answers.pop(request)

    def watch(self, path: str, **more: Any) -> HttpStream:
        request = self.start("GET", path, **more)
        if request not in self.http:
            self.run(4)
        return self.http[request]

    def frame_calls(self, *calls: tuple[Any, ...]) -> list[Answer]:
        """Send a batch of calls as ``api.calls`` words them; return the answers."""
        made = []
        for words in calls:
            self._next += 1
            full = [*words, *("", "", "", "", "", None, "", False)[len(words) - 1 :]]
            made.append(FrameCall(self._next, *full))
        self.step([CallsArrived(made)])
        return [self.answers.pop(call.id) for call in made]

    def frame_watch(
        self, resource: str, namespace: str = "", labels: str = "", fields: str = "", since: int = 0
    ) -> FrameStream:
        self._next += 1
        stream = self.frames[self._next] = FrameStream()
        self.step(
            [WatchesArrived([FrameWatch(self._next, resource, namespace, labels, fields, since)])]
        )
        return stream

    def close(self, stream: int) -> None:
        self.step([StreamsClosed([stream])])

    def namespace(self, name: str) -> None:
        """A namespace with the ServiceAccount that a controller would make."""
        code, _ = self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert code == 201
        path = f"/api/v1/namespaces/{name}/serviceaccounts"
        code, _ = self.call("POST", path, {"metadata": {"name": "default"}})
        assert code == 201
