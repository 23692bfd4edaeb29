"""PATCH with an apply configuration: merge what a manager wishes, create what is not there yet."""

from collections.abc import Generator, Sequence
from typing import Any

import orjson

from api.calls import APPLY_PATCH
from api.core import JsonObject
from api.errors import AlreadyExists, BadRequest, Conflict, NotFound, PlainError
from api.findings import find_duplicates
from api.kinds import Kind
from api.structure import check_kind
from apiserver.bodies import go_type, one_by_one
from apiserver.change import change, latest
from apiserver.go_yaml import yaml_twice
from apiserver.options import ApplyOptions, WriteOptions, apply_options
from apiserver.ownership import applied, writer_of
from apiserver.records import Record
from apiserver.registry import Ask, Registry, Request, Verb
from apiserver.untrusted import parse_json, parse_yaml_strictly
from apiserver.verbs.create import Draft, create_object
from apiserver.verbs.update import POD_PARTS, check_identity, next_state, patch
from apiserver.written import answer_of_write


def patch_or_apply(registry: Registry, request: Request) -> Verb:
    """PATCH, by the type of its body."""
    media = request.content_type.partition(";")[0].strip()
    return (apply if media == APPLY_PATCH else patch)(registry, request)


def apply(registry: Registry, request: Request) -> Verb:
    """Server-side apply of an object or of its status: 201 when it makes the object, else 200."""
    kind = request.kind
    assert request.subresource in ("", "status", "approval", *POD_PARTS), request.subresource
    options = apply_options(request.options, request.over_frames)
    wish, twice = parsed_wish(request)
    warnings = one_by_one(twice) if options.write.field_validation == "Warn" else []
    if not request.subresource and not (yield from _exists(registry, request)):
        try:
            return (yield from _create(registry, request, options, wish, twice))
        except AlreadyExists:
            # Another client made it in the meantime.
            if options.write.dry_run:
                raise

    def make(record: Record, old: JsonObject) -> JsonObject:
        meta = {**old["metadata"], "resourceVersion": str(record.revision)}
        live = {**old, "metadata": meta}
        new = applied(request, live, wish, writer_of(registry, request), options.force)
        refuse_twice(twice, options.write)
        _check(kind, request, new)
        if new["metadata"].get("resourceVersion") not in (None, "", str(record.revision)):
            raise Conflict(kind.key, request.name)
        return next_state(registry, request, new, old, owned=True)

    changed = yield from change(
        registry, kind, request.namespace, request.name, make, options.write.dry_run
    )
    return answer_of_write(
        request, 200, changed.value, changed.offset, changed.revision, registry.now_ns, warnings
    )


def _create(
    registry: Registry,
    request: Request,
    options: ApplyOptions,
    wish: JsonObject,
    twice: Sequence[str],
) -> Verb:
    kind = request.kind
    new = applied(request, None, wish, writer_of(registry, request), options.force)
    refuse_twice(twice, options.write)
    meta = new["metadata"]
    if meta.get("uid"):
        why = f"uid mismatch: the provided object specified uid {meta['uid']}, and no existing "
        raise Conflict(kind.key, request.name, f"{why}object was found")
    if meta.get("resourceVersion"):
        raise NotFound(kind.key, request.name)
    _check(kind, request, new)
    warnings = one_by_one(twice) if options.write.field_validation == "Warn" else []
    draft = Draft(new, options.write.dry_run, warnings, owned=True)
    return (yield from create_object(registry, request, draft))


def _exists(registry: Registry, request: Request) -> Generator[Ask, Any, bool]:
    kind = request.kind
    key = registry.cache(kind).key(request.namespace, request.name)
    if key in registry.cache(kind).records:
        return True
    return (yield from latest(registry, kind, key)) is not None


def _check(kind: Kind, request: Request, new: JsonObject) -> None:
    """What came of the merge must be an object of the kind and of this URL."""
    found = check_kind(kind, new)
    if found.error is not None:
        raise PlainError(f"failed to convert new object ({request.name}): {found.error}")
    check_identity(request, new)


def refuse_twice(twice: Sequence[str], options: WriteOptions) -> None:
    """BadRequest for keys that come twice, when strict. Told after conflicts, as there."""
    if twice and options.field_validation == "Strict":
        text = "".join(twice)
        raise BadRequest(f"error strict decoding YAML: error converting YAML to JSON: {text}")


def parsed_wish(request: Request) -> tuple[JsonObject, list[str]]:
    """The apply configuration, and what comes twice in it: YAML, of which JSON is the frequent
    form. BadRequest."""
    twice: list[str] = []
    try:
        wish: Any = parse_json(request.body)
        if isinstance(wish, dict) and find_duplicates(request.body, wish):
            twice = yaml_twice(request.body)
    except orjson.JSONDecodeError:
        try:
            wish, twice = parse_yaml_strictly(request.body)
        except BadRequest as error:
            text = f"error decoding YAML: error converting YAML to JSON: {error}"
            raise BadRequest(text) from None
    if wish is None:
        return {}, twice
    if not isinstance(wish, dict):
        raise BadRequest(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot "
            f"unmarshal {go_type(wish)} into Go value of type map[string]interface {{}}"
        )
    return wish, twice
