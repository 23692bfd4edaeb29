"""GET of an object and of a list, at the revision that was asked for.

Source for the meaning of resourceVersion: apiserver/pkg/storage/interfaces.go, apimachinery's
internalversion/validation; the answers as recorded in tests/golden/api.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Generator, Iterator, Mapping
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from api.errors import BadRequest, Cause, Expired, Invalid, NotFound, PlainError, Timeout
from api.kinds import Kind
from api.storage import OK, RANGE
from apiserver.cache import ResourceCache
from apiserver.forms import ListMeta, list_bytes, shaped_list, shaped_record
from apiserver.messages import Answer
from apiserver.negotiate import check_shape, integer
from apiserver.records import Record
from apiserver.registry import Ask, FreshAsk, Registry, Request, RevisionAsk, StoreAsk, Verb
from apiserver.selection import selection_of
from apiserver.watch import Selection

WAIT_NS = 3 * 10**9
"""How long a read waits for a revision ahead of the server. Source: blockTimeout,
apiserver/pkg/storage/cacher/watch_cache.go."""
_BASE64 = re.compile("[A-Za-z0-9_-]*")
_TABLE_INCLUDES = ("", "None", "Metadata", "Object")
_TOO_OLD = "The resourceVersion for the provided list is too old."
_TOKEN_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


def get(registry: Registry, request: Request) -> Verb:
    """One object, fresh, or not older than a revision."""
    kind = request.kind
    check_include(request)
    yield from not_older(registry, kind, revision_of(request.options.get("resourceVersion", "")))
    cache = registry.cache(kind)
    record = cache.records.get(cache.key(request.namespace, request.name))
    if record is None:
        raise NotFound(kind.key, request.name)
    check_shape(request.form, _go_type(kind, kind.kind), False)
    include = request.options.get("includeObject", "")
    body = shaped_record(kind, record, request.form, include, registry.now_ns)
    return Answer(200, body, record.revision)


def _go_type(kind: Kind, name: str) -> str:
    """What the real server keeps such an object in."""
    if kind.custom is not None:
        return "unstructured.Unstructured" + "List" * name.endswith("List")
    return f"{kind.group.partition('.')[0] or 'core'}.{name}"


def revision_of(text: str) -> int | None:
    """The number in a resourceVersion; None when unset. PlainError, as recorded."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 20:
        raise PlainError(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
            "invalid syntax"
        )
    return int(text)


def not_older(registry: Registry, kind: Kind, revision: int | None) -> Generator[Ask, Any, None]:
    """Wait until the cache is fresh (None), has any state (0), or has reached ``revision``."""
    if revision == 0:
        return
    group = registry.group(kind)
    if revision is None:
        yield FreshAsk(group)
        return
    if registry.frontier(kind) >= revision:
        return
    yield FreshAsk(group)
    reached = yield RevisionAsk(group, revision, WAIT_NS)
    if not reached:
        raise Timeout.too_large_revision(revision, registry.frontier(kind))


