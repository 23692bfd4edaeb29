"""Label and field selectors: parsed once, matched often.

Source: apimachinery/pkg/labels/selector.go and pkg/fields/selector.go at v0.36.3: the grammar, its
leniency with commas, and the texts of errors.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from api.core import JsonObject
from api.errors import aggregate, shown
from api.names import wrong_with_label_value, wrong_with_qualified_name

Labels = Mapping[str, str]


class SelectorError(ValueError):
    """The text is no selector. Worded as Kubernetes words it."""


class Requirement(NamedTuple):
    """What a selector asks of one key."""

    key: str
    operator: str
    """Labels: ``= == != in notin exists !`` (``gt`` and ``lt`` are read and compare integers).
    Fields: ``=`` and ``!=``."""
    values: tuple[str, ...] = ()
    """Sorted; one for ``= == != gt lt``, none for ``exists`` and ``!``."""


class LabelSelector:
    """All of its requirements must hold; without any it matches everything."""

    __slots__ = ("_absent", "_checks", "_equal", "requirements")

    def __init__(self, requirements: Sequence[Requirement], nothing: bool = False) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda one: one.key))
        self._absent = nothing
        plain = [r for r in self.requirements if r.operator in ("=", "==") or _is_one_of_one(r)]
        self._equal = tuple((one.key, one.values[0]) for one in plain)
        self._checks = tuple(_label_check(one) for one in self.requirements if one not in plain)

    def matches(self, labels: Labels | None) -> bool:
        """Cost: 0.2 µs for one equality."""
        if self._absent:
            return False
        if labels is None:
            labels = {}
        for key, value in self._equal:
            if labels.get(key) != value:
                return False
        return all(check(labels) for check in self._checks)

    @property
    def empty(self) -> bool:
        """Whether it has no requirement and so matches everything."""
        return not self.requirements and not self._absent

    def __str__(self) -> str:
        return ",".join(map(_label_text, self.requirements))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelSelector):
            return NotImplemented
        return (self.requirements, self._absent) == (other.requirements, other._absent)

    def __hash__(self) -> int:
        return hash(self.requirements)


NOTHING = LabelSelector((), nothing=True)


class FieldSelector:
    """Equalities and inequalities of fields by path; all must hold."""

    __slots__ = ("requirements",)

    def __init__(self, requirements: Sequence[Requirement]) -> None:
        self.requirements = tuple(requirements)

    def matches(self, fields: Mapping[str, str]) -> bool:
        """A field that the object does not have counts as empty. Cost: 0.2 µs a requirement."""
        for key, operator, (value,) in self.requirements:
            if (fields.get(key, "") == value) is (operator == "!="):
                return False
        return True

    def __str__(self) -> str:
        return ",".join(
            f"{one.key}{one.operator}{_escape(one.values[0])}" for one in self.requirements
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FieldSelector):
            return NotImplemented
        return self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self.requirements)


@lru_cache(maxsize=4096)
def parse_label_selector(text: str) -> LabelSelector:
    """The selector of a query's labelSelector. SelectorError."""
    return LabelSelector(_Parser(text).requirements())


def label_selector_of(selector: JsonObject | None) -> LabelSelector:
    """The selector of a LabelSelector object (matchLabels, matchExpressions). SelectorError.

    None selects nothing and ``{}`` everything, as in LabelSelectorAsSelector.
    """
    if selector is None:
        return NOTHING
    found = [
        _checked(Requirement(key, "=", (value,)))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        word = expression.get("operator", "")
        operator = _OPERATORS_OF_OBJECTS.get(word)
        if operator is None:
            raise SelectorError(f"{shown(word)} is not a valid label selector operator")
        values = tuple(sorted(expression.get("values") or ()))
        found.append(_checked(Requirement(expression.get("key", ""), operator, values)))
    return LabelSelector(found)


@lru_cache(maxsize=4096)
def parse_field_selector(text: str) -> FieldSelector:
    """The selector of a query's fieldSelector. Empty terms are skipped. SelectorError."""
    return FieldSelector([_field_term(text, term) for term in _field_terms(text) if term])


_OPERATORS_OF_OBJECTS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def _is_one_of_one(requirement: Requirement) -> bool:
    return requirement.operator == "in" and len(requirement.values) == 1


def _label_check(requirement: Requirement) -> Callable[[Labels], bool]:
    key, operator, values = requirement
    if operator == "in":
        return lambda labels: labels.get(key) in values
    if operator in ("!=", "notin"):
        return lambda labels: labels.get(key) not in values
    if operator == "exists":
        return lambda labels: key in labels
    if operator == "!":
        return lambda labels: key not in labels
    bound = int(values[0])
    sign = 1 if operator == "gt" else -1
    return lambda labels: _is_beyond(labels.get(key), bound, sign)


def _is_beyond(value: str | None, bound: int, sign: int) -> bool:
    number = None if value is None else _int64(value)
    return number is not None and number * sign > bound * sign


def _int64(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _label_text(requirement: Requirement) -> str:
    key, operator, values = requirement
    if operator in ("in", "notin"):
        return f"{key} {operator} ({','.join(values)})"
    if operator in ("exists", "!"):
        return key if operator == "exists" else f"!{key}"
    sign = {"gt": ">", "lt": "<"}.get(operator, operator)
    return f"{key}{sign}{values[0]}"


def _checked(requirement: Requirement) -> Requirement:
    """The requirement, when key, number of values and values are legal. SelectorError."""
    key, operator, values = requirement
    found = _wrong_keys("key", key)
    if operator in ("in", "notin") and not values:
        detail = "for 'in', 'notin' operators, values set can't be empty"
        found.append(f"values: Invalid value: []: {detail}")
    if operator in ("exists", "!") and values:
        detail = "values set must be empty for exists and does not exist"
        found.append(f"values: Invalid value: {shown(values)}: {detail}")
    if operator in ("gt", "lt") and _int64(values[0]) is None:
        detail = "for 'Gt', 'Lt' operators, the value must be an integer"
        found.append(f"values[0]: Invalid value: {shown(values[0])}: {detail}")
    for i, value in enumerate(values):
        wrong = wrong_with_label_value(value)
        if wrong:
            field = f"values[{i}][{key}]"
            found.append(f"{field}: Invalid value: {shown(value)}: {'; '.join(wrong)}")
    if found:
        raise SelectorError(aggregate(found))
    return requirement


def _wrong_keys(field: str, key: str) -> list[str]:
    wrong = wrong_with_qualified_name(key)
    return [f"{field}: Invalid value: {shown(key)}: {'; '.join(wrong)}"] if wrong else []


_TOKEN = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^ \t\r\n=!(),<>]+))")
_SYMBOLS = frozenset(["==", "!=", "=", "!", "(", ")", ",", "<", ">"])
_OPERATORS = {"in": "in", "notin": "notin", ">": "gt", "<": "lt"}
_OPERATORS |= {word: word for word in ("=", "==", "!=")}


