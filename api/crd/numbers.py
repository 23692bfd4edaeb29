"""What is wrong with a number by an OpenAPI v3 schema, in Kubernetes' words.

A whole number is compared with the whole part of a limit, any other with the limit itself.

Source: kube-openapi/pkg/validation/validate/validator.go (numberValidator) and values.go,
errors/schema.go.
"""

from collections.abc import Iterator
from decimal import Decimal

from api.crd.schema import Node
from api.errors import Cause

NO_PATH = "<nil>"
"""The path of a failure that the real server tells without one."""
_INTEGER_BITS = {"int32": 31, "int64": 63, "": 63}
_FLOAT32_MAX = 3.4028234663852886e38
_CLOSE = 1e-9
"""Relative distance from a whole number that counts as none. Source: swag.IsFloat64AJSONInteger."""
_LIMITS = (
    ("minimum", "exclusiveMinimum", "Minimum boundary", "greater than"),
    ("maximum", "exclusiveMaximum", "Maximum boundary", "less than"),
)


def wrong_numbers(node: Node, value: float, path: str) -> Iterator[Cause]:
    """The causes against a number, in the order of the real server."""
    yield from _out_of_range(node, value, "Checked", path)
    factor = node.raw.get("multipleOf")
    if factor is not None:
        fits = not any(True for _ in _out_of_range(node, factor, "", path))
        yield from _out_of_range(node, factor, "MultipleOf", path)
        yield from _no_multiple(value, _like(value, factor) if fits else factor, path)
    for name, strictly, prefix, word in _LIMITS:
        limit = node.raw.get(name)
        if limit is None:
            continue
        fits = not any(True for _ in _out_of_range(node, limit, "", path))
        yield from _out_of_range(node, limit, prefix, path)
        limit = _like(value, limit) if fits else float(limit)
        beyond = value < limit if name == "minimum" else value > limit
        strict = bool(node.raw.get(strictly))
        if beyond or (strict and value == limit):
            words = word if strict else f"{word} or equal to"
            yield Cause.invalid(path, value, f"{path} in body should be {words} {_shown(limit)}")


def _out_of_range(node: Node, value: float, prefix: str, path: str) -> Iterator[Cause]:
    """A value or a limit that the type cannot hold."""
    form = node.format if node.type in ("integer", "number") else ""
    if node.type == "integer" and not node.int_or_string:
        bound = 1 << _INTEGER_BITS[form]
        fits = float(value).is_integer() and -bound <= value < bound
    else:
        fits = form != "float" or abs(value) <= _FLOAT32_MAX
    if not fits:
        kind = f"{node.type} with format {form}" if form else f"{node.type} (default format)"
        text = f'Invalid value: "": {prefix} value must be of type {kind} in {path}'
        yield Cause(NO_PATH, "FieldValueInvalid", text)


def _like(value: float, limit: float) -> float:
    return int(limit) if type(value) is int else float(limit)


def _no_multiple(value: float, factor: float, path: str) -> Iterator[Cause]:
    if factor <= 0:
        text = f"factor MultipleOf declared for {path} must be positive: {_shown(factor)}"
        yield Cause.invalid(path, factor, text)
    elif not _divides(value, factor):
        text = f"{path} in body should be a multiple of {_shown(factor)}"
        yield Cause.invalid(path, value, text)


def _divides(value: float, factor: float) -> bool:
    if type(factor) is int:
        return value % factor == 0
    times = 1 / factor * value if factor < 1 else value / factor
    whole = int(times)
    return times == whole or abs(times - whole) / (abs(times) + abs(whole)) < _CLOSE


def _shown(number: float) -> str:
    return str(number) if type(number) is int else go_number(number)


def go_number(value: float) -> str:
    """A float64 as Go's %v prints it: the shortest digits, with an exponent from a million on."""
    number = Decimal(repr(float(value))).normalize()
    exponent = number.adjusted()
    if not number or -4 <= exponent < 6:
        return format(number, "f")
    digits = format(number.scaleb(-exponent), "f")
    return f"{digits}e{exponent:+03d}"
