"""Validation of CustomResourceDefinitions: names, versions, columns, subresources, conversion.

What all versions have alike is named as if it stood at the top (``spec.validation``), because the
real server moves it there first. Schemas are judged in ``schemas``.

Source: apiextensions-apiserver/pkg/apis/apiextensions/{validation/validation,v1/conversion}.go;
tests/golden/api/errors.jsonl, err-crd*.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from api.core import JsonObject
from api.crd.paths import parse_path
from api.crd.schema import Node
from api.errors import Cause
from api.names import wrong_with_dns_1035, wrong_with_subdomain
from api.validation.metadata import IMMUTABLE
from api.validation.schemas import check_schema

_SCOPES = ("Cluster", "Namespaced")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE_MAX = 8
_APPROVED = "api-approved.kubernetes.io"
_POLICY = "see https://github.com/kubernetes/enhancements/pull/1111"


def check_definition(causes: list[Cause], definition: JsonObject) -> None:
    """A new definition, defaulted; metadata by the general rules apart."""
    spec, name = definition["spec"], definition["metadata"].get("name", "")
    if name and name != f"{spec['names']['plural']}.{spec['group']}":
        text = 'must be spec.names.plural+"."+spec.group'
        causes.append(Cause.invalid("metadata.name", name, text))
    causes += _spec_faults(spec)
    causes += _stored_faults(definition)
    causes += _approval_faults(definition)
    if spec.get("preserveUnknownFields"):
        text = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead"
        )
        causes.append(Cause.invalid("spec.preserveUnknownFields", True, text))


def check_definition_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one; what the store depends on has not changed."""
    spec, before = new["spec"], old["spec"]
    causes += _spec_faults(spec)
    fixed = [("group",), ("names", "plural")]
    if is_true(old, "Established"):
        fixed = [("scope",), ("names", "kind"), *fixed]
    for path in fixed:
        value, past = _at(spec, path), _at(before, path)
        if value != past:
            causes.append(Cause.invalid(f"spec.{'.'.join(path)}", value, IMMUTABLE))
    causes += _stored_faults(new)
    if not any(True for _ in _approval_faults(old)):
        causes += _approval_faults(new)


