"""Events as client-go's recorder writes them: counted, gathered when alike, and limited.

- The same event again becomes a patch of ``count``.
- From the tenth event on that differs from its kin only by message, one event stands for all.
- An object's events have a bucket of 25, refilled by one in five minutes; what exceeds it is not
  written. So a ReplicaSet of 1,000 pods costs 25 event writes, as in Kubernetes.

Source: client-go tools/record/events_cache.go, event.go.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.calls import STRATEGIC_PATCH, ApiRequest
from api.core import JsonObject
from api.times import rfc3339
from controllers.records import EVENTS
from controllers.workqueue import TokenBucket

NORMAL: Final = "Normal"
WARNING: Final = "Warning"
CACHE_MAX: Final = 4096
ALIKE_MAX: Final = 10
ALIKE_INTERVAL_NS: Final = 600 * 1_000_000_000
SPAM_BURST: Final = 25
SPAM_QPS: Final = 1 / 300.0


class Subject(NamedTuple):
    """The object that an event is about."""

    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str
    revision: str


def subject_of(kind: str, api_version: str, item: JsonObject) -> Subject:
    meta = item["metadata"]
    return Subject(
        kind,
        api_version,
        meta.get("namespace", ""),
        meta["name"],
        meta.get("uid", ""),
        str(meta.get("resourceVersion", "")),
    )


@dataclass(slots=True)
class _Written:
    name: str
    count: int
    first_ns: int


@dataclass(slots=True)
class _Alike:
    messages: dict[str, None]
    last_ns: int


class EventRecorder:
    """Turns happenings into calls on events; bounded memory, oldest forgotten."""

    def __init__(self, component: str) -> None:
        self._component = component
        self._written: OrderedDict[tuple[object, ...], _Written] = OrderedDict()
        self._alike: OrderedDict[tuple[object, ...], _Alike] = OrderedDict()
        self._buckets: OrderedDict[tuple[object, ...], TokenBucket] = OrderedDict()
        self._calls: list[ApiRequest] = []
        self._sequence = 0

    def take(self) -> list[ApiRequest]:
        """The calls recorded since the last take."""
        calls, self._calls = self._calls, []
        return calls

    def record(self, subject: Subject, kind: str, reason: str, message: str, now_ns: int) -> None:
        """``kind``: Normal or Warning."""
        alike_key = (subject[:5], kind, reason)
        message, group = self._gather(alike_key, message, now_ns)
        written = self._written.get((alike_key, group))
        if not self._bucket(subject).try_take(now_ns):
            # As in client-go, an event that is not written is counted all the same.
            if written is not None:
                written.count += 1
            return
        if written is None:
            self._create(subject, (kind, reason, message), (alike_key, group), now_ns)
        else:
            written.count += 1
            self._patch(subject, written, message, now_ns)

    def _gather(self, key: tuple[object, ...], message: str, now_ns: int) -> tuple[str, str]:
        """The message to write and what tells the event from others of the same key."""
        alike = self._alike.get(key)
        if alike is None or now_ns - alike.last_ns > ALIKE_INTERVAL_NS:
            alike = self._alike[key] = _Alike({}, now_ns)
            if len(self._alike) > CACHE_MAX:
                self._alike.popitem(last=False)
        alike.last_ns = now_ns
        alike.messages[message] = None
        if len(alike.messages) < ALIKE_MAX:
            return message, message
        del alike.messages[next(iter(alike.messages))]
        return f"(combined from similar events): {message}", ""

    def _bucket(self, subject: Subject) -> TokenBucket:
        key = subject[:5]
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(SPAM_QPS, SPAM_BURST)
            if len(self._buckets) > CACHE_MAX:
                self._buckets.popitem(last=False)
        return bucket

    def _create(
        self,
        subject: Subject,
        what: tuple[str, str, str],
        key: tuple[object, ...],
        now_ns: int,
    ) -> None:
        kind, reason, message = what
        namespace = subject.namespace or "default"
        # Several events of one moment need different names.
        self._sequence += 1
        name = f"{subject.name}.{now_ns + self._sequence:x}"
        self._written[key] = _Written(name, 1, now_ns)
        if len(self._written) > CACHE_MAX:
            self._written.popitem(last=False)
        body: JsonObject = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": _reference(subject),
            "reason": reason,
            "message": message,
            "source": {"component": self._component},
            "firstTimestamp": rfc3339(now_ns),
            "lastTimestamp": rfc3339(now_ns),
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
        self._calls.append(ApiRequest(0, "create", EVENTS, namespace, "", "", "", body, "", True))

    def _patch(self, subject: Subject, written: _Written, message: str, now_ns: int) -> None:
        namespace = subject.namespace or "default"
        body = {"count": written.count, "lastTimestamp": rfc3339(now_ns), "message": message}
        self._calls.append(
            ApiRequest(
                0, "patch", EVENTS, namespace, written.name, "", "", body, STRATEGIC_PATCH, True
            )
        )


def _reference(subject: Subject) -> JsonObject:
    reference: JsonObject = {
        "kind": subject.kind,
        "name": subject.name,
        "uid": subject.uid,
        "apiVersion": subject.api_version,
    }
    if subject.namespace:
        reference["namespace"] = subject.namespace
    if subject.revision:
        reference["resourceVersion"] = subject.revision
    return reference
