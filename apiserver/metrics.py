"""What kube-apiserver counts, under its names, counted cheaply and written out when asked for.

A duration is that of the core's clock: from the step in which a request was taken up to the step in
which it was answered.

Source: staging/src/k8s.io/apiserver/pkg/endpoints/metrics/metrics.go and
pkg/storage/etcd3/metrics/metrics.go at v0.36.3 (names, labels, buckets).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from api.kinds import Kind, kind_of
from api.storage import DELETE, GET, PUT, RANGE, StoreRequest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0),
    *(4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0),
)
"""Upper bounds of the buckets, in seconds, of request durations and of store request durations."""
_BOUNDS_NS: Final = tuple(round(bound * 1e9) for bound in BUCKETS_S)
_VERBS: Final = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}
_READING: Final = ("get", "list", "watch")
Labels = tuple[tuple[str, str], ...]


class Asked(NamedTuple):
    """What a request is about."""

    verb: str = ""
    resource: str = ""
    """Key of the kind; empty outside the resources."""
    subresource: str = ""
    scope: str = ""
    """"resource", "namespace" or "cluster"."""

    @property
    def reading(self) -> bool:
        """Whether it changes nothing."""
        return self.verb in _READING

    def labels(self) -> Labels:
        """Those of apiserver_request_total but its code."""
        kind = kind_of(self.resource) if self.resource else None
        return (
            ("component", "apiserver"),
            ("dry_run", ""),
            ("group", kind.group if kind else ""),
            ("resource", kind.resource if kind else ""),
            ("scope", self.scope),
            ("subresource", self.subresource),
            ("verb", _VERBS.get(self.verb, self.verb.upper())),
            ("version", kind.version if kind else ""),
        )


NOTHING_ASKED: Final = Asked()


class _Durations:
    """One histogram, and the answers in it by code."""

    __slots__ = ("codes", "counts", "sum_ns")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.counts = [0] * (len(_BOUNDS_NS) + 1)
        self.sum_ns = 0

    def add(self, duration_ns: int, count: int) -> None:
        self.counts[bisect_left(_BOUNDS_NS, duration_ns)] += count
        self.sum_ns += duration_ns * count

    def lines(self, name: str, labels: Labels) -> Iterator[str]:
        total = 0
        bounds = (*(f"{bound:g}" for bound in BUCKETS_S), "+Inf")
        for bound, count in zip(bounds, self.counts, strict=True):
            total += count
            yield _line(f"{name}_bucket", (*labels, ("le", bound)), total)
        yield _line(f"{name}_sum", labels, self.sum_ns / 1e9)
        yield _line(f"{name}_count", labels, total)


class Metrics:
    """Counters since the start. Bounded by the kinds, verbs and codes that there are."""

    __slots__ = ("_durations", "_store")

    def __init__(self) -> None:
        self._durations: dict[Asked, _Durations] = {}
        self._store: dict[tuple[str, str], _Durations] = {}

    def answered(self, asked: Asked, code: int, duration_ns: int, count: int = 1) -> None:
        """``count``: requests that took so long."""
        durations = self._durations.get(asked)
        if durations is None:
            durations = self._durations[asked] = _Durations()
        durations.add(duration_ns, count)
        durations.codes[code] = durations.codes.get(code, 0) + count

    def stored(self, operation: str, resource: str, duration_ns: int, count: int = 1) -> None:
        """``operation``: see ``operation_of``."""
        key = (operation, resource)
        durations = self._store.get(key)
        if durations is None:
            durations = self._store[key] = _Durations()
        durations.add(duration_ns, count)

    def text(
        self, under_way: Iterable[Asked], watchers: Mapping[Kind, int], objects: Mapping[Kind, int]
    ) -> str:
        """Everything in Prometheus' text format."""
        lines = list(_head("apiserver_request_total", "counter", "Requests by code."))
        for asked, durations in self._durations.items():
            for code, count in durations.codes.items():
                labels = (("code", str(code)), *asked.labels())
                lines.append(_line("apiserver_request_total", labels, count))
        name = "apiserver_request_duration_seconds"
        lines += _head(name, "histogram", "Time from taking a request up to its answer.")
        for asked, durations in self._durations.items():
            lines += durations.lines(name, asked.labels())
        name = "apiserver_current_inflight_requests"
        lines += _head(name, "gauge", "Requests under way by kind of request.")
        reading = [asked.reading for asked in under_way]
        lines.append(_line(name, (("request_kind", "mutating"),), reading.count(False)))
        lines.append(_line(name, (("request_kind", "readOnly"),), reading.count(True)))
        lines += _head("apiserver_longrunning_requests", "gauge", "Open watches.")
        for kind, count in watchers.items():
            labels = Asked("watch", kind.key, "", "cluster").labels()
            lines.append(_line("apiserver_longrunning_requests", labels, count))
        lines += _head("apiserver_registered_watchers", "gauge", "Watchers by kind.")
        for kind, count in watchers.items():
            labels = (("group", kind.group), ("kind", kind.kind), ("version", kind.version))
            lines.append(_line("apiserver_registered_watchers", labels, count))
        lines += _head("apiserver_resource_objects", "gauge", "Objects in the watch cache.")
        for kind, count in objects.items():
            lines.append(_line("apiserver_resource_objects", _of(kind), count))
        name = "etcd_request_duration_seconds"
        lines += _head(name, "histogram", "Time that the store took, whatever the store is.")
        for (operation, resource), durations in self._store.items():
            labels = (*_of(kind_of(resource)), ("operation", operation))
            lines += durations.lines(name, labels)
        return "\n".join((*lines, ""))


def _of(kind: Kind) -> Labels:
    return (("group", kind.group), ("resource", kind.resource))


def operation_of(request: StoreRequest) -> str:
    """What the real server's metrics call it."""
    if request[0] == PUT:
        return "update" if request[4] else "create"
    return {GET: "get", DELETE: "delete", RANGE: "list"}.get(request[0], "other")


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _line(name: str, labels: Labels, value: float) -> str:
    # Label values are names of kinds, verbs and numbers: nothing in them needs an escape.
    inside = ",".join(f'{key}="{text}"' for key, text in labels)
    return (
        f"{name}{{{inside}}} {value:.9g}" if type(value) is float else f"{name}{{{inside}}} {value}"
    )
