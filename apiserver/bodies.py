"""Request bodies as checked objects."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from api.core import JsonObject
from api.errors import BadRequest, Cause, Invalid, UnsupportedMediaType
from api.fields import DELETE_OPTIONS
from api.findings import find_duplicates, find_in_object
from api.kinds import Kind, UnknownKindError, kind_by_gvk, split_api_version
from api.protobuf import decode_body
from api.structure import (
    cannot_handle,
    check_kind,
    check_structure,
    strict_error,
)
from api.unstructured import misfit_of_map
from api.wire import ProtobufError
from apiserver.go_yaml import YAML_TWICE
from apiserver.registry import Request
from apiserver.untrusted import parse_json, parse_yaml, parse_yaml_strictly, refusal_of_json

JSON_TYPE = "application/json"
YAML_TYPE = "application/yaml"
PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf"
_ACCEPTED = (JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE)
FINDINGS_MAX = 100
"""Unknown and duplicate fields told of one body. Source: sigs.k8s.io/json, saveStrictError."""
EXCERPT_BYTES = 30
"""Of a body that is not understood, in the message about it."""
_TYPE_OF_TYPES = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)
"""What Go's decoder looks for first, as it prints the type."""
_SCHEME = "pkg/runtime/scheme.go:111"
"""Where the real server's registry of kinds was made; part of its message."""


class PatchFindings(NamedTuple):
    """What a patch shows before it is applied."""

    twice: Sequence[str] = ()
    """As ``duplicate field "data.a"``."""
    strategic: Callable[[], str] | None = None
    """Of a strategic patch: makes its text as Go prints it."""


NO_FINDINGS = PatchFindings()


def decode_object(
    kind: Kind, request: Request, field_validation: str, type_name: str = ""
) -> tuple[JsonObject, list[str]]:
    """The object of a POST or PUT and the warnings about it.

    ``type_name``: its struct when it is not the kind's own, such as that of a Binding. Fields that
    the struct does not have are gone. BadRequest, UnsupportedMediaType."""
    obj, duplicates = parse_object(kind, request, field_validation, type_name)
    return obj, fit_object(kind, obj, duplicates, field_validation, type_name)


def fit_object(
    kind: Kind, obj: JsonObject, duplicates: list[str], field_validation: str, type_name: str = ""
) -> list[str]:
    """Check a parsed object and drop, in place, what its struct does not have. The warnings."""
    found = check_structure(type_name, obj) if type_name else check_kind(kind, obj)
    if found.error is not None:
        raise cannot_handle(kind, found.error)
    wrong = list(dict.fromkeys([*duplicates, *found.unknown]))[:FINDINGS_MAX]
    if wrong and field_validation == "Strict":
        raise cannot_handle(kind, strict_error(wrong))
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    return one_by_one(wrong) if field_validation == "Warn" else []


def one_by_one(findings: Sequence[str]) -> list[str]:
    """Findings as warnings: those of the YAML decoder are lines of one. Source: parseYAMLWarnings,
    apiserver/pkg/endpoints/handlers/rest.go."""
    lines: list[str] = []
    for text in findings:
        inner = text.removeprefix(YAML_TWICE)
        lines += [text] if inner == text else [line.strip() for line in inner.split("\n")]
    return lines


def parse_object(
    kind: Kind, request: Request, field_validation: str, type_name: str = ""
) -> tuple[JsonObject, list[str]]:
    """The parsed body, of the right kind, and the keys that it has twice; for a struct, with what
    it does not have between them, in order."""
    obj, duplicates = _parsed(kind, request, field_validation)
    if duplicates and kind.custom is None and not _is_yaml(request):
        duplicates = find_in_object(request.body, type_name or kind.type_name)
    check_type(kind, obj, request.body)
    return obj, duplicates


def _is_yaml(request: Request) -> bool:
    return request.content_type.partition(";")[0].strip() == YAML_TYPE


