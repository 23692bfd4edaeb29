"""The controllers as one component: watch events in, calls out.

What is seen goes into the view and wakes keys; keys of shards that this process leads are synced,
many at once but each key only once; answers resume the syncs that wait for them. Writes to
Deployments, ReplicaSets and Namespaces are taken into the view when they are answered, so a sync
that follows does not work on an older picture than its predecessor wrote.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

from api.calls import (
    DELETED,
    ApiReply,
    ApiRequest,
    Calls,
    CallsDone,
    ComponentEvent,
    ObjectsSeen,
    Texts,
    WatchReset,
    WatchSpec,
    WatchSynced,
)
from api.core import InvariantError, JsonObject
from api.kinds import SERVED
from api.leadership import NAMESPACE as LEASE_NAMESPACE
from api.leadership import Leadership
from controllers.customs import DEFINITIONS, CustomResources
from controllers.deployment import DeploymentController
from controllers.garbage_collector import GarbageCollector
from controllers.hollow_provisioner import HollowProvisioner
from controllers.lease_texts import LeaseTexts
from controllers.limits import ControllerLimits
from controllers.namespace import NamespaceController
from controllers.node_lifecycle import NodeLifecycleController
from controllers.pod_collector import PodCollector
from controllers.reconciler import Reconciler
from controllers.records import (
    CLAIMS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    QUOTAS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STORAGE_CLASSES,
    VOLUMES,
)
from controllers.replicaset import ReplicaSetController
from controllers.resource_quota import ResourceQuotaController
from controllers.service_account import ServiceAccountController
from controllers.sync import Sync, body_of, ok
from controllers.view import Change, View
from controllers.volume_binder import VolumeBinder
from controllers.volume_protection import VolumeProtection
from controllers.workqueue import TokenBucket, WorkQueue

WATCHED = (
    NAMESPACES,
    NODES,
    LEASES,
    SERVICE_ACCOUNTS,
    CONFIG_MAPS,
    SERVICES,
    DEPLOYMENTS,
    REPLICA_SETS,
    STORAGE_CLASSES,
    VOLUMES,
    CLAIMS,
    QUOTAS,
    PODS,
)
OTHERS: Final = tuple(key for key in SERVED if key not in (*WATCHED, DEFINITIONS, EVENTS))
"""Kinds that are followed for the sake of owner references alone. Events are not, as there."""
NODE_LEASES = "kube-node-lease"
LEASE_PREFIX = "hollowfleet-controllers-"
"""A shard's Lease has this prefix and its number. A process first tries for the shard whose number
its own name ends with."""
_WRITES = ("create", "update", "patch")
_WRITTEN_THROUGH = (DEPLOYMENTS, REPLICA_SETS, NAMESPACES, CLAIMS, VOLUMES)


def _watches_of(customs: Iterable[str]) -> tuple[WatchSpec, ...]:
    """What there is from the start, the definitions, and what they make."""
    return (
        *(WatchSpec(resource, resource, as_text=resource == LEASES) for resource in WATCHED),
        WatchSpec(DEFINITIONS, DEFINITIONS, optional=True),
        *(WatchSpec(resource, resource, optional=True) for resource in customs),
    )


@dataclass(slots=True)
class _Flight:
    """A sync that waits for answers."""

    lane: "_Lane"
    key: str
    shard: int
    sync: Sync
    answers: list[ApiReply | None] = field(default_factory=list)
    missing: int = 0


@dataclass(slots=True)
class _Lane:
    """A controller with its queue and its client's limits."""

    controller: Reconciler
    queue: WorkQueue[str]
    workers: int
    bucket: TokenBucket
    waiting: deque[ApiRequest] = field(default_factory=deque)
    flights: dict[str, _Flight] = field(default_factory=dict)


