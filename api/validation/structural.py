"""Validation from the field table alone: what must be there, which words are allowed, what stays.

For kinds that few write by hand and nothing in the emulation reads. Semantic rules beyond the table
are not checked: see docs/fidelity.md.

Source: api/data/fields.json; ValidateImmutableField in pkg/apis/*/validation/validation.go.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from api.core import JsonObject
from api.errors import Cause
from api.fields import Field, json_fields
from api.kinds import Kind
from api.validation.metadata import IMMUTABLE

_MAY_BE_EMPTY = ("audience", "drivers", "monitors", "nodeSelectorTerms", "counters", "operator")
"""Required in the table, yet the server takes them empty or judges them with more care."""

FIXED: Mapping[str, tuple[str, ...]] = {
    "resource.k8s.io/resourceclaims": ("spec",),
    "resource.k8s.io/resourceclaimtemplates": ("spec",),
    "resource.k8s.io/resourceslices": ("spec.driver", "spec.pool.name", "spec.nodeName"),
}
"""Fields that no update may change, by kind."""


class _Rule(NamedTuple):
    """What to look at in one field of a struct."""

    name: str
    required: bool
    words: tuple[str, ...]
    container: str
    inner: str
    """Struct to go on with; empty when there is nothing to find in it."""


def check_structural(kind: Kind, causes: list[Cause], obj: JsonObject) -> None:
    """A new object of any kind, defaulted; metadata and status apart."""
    _check(causes, kind.type_name, obj, "")


def check_structural_update(
    kind: Kind, causes: list[Cause], new: JsonObject, old: JsonObject
) -> None:
    """As a new one, and what is fixed has not changed."""
    check_structural(kind, causes, new)
    for path in FIXED.get(kind.key, ()):
        value = _at(new, path)
        if value != _at(old, path):
            causes.append(Cause.invalid(path, value, IMMUTABLE))


def _at(obj: JsonObject, path: str) -> Any:
    found: Any = obj
    for name in path.split("."):
        found = (found or {}).get(name)
    return found


def _check(causes: list[Cause], type_name: str, obj: JsonObject, prefix: str) -> None:
    for rule in _rules(type_name):
        value, path = obj.get(rule.name), f"{prefix}{rule.name}"
        if value in (None, "", [], {}) and not (value == {} and rule.inner):
            if rule.required:
                causes.append(Cause.required(path))
            continue
        for place, item in _items(rule.container, value):
            if rule.words and item not in rule.words:
                causes.append(Cause.not_supported(f"{path}{place}", item, rule.words))
            elif rule.inner:
                _check(causes, rule.inner, item, f"{path}{place}.")


def _items(container: str, value: Any) -> list[tuple[str, Any]]:
    """The values of a field with what their paths add to it."""
    if container == "list":
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    if container == "map":
        return [(f"[{key}]", value[key]) for key in value]
    return [("", value)]


@cache
def _rules(type_name: str) -> tuple[_Rule, ...]:
    return tuple(
        rule
        for name, field in json_fields(type_name).items()
        if name not in ("apiVersion", "kind", "metadata", "status")
        and (rule := _rule(field)) is not None
    )


def _rule(field: Field) -> _Rule | None:
    kind = field.type
    required = (
        field.required
        and field.name not in _MAY_BE_EMPTY
        and (kind.item in "sy" or kind.container == "list" or kind.pointer)
    )
    words = tuple(word for word in field.rules.get("e", ()) if word)
    inner = kind.struct if kind.struct and _has_rules(kind.struct, ()) else ""
    if not (required or words or inner):
        return None
    return _Rule(field.name, required, words, kind.container, inner)


def _has_rules(type_name: str, above: tuple[str, ...]) -> bool:
    """Whether anything in the struct is to be checked; recursion in types finds nothing new."""
    for name, field in json_fields(type_name).items():
        if name in ("apiVersion", "kind", "metadata", "status"):
            continue
        if "e" in field.rules or (field.required and name not in _MAY_BE_EMPTY):
            return True
        struct = field.type.struct
        if struct and struct not in above and _has_rules(struct, (*above, type_name)):
            return True
    return False


Bound = tuple[
    Callable[[list[Cause], JsonObject], None],
    Callable[[list[Cause], JsonObject, JsonObject], None],
]


def structural_checks(kind: Kind) -> Bound:
    """Both checks with the kind filled in."""

    def check(causes: list[Cause], obj: JsonObject) -> None:
        check_structural(kind, causes, obj)

    def check_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
        check_structural_update(kind, causes, new, old)

    return check, check_update
