"""Bodies of new pods that end as earlier ones did: with the specification of a template, as text.

Clients write an object's type and metadata first and its specification last, and the pods of one
template have it in the same letters. So what follows ``"spec":`` is looked up as it is, and only
what stands before it is parsed: a quarter of a body. That such a body is right as a whole follows
from the grammar of JSON: if the text before, with a brace for its last comma, is an object with
members, it ends between two of them, and the ending was found to complete such an object.

Bound: ``ENDINGS_MAX`` endings of ``ENDING_BYTES_MAX``.
"""

from typing import Final

import orjson

from api.core import JsonObject
from api.findings import find_duplicates
from apiserver.untrusted import parse_json

ENDINGS_MAX: Final = 1024
ENDING_BYTES_MAX: Final = 16 * 1024
_MARK: Final = b'"spec":'


class Endings:
    """The endings seen lately."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[bytes, bytes] = {}
        """Ending to the specification as orjson writes it; empty: it holds more than that."""

    def __len__(self) -> int:
        return len(self._keys)

    def begin(self, body: bytes) -> tuple[JsonObject, bytes] | None:
        """The object without its specification, and that one's JSON; None if the body is to be
        parsed as a whole."""
        head, _, ending = body.partition(_MARK)
        key = self._keys.get(ending)
        if not key:
            return None
        head = head.rstrip()
        if head[-1:] != b",":
            return None
        text = head[:-1] + b"}"
        try:
            obj = parse_json(text)
        except orjson.JSONDecodeError:
            return None
        # Without a member the comma would be the first thing in it.
        if not obj or "spec" in obj or find_duplicates(text, obj):
            return None
        return obj, key

    def learn(self, body: bytes, key: bytes) -> None:
        """Keep the ending of a body that was parsed. ``key``: the JSON of its specification."""
        ending = body.partition(_MARK)[2]
        if ending in self._keys or len(ending) > ENDING_BYTES_MAX:
            return
        if len(self._keys) >= ENDINGS_MAX:
            del self._keys[next(iter(self._keys))]
        self._keys[ending] = key if _is_specification(ending, key) else b""


def _is_specification(ending: bytes, key: bytes) -> bool:
    """Whether it closes the object with this specification and nothing else."""
    text = b"{%b%b" % (_MARK, ending)
    try:
        obj = parse_json(text)
    except orjson.JSONDecodeError:
        return False
    return (
        list(obj) == ["spec"]
        and orjson.dumps(obj["spec"]) == key
        and not find_duplicates(text, obj)
    )