def is_true(definition: JsonObject, condition: str) -> bool:
    """Whether a condition of a definition is True."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def is_protected(group: str) -> bool:
    """A group of the project itself: its definitions need an approval."""
    return f".{group}".endswith((".k8s.io", ".kubernetes.io"))


def approval_of(definition: JsonObject) -> tuple[str, str]:
    """The annotation of approval and what it amounts to: missing, invalid, unapproved, approved."""
    text: str = (definition["metadata"].get("annotations") or {}).get(_APPROVED, "")
    if not text:
        return text, "missing"
    if text.startswith("unapproved"):
        return text, "unapproved"
    return text, "approved" if "://" in text else "invalid"


def _at(spec: JsonObject, path: Sequence[str]) -> Any:
    found: Any = spec
    for name in path:
        found = found.get(name)
    return found


def _spec_faults(spec: JsonObject) -> Iterator[Cause]:
    versions = spec.get("versions") or []
    group = spec["group"]
    if not group:
        yield Cause.required("spec.group")
    elif wrong_with_subdomain(group):
        yield Cause.invalid("spec.group", group, ",".join(wrong_with_subdomain(group)))
    elif "." not in group:
        yield Cause.invalid("spec.group", group, "should be a domain with at least one dot")
    if not spec["scope"]:
        yield Cause.required("spec.scope")
    elif spec["scope"] not in _SCOPES:
        yield Cause.not_supported("spec.scope", spec["scope"], _SCOPES)
    yield from _version_faults(versions)
    for name in ("plural", "singular", "kind", "listKind"):
        if not spec["names"].get(name):
            yield Cause.required(f"spec.names.{name}")
    yield from _name_faults(spec["names"])
    yield from _shared_faults(versions)
    yield from _conversion_faults(spec["conversion"])


def _version_faults(versions: Sequence[JsonObject]) -> Iterator[Cause]:
    field = "spec.versions"
    for index, version in enumerate(versions):
        if _schema_of(version) is None:
            yield Cause.required(f"{field}[{index}].schema.openAPIV3Schema")
    alike = {name: _alike(versions, name) for name in _PARTS}
    for index, version in enumerate(versions):
        wrong = wrong_with_dns_1035(version["name"])
        if wrong:
            yield Cause.invalid(f"{field}[{index}].name", version["name"], ",".join(wrong))
        yield from _deprecation_faults(version, f"{field}[{index}]")
        for name, check in _PARTS.items():
            if not alike[name]:
                yield from check(version, f"{field}[{index}].{name}")
    names = [version["name"] for version in versions]
    if len(dict.fromkeys(names)) < len(names):
        yield Cause.invalid(field, list(versions), "must contain unique version names")
    if sum(bool(version["storage"]) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        yield Cause.invalid(field, list(versions) or None, text)
    if versions and wrong_with_dns_1035(names[0]):
        yield Cause.invalid("spec.version", names[0], ",".join(wrong_with_dns_1035(names[0])))


def _alike(versions: Sequence[JsonObject], name: str) -> bool:
    return all(version.get(name) == versions[0].get(name) for version in versions)


def _shared_faults(versions: Sequence[JsonObject]) -> Iterator[Cause]:
    for name, check in _PARTS.items():
        if versions and _alike(versions, name):
            yield from check(versions[0], "spec.validation" if name == "schema" else f"spec.{name}")


def _schema_of(version: JsonObject) -> JsonObject | None:
    schema: JsonObject | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return schema


def _has_status(version: JsonObject) -> bool:
    return (version.get("subresources") or {}).get("status") is not None


def _schema_faults(version: JsonObject, field: str) -> Iterator[Cause]:
    schema = _schema_of(version)
    if schema is not None:
        yield from check_schema(schema, f"{field}.openAPIV3Schema", _has_status(version))


def _subresource_faults(version: JsonObject, field: str) -> Iterator[Cause]:
    scale = (version.get("subresources") or {}).get("scale")
    if scale is None:
        return
    for name, roots in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        yield from _path_faults(scale[name], f"{field}.scale.{name}", roots)
    path = scale.get("labelSelectorPath")
    if path:
        where = f"{field}.scale.labelSelectorPath"
        yield from _path_faults(path, where, (".spec.", ".status."))


def _path_faults(path: str, field: str, roots: tuple[str, ...]) -> Iterator[Cause]:
    if not path:
        yield Cause.required(field)
    elif not path.startswith("."):
        yield Cause.invalid(field, path, "must be a simple json path starting with .")
    elif not path.startswith(roots):
        names = " or ".join(root[:-1] for root in roots)
        under = f"either {names}" if len(roots) > 1 else names
        yield Cause.invalid(field, path, f"should be a json path under {under}")


def _column_faults(version: JsonObject, field: str) -> Iterator[Cause]:
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        where = f"{field}[{index}]"
        if not column["name"]:
            yield Cause.required(f"{where}.name")
        words = f"must be one of {','.join(_COLUMN_TYPES)}"
        if not column["type"]:
            yield Cause.required(f"{where}.type", words)
        elif column["type"] not in _COLUMN_TYPES:
            yield Cause.invalid(f"{where}.type", column["type"], words)
        shape = column.get("format")
        if shape and shape not in _COLUMN_FORMATS:
            text = f"must be one of {','.join(_COLUMN_FORMATS)}"
            yield Cause.invalid(f"{where}.format", shape, text)
        path = column["jsonPath"]
        if not path:
            yield Cause.required(f"{where}.JSONPath")
        elif not path.startswith("."):
            text = "must be a simple json path starting with ."
            yield Cause.invalid(f"{where}.JSONPath", path, text)


def _selectable_faults(version: JsonObject, field: str) -> Iterator[Cause]:
    selectable, schema = version.get("selectableFields") or [], _schema_of(version)
    seen: list[str] = []
    for index, one in enumerate(selectable):
        where, path = f"{field}[{index}].jsonPath", one["jsonPath"]
        if not path:
            yield Cause.required(where)
            continue
        node: Node | None = Node(schema or {})
        steps = parse_path(path) or ()
        for step in steps:
            node = node.child(step.text) if node is not None and step.kind == "field" else None
        if node is None or not steps:
            yield Cause.invalid(where, path, "is an invalid path: does not refer to a valid field")
            continue
        if steps[0].text == "metadata":
            yield Cause.invalid(where, path, "must not point to fields in metadata")
        if node.type not in ("string", "boolean", "integer"):
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and "
                "strings with formats are allowed."
            )
            yield Cause.invalid(where, path, text)
        if path in seen:
            yield Cause.duplicate(where, path)
        seen.append(path)
    if len(dict.fromkeys(seen)) > _SELECTABLE_MAX:
        yield Cause.too_many(field, len(dict.fromkeys(seen)), _SELECTABLE_MAX)


_PARTS = {
    "schema": _schema_faults,
    "subresources": _subresource_faults,
    "additionalPrinterColumns": _column_faults,
    "selectableFields": _selectable_faults,
}
"""What versions have each for itself or all alike."""


def _deprecation_faults(version: JsonObject, field: str) -> Iterator[Cause]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    where = f"{field}.deprecationWarning"
    if not version.get("deprecated"):
        yield Cause.invalid(where, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > 256:
        yield Cause.invalid(where, text, "must be <= 256 characters long")
    if not text:
        yield Cause.invalid(where, text, "must not be an empty string")
    for index, letter in enumerate(text):
        if not letter.isprintable():
            what = "must only contain printable UTF-8 characters; non-printable character found"
            yield Cause.invalid(where, text, f"{what} at index {index}")
            break


def _name_faults(names: JsonObject, field: str = "spec.names") -> Iterator[Cause]:
    for name in ("plural", "singular", "kind", "listKind"):
        value = names.get(name) or ""
        mixed = name in ("kind", "listKind")
        wrong = wrong_with_dns_1035(value.lower() if mixed else value) if value else ()
        if wrong:
            prefix = "may have mixed case, but should otherwise match: " if mixed else ""
            yield Cause.invalid(f"{field}.{name}", value, prefix + ",".join(wrong))
    for name in ("shortNames", "categories"):
        if name == "categories" and names["kind"] and names["kind"] == names.get("listKind"):
            text = "kind and listKind may not be the same"
            yield Cause.invalid(f"{field}.listKind", names["listKind"], text)
        for index, word in enumerate(names.get(name) or ()):
            wrong = wrong_with_dns_1035(word)
            if wrong:
                yield Cause.invalid(f"{field}.{name}[{index}]", word, ",".join(wrong))


def _conversion_faults(conversion: JsonObject) -> Iterator[Cause]:
    field, strategy = "spec.conversion", conversion["strategy"]
    webhook = conversion.get("webhook")
    if not strategy:
        yield Cause.required(f"{field}.strategy")
    elif strategy not in ("None", "Webhook"):
        yield Cause.not_supported(f"{field}.strategy", strategy, ("None", "Webhook"))
    if strategy != "Webhook":
        if webhook is not None and webhook.get("clientConfig") is not None:
            text = "should not be set when strategy is not set to Webhook"
            yield Cause.forbidden(f"{field}.webhookClientConfig", text)
        return
    config = (webhook or {}).get("clientConfig")
    where = f"{field}.webhookClientConfig"
    if config is None:
        yield Cause.required(where, "required when strategy is set to Webhook")
    elif (config.get("url") is None) is (config.get("service") is None):
        yield Cause.required(where, "exactly one of url or service is required")
    if not (webhook or {}).get("conversionReviewVersions"):
        yield Cause.required(f"{field}.conversionReviewVersions")
    # Not of the real server: objects of several versions would be served unconverted.
    yield Cause.forbidden(f"{field}.strategy", "this server converts by strategy None only")


def _stored_faults(definition: JsonObject) -> Iterator[Cause]:
    field, stored = "status.storedVersions", definition["status"]["storedVersions"] or []
    names = [version["name"] for version in definition["spec"].get("versions") or ()]
    if not stored:
        yield Cause.invalid(field, None, "must have at least one stored version")
    for index, name in enumerate(stored):
        if name not in names:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must "
                "remain in spec.versions until a storage migration ensures no data remains "
                f"persisted in {name} and removes {name} from status.storedVersions"
            )
            yield Cause.invalid(f"{field}[{index}]", name, text)


def _approval_faults(definition: JsonObject) -> Iterator[Cause]:
    if not is_protected(definition["spec"]["group"]):
        return
    text, state = approval_of(definition)
    field = f"metadata.annotations[{_APPROVED}]"
    need = f'protected groups must have approval annotation "{_APPROVED}"'
    if state == "missing":
        yield Cause.required(field, f"{need}, {_POLICY}")
    elif state == "invalid":
        how = 'with either a URL or a reason starting with "unapproved"'
        yield Cause.invalid(field, text, f"{need} {how}, {_POLICY}")
