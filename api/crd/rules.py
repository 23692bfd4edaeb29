"""Validation rules (``x-kubernetes-validations``) of a schema, held against objects.

Source: apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go (order, texts), values.go
(values as rules see them); apis/apiextensions/validation/validation.go (checks of the rules).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from api.core import JsonObject
from api.crd.expressions import ExpressionError, compiled_expression
from api.crd.schema import RESOURCE_FIELDS, Node
from api.crd.values import ABSENT, identity, same
from api.errors import Cause
from api.times import TimeError, parse_time

RULES = "x-kubernetes-validations"
_BLOCKING = (
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
)
_KEYWORDS = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for"),
        *("function", "if", "import", "let", "loop", "package", "namespace", "return", "var"),
        *("void", "while"),
    )
)
_MARKS = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))


def has_rules(node: Node) -> bool:
    """Whether a schema has a rule anywhere."""
    inner = [*node.properties.values(), *(one for one in (node.items, node.additional) if one)]
    return bool(node.raw.get(RULES)) or any(map(has_rules, inner))


def broken_rules(
    node: Node, value: Any, old: Any, found: list[Cause], place: str = ""
) -> list[Cause]:
    """The causes of rules against a value. ``found``: what is wrong with it otherwise; rules are
    not asked about a value of the wrong shape. ``place``: where it stands in its object."""
    if any(cause.reason in _BLOCKING for cause in found):
        text = (
            "some validation rules were not checked because the object was invalid; correct the "
            "existing errors to complete validation"
        )
        return [Cause.invalid("<nil>", None, text)]
    return list(_walk(node, value, old, place, not place))


def _walk(node: Node, value: Any, old: Any, path: str, root: bool = False) -> Iterator[Cause]:
    if value is None:
        return
    for rule in node.raw.get(RULES) or ():
        cause = _judged(rule, node, (value, old), path, root)
        if cause is not None:
            yield cause
    if isinstance(value, list) and node.items is not None:
        before: Mapping[str, Any] = {}
        if node.list_type == "map" and isinstance(old, list):
            before = {identity(node, item): item for item in old if isinstance(item, dict)}
        for index, item in enumerate(value):
            past = before.get(identity(node, item), ABSENT) if before else ABSENT
            yield from _walk(node.items, item, past, f"{path}[{index}]")
    elif isinstance(value, dict):
        past_of = old if isinstance(old, dict) and node.map_type != "atomic" else {}
        for name in sorted(value):
            child = node.child(name)
            if child is not None:
                mapped = name not in node.properties
                where = f"{path}[{name}]" if mapped else f"{path}.{name}" if path else name
                yield from _walk(child, value[name], past_of.get(name, ABSENT), where)


def _judged(
    rule: JsonObject, node: Node, values: tuple[Any, Any], path: str, root: bool
) -> Cause | None:
    """The cause of a rule that does not hold. ``values``: the one now and the one before."""
    text = rule["rule"]
    value, old = values
    said = (rule.get("message") or "").strip() or f"failed rule: {text.strip()}"
    kind = node.type or "object"
    field = path or "<nil>"
    try:
        expression = compiled_expression(text)
        variables: dict[str, Any] = {"self": seen(node, value, root)}
        if expression.uses_old:
            if old is ABSENT or old is None:
                # A rule of a transition says nothing about a beginning.
                return None
            variables["oldSelf"] = seen(node, old, root)
        if expression.evaluate(variables) is True:
            return None
        if old is not ABSENT and not expression.uses_old and same(value, old):
            # What an update leaves alone is not judged again.
            return None
        if rule.get("messageExpression"):
            made = compiled_expression(rule["messageExpression"]).evaluate(variables)
            said = made if isinstance(made, str) and made.strip() else said
    except ExpressionError as error:
        return Cause.invalid(field, kind, f"{error} evaluating rule: {said}")
    if rule.get("fieldPath"):
        inner = rule["fieldPath"].removeprefix(".")
        field = f"{path}.{inner}" if path else inner
    match rule.get("reason"):
        case "FieldValueForbidden":
            return Cause.forbidden(field, said)
        case "FieldValueRequired":
            return Cause.required(field, said)
        case "FieldValueDuplicate":
            return Cause.duplicate(field, kind)
        case _:
            return Cause.invalid(field, kind, said)


def seen(node: Node, value: Any, resource: bool = False) -> Any:
    """A value as rules see it: typed by its schema, without what the schema does not know."""
    if isinstance(value, list):
        return [seen(node.items, item) for item in value] if node.items is not None else value
    if isinstance(value, dict):
        made = {}
        for name, inner in value.items():
            child = node.child(name)
            if child is not None:
                known = name in node.properties
                made[escaped(name) if known else name] = seen(child, inner)
        if resource or node.embedded:
            meta = value.get("metadata") or {}
            made |= {name: value[name] for name in RESOURCE_FIELDS[:2] if name in value}
            made["metadata"] = {k: meta[k] for k in ("name", "generateName") if k in meta}
        return made
    if node.type == "number" and type(value) is int:
        return float(value)
    if node.type == "integer" and isinstance(value, float):
        return int(value)
    return _formatted(node.raw.get("format", ""), value) if isinstance(value, str) else value


def _formatted(name: str, text: str) -> Any:
    try:
        if name == "date-time":
            moment = parse_time(text)
            return datetime.fromtimestamp(moment // 10**9, UTC) + timedelta(
                microseconds=moment % 10**9 // 1000
            )
        if name == "duration":
            found = compiled_expression("duration(self)").evaluate({"self": text})
            return found
    except (ExpressionError, TimeError):
        return text
    return text


def escaped(name: str) -> str:
    """A property as rules name it. Source: Escape in apiserver/pkg/cel/escaping.go."""
    if name in _KEYWORDS:
        return f"__{name}__"
    for mark, word in _MARKS:
        name = name.replace(mark, word)
    return name


def rule_faults(raw: JsonObject, field: str) -> Iterator[Cause]:
    """What is wrong with the rules of one schema themselves."""
    for index, rule in enumerate(raw.get(RULES) or ()):
        where = f"{field}.{RULES}[{index}]"
        text, message = rule.get("rule") or "", rule.get("message")
        if not text.strip():
            yield Cause.required(f"{where}.rule", "rule is not specified")
            continue
        if message and not message.strip():
            yield Cause.invalid(f"{where}.message", message, "must be non-empty if specified")
        elif message and "\n" in message.strip():
            yield Cause.invalid(f"{where}.message", message, "must not contain line breaks")
        elif "\n" in text.strip() and not message:
            why = "message must be specified if rule contains line breaks"
            yield Cause.required(f"{where}.message", why)
        if rule.get("optionalOldSelf"):
            yield Cause.forbidden(f"{where}.optionalOldSelf", "not served by this server")
        for name in ("rule", "messageExpression"):
            if rule.get(name):
                try:
                    compiled_expression(rule[name])
                except ExpressionError as error:
                    yield Cause.invalid(f"{where}.{name}", rule, str(error))
