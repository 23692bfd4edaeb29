"""Tables: how a server shows objects to kubectl, one row each.

``table`` gives the whole answer but for its list metadata, which the caller fills in
(``resourceVersion``, ``continue``). Served kinds have the columns and cells of Kubernetes; any
other gets its name and time of creation, as kinds without a printer do.

Source: pkg/printers/internalversion/printers.go, apiserver/pkg/registry/rest/table.go;
tests/golden/api/tables.jsonl, table_columns.jsonl.
"""

from collections.abc import Sequence

from api.core import JsonObject
from api.errors import BadRequest
from api.kinds import Kind
from api.lifecycle import TEMPLATE_GENERATION
from api.printers import pods
from api.printers.columns import GENERIC, PRINTERS, Column

TABLE_VERSION = "meta.k8s.io/v1"
TABLE_VERSION_BETA = "meta.k8s.io/v1beta1"
INCLUDE_OBJECT = ("Metadata", "Object", "None")


def table(
    kind: Kind,
    objects: Sequence[JsonObject],
    now_ns: int,
    include_object: str = "Metadata",
    with_columns: bool = True,
) -> JsonObject:
    """The Table of some objects of one kind at ``now_ns``. BadRequest on a wrong include_object.

    ``with_columns=False``: as in the later events of a watch. Cost: about 5 µs a pod.
    """
    if include_object not in INCLUDE_OBJECT:
        raise BadRequest(
            "Unable to convert to Table as requested: includeObject: Invalid value: "
            f"\"{include_object}\": must be 'Metadata', 'Object', 'None', or empty"
        )
    custom = kind.custom
    printer = custom.printer if custom is not None else PRINTERS.get(kind.key, GENERIC)
    rows = []
    for obj in objects:
        row: JsonObject = {"cells": printer.cells(obj, now_ns)}
        if kind.key == "pods":
            conditions = pods.row_conditions(obj)
            if conditions is not None:
                row["conditions"] = conditions
        row["object"] = _shown_object(obj, include_object)
        rows.append(row)
    columns = [_definition(column) for column in printer.columns] if with_columns else None
    return {
        "kind": "Table",
        "apiVersion": TABLE_VERSION,
        "metadata": {},
        "columnDefinitions": columns,
        "rows": rows,
    }


def to_beta(answer: JsonObject) -> JsonObject:
    """The same Table in version v1beta1, in place."""
    answer["apiVersion"] = TABLE_VERSION_BETA
    for row in answer["rows"]:
        if row["object"] is not None and row["object"]["kind"] == "PartialObjectMetadata":
            row["object"]["apiVersion"] = TABLE_VERSION_BETA
    return answer


def _shown_object(obj: JsonObject, include_object: str) -> JsonObject | None:
    if include_object == "None":
        return None
    if include_object == "Object":
        return obj
    metadata = obj["metadata"]
    if TEMPLATE_GENERATION in metadata.get("annotations", ()):
        metadata = _without_template_generation(metadata)
    return {"kind": "PartialObjectMetadata", "apiVersion": TABLE_VERSION, "metadata": metadata}


def _without_template_generation(metadata: JsonObject) -> JsonObject:
    """A server shows the rows of DaemonSets from its inner form, where it is a field."""
    annotations = {
        key: value for key, value in metadata["annotations"].items() if key != TEMPLATE_GENERATION
    }
    kept = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**kept, "annotations": annotations} if annotations else kept


def _definition(column: Column) -> JsonObject:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": "",
        "priority": column.priority,
    }
