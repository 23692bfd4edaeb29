"""Renewals of Leases that arrive together leave together, and are answered together.

A frame of heartbeats holds dozens of updates that differ from what came ten seconds ago in two
places each. Those that ``verbs.renew`` has carried out before need no generator of their own: a
step looks at each for a moment, and all of one shard share a request to the store, one continuation
and one entry of the counts. Whatever is not quite such a renewal, and whatever the store does not
accept, goes the way of all requests from its beginning.
"""

from collections.abc import Callable, Sequence
from functools import partial

from api.errors import ApiError, ServiceUnavailable
from api.storage import OK, PUT, StoreReply, StoreRequest
from api.times import is_stored_micro_time, rfc3339
from apiserver.bodies import JSON_TYPE
from apiserver.ledger import Ledger
from apiserver.messages import Answer, FrameCall
from apiserver.metrics import Asked
from apiserver.outbox import Outbox
from apiserver.registry import Registry
from apiserver.renewals import Renewal
from apiserver.tasks import Tasks

LEASES = "coordination.k8s.io/leases"
LOST = "the store did not answer; the outcome of this request is unknown"
_ASKED = Asked("update", LEASES, "", "resource")
_answer = partial(tuple.__new__, Answer)
"""As Answer._make, without a count of the words."""


_Sent = tuple[FrameCall, Renewal, bytes, int]
"""A renewal under way: its value, and where in it the digits of the resourceVersion go."""


class RenewalLane:
    """``begin``: the way of all requests; ``refuse``: what an error is answered with; ``wrote``:
    told the shard and the newest revision written to it."""

    __slots__ = ("_begin", "_ledger", "_outbox", "_refuse", "_registry", "_tasks", "_wrote")

    def __init__(
        self,
        parts: tuple[Registry, Outbox, Ledger, Tasks],
        begin: Callable[[FrameCall], None],
        refuse: Callable[[int, ApiError], None],
        wrote: Callable[[int, int], None],
    ) -> None:
        self._registry, self._outbox, self._ledger, self._tasks = parts
        self._begin = begin
        self._refuse = refuse
        self._wrote = wrote

    def take(self, calls: Sequence[FrameCall]) -> Sequence[FrameCall]:
        """Send the renewals among the requests of a step. The others, in their order: what arrives
        in one step is concurrent, so they may come after."""
        registry = self._registry
        renewals, records = registry.renewals, registry.caches[LEASES].records
        if not renewals:
            return calls
        shard_of = registry.sharding.shard_of
        time = rfc3339(registry.now_ns).encode()
        room = self._tasks.room
        others: list[FrameCall] = []
        by_shard: dict[int, tuple[list[_Sent], list[StoreRequest]]] = {}
        seen = b""
        for call in calls:
            _, verb, resource, namespace, name, subresource, query, body, form, _, agent = call
            known = None
            if resource == LEASES and verb == "update" and room > 0:
                known = renewals.get((namespace, name))
            record = None if known is None else records.get(known.key)
            # A plain PUT of JSON that asks for nothing, by whom it came from the last time, of a
            # Lease that is as it was left.
            if (
                known is None
                or record is None
                or record.value != known.value
                or agent != known.agent
                or subresource
                or query
                or form not in ("", JSON_TYPE)
            ):
                others.append(call)
                continue
            # Most of a frame were written at one moment.
            if not (seen and known.is_of(body or b"", record.revision, seen)):
                moment = known.moment_of(body or b"", record.revision)
                if not (moment and is_stored_micro_time(moment.decode("latin-1"))):
                    others.append(call)
                    continue
                seen = moment
            value = known.renewed(seen, time)
            shard = known.shard
            if shard < 0:
                shard = known.shard = shard_of(LEASES, known.key)
            if shard not in by_shard:
                by_shard[shard] = ([], [])
            sent, requests = by_shard[shard]
            sent.append((call, known, value, record.offset))
            requests.append((PUT, known.key, known.header, value, record.revision, 0))
            room -= 1
        for shard, (sent, requests) in by_shard.items():
            self._send(shard, sent, requests)
        return others

    def _send(self, shard: int, sent: list[_Sent], requests: list[StoreRequest]) -> None:
        sent_ns = self._registry.now_ns
        self._tasks.together += len(sent)
        self._ledger.taken_up_together(_ASKED, len(sent))

        def replied(replies: Sequence[StoreReply] | None) -> None:
            self._tasks.together -= len(sent)
            if replies is None:
                self._ledger.lost_together(_ASKED, len(sent))
                for call, *_ in sent:
                    self._refuse(call.id, ServiceUnavailable(LOST, 1))
            else:
                self._done(shard, sent, replies, sent_ns)

        self._outbox.send_together(shard, requests, replied)

    def _done(
        self, shard: int, sent: list[_Sent], replies: Sequence[StoreReply], sent_ns: int
    ) -> None:
        ids: list[int] = []
        answers: list[Answer] = []
        again: list[FrameCall] = []
        newest = 0
        for (call, known, value, offset), reply in zip(sent, replies, strict=True):
            if reply[0] != OK:
                again.append(call)
                continue
            revision = newest = reply[1]
            known.value = value
            body = b"" if call.quiet else b"%b%d%b" % (value[:offset], revision, value[offset:])
            ids.append(call.id)
            answers.append(_answer((200, body, revision, "application/json", ())))
        if newest:
            self._wrote(shard, newest)
        self._ledger.answer_together(_ASKED, sent_ns, len(sent), ids, answers)
        for call in again:
            self._begin(call)