def _parsed(kind: Kind, request: Request, field_validation: str) -> tuple[JsonObject, list[str]]:
    """The parsed body and the keys that it has twice."""
    media = request.content_type.partition(";")[0].strip()
    body, found = request.body, list[str]()
    if media in ("", JSON_TYPE):
        try:
            obj = parse_json(body)
        except orjson.JSONDecodeError:
            raise BadRequest(
                f"the object provided is unrecognized (must be of type {kind.kind}): couldn't get "
                f"version/kind; json parse error: {refusal_of_json(body)} ({_excerpt(body)})"
            ) from None
    elif media == YAML_TYPE:
        try:
            if field_validation == "Ignore":
                obj = parse_yaml(body)
            else:
                obj, found = parse_yaml_strictly(body)
        except BadRequest as error:
            raise BadRequest(
                f"the object provided is unrecognized (must be of type {kind.kind}): {error} "
                f"({_excerpt(body)})"
            ) from None
    elif media == PROTOBUF_TYPE and kind.custom is None:
        try:
            obj = decode_body(body)
        except ProtobufError as error:
            raise BadRequest(f"the object provided is unrecognized: {error}") from None
    else:
        raise UnsupportedMediaType(_ACCEPTED if kind.custom is None else _ACCEPTED[:2])
    if obj is None and kind.custom is None:
        obj = {}
    if not isinstance(obj, dict):
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {kind.kind}): couldn't get "
            f"version/kind; json parse error: json: cannot unmarshal {go_type(obj)} into Go value "
            f"of type {_TYPE_OF_TYPES} ({_excerpt(body)})"
        )
    if field_validation == "Ignore" or media == PROTOBUF_TYPE:
        return obj, []
    if media == YAML_TYPE:
        return obj, found
    twice = find_duplicates(body, obj)
    return (_merged_twice(body) if twice else obj), twice


def _merged_twice(body: bytes) -> JsonObject:
    try:
        whole = orjson.dumps(json.loads(body, object_pairs_hook=_merged))
    except (TypeError, ValueError) as error:
        raise BadRequest(f"the object provided is unrecognized: {error}") from None
    merged: JsonObject = orjson.loads(whole)
    return merged


def _merged(pairs: list[tuple[str, Any]]) -> JsonObject:
    """Of a key that comes twice, maps are merged and the last of anything else counts, as when
    Go decodes into the same struct twice."""
    out: JsonObject = {}
    for name, value in pairs:
        before = out.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            value = _merged([*before.items(), *value.items()])
        out[name] = value
    return out


def check_type(kind: Kind, obj: JsonObject, body: bytes) -> None:
    """Fill in kind and apiVersion, or refuse those of another kind."""
    if kind.custom is not None:
        _check_custom_type(kind, obj)
        return
    named, version = obj.get("kind") or kind.kind, obj.get("apiVersion") or kind.api_version
    if named == kind.kind and version == kind.api_version:
        obj["kind"], obj["apiVersion"] = named, version
        return
    if not isinstance(named, str) or not isinstance(version, str):
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {kind.kind}): "
            f"{_no_type(named, version)} ({_excerpt(body)})"
        )
    bare = split_api_version(version)[1]
    why = _why_another(kind, named, version)
    if not why:
        raise BadRequest(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({kind.api_version})"
        )
    raise BadRequest(f'{named} in version "{bare}" cannot be handled as a {kind.kind}: {why}')


def _no_type(named: object, version: object) -> str:
    """Of a kind or a version that is no text."""
    field, wrong = ("apiVersion", version) if isinstance(named, str) else ("kind", named)
    return (
        f"couldn't get version/kind; json parse error: json: cannot unmarshal {go_type(wrong)} "
        f"into Go struct field .{field} of type string"
    )


def _why_another(kind: Kind, named: str, version: str) -> str:
    """Why an object of this type cannot be one of ``kind``; empty for another version of it."""
    group, bare = split_api_version(version)
    try:
        kind_by_gvk(group, bare, named)
    except UnknownKindError:
        return _unregistered(named, version)
    if named == kind.kind:
        return ""
    package = kind.group.partition(".")[0] or "core"
    return f"converting ({bare}.{named}) to ({package}.{kind.kind}): unknown conversion"


def _check_custom_type(kind: Kind, obj: JsonObject) -> None:
    """A custom resource must name its kind, and the version of the URL. Another kind is found by
    its validation. Source: UnmarshalJSON of unstructured objects; handlers/create.go."""
    named, version = obj.get("kind"), obj.get("apiVersion")
    if not isinstance(named, str) or not named:
        body = orjson.dumps(obj).decode()
        raise BadRequest(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"unmarshal: Object 'Kind' is missing in '{body}'"
        )
    if version != kind.api_version:
        shown = version if isinstance(version, str) and version else "/"
        raise BadRequest(
            f"the API version in the data ({shown}) does not match the expected API version "
            f"({kind.api_version})"
        )


