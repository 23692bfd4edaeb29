"""Values that are nearly right: of a schema's type most of the time, at its edges often."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from api.streams import Stream

Schema = Mapping[str, Any]
T = TypeVar("T")
DEPTH_MAX = 9
WRONG_TYPE_IN = 60
"""One value in so many has a type that its schema does not allow."""
TEXTS = (
    *("a", "b", "x", "default", "kube-system", "n1", "", " ", "A", "a.b", "a/b", "1", "-1", "é"),
    *("100m", "1Gi", "1e3", "-5", "0.5", "0", "10%", "150%", "IfNotPresent", "Always", "Never"),
    *("nginx:1", "registry.test/a@sha256:0", "*/5 * * * *", "TZ=UTC * * * * *", "10.96.0.9"),
    *("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z", "10.0.0.1", "fd00::1", "10.0.0.0/8"),
    *("In", "NotIn", "Exists", "Equal", "NoSchedule", "NoExecute", "TCP", "http", "ClusterIP"),
    *("RollingUpdate", "Recreate", "OnDelete", "apps/v1", "v1", "Deployment", "test.io/a", "\0"),
    *("metadata.name", "status.phase", "spec.nodeName", "a" * 64, "a" * 254, "\U0001f600", "None"),
)
NUMBERS = (0, 1, -1, 2, 80, 8080, 65535, 65536, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 30, 3600)
OTHERS: tuple[Any, ...] = (None, True, 0, -1, 1.5, "", "a", [], {}, [None], [[]], {"a": None})


class Chance:
    """A stream, as generators of values need it."""

    def __init__(self, seed: int, name: str) -> None:
        self._stream = Stream(seed, name)

    def below(self, bound: int) -> int:
        return self._stream.below(bound)

    def one_in(self, count: int) -> bool:
        return self._stream.below(count) == 0

    def of(self, choices: Sequence[T]) -> T:
        return choices[self._stream.below(len(choices))]

    def value(self, schema: Schema, schemas: Mapping[str, Schema], depth: int = 0) -> Any:
        """Something for a schema of an OpenAPI document."""
        if self.one_in(WRONG_TYPE_IN):
            return self.of(OTHERS)
        while True:
            inner = schema.get("allOf") or schema.get("oneOf") or schema.get("anyOf")
            if "$ref" in schema:
                schema = schemas[schema["$ref"].rpartition("/")[2]]
            elif inner:
                schema = self.of(inner)
            else:
                break
        match schema.get("type"):
            case "object":
                return self._object(schema, schemas, depth)
            case "array":
                count = self.of((0, 1, 1, 2)) if depth < DEPTH_MAX else 0
                items = schema.get("items") or {}
                return [self.value(items, schemas, depth + 1) for _ in range(count)]
            case "integer":
                return self.of(NUMBERS)
            case "number":
                return self.of((*NUMBERS, 0.5, 1e300))
            case "boolean":
                return self.one_in(2)
            case "string":
                return self.of(schema.get("enum") or TEXTS)
        return self.of((*TEXTS, *NUMBERS, *OTHERS))

    def _object(self, schema: Schema, schemas: Mapping[str, Schema], depth: int) -> Any:
        if "properties" not in schema:
            inner = schema.get("additionalProperties")
            if not isinstance(inner, Mapping) or depth >= DEPTH_MAX:
                return {}
            return {self.of(TEXTS): self.value(inner, schemas, depth + 1) for _ in range(2)}
        required = schema.get("required") or ()
        # Few of many: a body that has everything is wrong everywhere.
        wanted = 3 + len(required)
        out: dict[str, Any] = {}
        for name, inner in schema["properties"].items():
            if name in required or (
                depth < DEPTH_MAX and self.below(max(wanted, len(schema["properties"]))) < wanted
            ):
                out[name] = self.value(inner, schemas, depth + 1)
        if self.one_in(40):
            out[self.of(("unknown", "Spec", "$patch", "", "é"))] = self.of(OTHERS)
        return out
