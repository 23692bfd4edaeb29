"""Who acts where only one may: each such role has a Lease, held by one process at a time.

A holder renews every ``retry_ns`` and acts only until ``renew_deadline_ns`` after it *sent* its
last granted renewal, by its own clock; others take a Lease only when it has not changed for
``duration_ns`` by theirs. As the deadline is shorter than the duration, two never act at once, as
long as clocks run equally fast. Clocks need not agree.

A free role goes at once to the process whose first choice it is, to others after a short grace, so
processes that start together share. A holder that stops may give its Lease back, and is followed at
once; one that restarts under its name goes on. Unlike client-go, Leases are watched, not polled.

Source: client-go tools/leaderelection/leaderelection.go.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from api.calls import ApiReply, ApiRequest
from api.core import JsonObject
from api.times import micro_time

LEASES = "coordination.k8s.io/leases"
NAMESPACE = "kube-system"
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LeaseLimits:
    """Source: client-go tools/leaderelection, defaults of kube-controller-manager and
    kube-scheduler."""

    duration_ns: int = 15 * SECOND
    renew_deadline_ns: int = 10 * SECOND
    """A leader that could not renew for so long stops acting."""
    retry_ns: int = 2 * SECOND
    vacant_grace_ns: int = SECOND // 2
    """A free role that is another one's first choice is left to it for so long."""


@dataclass(slots=True)
class _Role:
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
    """Leads some of ``roles``, named by their Leases, as ``holder``."""

    def __init__(
        self, holder: str, roles: Sequence[str], limits: LeaseLimits, first_choice: int
    ) -> None:
        """``first_choice``: number of a role; of none when there is no such number."""
        assert roles, "at least one role"
        self._holder = holder
        self._limits = limits
        self._names = list(roles)
        self._number = {name: number for number, name in enumerate(roles)}
        self._roles = [_Role() for _ in roles]
        self._first_choice = first_choice
        self._started_ns: int | None = None

    def leads(self, role: int, now_ns: int) -> bool:
        """We hold the role and our right to act has not run out."""
        known = self._roles[role]
        return known.leading and now_ns < known.valid_until_ns

    def holder(self, role: int) -> str:
        """Who has the Lease as it was last seen; empty: nobody."""
        lease = self._roles[role].lease or {}
        holder: str = (lease.get("spec") or {}).get("holderIdentity") or ""
        return holder

    def held(self, now_ns: int) -> list[int]:
        """The roles that this process leads now, by number."""
        return [role for role in range(len(self._roles)) if self.leads(role, now_ns)]

    def observe(self, item: JsonObject, gone: bool, now_ns: int) -> None:
        """A Lease of kube-system was seen."""
        role = self._number.get(item["metadata"]["name"])
        if role is None:
            return
        known = self._roles[role]
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

    def step(self, now_ns: int) -> list[tuple[int, ApiRequest]]:
        """Requests that are due, each with its role. Called once the Leases have been listed."""
        if self._started_ns is None:
            self._started_ns = now_ns
            for role, known in enumerate(self._roles):
                first = role == self._first_choice
                known.try_at_ns = now_ns + (0 if first else self._limits.vacant_grace_ns)
        calls = []
        for role, known in enumerate(self._roles):
            if known.leading and now_ns >= known.valid_until_ns:
                known.leading = False
            if known.in_flight or now_ns < known.try_at_ns:
                continue
            if self._due(known, now_ns) > now_ns:
                known.try_at_ns = self._due(known, now_ns)
                continue
            known.in_flight, known.sent_ns = True, now_ns
            calls.append((role, self._request(role, known, now_ns)))
        return calls

    def _due(self, known: _Role, now_ns: int) -> int:
        """When we may ask for the Lease."""
        if known.lease is None:
            return now_ns
        spec = known.lease.get("spec") or {}
        if spec.get("holderIdentity", "") in ("", self._holder):
            return now_ns if not known.leading else known.try_at_ns
        duration_s: int = spec.get("leaseDurationSeconds", 0)
        return known.seen_ns + duration_s * SECOND

    def _request(self, role: int, known: _Role, now_ns: int) -> ApiRequest:
        now = micro_time(now_ns)
        name = self._names[role]
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
            return _create({**body, "metadata": meta, "spec": spec})
        before = known.lease.get("spec") or {}
        if before.get("holderIdentity") == self._holder:
            spec["acquireTime"] = before.get("acquireTime", now)
            spec["leaseTransitions"] = before.get("leaseTransitions", 0)
        else:
            spec["leaseTransitions"] = before.get("leaseTransitions", 0) + 1
        return _update({**body, "metadata": known.lease["metadata"], "spec": spec})

    def resign(self, now_ns: int) -> list[tuple[int, ApiRequest]]:
        """Stop leading for good: the requests that give back what we hold."""
        calls = []
        for role, known in enumerate(self._roles):
            if not known.leading or known.lease is None:
                continue
            known.leading, known.in_flight = False, True
            now = micro_time(now_ns)
            before = known.lease["spec"]
            spec = {
                "holderIdentity": "",
                "leaseDurationSeconds": 1,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": before.get("leaseTransitions", 0),
            }
            calls.append((role, _update({**known.lease, "spec": spec})))
        return calls

    def answered(self, role: int, reply: ApiReply, now_ns: int) -> bool:
        """Take the answer to a request; True when we have just begun to lead the role."""
        known = self._roles[role]
        known.in_flight = False
        known.try_at_ns = known.sent_ns + self._limits.retry_ns
        if not 200 <= reply.code < 300:
            return False
        item: JsonObject = json.loads(reply.body)
        if int(item["metadata"]["resourceVersion"]) >= _version(known.lease):
            known.lease, known.seen_ns = item, now_ns
        began = not known.leading
        known.leading = True
        known.valid_until_ns = known.sent_ns + self._limits.renew_deadline_ns
        return began and now_ns < known.valid_until_ns

    def next_wakeup_ns(self) -> int | None:
        """When a lease is tried or runs out next; None while all wait for answers."""
        times = [known.try_at_ns for known in self._roles if not known.in_flight]
        times += [known.valid_until_ns for known in self._roles if known.leading]
        return min(times) if times else None


def _version(item: JsonObject | None) -> int:
    if item is None:
        return 0
    version = int(item["metadata"]["resourceVersion"])
    return version


def _create(item: JsonObject) -> ApiRequest:
    return ApiRequest(0, "create", LEASES, NAMESPACE, body=item)


def _update(item: JsonObject) -> ApiRequest:
    name = item["metadata"]["name"]
    return ApiRequest(0, "update", LEASES, NAMESPACE, name, body=item)