def check_patched(
    kind: Kind, obj: JsonObject, field_validation: str, findings: PatchFindings = NO_FINDINGS
) -> list[str]:
    """Check a patched object as the real server does: Invalid, naming the patch. Warnings."""
    strategic = findings.strategic
    if strategic is not None:
        # Read into a struct of the kind, whatever the patch made of the type it names.
        obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
    elif kind.custom is None:
        _check_patched_type(kind, obj)
    strict = field_validation == "Strict"
    before = orjson.dumps(obj) if strict or strategic is not None else b""
    found = check_kind(kind, obj)
    if found.error is not None:
        if strategic is not None:
            error = misfit_of_map(kind.type_name, orjson.loads(before)) or found.error
            raise Invalid("", "", [Cause.invalid("patch", strategic(), error)])
        shown = (before or orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)).decode()
        raise Invalid("", "", [Cause.invalid("patch", shown, found.error)])
    unknown = found.unknown if strategic is None else sorted(found.unknown)
    wrong = [*findings.twice, *unknown]
    if wrong and strict:
        shown = before.decode() if strategic is None else strategic()
        raise Invalid("", "", [Cause.invalid("patch", shown, strict_error(wrong))])
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    return wrong if field_validation == "Warn" else []


def _check_patched_type(kind: Kind, obj: JsonObject) -> None:
    """Without a kind it is of the URL's. Without a version it is read into the struct that the
    server keeps, which has no other JSON field: nothing is left of it. Source: codec.Decode,
    apimachinery/pkg/runtime/serializer/versioning; gvkWithDefaults, serializer/json/json.go."""
    named, version = obj.get("kind") or kind.kind, obj.get("apiVersion") or ""
    if version == kind.api_version and named == kind.kind:
        why = ""
    elif not isinstance(named, str) or not isinstance(version, str):
        why = _no_type(named, version)
    elif version:
        why = _why_another(kind, named, version) or _unregistered(named, version)
    elif named != kind.kind:
        why = _unregistered(named, f"{kind.group}/__internal".lstrip("/"))
    else:
        why = ""
        obj.clear()
    if why:
        whole = orjson.dumps(obj, option=orjson.OPT_SORT_KEYS).decode()
        raise Invalid("", "", [Cause.invalid("patch", whole, why)])
    obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version


def decode_options(request: Request) -> JsonObject | None:
    """The DeleteOptions in the body of a DELETE, if there is a body."""
    if not request.body:
        return None
    media = request.content_type.partition(";")[0].strip()
    try:
        if media == PROTOBUF_TYPE:
            obj: object = decode_body(request.body)
        elif media == YAML_TYPE:
            obj = parse_yaml(request.body)
        else:
            obj = parse_json(request.body)
    except (orjson.JSONDecodeError, ProtobufError):
        raise BadRequest(
            f"couldn't get version/kind; json parse error: {refusal_of_json(request.body)}"
        ) from None
    if not isinstance(obj, dict):
        raise BadRequest(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {go_type(obj)} "
            f"into Go value of type {_TYPE_OF_TYPES}"
        )
    if obj.get("kind") not in (None, "", "DeleteOptions"):
        raise BadRequest(_unregistered(obj["kind"], obj.get("apiVersion") or "meta.k8s.io/v1"))
    found = check_structure(DELETE_OPTIONS, obj)
    if found.error is not None:
        raise BadRequest(found.error)
    return obj


def _unregistered(named: object, version: object) -> str:
    return f'no kind "{named}" is registered for version "{version}" in scheme "{_SCHEME}"'


def _excerpt(body: bytes) -> str:
    """Source: summarizeData, apiserver/pkg/endpoints/handlers/rest.go."""
    if not body:
        return "<empty>"
    shown = body[:EXCERPT_BYTES]
    text = shown.decode(errors="replace") if body.startswith(b"{") else shown.hex()
    return text if len(body) <= EXCERPT_BYTES else f"{text} ..."


def go_type(value: object) -> str:
    """What Go calls the JSON value of a kind that it did not expect."""
    names = {list: "array", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(value), "number")
