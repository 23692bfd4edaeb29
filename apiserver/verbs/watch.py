"""Opening a watch: where it starts, what it sends first, when it ends."""

from collections import deque
from collections.abc import Generator, Mapping
from typing import Any

import orjson

from api.errors import ApiError, Cause, Expired, Invalid, Timeout
from apiserver.cache import ResourceCache
from apiserver.negotiate import boolean, integer
from apiserver.registry import Ask, FreshAsk, Registry, Request, RevisionAsk
from apiserver.selection import selection_of
from apiserver.verbs.read import WAIT_NS, check_include, revision_of
from apiserver.watch import OpenedWatch, Watcher

Opening = Generator[Ask, Any, OpenedWatch]

SECOND_NS = 10**9
TIMEOUT_S_MAX = 10 * 365 * 24 * 3600
MIN_TIMEOUT_S = 1800
"""Least life of a watch that names no timeout; at most twice that. Source: MinRequestTimeout."""


def watch(registry: Registry, request: Request) -> Opening:
    """A watch over HTTP."""
    query, kind = request.options, request.kind
    check_watch_options(query)
    check_include(request)
    revision = revision_of(query.get("resourceVersion", ""))
    cache = registry.cache(kind)
    watcher = _watcher(request, cache)
    watcher.bookmarks = _wants_bookmarks(query)
    watcher.include = query.get("includeObject", "")
    opened = OpenedWatch(watcher, ends_ns=_end(registry, query))
    initial = query.get("sendInitialEvents", "")
    if initial and boolean(query, "sendInitialEvents"):
        if not (yield from _reach(registry, request, revision)):
            error = Timeout.too_large_revision(revision or 0, registry.frontier(kind))
            opened.failure = _status(error)
            return opened
        return _from_state(registry, opened, watcher.bookmarks)
    if not revision and not initial:
        if revision is None:
            yield FreshAsk(registry.group(kind))
        return _from_state(registry, opened, watcher.bookmarks)
    if not revision:
        yield FreshAsk(registry.group(kind))
        revision = registry.frontier(kind)
    return _from_revision(opened, cache, revision)


def frame_watch(registry: Registry, request: Request, revision: int) -> Opening:
    """A watch over frames. ``revision`` 0: the present state first, then changes."""
    kind = request.kind
    cache = registry.cache(kind)
    watcher = _watcher(request, cache)
    watcher.bookmarks = True
    opened = OpenedWatch(watcher, over_frames=True)
    if revision:
        return _from_revision(opened, cache, revision)
    yield FreshAsk(registry.group(kind))
    opened = _from_state(registry, opened, False)
    opened.synced = registry.frontier(kind)
    return opened


def _watcher(request: Request, cache: ResourceCache) -> Watcher:
    query = request.options
    selection = selection_of(
        request.kind,
        request.namespace,
        query.get("labelSelector", ""),
        query.get("fieldSelector", ""),
    )
    return Watcher(request.id, cache, selection, request.form)


def _reach(registry: Registry, request: Request, revision: int | None) -> Generator[Ask, Any, bool]:
    """Wait for a state that may be the first: fresh, or not older than ``revision``."""
    kind = request.kind
    if revision == 0 or (revision and registry.frontier(kind) >= revision):
        return True
    yield FreshAsk(registry.group(kind))
    if revision is None:
        return True
    reached: bool = yield RevisionAsk(registry.group(kind), revision, WAIT_NS)
    return reached


def _from_state(registry: Registry, opened: OpenedWatch, mark_end: bool) -> OpenedWatch:
    """Send the present state, then what follows."""
    watcher = opened.watcher
    cache, selection = watcher.cache, watcher.selection
    opened.initial = deque(selection.walk(cache))
    watcher.since = registry.frontier(cache.kind)
    if mark_end:
        opened.initial_end = max(registry.contents(cache.kind), cache.horizon, 1)
    return opened


def _from_revision(opened: OpenedWatch, cache: ResourceCache, revision: int) -> OpenedWatch:
    """Send what followed a revision. One that is no longer known fails inside the stream."""
    if revision < cache.horizon:
        text = f"too old resource version: {revision} ({cache.horizon})"
        opened.failure = _status(Expired(text))
        return opened
    opened.watcher.since = revision
    opened.replay = cache.events.after(revision)
    return opened


def _status(error: ApiError) -> bytes:
    return orjson.dumps(error.status())


def _wants_bookmarks(query: Mapping[str, str]) -> bool:
    return boolean(query, "allowWatchBookmarks")


def _end(registry: Registry, query: Mapping[str, str]) -> int:
    text = query.get("timeoutSeconds", "")
    seconds = min(integer(text), TIMEOUT_S_MAX) if text else 0
    if seconds < 0:
        # A deadline that has passed: the stream ends as it begins.
        return registry.now_ns
    if not seconds:
        seconds = MIN_TIMEOUT_S + registry.names.below(MIN_TIMEOUT_S)
    return registry.now_ns + seconds * SECOND_NS


def check_watch_options(query: Mapping[str, str]) -> None:
    """Which of sendInitialEvents and resourceVersionMatch go together. Invalid."""
    match = query.get("resourceVersionMatch", "")
    causes: list[Cause] = []
    field = "resourceVersionMatch"
    if "sendInitialEvents" in query:
        if match != "NotOlderThan":
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            causes.append(Cause.forbidden(field, text))
            if match:
                causes.append(Cause.not_supported(field, match, ("NotOlderThan",)))
    elif match:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(Cause.forbidden(field, text))
    if causes:
        raise Invalid("ListOptions.meta.k8s.io", "", causes)
