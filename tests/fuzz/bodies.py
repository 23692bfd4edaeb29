"""Bodies that were right once: protobuf and JSON with bytes changed, cut, repeated, exchanged.

They go through what every body goes through before a verb sees it: decoding, structure, defaults,
canonical form, validation. Only what says what is wrong with the body may be raised.
"""

import base64
import gzip
import json
from pathlib import Path

import orjson

from api.defaulting import set_defaults
from api.errors import ApiError
from api.kinds import SERVED, Kind, kind_of
from api.validation import validate_create
from apiserver.bodies import decode_object
from apiserver.messages import User
from apiserver.registry import Request
from tests.fuzz.chance import NUMBERS, OTHERS, TEXTS, Chance

VECTORS = Path(__file__).parents[1] / "golden" / "protobuf" / "vectors.jsonl.gz"
CREATES = VECTORS.parents[1] / "api" / "defaults.jsonl"
PROTOBUF, JSON = "application/vnd.kubernetes.protobuf", "application/json"
EDGES = (b"\x00", b"\xff", b"\x80" * 9, b"\x7f", b"\xff" * 10, b"\x0a", b"\x12\x00", b"k8s\x00")
TOKENS = (b"{", b"}", b"[", b"]", b",", b'"', b"null", b"1e999", b"-", b"\\ud800", b"\xff", b"true")
BYTES_MAX = 20_000
"""Of a body: larger vectors are rare and slow."""


class Bodies:
    """Makes bodies and tries them; counts how far they came."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed, "fuzz/bodies")
        self.came_to: dict[str, int] = {}
        kinds = {kind_of(key).type_name: kind_of(key) for key in SERVED}
        rows = map(json.loads, gzip.decompress(VECTORS.read_bytes()).splitlines())
        self._protobuf: list[tuple[Kind, bytes]] = []
        self._json: list[tuple[Kind, bytes]] = []
        for row in rows:
            kind = kinds.get(f"api.{row['name']}")
            raw = base64.b64decode(row["pb"])
            if kind is not None and len(raw) < BYTES_MAX:
                self._protobuf.append((kind, raw))
                self._json.append((kind, orjson.dumps(row["json"])))
        for line in CREATES.read_text(encoding="utf-8").splitlines():
            for step in json.loads(line)["steps"]:
                body = step["req"].get("body")
                if step["req"]["method"] == "POST" and isinstance(body, dict):
                    of = [one for one in kinds.values() if one.kind == body.get("kind")]
                    self._json += [(one, orjson.dumps(body)) for one in of]

    def run(self, count: int) -> None:
        """Raises what none of our own code may raise."""
        for _ in range(count):
            if self.chance.one_in(2):
                kind, body = self.chance.of(self._protobuf)
                self._try(kind, self._mutated(body, EDGES), PROTOBUF)
                continue
            kind, body = self.chance.of(self._json)
            change = self._mutated(body, TOKENS) if self.chance.one_in(3) else self._exchanged(body)
            self._try(kind, change, JSON)

    def _try(self, kind: Kind, body: bytes, media: str) -> None:
        request = Request(1, User("fuzz"), "create", kind)
        request.body, request.content_type = body, media
        try:
            obj, _ = decode_object(kind, request, self.chance.of(("Ignore", "Warn", "Strict")))
        except ApiError as error:
            self._count(f"refused {error.code}")
            return
        except Exception as bug:
            raise AssertionError(f"{kind.key} {media} {body!r}") from bug
        try:
            obj["metadata"].setdefault("name", "a")
            set_defaults(kind, obj)
            causes = validate_create(kind, obj)
            orjson.dumps(obj)
        except Exception as bug:
            raise AssertionError(f"{kind.key} {media} {body!r}") from bug
        self._count("invalid" if causes else "valid")

    def _count(self, outcome: str) -> None:
        self.came_to[outcome] = self.came_to.get(outcome, 0) + 1

    def _mutated(self, body: bytes, edges: tuple[bytes, ...]) -> bytes:
        chance = self.chance
        for _ in range(1 + chance.below(3)):
            at = chance.below(len(body) + 1)
            until = min(len(body), at + chance.below(20))
            # A protobuf of another length is mostly no protobuf, so bytes are changed more often.
            match chance.below(9):
                case 0:
                    body = body[:at] + chance.of(edges) + body[at:]
                case 1:
                    body = body[:at] + chance.of(edges) + body[until:]
                case 2:
                    body = body[:at] + body[until:]
                case 3:
                    body = body[:at] + body[at:until] * 2 + body[until:]
                case _:
                    body = body[:at] + bytes((chance.below(256),)) + body[at + 1 :]
        return body

    def _exchanged(self, text: bytes) -> bytes:
        """One value of an object replaced, mostly by one of its own type."""
        document = orjson.loads(text)
        at = document
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                return orjson.dumps(document)
            key = self.chance.of(keys)
            inner = at[key]
            if not isinstance(inner, (dict, list)) or self.chance.one_in(4):
                break
            at = inner
        alike = {str: TEXTS, int: NUMBERS}.get(type(at[key]))
        wild = alike is None or self.chance.one_in(6)
        at[key] = self.chance.of((*OTHERS, *TEXTS) if wild or alike is None else alike)
        return orjson.dumps(document)
