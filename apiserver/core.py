"""The API server as a core: facts in, orders out.

It holds the watch caches, the open watches and the requests under way, each a generator (see
``registry``) that waits for a shard, for a fresh cache or for a revision. Store requests of one
step leave as one frame for each shard.
"""

import heapq
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from api.calls import DELETED
from api.errors import ApiError, BadRequest, InternalError, ServiceUnavailable, TooManyRequests
from api.storage import StoreReply
from apiserver.answers import answer_of_error
from apiserver.bootstrap import ROUND_NS, bootstrap, look_after, needs_care
from apiserver.cache import CacheEvent, ResourceCache
from apiserver.customs import DEFINITIONS
from apiserver.definitions import kept
from apiserver.feed import Feed
from apiserver.identity import Identities
from apiserver.messages import (
    Answer,
    Answers,
    CallsArrived,
    Crashed,
    Effect,
    Event,
    HttpArrived,
    MessagesArrived,
    OpenStoreWatch,
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
from apiserver.metrics import NOTHING_ASKED, Asked, Metrics
from apiserver.outbox import Outbox
from apiserver.registry import AnyVerb, FreshAsk, Registry, RevisionAsk, StoreAsk, after_loads
from apiserver.routes import verb_of_call, verb_of_http, verb_of_watch
from apiserver.sessions import OpenedLog, OpenedSession, Sessions
from apiserver.shards import Sharding
from apiserver.streams import BOOKMARK_NS, Streams
from apiserver.tasks import TOO_MANY, Limits, Task, Tasks, counted_as
from apiserver.untrusted import TOO_DEEP
from apiserver.watch import OpenedWatch

_BOOTSTRAP = -1
_DEFINITIONS = -2
_CARE = -3
"""Ids of the server's own tasks; those of requests are not negative."""
_REFUSED = (NOTHING_ASKED, 0)
RETRY_NS = 100_000_000
"""Pause before a shard that failed while loading is loaded again, or its stream opened again."""


class ApiServerCore:
    """The machine. ``ready``: loaded and bootstrapped, requests are answered."""

    def __init__(
        self,
        sharding: Sharding,
        seed: int,
        name: str,
        limits: Limits,
        bookmark_ns: int = BOOKMARK_NS,
    ) -> None:
        self._registry = Registry(sharding, seed, name)
        self._outbox = Outbox(sharding.count)
        self._streams = Streams(self._registry, bookmark_ns)
        self._sessions = Sessions()
        self._feeds = [
            Feed(shards, self._outbox, self._find, self._happened, partial(self._advanced, group))
            for group, shards in enumerate(sharding.groups)
        ]
        self._metrics = Metrics()
        self._registry.report = self._report
        self._registry.custom.horizon_of = self._horizon_of
        self._under_way: dict[int, tuple[Asked, int]] = {}
        """What each request that has no answer yet is about, and when it was taken up."""
        self._tasks = Tasks(limits)
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._answered: tuple[list[int], list[Answer]] = ([], [])
        self._opened: list[StreamOpened] = []
        self._crashes: list[Crashed] = []
        self._started = False
        self._care_due = False
        self._bootstrapping = False
        self._definitions_wait = False
        """The store did not answer: they are looked at again after a while."""
        self.ready = False
        self._first: dict[bytes, ResourceCache] = {}
        self._second: dict[tuple[bytes, bytes], ResourceCache] = {}
        for key, cache in self._registry.caches.items():
            group, slash, plural = key.rpartition("/")
            if slash:
                self._second[group.encode(), plural.encode()] = cache
            else:
                self._first[plural.encode()] = cache

    def introduce(self, identities: Identities) -> None:
        """Whose tokens are good: told by the shell before the first request."""
        self._registry.identities = identities

    def user_of_token(self, token: bytes, now_ns: int) -> User | None:
        """Whom a bearer token stands for. Reads only."""
        return self._registry.user_of_token(token, now_ns)

    # The mutator

    def step(self, events: Sequence[Event], now_ns: int) -> Sequence[Effect]:
        self._registry.now_ns = now_ns
        if not self._started:
            self._started = True
            self._registry.begin(now_ns)
            for feed in self._feeds:
                feed.load()
        while self._timers and self._timers[0][0] <= now_ns:
            heapq.heappop(self._timers)[2]()
        for event in events:
            self._take(event, now_ns)
        self._settle(now_ns)
        return self._effects(now_ns)

    def next_wakeup_ns(self) -> int | None:
        own = self._timers[0][0] if self._timers else None
        dues = (own, self._streams.next_wakeup_ns(), self._sessions.next_wakeup_ns())
        return min((due for due in dues if due is not None), default=None)

    def _take(self, event: Event, now_ns: int) -> None:
        match event:
            case HttpArrived(requests):
                for request in requests:
                    start = partial(verb_of_http, self._registry, request)
                    self._begin(request.id, start, request.impersonate or request.user)
            case CallsArrived(calls):
                for call in calls:
                    self._begin(call.id, partial(verb_of_call, self._registry, call))
            case WatchesArrived(watches):
                for watch in watches:
                    self._begin(watch.id, partial(verb_of_watch, self._registry, watch))
            case StoreReplied():
                self._outbox.replied(event)
            case StoreEvents(shard, changes, watermark):
                self._feed_of(shard).arrived(shard, changes, watermark, now_ns)
            case StoreStreamEnded(shard, reason):
                self._stream_ended(shard, reason, now_ns)
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

    def _begin(
        self, request_id: int, start: Callable[[], AnyVerb | Answer], user: User | None = None
    ) -> None:
        """``user``: who asks over HTTP, where limits hold."""
        registry = self._registry
        registry.asked = NOTHING_ASKED
        if self._tasks.full:
            self._answer(
                request_id,
                answer_of_error(TooManyRequests("too many requests, please try again later", 1)),
            )
            return
        try:
            verb = start()
        except ApiError as error:
            self._refuse(request_id, error)
            return
        except RecursionError:
            self._refuse(request_id, BadRequest(TOO_DEEP))
            return
        except Exception as bug:
            self._crashed(request_id, bug)
            return
        self._under_way[request_id] = registry.asked, registry.now_ns
        if isinstance(verb, Answer):
            self._answer(request_id, verb)
            return
        counted = counted_as(registry.asked) if user is not None else ""
        if not self._tasks.has_room(counted, user):
            verb.close()
            self._answer(request_id, TOO_MANY)
            return
        self._start(Task(request_id, verb, counted))

    def _start(self, task: Task) -> None:
        loading = [group for group, feed in enumerate(self._feeds) if feed.unsettled]
        if self.ready and loading:
            task.verb = after_loads(loading, task.verb)
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
        except ApiError as error:
            self._tasks.pop(task.id)
            self._refuse(task.id, error)
            return
        except RecursionError:
            # What a client nests deeper than we follow is his fault.
            self._tasks.pop(task.id)
            self._refuse(task.id, BadRequest(TOO_DEEP))
            return
        except Exception as bug:
            # The supervisor of requests: a bug that one of them meets must not take the answers
            # of its neighbours with it. kube-apiserver does the same (WithPanicRecovery).
            self._tasks.pop(task.id)
            self._crashed(task.id, bug)
            return
        match ask:
            case StoreAsk(shard, request):
                task.sent, task.sent_ns = request, self._registry.now_ns
                self._outbox.send(shard, request, partial(self._store_replied, task))
            case FreshAsk(group):
                self._feeds[group].fresh(partial(self._fresh, task))
            case RevisionAsk(group, revision, wait_ns):
                self._wait_for_revision(task, group, revision, wait_ns)
            case _:
                assert_never(ask)

    def _done(self, task: Task, result: Answer | OpenedWatch | OpenedSession) -> None:
        self._tasks.pop(task.id)
        if task.id == _BOOTSTRAP:
            self.ready = True
            for cache in self._registry.caches.values():
                cache.forget(self._registry.frontier(cache.kind))
            return
        if task.id in (_DEFINITIONS, _CARE):
            return
        if isinstance(result, Answer):
            self._answer(task.id, result)
            return
        if not isinstance(result, OpenedWatch):
            self._count(task.id, 200 if isinstance(result, OpenedLog) else 101)
            self._sessions.open(result, self._registry.now_ns)
            return
        self._count(task.id, 200)
        if not result.over_frames:
            self._opened.append(StreamOpened(task.id, result.content_type))
        self._streams.open(result)

    def _crashed(self, request_id: int, bug: Exception) -> None:
        text = "".join(traceback.format_exception(bug))
        self._crashes.append(Crashed(request_id, text))
        self._refuse(request_id, InternalError(f"{type(bug).__name__}: {bug}"))

    def _store_replied(self, task: Task, reply: StoreReply | None) -> None:
        if reply is None:
            self._fail(task, "the store did not answer; the outcome of this request is unknown")
            return
        asked = self._under_way.get(task.id)
        if asked is not None and asked[0].resource:
            duration_ns = self._registry.now_ns - task.sent_ns
            self._metrics.stored(task.sent, asked[0].resource, duration_ns)
        self._resume(task, reply)

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
            self._at(self._registry.now_ns + wait_ns, partial(settle, False))

    def _refuse(self, request_id: int, error: ApiError) -> None:
        if request_id == _DEFINITIONS:
            self._definitions_wait = True
            self._at(self._registry.now_ns + RETRY_NS, self._retry_definitions)
            return
        if request_id == _CARE:
            self._care_in_next_round()
            return
        if request_id == _BOOTSTRAP:
            # Only a store that does not answer fails it: try again.
            self._at(self._registry.now_ns + RETRY_NS, self._forget_bootstrap)
            return
        self._answer(request_id, answer_of_error(error))

    def _forget_bootstrap(self) -> None:
        self._bootstrapping = False

    def _answer(self, request_id: int, answer: Answer) -> None:
        self._count(request_id, answer.code)
        ids, answers = self._answered
        ids.append(request_id)
        answers.append(answer)

    def _count(self, request_id: int, code: int) -> None:
        asked, begun_ns = self._under_way.pop(request_id, _REFUSED)
        begun_ns = begun_ns or self._registry.now_ns
        self._metrics.answered(asked, code, self._registry.now_ns - begun_ns)

    def _report(self) -> str:
        caches = self._registry.caches.values()
        return self._metrics.text(
            [asked for asked, _ in self._under_way.values()],
            self._streams.by_kind(),
            {cache.kind: len(cache.records) for cache in caches if cache.records},
        )

    def _close(self, stream: int) -> None:
        self._under_way.pop(stream, None)
        task = self._tasks.pop(stream)
        if task is not None:
            task.closed = True
            task.verb.close()
        self._streams.close(stream)
        self._sessions.close(stream)

    # The store

    def _find(self, key: bytes) -> ResourceCache | None:
        parts = key.split(b"/", 4)
        if len(parts) < 4:
            return None
        cache = self._first.get(parts[2])
        if cache is None:
            cache = self._second.get((parts[2], parts[3]))
        if cache is None and len(parts) == 5:
            cache = self._registry.custom.cache_of(parts[2], parts[3])
        return cache

    def _horizon_of(self, resource: str) -> int:
        return self._feeds[self._registry.sharding.group_of(resource)].horizon

    def _feed_of(self, shard: int) -> Feed:
        return next(feed for feed in self._feeds if shard in feed.shards)

    def _happened(self, resource: str, event: CacheEvent) -> None:
        self._streams.tell(resource, event, self._registry.now_ns)
        if event.type == DELETED:
            self._registry.custom.departed(resource)
        if needs_care(resource, event):
            self._care_in_next_round()
        if resource == "pods" and len(self._sessions):
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

    def _stream_ended(self, shard: int, reason: str, now_ns: int) -> None:
        feed = self._feed_of(shard)
        if feed.stream_ended(shard, reason):
            self._reload(feed)

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
        for feed in self._feeds:
            if feed.to_load:
                feed.to_load.clear()
                self._at(now_ns + RETRY_NS, partial(self._reload, feed))
        if not self.ready:
            self._bootstrap()
        else:
            self._keep_definitions()
        for feed in self._feeds:
            feed.ask()

    def _bootstrap(self) -> None:
        if self._bootstrapping or not all(feed.ready for feed in self._feeds):
            return
        self._bootstrapping = True
        self._start(Task(_BOOTSTRAP, bootstrap(self._registry)))

    def _keep_definitions(self) -> None:
        """End watches of kinds that have changed, and see to definitions that have."""
        custom = self._registry.custom
        custom.catch_up()
        for resource in custom.lost:
            self._streams.expire(resource)
        custom.lost.clear()
        if custom.news and _DEFINITIONS not in self._tasks and not self._definitions_wait:
            self._start(Task(_DEFINITIONS, kept(self._registry)))

    def _retry_definitions(self) -> None:
        self._definitions_wait = False
        self._registry.custom.look_again()

    def _care_in_next_round(self) -> None:
        if not self._care_due:
            self._care_due = True
            now_ns = self._registry.now_ns
            self._at(now_ns + ROUND_NS - now_ns % ROUND_NS, self._care)

    def _care(self) -> None:
        self._care_due = False
        if _CARE in self._tasks:
            self._care_in_next_round()
        else:
            self._start(Task(_CARE, look_after(self._registry)))

    def _at(self, due_ns: int, action: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._timers, (due_ns, self._sequence, action))

    # Orders

    def _effects(self, now_ns: int) -> Sequence[Effect]:
        effects: list[Effect] = []
        for feed in self._feeds:
            effects.extend(OpenStoreWatch(shard, revision) for shard, revision in feed.to_open)
            feed.to_open.clear()
        effects.extend(self._outbox.drain())
        ids, answers = self._answered
        if ids:
            self._answered = ([], [])
            effects.append(Answers(ids, answers))
        effects.extend(self._crashes)
        self._crashes = []
        effects.extend(self._opened)
        self._opened = []
        effects.extend(self._streams.effects(now_ns))
        effects.extend(self._sessions.effects(now_ns))
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
            "events_kept": float(sum(len(cache.events) for cache in caches)),
        }

    def check(self) -> None:
        for cache in self._registry.caches.values():
            cache.check()
        for feed in self._feeds:
            feed.check()
        self._streams.check()
        self._tasks.check()
