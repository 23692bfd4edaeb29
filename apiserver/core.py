"""The API server as a core: facts in, orders out.

It holds the watch caches, the open watches and the requests under way, each a generator (see
``registry``) that waits for a shard, for a fresh cache or for a revision. Store requests of one
step leave as one frame for each shard.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import assert_never

from api.calls import DELETED
from api.errors import ApiError, BadRequest, InternalError, ServiceUnavailable, TooManyRequests
from api.storage import DELETE, OK, PUT, StoreReply
from apiserver.answers import answer_of_error
from apiserver.bootstrap import needs_care
from apiserver.cache import ResourceCache
from apiserver.caching import DEFAULT_CACHING, Caching
from apiserver.chores import RETRY_NS, Chores, is_chore
from apiserver.customs import DEFINITIONS
from apiserver.feed import START, Feed
from apiserver.identity import Identities
from apiserver.ledger import Ledger
from apiserver.messages import (
    Answer,
    CallsArrived,
    Effect,
    Event,
    FrameCall,
    HttpArrived,
    MessagesArrived,
    StoreEvents,
    StoreReplied,
    StoreStreamEnded,
    StreamOpened,
    StreamsBusy,
    StreamsClosed,
    StreamsDrained,
    User,
    WatchesArrived,
)
from apiserver.metrics import NOTHING_ASKED
from apiserver.negotiate import wants_yaml
from apiserver.outbox import Outbox
from apiserver.recent import CacheEvent
from apiserver.registry import (
    AnyVerb,
    FreshAsk,
    Registry,
    RevisionAsk,
    StoreAsk,
    TurnAsk,
    after_loads,
)
from apiserver.renewal_lane import LOST, RenewalLane
from apiserver.routes import verb_of_call, verb_of_http, verb_of_watch
from apiserver.sessions import OpenedLog, OpenedSession, Sessions
from apiserver.shards import Sharding
from apiserver.streams import Streams
from apiserver.tasks import TOO_MANY, Limits, Task, Tasks, counted_as
from apiserver.timers import Timers
from apiserver.untrusted import TOO_DEEP
from apiserver.watch import OpenedWatch

EVENTS = b"/registry/events/"


class ApiServerCore:
    """The machine. ``ready``: loaded and bootstrapped, requests are answered."""

    def __init__(
        self,
        sharding: Sharding,
        seed: int,
        name: str,
        limits: Limits,
        caching: Caching = DEFAULT_CACHING,
    ) -> None:
        self._registry = Registry(sharding, seed, name, caching.index)
        self._registry.lists_from_cache = caching.consistent_lists
        self._outbox = Outbox(sharding.count)
        self._streams = Streams(self._registry, caching)
        self._sessions = Sessions()
        self._feeds = [
            Feed(shards, self._outbox, self._find, self._happened, partial(self._advanced, group))
            for group, shards in enumerate(sharding.groups)
        ]
        self._feed_by_shard = {shard: feed for feed in self._feeds for shard in feed.shards}
        self._ledger = Ledger()
        self._registry.report = self._report
        self._registry.loading = lambda: any(feed.unsettled for feed in self._feeds)
        self._registry.custom.horizon_of = self._horizon_of
        self._tasks = Tasks(limits)
        self._timers = Timers()
        self._chores = Chores(self._registry, self._tasks, self._timers, self._start)
        self._lane = RenewalLane(
            (self._registry, self._outbox, self._ledger, self._tasks),
            self._begin_call,
            self._refuse,
            self._wrote,
        )
        self._opened: list[StreamOpened] = []
        self._started = False
        self._first: dict[bytes, ResourceCache] = {}
        self._second: dict[tuple[bytes, bytes], ResourceCache] = {}
        for key, cache in self._registry.caches.items():
            group, slash, plural = key.rpartition("/")
            if slash:
                self._second[group.encode(), plural.encode()] = cache
            else:
                self._first[plural.encode()] = cache

    @property
    def ready(self) -> bool:
        """Whether requests find all that a server has from its first start."""
        return self._chores.ready

    def introduce(self, identities: Identities) -> None:
        """Whose tokens are good: told by the shell before the first request."""
        self._registry.identities = identities

    def warn_of(self, unattended: Mapping[str, str]) -> None:
        """Kinds that nothing in this cluster acts on, with what is said of each new object."""
        self._registry.unattended = unattended

    def user_of_token(self, token: bytes, now_ns: int) -> User | None:
        """Whom a bearer token stands for. Reads only."""
        return self._registry.user_of_token(token, now_ns)

    # The mutator

    def step(self, events: Sequence[Event], now_ns: int) -> Sequence[Effect]:
        """Takes in what happened, in order, and says what is to be done. ``now_ns`` never goes
        back."""
        self._registry.now_ns = self._ledger.now_ns = now_ns
        if not self._started:
            self._started = True
            self._registry.begin(now_ns)
            for feed in self._feeds:
                feed.load()
        self._timers.run(now_ns)
        for event in events:
            self._take(event, now_ns)
        self._settle(now_ns)
        return self._effects(now_ns)

    def next_wakeup_ns(self) -> int | None:
        """When to step again if nothing happens before; None: not at all."""
        due_ns = self._timers.next_wakeup_ns()
        for other_ns in (self._streams.next_wakeup_ns(), self._sessions.next_wakeup_ns()):
            if other_ns is not None and (due_ns is None or other_ns < due_ns):
                due_ns = other_ns
        for feed in self._feeds:
            if feed.due_ns is not None and (due_ns is None or feed.due_ns < due_ns):
                due_ns = feed.due_ns
        return due_ns

    def _take(self, event: Event, now_ns: int) -> None:
        match event:
            case HttpArrived(requests):
                for request in requests:
                    if "yaml" in request.accept and wants_yaml(request.accept):
                        self._ledger.wants_yaml(request.id)
                    start = partial(verb_of_http, self._registry, request)
                    self._begin(request.id, start, request.impersonate or request.user)
            case CallsArrived(calls):
                loading = any(feed.unsettled for feed in self._feeds)
                for call in calls if loading else self._lane.take(calls):
                    self._begin_call(call)
            case WatchesArrived(watches):
                for watch in watches:
                    self._begin(watch.id, partial(verb_of_watch, self._registry, watch))
            case StoreReplied():
                self._outbox.replied(event)
            case StoreEvents(shard):
                self._feed_of(shard).arrived(event, now_ns)
            case StoreStreamEnded(shard):
                feed = self._feed_of(shard)
                if feed.stream_ended(event):
                    self._reload(feed)
            case StreamsClosed(streams):
                for stream in streams:
                    self._close(stream)
            case MessagesArrived(stream, messages):
                self._sessions.said(stream, messages)
            case StreamsBusy(streams):
                self._streams.busy.update(dict.fromkeys(streams))
            case StreamsDrained(streams):
                for stream in streams:
                    self._streams.busy.pop(stream, None)
            case _:
                assert_never(event)

    # Requests

    def _begin_call(self, call: FrameCall) -> None:
        self._begin(call.id, partial(verb_of_call, self._registry, call))

    def _begin(
        self, request_id: int, start: Callable[[], AnyVerb | Answer], user: User | None = None
    ) -> None:
        """``user``: who asks over HTTP, where limits hold."""
        registry = self._registry
        registry.asked = NOTHING_ASKED
        if self._tasks.full:
            self._ledger.answer(
                request_id,
                answer_of_error(TooManyRequests("too many requests, please try again later", 1)),
            )
            return
        try:
            verb = start()
        except Exception as fault:  # the supervisor of requests: routing, the first look at a body
            self._broke_off(request_id, fault)
            return
        self._ledger.taken_up(request_id, registry.asked)
        if isinstance(verb, Answer):
            self._ledger.answer(request_id, verb)
            return
        counted = counted_as(registry.asked) if user is not None else ""
        if not self._tasks.has_room(counted, user):
            verb.close()
            self._ledger.answer(request_id, TOO_MANY)
            return
        self._start(Task(request_id, verb, counted))

    def _broke_off(self, request_id: int, fault: Exception) -> None:
        """A request raised. A bug that one of them meets must not take the answers of its
        neighbours with it; kube-apiserver does the same (WithPanicRecovery)."""
        match fault:
            case ApiError():
                self._refuse(request_id, fault)
            case RecursionError():
                # What a client nests deeper than we follow is his fault.
                self._refuse(request_id, BadRequest(TOO_DEEP))
            case _:
                self._crashed(request_id, fault)

    def _start(self, task: Task) -> None:
        for unsettled in self._feeds:
            if unsettled.unsettled and self.ready:
                loading = [group for group, feed in enumerate(self._feeds) if feed.unsettled]
                task.verb = after_loads(loading, task.verb)
                break
        self._tasks.add(task)
        self._resume(task, None)

    def _resume(self, task: Task, value: object) -> None:
        """Run a request until it waits again or is done."""
        if task.closed:
            return
        try:
            ask = task.verb.send(value)
        except StopIteration as end:
            self._done(task, end.value)
            return
        except Exception as fault:  # the supervisor of requests
            self._tasks.pop(task.id)
            self._broke_off(task.id, fault)
            return
        match ask:
            case StoreAsk(shard, request):
                task.sent, task.sent_ns = request, self._registry.now_ns
                self._outbox.send(shard, request, partial(self._store_replied, task, shard))
            case FreshAsk(group):
                self._feeds[group].fresh(partial(self._fresh, task))
            case RevisionAsk(group, revision, wait_ns):
                self._wait_for_revision(task, group, revision, wait_ns)
            case TurnAsk(key):
                self._registry.turns.take(key, partial(self._turn, task))
            case _:
                assert_never(ask)

    def _turn(self, task: Task) -> bool:
        """It is a request's turn. False when nobody waits for it any more."""
        if task.closed:
            return False
        self._resume(task, None)
        return True

    def _done(self, task: Task, result: Answer | OpenedWatch | OpenedSession) -> None:
        self._tasks.pop(task.id)
        if is_chore(task.id):
            self._chores.done(task.id)
            return
        if isinstance(result, Answer):
            self._ledger.answer(task.id, result)
            return
        if not isinstance(result, OpenedWatch):
            self._ledger.count(task.id, 200 if isinstance(result, OpenedLog) else 101)
            self._sessions.open(result, self._registry.now_ns)
            return
        self._ledger.count(task.id, 200)
        if not result.over_frames:
            self._opened.append(StreamOpened(task.id, result.content_type))
        self._streams.open(result)

    def _crashed(self, request_id: int, bug: Exception) -> None:
        self._ledger.crashed(request_id, bug)
        self._refuse(request_id, InternalError(f"{type(bug).__name__}: {bug}"))

    def _store_replied(self, task: Task, shard: int, reply: StoreReply | None) -> None:
        if reply is None:
            self._fail(task, LOST)
            return
        operation, key = task.sent[:2]
        # Nobody waits for an Event, and every third write is one.
        if reply[0] == OK and operation in (PUT, DELETE) and not key.startswith(EVENTS):
            self._wrote(shard, reply[1])
        self._ledger.stored(task.id, task.sent, task.sent_ns)
        self._resume(task, reply)

    def _wrote(self, shard: int, revision: int) -> None:
        self._feed_by_shard[shard].wrote(revision)

    def _fresh(self, task: Task, answered: bool) -> None:
        if answered:
            self._resume(task, None)
        else:
            self._fail(task, "the store did not answer")

    def _fail(self, task: Task, message: str) -> None:
        if not task.closed:
            task.closed = True
            task.verb.close()
            self._tasks.pop(task.id)
            self._refuse(task.id, ServiceUnavailable(message, 1))

    def _wait_for_revision(self, task: Task, group: int, revision: int, wait_ns: int) -> None:
        """Whatever comes first: the revision or the time. The other one then finds it settled."""
        settled = False

        def settle(reached: bool) -> None:
            nonlocal settled
            if not settled:
                settled = True
                self._resume(task, reached)

        self._feeds[group].reached(revision, settle)
        if not settled:
            self._timers.at(self._registry.now_ns + wait_ns, partial(settle, False))

    def _refuse(self, request_id: int, error: ApiError) -> None:
        if is_chore(request_id):
            self._chores.failed(request_id)
        else:
            self._ledger.answer(request_id, answer_of_error(error))

    def _report(self) -> str:
        caches = self._registry.caches.values()
        held = {cache.kind: len(cache.records) for cache in caches if cache.records}
        return self._ledger.text(self._streams.by_kind(), held)

    def _close(self, stream: int) -> None:
        self._ledger.forget(stream)
        task = self._tasks.pop(stream)
        if task is not None:
            task.closed = True
            task.verb.close()
        self._streams.close(stream)
        self._sessions.close(stream)

    # The store

    def _find(self, key: bytes) -> ResourceCache | None:
        end = key.find(b"/", len(START))
        cache = self._first.get(key[len(START) : end]) if end > 0 else None
        if cache is not None:
            return cache
        parts = key.split(b"/", 4)
        if len(parts) < 4:
            return None
        cache = self._second.get((parts[2], parts[3]))
        if cache is None and len(parts) == 5:
            cache = self._registry.custom.cache_of(parts[2], parts[3])
        return cache

    def _horizon_of(self, resource: str) -> int:
        return self._feeds[self._registry.sharding.group_of(resource)].horizon

    def _feed_of(self, shard: int) -> Feed:
        return self._feed_by_shard[shard]

    def _happened(self, resource: str, events: Sequence[CacheEvent]) -> None:
        self._streams.tell(resource, events, self._registry.now_ns)
        if DELETED in [event.type for event in events]:
            self._registry.custom.departed(resource)
        if needs_care(resource, events):
            self._chores.care_in_next_round()
        if resource == "pods" and len(self._sessions):
            for event in events:
                self._sessions.happened(event)

    def _advanced(self, group: int, frontier: int) -> None:
        self._registry.frontiers[group] = frontier
        feed = self._feeds[group]
        if feed.unsettled:
            feed.unsettled = False
            if group == self._registry.sharding.group_of(DEFINITIONS):
                self._registry.custom.loaded()
            for cache in self._registry.caches.values():
                if self._registry.group(cache.kind) == group:
                    cache.forget(feed.horizon)

    def _reload(self, feed: Feed) -> None:
        """The store no longer has what followed: forget all, tell every watcher to list anew."""
        group = self._feeds.index(feed)
        if group == self._registry.sharding.group_of(DEFINITIONS):
            self._registry.custom.loading()
        for cache in self._registry.caches.values():
            if self._registry.group(cache.kind) == group:
                self._streams.expire(cache.kind.key)
                cache.clear()
        feed.load()

    def _settle(self, now_ns: int) -> None:
        """What follows from the events of this step as a whole."""
        registry = self._registry
        registry.turns.run()
        for feed in self._feeds:
            if feed.to_load:
                feed.to_load.clear()
                self._timers.at(now_ns + RETRY_NS, partial(self._reload, feed))
        if self._chores.ready:
            if registry.custom.catch_up() or registry.custom.lost:
                self._end_changed_watches()
            self._chores.keep_definitions()
        elif all(feed.ready for feed in self._feeds):
            self._chores.bootstrap()
        for feed in self._feeds:
            feed.ask(now_ns)

    def _end_changed_watches(self) -> None:
        """Those of kinds whose definition is another one now."""
        lost = self._registry.custom.lost
        for resource in lost:
            self._streams.expire(resource)
        lost.clear()

    # Orders

    def _effects(self, now_ns: int) -> Sequence[Effect]:
        effects: list[Effect] = []
        for feed in self._feeds:
            if feed.to_open:
                effects += feed.to_open
                feed.to_open.clear()
        effects += self._outbox.drain()
        effects += self._ledger.effects()
        if self._opened:
            effects += self._opened
            self._opened = []
        effects += self._streams.effects(now_ns)
        effects += self._sessions.effects(now_ns)
        return effects

    def gauges(self) -> dict[str, float]:
        """Lengths of what is held, for the supervisor."""
        caches = self._registry.caches.values()
        return {
            "requests_in_flight": float(len(self._tasks)),
            "watchers": float(len(self._streams)),
            "sessions": float(len(self._sessions)),
            "store_calls_in_flight": float(len(self._outbox)),
            "objects": float(sum(len(cache.records) for cache in caches)),
            "pod_specs": float(len(self._registry.pod_specs)),
            "pod_endings": float(len(self._registry.pod_endings)),
            "events_kept": float(sum(len(cache.events) for cache in caches)),
            "watch_encodes": float(sum(cache.encodes for cache in caches)),
            "watch_encoded_bytes": float(sum(cache.encoded_bytes for cache in caches)),
            "list_objects_decoded": float(self._registry.decoded),
        }

    def check(self) -> None:
        """Raises InvariantError if parts do not fit together. For tests and campaigns: slow."""
        for cache in self._registry.caches.values():
            cache.check()
        for feed in self._feeds:
            feed.check()
        self._streams.check()
        self._tasks.check()
