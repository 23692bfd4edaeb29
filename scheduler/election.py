"""A scheduler that acts only while it holds kube-scheduler's Lease; others stand by.

Who stands by follows the Lease and nothing else, as kube-scheduler with delayCacheUntilActive. Pods
and nodes are listed when the Lease is won: a list that is asked for then names every pod that an
earlier holder had bound by then, while a watch that was there before may be behind without a word,
and rooms would be given away twice. A leader that cannot renew stands by, and goes on where it was
when it can again; when another held the Lease meanwhile, it lists anew.

A Lease is no fence, here as in Kubernetes. What a holder sent last has the time between the end of
its right and that of the Lease to arrive; a binding that comes later may find its room taken.

Differences from kube-scheduler, which ends its process when it loses the Lease and names holders
anew at each start: here the name of the program is the holder, so one that restarts goes on without
waiting for its own Lease to run out.

Source: cmd/kube-scheduler/app/server.go (leader election, DelayCacheUntilActive),
apis/config/v1/defaults.go, v1.36.
"""

from collections.abc import Sequence

from api.calls import (
    DELETED,
    ApiReply,
    ApiRequest,
    Calls,
    CallsDone,
    ObjectsSeen,
    WatchReset,
    WatchSpec,
    WatchSynced,
)
from api.leadership import LEASES, NAMESPACE, Leadership, LeaseLimits
from scheduler.leader import SchedulerCore, SchedulerEffect, SchedulerEvent

LEASE = "kube-scheduler"
"""Name of the Lease. Source: SchedulerDefaultLockObjectName."""
ELECTION = "election"
WATCH = WatchSpec(ELECTION, LEASES, NAMESPACE, field_selector=f"metadata.name={LEASE}")


class ElectedScheduler:
    """A Component with the events and effects of SchedulerCore."""

    def __init__(
        self, core: SchedulerCore, holder: str, first: bool, limits: LeaseLimits | None = None
    ) -> None:
        """``first``: a free Lease is ours at once, and after a grace anybody's."""
        core.leading = False
        self.core = core
        self._leadership = Leadership(
            holder, (LEASE,), limits or LeaseLimits(), first_choice=0 if first else 1
        )
        self._holder = holder
        self._following = False
        """Pods, nodes and the rest are watched: from a win until another has the Lease."""
        self._watches: tuple[Sequence[WatchSpec], Sequence[WatchSpec]] = (
            (WATCH,),
            (*core.watches, WATCH),
        )
        """Standing by, and following."""
        self._listed = False
        self._last_id = 0
        """Of our requests; they count downwards, those of the core upwards."""
        self._resigned = False

    @property
    def watches(self) -> Sequence[WatchSpec]:
        return self._watches[self._following]

    def step(self, events: Sequence[SchedulerEvent], now_ns: int) -> Sequence[SchedulerEffect]:
        rest: list[SchedulerEvent] = []
        for event in events:
            match event:
                case CallsDone(replies):
                    rest.append(CallsDone(self._answered(replies, now_ns)))
                case WatchReset(watch) | WatchSynced(watch) if watch == ELECTION:
                    self._listed = isinstance(event, WatchSynced)
                case ObjectsSeen(watch, types, objects) if watch == ELECTION:
                    for kind, item in zip(types, objects, strict=True):
                        self._leadership.observe(item, kind == DELETED, now_ns)
                case _:
                    rest.append(event)
        calls = self._election_calls(now_ns)
        self.core.leading = self._leadership.leads(0, now_ns)
        if self._follow():
            # What was known before is of no use until the lists are complete.
            rest = [*(WatchReset(spec.name) for spec in self.core.watches), *rest]
        effects = self.core.step(rest, now_ns)
        return [Calls(calls), *effects] if calls else effects

    def next_wakeup_ns(self) -> int | None:
        times = [self.core.next_wakeup_ns()]
        if self._listed and not self._resigned:
            times.append(self._leadership.next_wakeup_ns())
        return min((time for time in times if time is not None), default=None)

    def check(self) -> None:
        self.core.check()

    def gauges(self) -> dict[str, float]:
        return self.core.gauges() | {"leading": float(self.core.leading)}

    def resign(self, now_ns: int) -> list[ApiRequest]:
        """Decide nothing more, and give the Lease back if it is ours: the requests to send."""
        self._resigned = True
        self.core.leading = False
        return [self._numbered(request) for _, request in self._leadership.resign(now_ns)]

    def _follow(self) -> bool:
        """Whether we begin to follow."""
        if not self._following:
            self._following = self.core.leading
            return self._following
        if self._leadership.holder(0) != self._holder:
            self._following = self.core.leading = False
        return False

    def _election_calls(self, now_ns: int) -> list[ApiRequest]:
        if not self._listed or self._resigned:
            return []
        return [self._numbered(request) for _, request in self._leadership.step(now_ns)]

    def _numbered(self, request: ApiRequest) -> ApiRequest:
        self._last_id -= 1
        return request._replace(id=self._last_id)

    def _answered(self, replies: Sequence[ApiReply], now_ns: int) -> list[ApiReply]:
        """Take what is ours; the rest is the core's."""
        others = [reply for reply in replies if reply.id >= 0]
        for reply in replies:
            if reply.id < 0 and not self._resigned:
                self._leadership.answered(0, reply, now_ns)
        return others
