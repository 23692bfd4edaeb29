"""Bring a parsed object into the form the server would write it in, from the field table.

Decoding into Go structs and encoding again drops unknown fields and empty optional ones, writes
the zero value of fields that are never omitted, and gives quantities and times their canonical
text. ``canonicalize`` does the same to parsed JSON, in place. It expects an object whose structure
has been checked (``api.structure``). Cost: about 0.15 µs a key.

Source: api/data/README.md (rules of the encoder), encoding/json of Go.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from api.core import JsonObject
from api.fields import Field, FieldType, json_fields
from api.quantity import canonical, milli_value
from api.times import micro_time, parse_time, rfc3339

PLAIN, KEEP, STRUCT, STRUCTS, STRUCT_MAP, AMOUNT, AMOUNTS, INSTANT, MICRO, TEXTS, ITEMS = range(11)


@dataclass(slots=True)
class TypePlan:
    """What to do with each key of one struct type.

    ``rules``: JSON name -> (operation, plan of the inner type, is omitted when empty).
    ``always``: names written even when absent, with the maker of their zero value.
    """

    rules: dict[str, tuple[int, "TypePlan | None", bool]] = field(default_factory=dict)
    always: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)


def canonicalize(type_name: str, obj: JsonObject) -> None:
    """Rewrite ``obj`` of type ``type_name`` (as in fields.json) in place."""
    _struct(plan_of(type_name), obj)


def zero_of(type_name: str) -> JsonObject:
    """How a struct in which nothing is set is written out: fields without omitempty, at their zero
    values. A new dict at each call."""
    return {name: zero() for name, zero in plan_of(type_name).always}


def _struct(plan: TypePlan, obj: JsonObject) -> None:
    rules = plan.rules
    dead: list[str] | None = None
    for key, value in obj.items():
        rule = rules.get(key)
        if rule is None:
            drop = True
        else:
            operation, inner, omitted = rule
            if value is None:
                drop = True
            elif operation == PLAIN:
                drop = omitted and not value
            elif operation == KEEP:
                drop = False
            elif operation == STRUCT:
                assert inner is not None
                _struct(inner, value)
                drop = False
            elif operation == STRUCTS:
                assert inner is not None
                drop = omitted and not value
                for index, item in enumerate(value):
                    if item is None:
                        value[index] = item = {}
                    _struct(inner, item)
            else:
                drop = _rare(operation, obj, key, (inner, omitted))
        if drop:
            if dead is None:
                dead = [key]
            else:
                dead.append(key)
    if dead is not None:
        for key in dead:
            del obj[key]
    for key, zero in plan.always:
        if key not in obj:
            obj[key] = zero()


def _rare(operation: int, obj: JsonObject, key: str, rest: tuple["TypePlan | None", bool]) -> bool:
    """Treat the less frequent operations; True when the field is to be dropped."""
    inner, omitted = rest
    value = obj[key]
    if operation == AMOUNTS:
        for name, amount in value.items():
            value[name] = _whole_milli(amount)
        return omitted and not value
    if operation == TEXTS:
        for name, text in value.items():
            if text is None:
                value[name] = ""
        return omitted and not value
    if operation == ITEMS:
        # A null among strings is the empty one, as in Go; lists of other scalars hold none.
        if None in value:
            obj[key] = ["" if item is None else item for item in value]
        return omitted and not value
    if operation == STRUCT_MAP:
        assert inner is not None
        for name, item in value.items():
            if item is None:
                value[name] = item = {}
            _struct(inner, item)
        return omitted and not value
    if operation == AMOUNT:
        obj[key] = _amount(str(value))
    elif operation == INSTANT:
        if len(value) != 20 or value[-1] != "Z":
            obj[key] = rfc3339(parse_time(value))
    elif len(value) != 27 or value[-1] != "Z":
        obj[key] = micro_time(parse_time(value))
    return False


@lru_cache(maxsize=8192)
def _amount(text: str) -> str:
    return canonical(text)


def _whole_milli(value: Any) -> str:
    """A resource amount: canonical, and never finer than a thousandth (rounded up).

    Source: SetDefaults_ResourceList in pkg/apis/core/v1/defaults.go.
    """
    if value is None:
        return "0"
    text = _amount(str(value))
    if text[-1] in "nu":
        return canonical(f"{milli_value(text)}m")
    return text


def plan_of(type_name: str) -> TypePlan:
    """The plan of a type, made once and shared; types may contain themselves."""
    plan = _PLANS.get(type_name)
    if plan is None:
        plan = _PLANS[type_name] = TypePlan()
        for name, entry in json_fields(type_name).items():
            inner = plan_of(entry.type.struct) if entry.type.struct else None
            plan.rules[name] = (_operation(entry.type), inner, entry.omit_empty)
            zero = _zero(entry)
            if zero is not None:
                plan.always.append((name, zero))
    return plan


_PLANS: dict[str, TypePlan] = {}
"""Plans by type, at most one for each type of the table."""

_OPERATIONS = {
    ("", "struct"): STRUCT,
    ("list", "struct"): STRUCTS,
    ("map", "struct"): STRUCT_MAP,
    ("", "Quantity"): AMOUNT,
    ("map", "Quantity"): AMOUNTS,
    ("", "Time"): INSTANT,
    ("", "MicroTime"): MICRO,
    ("map", "s"): TEXTS,
    ("list", "s"): ITEMS,
}

_ZEROS: dict[str, Any] = {
    "s": "",
    "b": False,
    "i": 0,
    "l": 0,
    "d": 0,
    "Quantity": "0",
    "IntOrString": 0,
    "Duration": "0s",
}


def _operation(kind: FieldType) -> int:
    operation = _OPERATIONS.get((kind.container, kind.item))
    if operation is not None:
        return operation
    if kind.container or kind.item == "W":
        return PLAIN
    return PLAIN if kind.item in "sbildy" and not kind.pointer else KEEP


def _zero(entry: Field) -> Callable[[], Any] | None:
    """The maker of what stands in JSON for an absent field, or None when nothing is written."""
    kind = entry.type
    if entry.omit_zero or (entry.omit_empty and (kind.pointer or kind.container)):
        return None
    if kind.item == "struct" and not kind.pointer and not kind.container:
        inner = plan_of(kind.struct)
        return lambda: {name: zero() for name, zero in inner.always}
    if entry.omit_empty and kind.item in "sbildy":
        return None
    value = None if kind.pointer or kind.container else _ZEROS.get(kind.item)
    return lambda: value
