"""YAML with the types that the real server's library gives it: Go's, which is not YAML 1.1 by the
letter. ``1:30`` is a text, ``1e3`` and ``08`` are numbers, ``0o17`` is octal, dates are texts,
``!!binary`` is the text it encodes, and a tag nobody knows is passed over.

Source: go.yaml.in/yaml/v2 resolve.go (resolve, resolveMap, yamlStyleFloat) and decode.go (scalar).
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

Scalar = str | int | float | bool | None

_TAG: Final = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ, _MERGE = (f"{_TAG}{name}" for name in ("str", "map", "seq", "merge"))
_TRUE: Final = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE: Final = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<two>[01]+)|0[oO]?(?P<eight>[0-7]+)"
    r"|(?P<ten>0|[1-9][0-9]*))"
)
_BASES: Final = {"hex": 16, "two": 2, "eight": 8, "ten": 10}
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FIRSTS: Final = frozenset("+-.0123456789yYnNtTfFoO~<")
"""What a plain text that is no text can begin with."""


def resolved(text: str) -> Scalar:
    """What a plain scalar stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    plain = text if text[0] == "." else text.replace("_", "")
    found = _INTEGER.fullmatch(plain)
    if found is not None:
        base = found.lastgroup
        assert base is not None
        number = int(found["sign"] + found[base], _BASES[base])
        if -(1 << 63) <= number < (1 << 64 if found["sign"] == "" else 1 << 63):
            return number
    if _FLOAT.fullmatch(plain):
        value = float(plain)
        if abs(value) != float("inf"):
            return value
    return text


_TAGS: Final[dict[type, str]] = {
    kind: _TAG + name
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), (type(None), "null"))
}


def _tag_of(value: Scalar) -> str:
    return _TAGS.get(type(value), _STR)


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    yaml_constructors = {  # noqa: RUF012
        tag: made
        for tag, made in yaml.SafeLoader.yaml_constructors.items()
        if tag in (_STR, _MAP, _SEQ)
    }
    merges = False
    """Whether a map takes in others: constructing it then changes its node."""

    def resolve(self, kind: Any, value: str, implicit: tuple[bool, bool]) -> str:
        """The tag of a node that has none. Asked for every node, as is ``construct_object``: with
        the library's own, which serve other types too, a body takes twice as long."""
        if kind is not yaml.ScalarNode:
            return _SEQ if kind is yaml.SequenceNode else _MAP
        if not implicit[0] or (value and value[0] not in _FIRSTS):
            return _STR
        if value == "<<":
            self.merges = True
            return _MERGE
        return _tag_of(resolved(value))

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node.tag == _STR and type(node) is yaml.ScalarNode:
            return node.value
        return super().construct_object(node, deep)


YAML_TWICE: Final = "yaml: unmarshal errors:\n"


def yaml_twice(body: bytes) -> list[str]:
    """The one finding of a strict decoder about the keys that come twice in a body that
    ``Document`` reads, a line for each; empty when there is none.

    Source: setMapIndex, go.yaml.in/yaml/v2 decode.go."""
    return _finding(yaml.compose(body, _Loader))


def _finding(node: Any) -> list[str]:
    lines = list(_twice(node))
    return [YAML_TWICE + "\n".join(lines)] if lines else []


def _twice(node: Any) -> Iterator[str]:
    """A value's own findings come before that of its key, which is told by the value's line."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[tuple[str, str]] = set()
    for key, value in node.value:
        yield from _twice(value)
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in seen:
            shown = json.dumps(key.value) if key.tag == _STR else key.value
            yield f"  line {value.start_mark.line + 1}: key {shown} already set in map"
        seen.add((key.tag, key.value))


class Document:
    """The only one of a body, read once. yaml.YAMLError, ValueError."""

    __slots__ = ("_body", "_node", "value")

    def __init__(self, body: bytes) -> None:
        self._body = body
        loader = _Loader(body)
        try:
            node = loader.get_single_node()
            self.value: Any = None if node is None else loader.construct_document(node)
            self._node = None if loader.merges else node
        finally:
            loader.dispose()

    def twice(self) -> list[str]:
        """See ``yaml_twice``. Not before the value is known to be bounded: an alias is looked at
        wherever it stands."""
        return yaml_twice(self._body) if self._node is None else _finding(self._node)


def _typed(loader: Any, node: Any) -> Scalar:
    """A scalar of a basic type, plain or tagged so."""
    text = loader.construct_scalar(node)
    value = resolved(text)
    if _tag_of(value) == node.tag or (node.tag == f"{_TAG}float" and type(value) is int):
        return _as_in_json(value)
    found, wanted = _tag_of(value).replace(_TAG, "!!"), node.tag.replace(_TAG, "!!")
    raise yaml.constructor.ConstructorError(problem=f"cannot decode {found} `{text}` as a {wanted}")


def _as_in_json(value: Scalar) -> Scalar:
    """A whole float is written as an integer. ValueError for what JSON has not."""
    if type(value) is not float:
        return value
    if value != value or abs(value) == float("inf"):
        name = "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
        raise ValueError(f"json: unsupported value: {name}")
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _binary(loader: Any, node: Any) -> str:
    text = loader.construct_scalar(node).replace("\r", "").replace("\n", "")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("yaml: !!binary value contains invalid base64 data") from None
    # JSON has a replacement character for each byte that is no UTF-8.
    return re.sub("[\udc80-\udcff]", "\ufffd", data.decode(errors="surrogateescape"))


def _untagged(loader: Any, node: Any) -> Any:
    """What has a tag of its own: by its form alone."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


for _name in ("null", "bool", "int", "float"):
    _Loader.add_constructor(_TAG + _name, _typed)
_Loader.add_constructor(f"{_TAG}binary", _binary)
_Loader.add_constructor(None, _untagged)