class _Parser:
    """Recursive descent over tokens; the empty token is the end of the text."""

    def __init__(self, text: str) -> None:
        self._tokens = [match.group(1) or match.group(2) for match in _TOKEN.finditer(text)]
        self._at = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        token = self._peek()
        while token:
            if token in _SYMBOLS and token != "!":
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            end = self._next()
            if not end:
                break
            if end != ",":
                raise SelectorError(f"found '{end}', expected: ',' or 'end of string'")
            token = self._peek()
            if not token or (token in _SYMBOLS and token != "!"):
                raise SelectorError(f"found '{token}', expected: identifier after ','")
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _requirement(self) -> Requirement:
        key = self._next()
        absent = key == "!"
        if absent:
            key = self._next()
        if not key or key in _SYMBOLS:
            raise SelectorError(f"found '{key}', expected: identifier")
        wrong = _wrong_keys("<nil>", key)
        if wrong:
            raise SelectorError(wrong[0])
        if absent:
            return Requirement(key, "!")
        if self._peek() in ("", ","):
            return Requirement(key, "exists")
        word = self._next()
        operator = _OPERATORS.get(word)
        if operator is None:
            raise SelectorError(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if operator in ("in", "notin") else self._exact_value()
        return _checked(Requirement(key, operator, values))

    def _exact_value(self) -> tuple[str, ...]:
        if self._peek() in ("", ","):
            return ("",)
        value = self._next()
        if value in _SYMBOLS:
            raise SelectorError(f"found '{value}', expected: identifier")
        return (value,)

    def _values(self) -> tuple[str, ...]:
        token = self._next()
        if token != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        found: list[str] = []
        before = "("
        while True:
            token = self._next()
            if token in (",", ")"):
                if before == "," or (before == "(" and token == ","):
                    found.append("")
                if token == ")":
                    return tuple(sorted(dict.fromkeys(found)))
            elif before not in ("(", ",") or not token or token in _SYMBOLS:
                expected = "',' or ')'" if before not in ("(", ",") else "',', ')' or identifier"
                raise SelectorError(f"found '{token}', expected: {expected}")
            else:
                found.append(token)
            before = token if token in (",", ")") else "value"


def _field_terms(text: str) -> list[str]:
    """The terms between commas that no backslash precedes, sorted."""
    if "\\" not in text:
        return sorted(text.split(","))
    terms = re.findall(r"((?:\\.|[^,\\]|\\$)*)(?:,|$)", text, re.DOTALL)
    return sorted(terms)


def _field_term(text: str, term: str) -> Requirement:
    match = re.search("!=|==|=", term)
    if match is None:
        raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
    operator = "!=" if match.group() == "!=" else "="
    return Requirement(term[: match.start()], operator, (_unescape(term[match.end() :]),))


def _unescape(value: str) -> str:
    if not re.search(r"[\\=,]", value):
        return value
    out = []
    letters = iter(value)
    for letter in letters:
        if letter == "\\":
            letter = next(letters, "")
            if letter not in ("\\", ",", "="):
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{letter}")
        elif letter in ",=":
            raise SelectorError(
                f"invalid field selector: unescaped character in value: {ord(letter)}"
            )
        out.append(letter)
    return "".join(out)


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)
