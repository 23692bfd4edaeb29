"""Bodies that anybody may send, parsed within bounds of depth, size and time.

What is parsed here can be walked recursively and written as JSON again, and has no more nodes than
it should: deep nesting, numbers beyond JSON's and YAML whose aliases multiply are refused.
"""

import re
from typing import Any, Final

import orjson
import yaml

from api.errors import BadRequest
from apiserver.go_json import UNEXPECTED_END, json_error
from apiserver.go_yaml import YAML_TWICE, Document

DEPTH_MAX: Final = 200
"""Levels of maps and lists. Go's decoder follows 10,000; no kind has more than a few dozen."""
YAML_BYTES_MAX: Final = 1 << 20
"""YAML takes a hundred times longer to read than JSON: one to two seconds for this much where it is
dense, a tenth of that for what a ConfigMap usually holds."""
YAML_NODES_MAX: Final = 1_000_000
"""Nodes of a YAML body with its aliases written out. Source of the refusal: go-yaml."""
TOO_DEEP: Final = "exceeded max depth"


def parse_json(body: bytes) -> Any:
    """orjson.JSONDecodeError for what is no JSON or too deep."""
    parsed = orjson.loads(body)
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX:
        try:
            check_bounds(parsed, len(body))
        except BadRequest:
            raise orjson.JSONDecodeError(TOO_DEEP, "", 0) from None
    return parsed


def parse_yaml(body: bytes) -> Any:
    """A YAML body with the types that JSON has. BadRequest."""
    return _document(body).value


def parse_yaml_strictly(body: bytes) -> tuple[Any, list[str]]:
    """The same, with what ``go_yaml.yaml_twice`` finds. BadRequest."""
    document = _document(body)
    return document.value, document.twice()


def _document(body: bytes) -> Document:
    if len(body) > YAML_BYTES_MAX:
        raise BadRequest(f"yaml: more than {YAML_BYTES_MAX} bytes")
    if _nests(body):
        raise BadRequest(f"yaml: {TOO_DEEP}")
    try:
        document = Document(body)
        check_bounds(document.value, YAML_NODES_MAX)
        plain = orjson.dumps(document.value, default=str, option=orjson.OPT_NON_STR_KEYS)
        document.value = orjson.loads(plain)
        return document
    except yaml.constructor.ConstructorError as error:
        raise BadRequest(f"{YAML_TWICE}  {error}") from None
    except yaml.MarkedYAMLError as error:
        raise BadRequest(f"yaml: {_place(error)}{error.problem}") from None
    except (yaml.YAMLError, RecursionError, UnicodeError, TypeError, ValueError) as error:
        raise BadRequest(str(error)) from None


def _place(error: yaml.MarkedYAMLError) -> str:
    """Which line, as Go's parser counts them: the first is not told. Source: parser.fail,
    go.yaml.in/yaml/v2 decode.go."""
    line = error.problem_mark.line if error.problem_mark is not None else 0
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    if not line and error.context_mark is not None:
        line = error.context_mark.line
    return f"line {line}: " if line else ""


def _nests(body: bytes) -> bool:
    """Whether brackets, or indentation, go deeper than we follow. Brackets in texts count too."""
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", body):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH_MAX:
            return True
    return re.search(rb"(?:- ){%d}" % DEPTH_MAX, body) is not None


def check_bounds(parsed: Any, nodes_max: int) -> None:
    """BadRequest when it is too deep, or has too many nodes once aliases are written out."""
    level, nodes, depth = [parsed], 0, 0
    while level:
        depth += 1
        if depth > DEPTH_MAX + 1:
            raise BadRequest(TOO_DEEP)
        nodes += sum(len(one) for one in level if type(one) in (dict, list))
        if nodes > nodes_max:
            raise BadRequest("yaml: document contains excessive aliasing")
        level = [
            child
            for one in level
            if type(one) in (dict, list)
            for child in (one.values() if type(one) is dict else one)
            if type(child) in (dict, list)
        ]


def refusal_of_json(body: bytes) -> str:
    """What Go's parser says of a body that ``parse_json`` refused."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return "invalid UTF-8"
    try:
        said = json_error(text)
    except (RecursionError, ValueError):
        return TOO_DEEP
    if said == UNEXPECTED_END and body.count(b"{") + body.count(b"[") > DEPTH_MAX:
        return TOO_DEEP
    return said
