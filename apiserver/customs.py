"""Which custom kinds are served: made from the definitions in the watch cache, by every server.

Objects may arrive before their definition, or lie in the store of a definition that is gone, so a
cache is made for whatever lies where custom resources lie; a definition claims it.

Source: apiextensions-apiserver/pkg/apiserver/customresource_handler.go, customresource_discovery*.
"""

from collections.abc import Callable, Iterator
from operator import is_not
from typing import NamedTuple

from api.core import JsonObject
from api.crd.version import kinds_of
from api.errors import NotAcceptable
from api.kinds import Kind, has_resource
from api.validation.definitions import is_true
from apiserver.cache import ResourceCache
from apiserver.keys import CacheIndex
from apiserver.negotiate import OBJECT, Form, form_of

DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions"
_NEVER, _LOADING = -1, -2
"""In place of the revision of the last definition taken in."""
_ACCEPTABLE = ("application/json", "application/yaml", "application/json;stream=watch")


class Definition(NamedTuple):
    """A stored definition."""

    revision: int
    obj: JsonObject
    kinds: tuple[Kind, ...]
    """Empty until its names are accepted."""

    @property
    def key(self) -> str:
        """The group and plural of what it defines, as the table of kinds has them."""
        spec = self.obj["spec"]
        return f"{spec['group']}/{spec['names']['plural']}"

    @property
    def deleting(self) -> bool:
        """Whether it waits for its objects to be gone."""
        return "deletionTimestamp" in self.obj["metadata"]


