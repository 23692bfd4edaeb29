"""Any object of the right structure gets through defaults, admission and validation.

Objects are drawn from the field table, so that every field of the served kinds occurs, empty,
null or odd. Defaults must be a fixed point on all of them.
"""

import copy
from typing import Any

import pytest

from api.admission import (
    add_default_tolerations,
    add_service_account,
    protect,
    resolve_priority,
    taint_new_node,
)
from api.core import JsonObject
from api.defaulting import set_defaults
from api.defaults.services import (
    normalize_cluster_ips,
    ports_wanting_node_port,
    set_addresses,
    wants_cluster_ip,
    wants_health_check_port,
)
from api.fields import Field, json_fields
from api.kinds import SERVED, kind_of
from api.lifecycle import prepare_create, prepare_status_update, prepare_update
from api.streams import Stream
from api.tables import table
from api.validation import validate_create, validate_update

OBJECTS = 60
DEPTH_MAX = 9

VALUES: dict[str, tuple[Any, ...]] = {
    "s": ("", "a", "A b", "x/y", "None", "Always", "1.2.3.4", "In", "Exists"),
    "b": (False, True),
    "i": (0, 1, -1, 70000),
    "l": (0, 1, -1, 99999999999),
    "d": (1.5,),
    "y": ("AQ==",),
    "Quantity": ("1", "-1", "500m", "1Gi", 2, "0.1u"),
    "IntOrString": (0, 80, "25%", "abc"),
    "Time": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00", None),
    "MicroTime": ("2026-01-01T00:00:00.000000Z", None),
}
LIKELY = ("metadata", "spec", "containers", "template", "name")


def drawn(stream: Stream, type_name: str, depth: int = 0) -> JsonObject:
    obj: JsonObject = {}
    for name, field in json_fields(type_name).items():
        share = 0.9 if name in LIKELY else 0.25 if depth < 5 else 0.05
        if name not in ("apiVersion", "kind") and stream.fraction() < share:
            obj[name] = drawn_field(stream, field, depth)
    return obj


def drawn_field(stream: Stream, field: Field, depth: int) -> Any:
    if stream.fraction() < 0.05:
        return None
    count = stream.below(3)
    if field.type.container == "list":
        return [drawn_item(stream, field, depth) for _ in range(count)]
    if field.type.container == "map":
        keys = ("a", "cpu", "memory", "b/c", "a b")
        return {keys[stream.below(5)]: drawn_item(stream, field, depth) for _ in range(count)}
    return drawn_item(stream, field, depth)


def drawn_item(stream: Stream, field: Field, depth: int) -> Any:
    if field.type.item == "struct":
        return drawn(stream, field.type.struct, depth + 1) if depth < DEPTH_MAX else {}
    choices = VALUES.get(field.type.item, ({},))
    return choices[stream.below(len(choices))]


def admit(key: str, obj: JsonObject) -> None:
    protect(key, obj)
    if key == "pods":
        add_service_account(obj, {}, "abcde")
        add_default_tolerations(obj)
        resolve_priority(obj, {})
    elif key == "nodes":
        taint_new_node(obj)
    elif key == "services":
        normalize_cluster_ips(obj)
        ports_wanting_node_port(obj)
        wants_health_check_port(obj)
        set_addresses(obj, "10.96.0.1" if wants_cluster_ip(obj) else None)


@pytest.mark.parametrize("key", SERVED)
def test_every_structure_is_handled(key: str) -> None:
    kind = kind_of(key)
    stream = Stream(1, f"totality/{key}")
    for _ in range(OBJECTS):
        old, new = drawn(stream, kind.type_name), drawn(stream, kind.type_name)
        set_defaults(kind, old)
        again = copy.deepcopy(old)
        set_defaults(kind, again)
        assert again == old
        admit(key, old)
        prepare_create(kind, old, 0)
        faults = validate_create(kind, old)
        if not faults:
            assert table(kind, [old], 0)["rows"]
        set_defaults(kind, new)
        prepare_update(kind, new, old)
        validate_update(kind, new, old)
        prepare_status_update(kind, new, old)