class ControllersCore:
    """Component (api.calls) of kube-controller-manager's role. ``holder``: the process's name."""

    def __init__(
        self, holder: str, shards: int, limits: ControllerLimits, only: Sequence[str] = ()
    ) -> None:
        """``only``: names of the controllers to run; empty: all."""
        self._limits = limits
        self._shards = shards
        self._view = View(WATCHED)
        self._customs = CustomResources()
        self._watches = _watches_of(())
        digits = holder[len(holder.rstrip("0123456789")) :]
        leases = [f"{LEASE_PREFIX}{shard}" for shard in range(shards)]
        self._leadership = Leadership(holder, leases, limits.leases, int(digits or "0") % shards)
        self._nodes = NodeLifecycleController(self._view, limits.nodes)
        self._lanes = [
            _Lane(
                controller,
                WorkQueue(limits.retries),
                workers,
                TokenBucket(limits.qps, limits.burst),
            )
            for controller, workers in self._controllers()
            if not only or controller.name in only
        ]
        self._lease_texts = LeaseTexts()
        self._takers: dict[int, tuple[_Flight, int, str] | None] = {}
        self._leases_open: dict[int, int] = {}
        self._next_id = 1
        self._now_ns = 0
        self._more = False
        self._listing = False
        """The Leases are being listed: each one counts."""
        self._served = 0

    def _controllers(self) -> list[tuple[Reconciler, int]]:
        limits, view = self._limits, self._view
        return [
            (self._nodes, limits.node_workers),
            (DeploymentController(view), limits.workers),
            (ReplicaSetController(view, limits.replica_sets), limits.workers),
            (ServiceAccountController(view), limits.workers),
            (
                GarbageCollector(view, self._customs, limits.gc_reads_first),
                limits.gc_workers,
            ),
            (NamespaceController(view, limits.namespace_grace_ns), limits.namespace_workers),
            (PodCollector(view, limits.collector_period_ns), limits.workers),
            (VolumeBinder(view), 1),
            (VolumeProtection(view), 1),
            (ResourceQuotaController(view), limits.workers),
            (HollowProvisioner(view), limits.workers),
        ]

    @property
    def watches(self) -> Sequence[WatchSpec]:
        """The same tuple until a definition comes or goes."""
        return self._watches

    @property
    def view(self) -> View:
        return self._view

    def gauges(self) -> dict[str, float]:
        """Lengths of queues and counts, for the supervisor."""
        out: dict[str, float] = {
            "shards_led": len(self._leadership.held(self._now_ns)),
            "syncs_total": self._served,
        }
        for lane in self._lanes:
            name = lane.controller.name
            out[f"{name}_queue"] = len(lane.queue)
            out[f"{name}_syncs_open"] = len(lane.flights)
            out[f"{name}_calls_waiting"] = len(lane.waiting)
        return out

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[Calls]:
        self._now_ns = now_ns
        out: list[ApiRequest] = []
        for event in events:
            match event:
                case ObjectsSeen():
                    self._see(event, now_ns)
                case CallsDone():
                    for reply in event.replies:
                        self._answer(reply, now_ns)
                case WatchReset() | WatchSynced() if event.watch == DEFINITIONS:
                    self._definitions_listed(isinstance(event, WatchSynced), now_ns)
                case WatchReset() | WatchSynced() if not self._view.watches(event.watch):
                    # Of a custom resource whose definition has just gone.
                    continue
                case WatchReset():
                    if event.watch == LEASES:
                        self._listing = True
                        self._lease_texts.forget()
                    self._view.reset(event.watch)
                case WatchSynced():
                    self._synced(event.watch, now_ns)
        if self._view.synced:
            self._lead(out, now_ns)
            self._run(now_ns)
        for lane in self._lanes:
            for recorder in lane.controller.recorders:
                for request in recorder.take():
                    self._send(lane, request, None)
            while lane.waiting and lane.bucket.try_take(now_ns):
                out.append(lane.waiting.popleft())
        return [Calls(out)] if out else []

    def next_wakeup_ns(self) -> int | None:
        if not self._view.synced:
            return None
        if self._more:
            return self._now_ns
        times = [self._leadership.next_wakeup_ns()]
        for lane in self._lanes:
            times += [lane.queue.next_wakeup_ns(), lane.controller.next_due_ns()]
            if lane.waiting:
                times.append(lane.bucket.next_ns(self._now_ns))
        return min((time for time in times if time is not None), default=None)

    def check(self) -> None:
        self._view.check()
        for lane in self._lanes:
            if len(lane.flights) != lane.queue.processing:
                raise InvariantError(f"{lane.controller.name}: syncs and keys in work differ")
            for flight in lane.flights.values():
                if flight.missing <= 0:
                    raise InvariantError(f"{lane.controller.name}: {flight.key} waits for nothing")

    # Watching.

    def _see(self, event: ObjectsSeen, now_ns: int) -> None:
        resource = event.watch
        if resource == DEFINITIONS:
            self._see_definitions(event, now_ns)
            return
        if resource == LEASES:
            self._see_leases(event, now_ns)
        elif self._view.watches(resource):
            for kind, item, revision in zip(
                event.types, event.objects, event.revisions, strict=True
            ):
                self._see_object(resource, kind, item, revision)

    def _see_object(self, resource: str, kind: int, item: JsonObject, revision: int) -> None:
        now_ns = self._now_ns
        if kind == DELETED:
            for change in self._view.deleted(resource, item):
                self._notice(change, now_ns)
            return
        seen = self._view.seen(resource, item, revision)
        if seen is not None:
            self._notice(seen, now_ns)

    def _see_leases(self, event: ObjectsSeen, now_ns: int) -> None:
        texts = event.objects if isinstance(event.objects, Texts) else None
        places: Sequence[int] = range(len(event.objects))
        if texts is not None and not self._listing:
            names, places = self._lease_texts.take(event, texts)
            self._nodes.heard(names, now_ns)
        for place in places:
            kind, item = event.types[place], event.objects[place]
            if not self._see_lease(item, kind == DELETED, now_ns):
                self._see_object(LEASES, kind, item, event.revisions[place])
            elif texts is not None:
                self._lease_texts.learn(texts.encoded[place], item["metadata"]["name"])

    def _see_definitions(self, event: ObjectsSeen, now_ns: int) -> None:
        for kind, item in zip(event.types, event.objects, strict=True):
            if kind == DELETED:
                self._customs.deleted(item)
            else:
                self._customs.seen(item)
        self._follow_customs(now_ns)

    def _definitions_listed(self, done: bool, now_ns: int) -> None:
        if done:
            self._customs.finish()
            self._follow_customs(now_ns)
        else:
            self._customs.reset()

    def _follow_customs(self, now_ns: int) -> None:
        """Watch what definitions make, and forget what they make no more. From the first one on,
        watch all other kinds too: whoever brings kinds of his own owns objects of any."""
        wanted = list(self._customs.keys())
        known = [spec.resource for spec in self._watches[len(WATCHED) + 1 :]]
        others = [] if not wanted and not known else list(OTHERS)
        if [*others, *wanted] == known:
            return
        for resource in known:
            if resource not in wanted and resource not in OTHERS:
                for change in self._view.drop(resource):
                    self._notice(change, now_ns)
        for resource in (*others, *wanted):
            self._view.add(resource)
        self._watches = _watches_of((*others, *wanted))

    def _see_lease(self, item: JsonObject, gone: bool, now_ns: int) -> bool:
        """Leases of shards and heartbeats; True when that is all there is to see."""
        meta = item["metadata"]
        namespace = meta.get("namespace", "")
        if namespace == LEASE_NAMESPACE:
            self._leadership.observe(item, gone, now_ns)
        elif namespace == NODE_LEASES and not gone:
            self._nodes.heard((meta["name"],), now_ns)
            # A renewal of a known Lease changes nothing that anyone reads.
            known = self._view.get(LEASES, f"{namespace}/{meta['name']}")
            same = known is not None and known.uid == meta.get("uid")
            return same and not self._listing and "deletionTimestamp" not in meta
        return False

    def _synced(self, resource: str, now_ns: int) -> None:
        if resource == LEASES:
            self._listing = False
        for change in self._view.finish(resource):
            self._notice(change, now_ns)
        for lane in self._lanes:
            lane.controller.relisted(resource)

    def _notice(self, change: Change, now_ns: int) -> None:
        for lane in self._lanes:
            for key in lane.controller.notice(change, now_ns):
                if self._mine(lane, key):
                    lane.queue.add(key)

    def _shard_of(self, lane: _Lane, key: str) -> int:
        return crc32(lane.controller.home(key).encode()) % self._shards

    def _mine(self, lane: _Lane, key: str) -> bool:
        return self._leadership.leads(self._shard_of(lane, key), self._now_ns)

    # Leading.

    def _lead(self, out: list[ApiRequest], now_ns: int) -> None:
        for shard, request in self._leadership.step(now_ns):
            number = self._number()
            self._leases_open[number] = shard
            out.append(request._replace(id=number))
        for lane in self._lanes:
            for flight in list(lane.flights.values()):
                if not self._leadership.leads(flight.shard, now_ns):
                    self._abandon(flight)

    def _abandon(self, flight: _Flight) -> None:
        """The shard is another's now: what was sent is sent, nothing follows."""
        flight.sync.close()
        del flight.lane.flights[flight.key]
        flight.lane.queue.done(flight.key)
        flight.lane.queue.drop(flight.key)
        flight.missing = 0

    def _take_over(self, shard: int) -> None:
        for lane in self._lanes:
            for key in lane.controller.all_keys():
                if self._shard_of(lane, key) == shard:
                    lane.queue.add(key)

    # Syncing.

    def _run(self, now_ns: int) -> None:
        budget = self._limits.syncs_per_step_max
        self._more = False
        for lane in self._lanes:
            for key in lane.controller.due(now_ns):
                if self._mine(lane, key):
                    lane.queue.add(key)
            # Also with no worker free: a key that is due and not in line asks for a step at once.
            lane.queue.ripen(now_ns)
            while len(lane.flights) < lane.workers:
                if budget <= 0:
                    self._more = self._more or len(lane.queue) > 0
                    break
                key_taken = lane.queue.take(now_ns)
                if key_taken is None:
                    break
                budget -= 1
                self._start(lane, key_taken, now_ns)

    def _start(self, lane: _Lane, key: str, now_ns: int) -> None:
        shard = self._shard_of(lane, key)
        if not self._leadership.leads(shard, now_ns):
            lane.queue.done(key)
            lane.queue.drop(key)
            return
        self._served += 1
        flight = _Flight(lane, key, shard, lane.controller.sync(key, now_ns))
        lane.flights[key] = flight
        self._advance(flight, None, now_ns)

    def _advance(self, flight: _Flight, replies: Sequence[ApiReply] | None, now_ns: int) -> None:
        """Run the sync up to its next calls or its end."""
        lane = flight.lane
        try:
            calls = next(flight.sync) if replies is None else flight.sync.send(replies)
        except StopIteration as stop:
            del lane.flights[flight.key]
            lane.queue.done(flight.key)
            if stop.value.failed:
                lane.queue.add_rate_limited(flight.key, now_ns)
                return
            lane.queue.forget(flight.key)
            if stop.value.again_at_ns:
                lane.queue.add_at(flight.key, stop.value.again_at_ns)
            return
        assert calls, "a sync yields at least one call"
        flight.answers = [None] * len(calls)
        flight.missing = len(calls)
        for index, request in enumerate(calls):
            written = request.resource if request.verb in _WRITES else ""
            self._send(lane, request, (flight, index, written))

    def _send(
        self, lane: _Lane, request: ApiRequest, taker: tuple[_Flight, int, str] | None
    ) -> None:
        number = self._number()
        self._takers[number] = taker
        lane.waiting.append(request._replace(id=number))

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id

    def _answer(self, reply: ApiReply, now_ns: int) -> None:
        shard = self._leases_open.pop(reply.id, None)
        if shard is not None:
            if self._leadership.answered(shard, reply, now_ns):
                self._take_over(shard)
            return
        taker = self._takers.pop(reply.id, None)
        if taker is None:
            return
        flight, index, written = taker
        if written in _WRITTEN_THROUGH and ok(reply):
            self._write_through(written, reply, now_ns)
        if flight.missing <= 0:
            return
        flight.answers[index] = reply
        flight.missing -= 1
        if flight.missing == 0:
            answers = [answer for answer in flight.answers if answer is not None]
            self._advance(flight, answers, now_ns)

    def _write_through(self, resource: str, reply: ApiReply, now_ns: int) -> None:
        """What an answer shows of an object that syncs read whole."""
        if not reply.revision or not reply.body:
            return
        seen = self._view.seen(resource, body_of(reply), reply.revision)
        if seen is not None:
            self._notice(seen, now_ns)
