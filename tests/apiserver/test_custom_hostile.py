"""Definitions and custom resources with parts that are out of place: refused, never a crash.

The rig fails by itself when the core meets a bug of ours.
"""

import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from api.core import JsonObject
from tests.apiserver.apiserver_rig import Rig
from tests.apiserver.custom_widgets import (
    APPLY,
    DEFINITIONS,
    MERGE,
    TABLE,
    WIDGETS,
    defined,
    definition,
    version,
    widget,
)

ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, "", "x", "object", "integer", "(", 10**18),
    *([], {}, ["x"], [{}], [None], {"type": "object"}, {"x": 1}, "a" * 300),
]
KEYWORDS = (
    *("anyOf", "oneOf", "allOf", "not", "default", "enum", "pattern", "format", "minimum"),
    *("items", "additionalProperties", "nullable", "required", "properties", "maxItems"),
    *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-map-type"),
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"),
    *("x-kubernetes-int-or-string", "x-kubernetes-list-map-keys"),
)
WHOLE = widget("a", {"size": 1, "tags": [{"k": "a"}], "free": {"a": 1}, "replicas": 1})


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container with each key in it, at any depth."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def spoiled(chance: random.Random, value: JsonObject) -> JsonObject:
    """A copy with up to three parts out of place."""
    made: JsonObject = orjson.loads(orjson.dumps(value))
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(list(places(made)) or [(made, "x")])
        odd = orjson.loads(orjson.dumps(chance.choice(ODD)))
        if isinstance(holder.get(key) if isinstance(holder, dict) else None, dict):
            holder[key][chance.choice(KEYWORDS)] = odd
        else:
            holder[key] = odd
    return made


def is_well(code: int, body: Any) -> bool:
    """No failure of ours: as 500 Kubernetes answers a bad revision and an apply of a wrong type."""
    known = ("failed to create typed", "resourceVersion: Invalid", "failed to convert new")
    return code < 500 or str(body.get("message")).startswith(known)


@pytest.mark.parametrize("seed", range(3))
def test_spoiled_definitions_and_changes_of_good_ones(seed: int) -> None:
    chance, rig = random.Random(seed), Rig()
    stored = defined(rig)
    path = f"{DEFINITIONS}/widgets.example.com"
    for _ in range(40):
        good = definition(version("v1", True), version("v2", False))
        code, answer = rig.call("POST", f"{DEFINITIONS}?dryRun=All", spoiled(chance, good))
        assert is_well(code, answer), answer
        code, answer = rig.call("PUT", path, spoiled(chance, stored))
        assert is_well(code, answer), answer
        status = {"status": spoiled(chance, stored["status"])}
        code, answer = rig.call("PATCH", f"{path}/status", status, content_type=MERGE)
        assert is_well(code, answer), answer
        assert rig.call("GET", "/apis")[0] == 200
        code, stored = rig.call("GET", path)
        assert code == 200


@pytest.mark.parametrize("seed", range(3))
def test_spoiled_objects(seed: int) -> None:
    chance, rig = random.Random(seed), Rig()
    defined(rig)
    assert rig.call("POST", WIDGETS, WHOLE)[0] == 201
    for _ in range(40):
        odd = spoiled(chance, WHOLE)
        for method, place, body, media in (
            ("POST", "", odd, ""),
            ("PUT", "/a", odd, ""),
            ("PATCH", "/a", odd, MERGE),
            ("PATCH", "/a?fieldManager=m&force=true", odd, APPLY),
            ("PATCH", "/a/status", {"status": chance.choice(ODD)}, MERGE),
            ("PATCH", "/a/scale", {"spec": {"replicas": chance.choice(ODD)}}, MERGE),
        ):
            code, answer = rig.call(method, WIDGETS + place, body, content_type=media)
            assert is_well(code, answer), (method, place, body, answer)
        assert rig.call("GET", WIDGETS, accept=TABLE)[0] == 200
        rig.call("DELETE", f"{WIDGETS}/x")


def test_what_has_the_wrong_shape_is_judged_and_not_owned() -> None:
    rig = Rig()
    defined(rig)
    code, refused = rig.call("POST", WIDGETS, widget("a", {"size": 1, "tags": [5]}))
    assert code == 422
    assert [cause["field"] for cause in refused["details"]["causes"]] == ["spec.tags[0]"]
