"""Who acts for which shard: one Lease each, held by one process, taken over when it falls silent.

A holder renews every ``retry_ns`` and acts only until ``renew_deadline_ns`` after it *sent* its
last granted renewal, by its own clock; others take a Lease only when it has not changed for
``duration_ns`` by theirs. As the deadline is shorter than the duration, two never act at once, as
long as clocks run equally fast. Clocks need not agree.

A free shard goes at once to the process whose first choice it is (the number at the end of its name
modulo the number of shards), to others after a short grace, so processes that start together share.

Source: client-go tools/leaderelection/leaderelection.go.
"""

from dataclasses import dataclass

from api.calls import ApiReply, ApiRequest
from api.core import JsonObject
from api.times import micro_time
from controllers.limits import LeaseLimits
from controllers.records import LEASES
from controllers.sync import body_of, create, ok, update

NAMESPACE = "kube-system"
PREFIX = "hollowfleet-controllers-"
SECOND = 1_000_000_000


@dataclass(slots=True)
class _Shard:
    lease: JsonObject | None = None
    """As last seen; None: it does not exist."""
    seen_ns: int = 0
    """When we saw it change, by our clock."""
    valid_until_ns: int = 0
    """We may act until then."""
    sent_ns: int = 0
    in_flight: bool = False
    try_at_ns: int = 0
    leading: bool = False


class Leadership:
    """Leads some of ``count`` shards in the name of ``holder``."""

    def __init__(self, holder: str, count: int, limits: LeaseLimits) -> None:
        assert count >= 1, "at least one shard"
        self._holder = holder
        self._limits = limits
        self._shards = [_Shard() for _ in range(count)]
        digits = holder[len(holder.rstrip("0123456789")) :]
        self._first_choice = int(digits or "0") % count
        self._started_ns: int | None = None

    def leads(self, shard: int, now_ns: int) -> bool:
        """We hold the shard and our right to act has not run out."""
        known = self._shards[shard]
        return known.leading and now_ns < known.valid_until_ns

    def held(self, now_ns: int) -> list[int]:
        return [shard for shard in range(len(self._shards)) if self.leads(shard, now_ns)]

    def observe(self, item: JsonObject, gone: bool, now_ns: int) -> None:
        """A Lease of kube-system was seen."""
        shard = self._shard_of(item["metadata"]["name"])
        if shard is None:
            return
        known = self._shards[shard]
        if gone:
            known.lease, known.seen_ns = None, now_ns
            return
        version = int(item["metadata"]["resourceVersion"])
        if known.lease is not None and int(known.lease["metadata"]["resourceVersion"]) >= version:
            return
        known.lease, known.seen_ns = item, now_ns
        if (item.get("spec") or {}).get("holderIdentity") != self._holder:
            known.leading = False
        known.try_at_ns = min(known.try_at_ns, self._due(known, now_ns))

    def _shard_of(self, name: str) -> int | None:
        text = name.removeprefix(PREFIX)
        if text == name or not (text.isascii() and text.isdigit()):
            return None
        return int(text) if int(text) < len(self._shards) else None

    def step(self, now_ns: int) -> list[tuple[int, ApiRequest]]:
        """Requests that are due, each with its shard. Called once the Leases have been listed."""
        if self._started_ns is None:
            self._started_ns = now_ns
            for shard, known in enumerate(self._shards):
                first = shard == self._first_choice
                known.try_at_ns = now_ns + (0 if first else self._limits.vacant_grace_ns)
        calls = []
        for shard, known in enumerate(self._shards):
            if known.leading and now_ns >= known.valid_until_ns:
                known.leading = False
            if known.in_flight or now_ns < known.try_at_ns:
                continue
            if self._due(known, now_ns) > now_ns:
                known.try_at_ns = self._due(known, now_ns)
                continue
            known.in_flight, known.sent_ns = True, now_ns
            calls.append((shard, self._request(shard, known, now_ns)))
        return calls

    def _due(self, known: _Shard, now_ns: int) -> int:
        """When we may ask for the Lease."""
        if known.lease is None:
            return now_ns
        spec = known.lease.get("spec") or {}
        if spec.get("holderIdentity", "") in ("", self._holder):
            return now_ns if not known.leading else known.try_at_ns
        duration_s: int = spec.get("leaseDurationSeconds", 0)
        return known.seen_ns + duration_s * SECOND

    def _request(self, shard: int, known: _Shard, now_ns: int) -> ApiRequest:
        now = micro_time(now_ns)
        name = f"{PREFIX}{shard}"
        spec: JsonObject = {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": self._limits.duration_ns // SECOND,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        }
        meta: JsonObject = {"name": name, "namespace": NAMESPACE}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        if known.lease is None:
            return create(LEASES, NAMESPACE, {**body, "metadata": meta, "spec": spec})
        before = known.lease.get("spec") or {}
        if before.get("holderIdentity") == self._holder:
            spec["acquireTime"] = before.get("acquireTime", now)
            spec["leaseTransitions"] = before.get("leaseTransitions", 0)
        else:
            spec["leaseTransitions"] = before.get("leaseTransitions", 0) + 1
        return update(LEASES, {**body, "metadata": known.lease["metadata"], "spec": spec})

    def answered(self, shard: int, reply: ApiReply, now_ns: int) -> bool:
        """Take the answer to a request; True when we have just begun to lead the shard."""
        known = self._shards[shard]
        known.in_flight = False
        known.try_at_ns = known.sent_ns + self._limits.retry_ns
        if not ok(reply):
            return False
        item = body_of(reply)
        if int(item["metadata"]["resourceVersion"]) >= _version(known.lease):
            known.lease, known.seen_ns = item, now_ns
        began = not known.leading
        known.leading = True
        known.valid_until_ns = known.sent_ns + self._limits.renew_deadline_ns
        return began and now_ns < known.valid_until_ns

    def next_wakeup_ns(self) -> int | None:
        times = [known.try_at_ns for known in self._shards if not known.in_flight]
        times += [known.valid_until_ns for known in self._shards if known.leading]
        return min(times) if times else None


def _version(item: JsonObject | None) -> int:
    if item is None:
        return 0
    version = int(item["metadata"]["resourceVersion"])
    return version
