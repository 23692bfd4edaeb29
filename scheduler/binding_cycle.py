"""From an assumed pod to a bound one. The answer to its binding confirms it or rolls it back; a
lost answer leaves the pod where it is until a look at the API server says what became of it."""

import json
from typing import Literal, NamedTuple

from api.calls import ApiReply
from scheduler.consultation import Consultation
from scheduler.extender import ExtenderAnswered
from scheduler.failures import Failure, Failures
from scheduler.measures import Attempt, Measures, Result
from scheduler.outgoing import Outgoing
from scheduler.pod_book import PodBook, PodRecord, Stage
from scheduler.queue import SchedulingQueue
from scheduler.volume_cycle import VolumeCycle
from scheduler.writes import binding, lookup, scheduled_event

LOOK_AFTER_NS = 1_000_000_000
"""A pod whose binding was lost is looked up after this, unless a watch tells first."""


class Sent(NamedTuple):
    """A binding without an answer."""

    attempt: Attempt | None
    """None: another has bound the pod meanwhile."""
    sent_ns: int


class BindingCycle:
    """Of all pods of the book."""

    def __init__(
        self,
        book: PodBook,
        queue: SchedulingQueue,
        outgoing: Outgoing,
        failures: Failures,
        consultation: Consultation | None,
    ) -> None:
        self.measures = Measures()
        """Of the whole scheduler; most of an attempt is its binding."""
        self._sent: dict[int, Sent] = {}
        """By request."""
        self.volumes = VolumeCycle(book, outgoing)
        self._book = book
        self._queue = queue
        self._outgoing = outgoing
        self._failures = failures
        self._consultation = consultation
        self._looks: dict[str, int] = {}
        """Uncertain pods and when to look them up, in order of time."""
        self.conflicts = 0

    @property
    def open(self) -> int:
        """Bindings without an answer."""
        return len(self._sent)

    def begin(self, pod: str, now_ns: int) -> None:
        """Have the claims of an assumed pod bound, then the pod."""
        record = self._book.records[pod]
        if not self.volumes.begin(pod, record, now_ns):
            self._bind(pod, record, now_ns)

    def go_on(self, now_ns: int, leading: bool) -> None:
        """With the pods whose claims are bound, or will not be."""
        for outcome in self.volumes.finished(now_ns, leading):
            record = self._book.records[outcome.pod]
            attempt = self._attempt(outcome.pod, record)
            if attempt is not None:
                bound = not outcome.trouble
                self.measures.volumes_awaited(attempt, bound, outcome.since_ns, now_ns)
            if outcome.trouble:
                self._book.roll_back(outcome.pod)
                self._queue.retry(outcome.pod, now_ns)
                self._failures.tell(record, Failure(outcome.trouble, error=True), now_ns)
            else:
                self._bind(outcome.pod, record, now_ns)

    def _bind(self, pod: str, record: PodRecord, now_ns: int) -> None:
        record.request = self._outgoing.number("bind", pod)
        self._sent[record.request] = Sent(self._attempt(pod, record), now_ns)
        if self._consultation is None or not self._consultation.bind(record):
            self._outgoing.send(binding(record.request, record.reference, record.node))

    def answered(
        self, call: Literal["bind", "look"], key: str, reply: ApiReply, now_ns: int
    ) -> None:
        """To a binding or a look-up."""
        sent = self._sent.pop(reply.id, None)
        if sent is not None and sent.attempt is not None and reply.code:
            bound = 200 <= reply.code < 300
            self.measures.bind_answered(sent.attempt, bound, sent.sent_ns, now_ns)
        record = self._book.records.get(key)
        if record is None or record.request != reply.id:
            return
        if call == "bind":
            self._bind_answered(key, record, reply, now_ns)
        else:
            self._look_answered(key, record, reply, now_ns)

    def failed(self, pod: str, record: PodRecord, result: Result, now_ns: int) -> None:
        """Count an attempt that came to nothing."""
        attempt = self._attempt(pod, record)
        if attempt is not None:
            self.measures.failed(attempt, result, now_ns)

    def _attempt(self, pod: str, record: PodRecord) -> Attempt | None:
        waiting = self._queue.attempt(pod)
        if waiting is None:
            return None
        profile = record.shape.key.profile
        return Attempt(profile, waiting.attempts, waiting.queued_ns, waiting.popped_ns)

    def extender_answered(self, event: ExtenderAnswered, now_ns: int) -> None:
        """The one that binds has."""
        assert self._consultation is not None
        key = self._outgoing.about(event.ask)
        record = self._book.records.get(key)
        answer = self._consultation.bound(event)
        if answer is None and record is not None and record.request == event.ask:
            self._outgoing.send(binding(event.ask, record.reference, record.node))
            return
        code, message = answer or (0, "")
        if message and record is not None and record.request == event.ask:
            self._failures.tell(record, Failure(message, error=True), now_ns)
        self._outgoing.answered(event.ask)
        self.answered("bind", key, ApiReply(event.ask, code, 0, b""), now_ns)

    def look_up(self, now_ns: int) -> None:
        """Ask for the pods whose binding was lost, when it is time."""
        due = []
        for key, due_ns in self._looks.items():
            if due_ns > now_ns:
                break
            due.append(key)
        for key in due:
            del self._looks[key]
            record = self._book.records[key]
            record.request = self._outgoing.number("look", key)
            self._outgoing.send(lookup(record.request, record.reference))

    def seen(self, key: str) -> None:
        """A watch has told of this pod."""
        if key in self._looks:
            record = self._book.records.get(key)
            if record is None or record.stage is not Stage.UNCERTAIN:
                del self._looks[key]

    def listed(self) -> None:
        """All pods were told."""
        for key in [key for key in self._looks if key not in self._book.records]:
            del self._looks[key]

    def next_wakeup_ns(self) -> int | None:
        times = (next(iter(self._looks.values()), None), self.volumes.next_wakeup_ns())
        return min((time for time in times if time is not None), default=None)

    def _bind_answered(self, key: str, record: PodRecord, reply: ApiReply, now_ns: int) -> None:
        record.request = 0
        if 200 <= reply.code < 300:
            self._book.confirm(key)
            request = self._outgoing.number("write")
            self._outgoing.send(scheduled_event(request, record.reference, record.node, now_ns))
        elif record.stage is Stage.ASSUMED and reply.code == 0:
            record.stage = Stage.UNCERTAIN
            self._looks[key] = now_ns + LOOK_AFTER_NS
        elif record.stage is Stage.ASSUMED:
            self.conflicts += 1
            self._book.roll_back(key)
            self._queue.retry(key, now_ns)
        elif record.stage is Stage.BOUND:
            self._book.confirm(key)

    def _look_answered(self, key: str, record: PodRecord, reply: ApiReply, now_ns: int) -> None:
        record.request = 0
        if record.stage is Stage.BOUND:
            self._book.confirm(key)
        if record.stage is not Stage.UNCERTAIN:
            return
        if reply.code == 200:
            pod = json.loads(reply.body)
            same = pod["metadata"]["uid"] == record.reference.uid
            if same and pod["spec"].get("nodeName"):
                self._book.see(pod)
                return
        elif reply.code != 404:
            self._looks[key] = now_ns + LOOK_AFTER_NS
            return
        # Not bound, or gone, which the watch will say.
        self._book.roll_back(key)
        self._queue.retry(key, now_ns)
