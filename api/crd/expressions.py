"""CEL expressions: compiled by a library, with Kubernetes' functions and a bound on their work.

Source: apiserver/pkg/cel/library (strings, lists, addresses). ADR 15 says why this library, and
what it lacks.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from api.quantity import QuantityError, parse

STEPS_MAX = 1_000_000
"""Items that the nested loops of one expression may visit. Source: our own; the real server has a
budget of its own units (RuntimeCELCostBudget)."""
_LOOP = re.compile(r"\.(all|exists|exists_one|map|filter)\(")
_TEXT = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")


class ExpressionError(Exception):
    """An expression that cannot be compiled or evaluated; the text says why."""


class Expression:
    """A compiled expression."""

    def __init__(self, text: str) -> None:
        """ExpressionError for bad syntax and for a function that is not there."""
        # Only here: it brings a terminal along, 0.2 s for every program that has no expressions.
        import cel

        try:
            self._program = cel.compile(text)
        except ValueError as error:
            raise ExpressionError(f"compilation failed: {error}") from None
        names = self._program.references()
        self.uses_old = "oldSelf" in names["variables"]
        self._depth = _depth(_TEXT.sub("", text))
        for name in names["functions"]:
            if name[0].isalpha() and name not in _BUILT_IN and name not in _FUNCTIONS:
                raise ExpressionError(
                    f"compilation failed: the function {name} is not served by this server"
                )

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Its value. ExpressionError."""
        longest = max(map(_longest, variables.values()), default=0)
        if longest**self._depth > STEPS_MAX:
            raise ExpressionError("call cost exceeds limit")
        import cel

        context = cel.Context(variables=dict(variables), functions=dict(_FUNCTIONS))
        try:
            return self._program.execute(context)
        except KeyError as error:
            raise ExpressionError(f"no such key: {error.args[0]}") from None
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise ExpressionError(str(error)) from None


@lru_cache(maxsize=4096)
def wrong_with_syntax(text: str) -> str:
    """What the grammar has against a text; empty when it is an expression. Syntax that the library
    does not serve, as optional values, counts as right: nothing evaluates it here."""
    import cel

    try:
        cel.compile(text)
    except ValueError as error:
        found = str(error)
        if "Syntax error: " in found:
            return f"compilation failed: {found[found.index('ERROR: ') :]}"
    return ""


@lru_cache(maxsize=4096)
def compiled_expression(text: str) -> Expression:
    """Compile ``text``; the result is cached by text. ExpressionError: it is no CEL."""
    return Expression(text)


def matches(pattern: str, text: str) -> bool:
    """Whether a part of a text matches, in time linear in both: the library's regular expressions
    are of the family of Go's. ExpressionError for a pattern that is none.

    Cost: 20 µs for a short pattern."""
    matching = compiled_expression("self.matches(pattern)")
    found = matching.evaluate({"self": text, "pattern": pattern})
    return found is True


def _depth(text: str) -> int:
    """How deep loops are nested in each other."""
    open_at: list[int] = []
    loops = [found.end() - 1 for found in _LOOP.finditer(text)]
    deepest = level = 0
    for position, letter in enumerate(text):
        if letter == "(":
            level += 1
            if position in loops:
                open_at.append(level)
                deepest = max(deepest, len(open_at))
        elif letter == ")":
            if open_at and open_at[-1] == level:
                open_at.pop()
            level -= 1
    return deepest


def _longest(value: Any) -> int:
    """The length of the longest list or map in a value."""
    if isinstance(value, dict):
        return max(len(value), *map(_longest, value.values()), 0)
    if isinstance(value, list):
        return max(len(value), *map(_longest, value), 0)
    return 0


_BUILT_IN = frozenset(
    (
        *("all", "exists", "exists_one", "filter", "has", "map", "size", "contains", "matches"),
        *("startsWith", "endsWith", "bool", "bytes", "double", "duration", "dyn", "int", "string"),
        *("timestamp", "type", "uint", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"),
    )
)


def _index_of(where: Any, what: Any, start: int = 0) -> int:
    if isinstance(where, str):
        return where.find(what, start)
    return next((index for index, item in enumerate(where) if item == what), -1)


def _last_index_of(where: Any, what: Any) -> int:
    if isinstance(where, str):
        return where.rfind(what)
    found = [index for index, item in enumerate(where) if item == what]
    return found[-1] if found else -1


def _substring(text: str, start: int, end: int | None = None) -> str:
    last = len(text) if end is None else end
    if not 0 <= start <= last <= len(text):
        raise ValueError(f"index out of range: {start}")
    return text[start:last]


def _is_sorted(items: list[Any]) -> bool:
    return all(left <= right for left, right in pairwise(items))


def _is_ip(text: str) -> bool:
    """No zone, no IPv4 in IPv6. Source: apiserver/pkg/cel/library/ip.go."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return "%" not in text and getattr(address, "ipv4_mapped", None) is None


def _is_cidr(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text and _is_ip(text.partition("/")[0])


def _is_url(text: str) -> bool:
    """An absolute URI or an absolute path. Source: apiserver/pkg/cel/library/urls.go."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _is_quantity(text: str) -> bool:
    try:
        parse(text)
    except QuantityError:
        return False
    return True


def _split(text: str, by: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    return text.split(by, limit - 1 if limit > 0 else -1) if by else list(text)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "charAt": lambda text, index: text[index : index + 1],
    "indexOf": _index_of,
    "isCIDR": _is_cidr,
    "isIP": _is_ip,
    "isQuantity": _is_quantity,
    "isSorted": _is_sorted,
    "isURL": _is_url,
    "join": lambda items, by="": by.join(items),
    "lastIndexOf": _last_index_of,
    "lowerAscii": lambda text: text.lower() if text.isascii() else text,
    "max": max,
    "min": min,
    "replace": lambda text, old, new, limit=-1: text.replace(old, new, limit),
    "split": _split,
    "substring": _substring,
    "sum": sum,
    "trim": lambda text: text.strip(),
    "upperAscii": lambda text: text.upper() if text.isascii() else text,
}