def check_include(request: Request) -> None:
    """Raises BadRequest for an option of tables that is none."""
    include = request.options.get("includeObject", "")
    if request.form.kind == "table" and include not in _TABLE_INCLUDES:
        raise BadRequest(
            "Unable to convert to Table as requested: includeObject: Invalid value: "
            f"\"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        )


Undone = Mapping[bytes, Record | None]
"""What changed since a revision, as it was then; see ``ResourceCache.undone_after``."""
_key_of = attrgetter("key")


class Page(NamedTuple):
    """Which part of a list is wanted, and in which state."""

    limit: int
    after: bytes
    """Key after which the page begins."""
    exact: int
    """The revision of the state; 0: the present one."""
    not_older: int | None
    """As ``not_older`` takes it, when ``exact`` is 0."""


def list_objects(registry: Registry, request: Request) -> Verb:
    """A list, a page of one, or its continuation."""
    check_list_options(request.options)
    check_include(request)
    records, meta = yield from page_of_list(registry, request)
    return list_answer(registry, request, records, meta)


def page_of_list(
    registry: Registry, request: Request
) -> Generator[Ask, Any, tuple[list[Record], ListMeta]]:
    """What a list with these options holds: for whoever answers it, and whoever deletes it."""
    kind, query = request.kind, request.options
    selection = selection_of(
        kind, request.namespace, query.get("labelSelector", ""), query.get("fieldSelector", "")
    )
    cache = registry.cache(kind)
    page = _page_of(cache, request)
    undone: Undone = {}
    if page.exact:
        yield from not_older(registry, kind, page.exact)
        revision = page.exact
        if revision < cache.horizon:
            raise _expired(cache, page, request)
        undone = cache.undone_after(revision)
        records = _walk(cache, selection, page.after, undone)
    elif page.not_older is None and not registry.lists_from_cache:
        revision, found = yield from _stored(registry, cache, request.namespace, page.after)
        records = (one for one in found if selection.matches(one))
    else:
        yield from not_older(registry, kind, page.not_older)
        revision = registry.frontier(kind)
        records = _walk(cache, selection, page.after, undone)
    meta = ListMeta(revision)
    if not page.limit:
        return list(records), meta
    chosen = list(islice(records, page.limit))
    if next(records, None) is not None:
        last = chosen[-1].key
        meta.proceed = _token(cache, request.namespace, revision, last)
        if selection.everything:
            meta.remaining = _remaining(cache, selection.namespace, last, undone)
    return chosen, meta


def list_answer(
    registry: Registry, request: Request, records: list[Record], meta: ListMeta
) -> Answer:
    """Objects in the form that was asked for."""
    kind = request.kind
    if request.form.kind == "object":
        body = list_bytes(kind, records, meta, registry.cache(kind).item_prefix)
    else:
        check_shape(request.form, _go_type(kind, kind.list_kind), True)
        include = request.options.get("includeObject", "")
        body = shaped_list(kind, records, meta, request.form, include, registry.now_ns)
    return Answer(200, body, meta.revision)


def _walk(
    cache: ResourceCache, selection: Selection, after: bytes, undone: Undone
) -> Iterator[Record]:
    """What a selection means, in order of key: the present state with changes undone. Cost: that
    of the changes, and of what is taken."""
    if not undone:
        return selection.walk(cache, after)
    earlier = [
        record
        for key, record in undone.items()
        if record is not None and key > after and selection.matches(record)
    ]
    earlier.sort(key=_key_of)
    unchanged = (one for one in selection.walk(cache, after) if one.key not in undone)
    return merge(unchanged, earlier, key=_key_of)


def _remaining(cache: ResourceCache, namespace: str, after: bytes, undone: Undone) -> int:
    """How many objects of a namespace follow a key, in the present state with changes undone."""
    space = cache.space(namespace)
    changed = [(key, record) for key, record in undone.items() if key > after]
    return cache.count_after(namespace, after) + sum(
        (record is not None) - (key in cache.records)
        for key, record in changed
        if key.startswith(space)
    )


def _stored(
    registry: Registry, cache: ResourceCache, namespace: str, after: bytes
) -> Generator[Ask, Any, tuple[int, list[Record]]]:
    """Every object of a namespace as the shards have it, and the revision from which a watch
    misses nothing. Cost: each object is read and decoded, wanted or not."""
    prefix = cache.key(namespace, "") if namespace else cache.prefix
    found: list[Record] = []
    revisions = []
    for shard in registry.sharding.groups[registry.group(cache.kind)]:
        start, at = after + b"\0" if after else prefix, 0
        more = True
        while more:
            ranged = (RANGE, start, prefix[:-1] + b"0", at, 0, 0)
            reply = yield StoreAsk(shard, ranged)
            if reply[0] != OK:
                raise Expired(_TOO_OLD)
            _, at, more, items = reply
            for key, created, revision, _version, header, value, _lease in items:
                found.append(Record(key, header, value, revision, created))
            registry.decoded += len(items)
            start = items[-1][0] + b"\0" if items else start
        revisions.append(at)
    found.sort(key=attrgetter("key"))
    return min(revisions), found


def _page_of(cache: ResourceCache, request: Request) -> Page:
    query = request.options
    limit = _limit(query.get("limit", ""))
    token = query.get("continue", "")
    revision = revision_of(query.get("resourceVersion", ""))
    if token:
        if revision is not None:
            raise BadRequest("specifying resource version is not allowed when using continue")
        return _page_of_token(cache, request.namespace, token, limit)
    match = query.get("resourceVersionMatch", "")
    exact = match == "Exact" or (not match and limit and revision)
    if exact and revision:
        return Page(limit, b"", revision, None)
    # The real server ignores a limit at resourceVersion 0 and so do informers expect no more.
    return Page(0 if revision == 0 and not match else limit, b"", 0, revision)


def _limit(text: str) -> int:
    return max(0, integer(text)) if text else 0


def _token(cache: ResourceCache, namespace: str, revision: int, key: bytes) -> str:
    start = key[len(cache.key(namespace, "") if namespace else cache.prefix) :].decode() + "\0"
    token = orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    return urlsafe_b64encode(token).decode().rstrip("=")


def _page_of_token(cache: ResourceCache, namespace: str, token: str, limit: int) -> Page:
    bad = "invalid continue token: continue key is not valid: "
    wrong = _BASE64.match(token).end()  # type: ignore[union-attr]
    if wrong < len(token) or len(token) % 4 == 1:
        raise BadRequest(f"{bad}illegal base64 data at input byte {wrong}")
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    try:
        parsed = orjson.loads(raw)
    except ValueError:
        shown = raw.decode("latin1")[:1]
        raise BadRequest(
            f"{bad}invalid character {_go_char(shown)} looking for beginning of value"
        ) from None
    if not isinstance(parsed, dict) or parsed.get("v") != "meta.k8s.io/v1":
        raise BadRequest(f"{bad}server does not recognize this encoded version")
    start, revision = parsed.get("start"), parsed.get("rv")
    if not isinstance(start, str) or not start or not isinstance(revision, int) or not revision:
        raise BadRequest(f"{bad}incorrect encoded start resourceVersion")
    prefix = cache.key(namespace, "") if namespace else cache.prefix
    after = prefix + start.removesuffix("\0").encode()
    if revision < 0:
        return Page(limit, after, 0, None)
    return Page(limit, after, revision, None)


def _go_char(text: str) -> str:
    return f"'{text}'"


def _expired(cache: ResourceCache, page: Page, request: Request) -> Expired:
    if not request.options.get("continue"):
        return Expired(_TOO_OLD)
    return Expired(_TOKEN_TOO_OLD, _token(cache, request.namespace, -1, page.after))


def check_list_options(query: Mapping[str, str]) -> None:
    """Which of resourceVersion, its match and sendInitialEvents go together. Invalid.
    BadRequest when a number is none."""
    for name in ("timeoutSeconds", "limit"):
        if query.get(name):
            integer(query[name])
    match, revision = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    causes: list[Cause] = []
    if match:
        field = "resourceVersionMatch"
        if not revision:
            text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            causes.append(Cause.forbidden(field, text))
        if query.get("continue"):
            text = "resourceVersionMatch is forbidden when continue is provided"
            causes.append(Cause.forbidden(field, text))
        if match not in ("Exact", "NotOlderThan"):
            known = ("Exact", "NotOlderThan", "")
            causes.append(Cause.not_supported(field, match, known))
        if match == "Exact" and revision == "0":
            text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            causes.append(Cause.forbidden(field, text))
    if "sendInitialEvents" in query:
        causes.append(
            Cause.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
        )
    if causes:
        raise Invalid("ListOptions.meta.k8s.io", "", causes)
