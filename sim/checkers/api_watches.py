"""Promise: each watcher of the API gets the state of one revision and from there each change of
its resource once, in order of revision, over lost connections and from one API server to another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from api.calls import ADDED, DELETED, MODIFIED, WATCH_EVENT_NAMES, WatchSpec
from api.selectors import parse_field_selector, parse_label_selector
from sim.checkers.history import Change, History, Object
from sim.topics import Topics, Violation

NAME = "api watches"


@dataclass(slots=True)
class Watch:
    """One watch of one component, over all its re-openings."""

    spec: WatchSpec
    everything: bool = False
    """Whether the watch is of all objects, without a selector."""
    revision: int = 0
    """All changes up to it have been delivered; 0: a list is under way."""
    listed: dict[str, int] = field(default_factory=dict)
    """Path of an object to its revision, while a list is under way."""

    def sees(self, item: Object | None) -> bool:
        return item is not None and (self.everything or is_selected(self.spec, item))

    def due(self, change: Change) -> int | None:
        """The type of event that a change is to this watch, if it is one at all."""
        before, after = self.sees(change.old), self.sees(change.new)
        if after:
            return MODIFIED if before else ADDED
        return DELETED if before else None


class ApiWatches:
    """Follows every watch of every component."""

    def __init__(self, topics: Topics, history: History) -> None:
        self.events = 0
        self._history = history
        self._watches: dict[tuple[str, str], Watch] = {}
        """By component and resource: none of them watches a resource twice."""
        topics.watch_opened.append(self._opened)
        topics.watch_closed.append(self._closed)
        topics.watched.append(self._watched)
        topics.synced.append(self._synced)
        topics.restarted.append(self._restarted)

    def _restarted(self, name: str) -> None:
        """Its next life opens what it wants to follow."""
        for who in [who for who in self._watches if who[0] == name]:
            del self._watches[who]

    def _closed(self, name: str, spec: WatchSpec) -> None:
        del self._watches[name, spec.resource]

    def _opened(self, name: str, spec: WatchSpec, revision: int) -> None:
        watch = self._watches.get((name, spec.resource))
        if watch is None:
            watch = watch_of(spec)
            self._watches[name, spec.resource] = watch
        if not revision:
            watch.revision, watch.listed = 0, {}
            return
        if revision < watch.revision:
            raise Violation(NAME, f"{name} goes back from {watch.revision} to {revision}")
        owed = self._next(watch, spec.resource)
        if owed is not None and owed[0].revision <= revision:
            message = f"{name} goes on from {revision} and never saw {owed[0].key!r}"
            raise Violation(NAME, f"{message} at {owed[0].revision}")
        watch.revision = revision

    def _watched(
        self,
        name: str,
        spec: WatchSpec,
        types: Sequence[int],
        revisions: Sequence[int],
        objects: Sequence[bytes],
    ) -> None:
        watch = self._watches[name, spec.resource]
        for kind, revision, encoded in zip(types, revisions, objects, strict=True):
            self.events += 1
            if not watch.revision:
                if kind != ADDED:
                    raise Violation(NAME, f"{name}: {WATCH_EVENT_NAMES[kind]} within a list")
                path = _path(spec.resource, encoded)
                if path in watch.listed:
                    raise Violation(NAME, f"{name}: {path} is in a list twice")
                watch.listed[path] = revision
                continue
            self._event(watch, (name, spec.resource), kind, revision)

    def _event(self, watch: Watch, who: tuple[str, str], kind: int, revision: int) -> None:
        name, resource = who
        owed = self._next(watch, resource)
        got = f"{name} gets {WATCH_EVENT_NAMES[kind]} of {resource} at {revision}"
        if owed is None:
            raise Violation(NAME, f"{got}, where nothing is due")
        change, due = owed
        if (due, change.revision) != (kind, revision):
            message = f"{WATCH_EVENT_NAMES[due]} of {change.key!r} at {change.revision} is due"
            raise Violation(NAME, f"{got}, where {message}")
        watch.revision = revision

    def _next(self, watch: Watch, resource: str) -> tuple[Change, int] | None:
        changes = self._history.by_resource.get(resource, [])
        for place in range(self._history.after(resource, watch.revision), len(changes)):
            due = watch.due(changes[place])
            if due is not None:
                return changes[place], due
        return None

    def _synced(self, name: str, spec: WatchSpec, revision: int) -> None:
        """The list must be the state at ``revision``: that of now, with later changes undone."""
        watch = self._watches[name, spec.resource]
        history = self._history
        state: dict[bytes, tuple[int, Object | None]] = {}
        for change in history.by_resource.get(spec.resource, ()):
            if change.revision > revision:
                break
            state[change.key] = (change.revision, change.new)
        expected = {
            key.decode().removeprefix("/registry/"): at
            for key, (at, item) in state.items()
            if watch.sees(item)
        }
        if expected != watch.listed:
            wrong = sorted(expected.items() ^ watch.listed.items())[0]
            message = f"{name}: the list of {spec.resource} at {revision} is wrong about {wrong}"
            raise Violation(NAME, message)
        watch.revision, watch.listed = revision, {}

    def unlisted(self) -> list[str]:
        """Watches that still wait for their first complete list."""
        return [
            f"{name} has no list of {watch_name}"
            for (name, watch_name), watch in self._watches.items()
            if not watch.revision
        ]

    def owed(self, until_ns: int) -> list[str]:
        """What was on disk at ``until_ns`` and has not been told to somebody."""
        out = []
        for (name, resource), watch in self._watches.items():
            owed = self._next(watch, resource)
            if owed is not None and owed[0].at_ns <= until_ns:
                out.append(f"{name} was not told of {owed[0].key.decode()} at {owed[0].revision}")
        return out


def watch_of(spec: WatchSpec) -> Watch:
    return Watch(spec, not (spec.namespace or spec.label_selector or spec.field_selector))


def _path(resource: str, encoded: bytes) -> str:
    meta = orjson.loads(encoded)["metadata"]
    return "/".join(part for part in (resource, meta.get("namespace"), meta["name"]) if part)


def is_selected(spec: WatchSpec, item: Object) -> bool:
    """Whether an object is in the collection, by what its JSON says."""
    namespace, labels, fields = item.selectable
    if spec.namespace and namespace != spec.namespace:
        return False
    if spec.label_selector and not parse_label_selector(spec.label_selector).matches(labels):
        return False
    return not spec.field_selector or parse_field_selector(spec.field_selector).matches(fields)
