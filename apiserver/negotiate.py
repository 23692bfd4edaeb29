"""Which form of answer a request accepts, and what its booleans and options say."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

from api.conversion import View
from api.errors import BadRequest, NotAcceptable, WrongShape

JSON = "application/json"
YAML = "application/yaml"
AVAILABLE = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
)
"""As the real server words it. We write no protobuf: it is refused with this text."""
_SERVED = frozenset((JSON, YAML, "*/*", "application/*"))


class Form(NamedTuple):
    """The shape of the objects in an answer."""

    kind: str
    """"object", "table", "partial", or "view": objects as they look in another version."""
    version: str = "v1"
    """Version of meta.k8s.io of a Table or PartialObjectMetadata; group and version of a view."""
    view: View | None = None
    of_list: bool = False
    """A partial form of a whole list was asked for."""

    @property
    def content_type(self) -> str:
        """Of the answer, before it may be turned into YAML."""
        return JSON


OBJECT = Form("object")
FRAME = Form("frame")
"""Objects as they are, for the frame port."""


@lru_cache(maxsize=512)
def form_of(accept: str, streamed: bool = False) -> Form:
    """The first alternative of an Accept header that can be served, or NotAcceptable.
    ``streamed``: as a watch, of which YAML has no form."""
    if not accept:
        return OBJECT
    for alternative in accept.split(","):
        media, *parameters = (part.strip() for part in alternative.split(";"))
        if media not in _SERVED or (streamed and media == YAML):
            continue
        named = dict(part.split("=", 1) for part in parameters if "=" in part)
        wanted = named.get("as", "")
        if not wanted:
            return OBJECT
        if named.get("g") != "meta.k8s.io" or named.get("v") not in ("v1", "v1beta1"):
            continue
        if wanted == "Table":
            return Form("table", named["v"])
        if wanted in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return Form("partial", named["v"], of_list=wanted.endswith("List"))
    raise NotAcceptable(AVAILABLE)


def check_shape(form: Form, kind: str, is_list: bool) -> None:
    """WrongShape when a list was found where metadata of one object was asked for, or the reverse.
    ``kind``: what was found. Source: asPartialObjectMetadata, asPartialObjectMetadataList,
    apiserver/pkg/endpoints/handlers/response.go."""
    if form.kind == "partial" and form.of_list is not is_list:
        end, word = ("List", "not a list") if form.of_list else ("", "a list")
        raise WrongShape(
            f"you requested PartialObjectMetadata{end}, but the requested object is {word} "
            f"(*{kind})"
        )


@lru_cache(maxsize=512)
def wants_yaml(accept: str) -> bool:
    """Whether YAML is the first alternative of an Accept header that can be served."""
    for alternative in accept.split(","):
        media = alternative.partition(";")[0].strip()
        if media in _SERVED:
            return media == YAML
    return False


def parse_query(query: str) -> dict[str, str]:
    """A URL query as name to value; of a repeated name the first counts, as in Go's Values.Get."""
    if not query:
        return {}
    out: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        out.setdefault(name, value)
    return out


def boolean(options: Mapping[str, str], name: str) -> bool:
    """A boolean option: false is "0", "false" in any case, and being absent; all else is true.

    Source: Convert_Slice_string_To_bool, apimachinery/pkg/runtime/conversion.go at v0.36.3."""
    text = options.get(name)
    return text is not None and text != "0" and text.lower() != "false"


_INTEGER = re.compile("[+-]?[0-9]+")


def integer(text: str) -> int:
    """An option that is a number, as Go reads an int64. BadRequest."""
    if not _INTEGER.fullmatch(text):
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    number = int(text[:32])
    if not -(2**63) <= number < 2**63 or len(text) > 32:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number
