"""Answers as YAML, in the way of Go's library: keys sorted, what could be read as something else
than text in double quotes, several lines as a block.

Source: Marshal of sigs.k8s.io/yaml, encode.go of go.yaml.in/yaml/v2.
"""

import re
from typing import Any, Final

import orjson
import yaml

from api.errors import NotAcceptable
from apiserver.answers import answer_of_error
from apiserver.messages import Answer
from apiserver.negotiate import AVAILABLE, JSON, YAML

BYTES_MAX: Final = 256 * 1024
"""JSON of which YAML is written: a fifth of a second for this much."""
_SHORT: Final = ("y", "Y", "n", "N")
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


def in_yaml(answer: Answer) -> Answer:
    """The answer to a client that wants YAML. What is not JSON stays; what would keep the
    others waiting is refused as if YAML could not be written; kube-apiserver has no such bound."""
    if not answer.content_type.startswith(JSON) or not answer.body:
        return answer
    if len(answer.body) > BYTES_MAX:
        return in_yaml(answer_of_error(NotAcceptable(AVAILABLE)))
    return answer._replace(body=written(orjson.loads(answer.body)), content_type=YAML)


def written(document: Any) -> bytes:
    """A parsed JSON document as YAML."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=2**31 - 1
    )
    return text.encode()


class _Dumper(yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper):  # type: ignore[misc]
    """Writes text as Go's library does."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    tag: str = dumper.resolve(yaml.ScalarNode, text, (True, False))
    style = None
    if tag != _STR or text in _SHORT or _BASE_60.fullmatch(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    node: yaml.ScalarNode = dumper.represent_scalar(_STR, text, style=style)
    return node


_STR: Final = "tag:yaml.org,2002:str"
_Dumper.add_representer(str, _text)