class CustomKinds:
    """All definitions and what they serve. ``catch_up`` before anything is asked of it."""

    __slots__ = (
        "_by_path",
        "_caches",
        "_index",
        "_known",
        "_made",
        "_revision",
        "_served",
        "horizon_of",
        "lost",
        "news",
    )

    def __init__(self, caches: dict[str, ResourceCache], index: CacheIndex) -> None:
        self._caches = caches
        self._index: CacheIndex = index
        self.horizon_of: Callable[[str], int] = lambda resource: 0
        """Where the history of a resource begins that was empty until now: told by the core."""
        self.news: dict[str, None] = {}
        """Names of definitions that have changed since somebody looked, in order."""
        self.lost: dict[str, None] = {}
        """Resources whose objects look otherwise than before, or are served no more."""
        self._known: dict[str, Definition] = {}
        self._by_path: dict[tuple[str, str, str], Kind] = {}
        self._served: tuple[Kind, ...] = ()
        self._made: dict[tuple[bytes, bytes], ResourceCache] = {}
        self._revision = _LOADING

    def loading(self) -> None:
        """The definitions are being loaded anew: until they are, all stays as it was."""
        self._revision = _LOADING

    def loaded(self) -> None:
        """Definitions were read anew: all that is known is worked out again when next asked."""
        self._revision = _NEVER

    def catch_up(self) -> bool:
        """Take in what happened to definitions. True when something did."""
        cache = self._caches[DEFINITIONS]
        if self._revision in (cache.last_revision, _LOADING):
            return False
        self._revision = cache.last_revision
        known: dict[str, Definition] = {}
        for record in cache.walk(""):
            found = self._known.get(record.name)
            if found is None or found.revision != record.revision:
                found = self._read(found, record.revision, record.object())
                self.news[record.name] = None
            known[record.name] = found
        for name, gone in self._known.items():
            if name not in known:
                self.news[name] = None
                if gone.kinds:
                    self.lost[gone.key] = None
        self._known = known
        self._by_path = {
            (kind.group, kind.version, kind.resource): kind
            for definition in known.values()
            for kind in definition.kinds
            if not kind.off
        }
        served = tuple(self._by_path.values())
        if len(served) != len(self._served) or any(map(is_not, served, self._served)):
            self._served = served
        return True

    def _read(self, before: Definition | None, revision: int, obj: JsonObject) -> Definition:
        if before is not None and before.kinds and _same_kinds(before.obj, obj):
            return before._replace(revision=revision, obj=obj)
        if not is_true(obj, "Established"):
            return Definition(revision, obj, ())
        found = Definition(revision, obj, kinds_of(obj))
        self._claim(found)
        if before is not None and before.kinds:
            self.lost[found.key] = None
        return found

    def _claim(self, definition: Definition) -> None:
        kind = next(kind for kind in definition.kinds if kind.custom and kind.custom.storage)
        cache = self._caches.get(definition.key)
        if cache is None:
            cache = self._make(kind)
        cache.kind = kind
        for event in cache.events:
            event.forget_encoded()

    def _make(self, kind: Kind) -> ResourceCache:
        cache = self._caches[kind.key] = ResourceCache(kind, self._index)
        # Items of custom resources name their kind: only the brace goes.
        cache.item_prefix = 1
        cache.forget(self.horizon_of(kind.key))
        self._made[kind.group.encode(), kind.resource.encode()] = cache
        return cache

    def cache_of(self, group: bytes, plural: bytes) -> ResourceCache | None:
        """The cache of keys under ``/registry/GROUP/PLURAL/``; None where no custom resource can
        lie."""
        cache = self._made.get((group, plural))
        if cache is None and b"." in group:
            kind = Kind(group.decode(), "", "", "", plural.decode())
            cache = None if has_resource(kind.key) else self._make(kind)
        return cache

    def look_again(self) -> None:
        """Take every definition for changed."""
        self.news.update(dict.fromkeys(self._known))

    # Questions

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._known.values())

    def get(self, name: str) -> Definition | None:
        """By the name of the definition, as ``widgets.example.com``."""
        return self._known.get(name)

    def find(self, group: str, version: str, resource: str) -> Kind | None:
        """The kind under a path."""
        return self._by_path.get((group, version, resource))

    def stored(self, key: str) -> Kind | None:
        """The kind of a resource in the version in which it is stored."""
        group, _, plural = key.partition("/")
        definition = self._known.get(f"{plural}.{group}")
        kinds = definition.kinds if definition is not None else ()
        return next((kind for kind in kinds if kind.custom and kind.custom.storage), None)

    def served(self) -> tuple[Kind, ...]:
        """All kinds that clients find, by name of their definition: the same tuple until one of
        them changes, so that whoever derives something from it need not do so again."""
        return self._served

    def departed(self, resource: str) -> None:
        """An object is gone: perhaps the last one for which a definition waits."""
        group, _, plural = resource.partition("/")
        definition = self._known.get(f"{plural}.{group}")
        if definition is not None and definition.deleting:
            self.news[f"{plural}.{group}"] = None

    def is_ending(self, kind: Kind) -> bool:
        """Its definition is being deleted: nothing may be created any more."""
        definition = self._known.get(f"{kind.resource}.{kind.group}")
        return definition is not None and definition.deleting


def _same_kinds(before: JsonObject, after: JsonObject) -> bool:
    """Nothing has changed but what no object shows: metadata and conditions."""
    return bool(
        before["spec"] == after["spec"]
        and before["status"]["acceptedNames"] == after["status"]["acceptedNames"]
        and before["metadata"]["uid"] == after["metadata"]["uid"]
    )


def custom_form(kind: Kind, accept: str, streamed: bool) -> Form:
    """The form of answers about custom resources. NotAcceptable."""
    assert kind.custom is not None
    try:
        form = form_of(accept, streamed)
    except NotAcceptable:
        raise NotAcceptable(_ACCEPTABLE) from None
    return seen_as(kind, form)


def seen_as(kind: Kind, form: Form) -> Form:
    """A form in which objects look as in this version: only where the stored bytes do not."""
    if kind.custom is None or kind.custom.uniform or form.kind == "partial":
        return form
    if form is OBJECT:
        return Form("view", kind.api_version, kind.custom.view(kind))
    return form._replace(view=kind.custom.view(kind))
