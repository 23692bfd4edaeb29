"""Tables: how a server shows objects to kubectl, one row each.

``table`` gives the whole answer but for its list metadata, which the caller fills in
(``resourceVersion``, ``continue``). Served kinds have the columns and cells of Kubernetes; any
other gets its name and time of creation, as kinds without a printer do.

Source: pkg/printers/internalversion/printers.go, apiserver/pkg/registry/rest/table.go;
tests/golden/api/tables.jsonl, table_columns.jsonl.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from api.core import JsonObject
from api.errors import BadRequest
from api.kinds import Kind
from api.printers import cluster, pods, workloads

TABLE_VERSION = "meta.k8s.io/v1"
TABLE_VERSION_BETA = "meta.k8s.io/v1beta1"
INCLUDE_OBJECT = ("Metadata", "Object", "None")

Cells = Callable[[JsonObject, int], list[Any]]


class Column(NamedTuple):
    """One column. ``priority`` 1: only shown by ``-o wide``."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0


class Printer(NamedTuple):
    """How one kind is shown."""

    columns: tuple[Column, ...]
    cells: Cells


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
    printer = PRINTERS.get(kind.key, _GENERIC)
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
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": TABLE_VERSION,
        "metadata": obj["metadata"],
    }


def _definition(column: Column) -> JsonObject:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": "",
        "priority": column.priority,
    }


def _generic_cells(obj: JsonObject, now_ns: int) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


_NAME = Column("Name", "string", "name")
_AGE = Column("Age")
_GENERIC = Printer((_NAME, Column("Created At", "date")), _generic_cells)


def _columns(*names: str) -> tuple[Column, ...]:
    """Text columns after the name; those after ``|`` are wide."""
    found = [_NAME]
    priority = 0
    for name in names:
        if name == "|":
            priority = 1
        else:
            found.append(Column(name, priority=priority))
    return tuple(found)


PRINTERS: Mapping[str, Printer] = {
    "pods": Printer(
        _columns(
            "Ready",
            "Status",
            "Restarts",
            "Age",
            "|",
            "IP",
            "Node",
            "Nominated Node",
            "Readiness Gates",
        ),
        pods.cells,
    ),
    "apps/deployments": Printer(
        _columns(
            "Ready", "Up-to-date", "Available", "Age", "|", "Containers", "Images", "Selector"
        ),
        workloads.deployment_cells,
    ),
    "apps/replicasets": Printer(
        (
            _NAME,
            Column("Desired", "integer"),
            Column("Current", "integer"),
            Column("Ready", "integer"),
            _AGE,
            Column("Containers", priority=1),
            Column("Images", priority=1),
            Column("Selector", priority=1),
        ),
        workloads.replica_set_cells,
    ),
    "services": Printer(
        _columns("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "|", "Selector"),
        workloads.service_cells,
    ),
    "namespaces": Printer(_columns("Status", "Age"), cluster.namespace_cells),
    "nodes": Printer(
        _columns(
            "Status",
            "Roles",
            "Age",
            "Version",
            "|",
            "Internal-IP",
            "External-IP",
            "OS-Image",
            "Kernel-Version",
            "Container-Runtime",
        ),
        cluster.node_cells,
    ),
    "configmaps": Printer(_columns("Data", "Age"), cluster.config_map_cells),
    "serviceaccounts": Printer(_columns("Age"), cluster.service_account_cells),
    "coordination.k8s.io/leases": Printer(_columns("Holder", "Age"), cluster.lease_cells),
    "events": Printer(
        (
            Column("Last Seen"),
            Column("Type"),
            Column("Reason"),
            Column("Object"),
            Column("Subobject", priority=1),
            Column("Source", priority=1),
            Column("Message"),
            Column("First Seen", priority=1),
            Column("Count", priority=1),
            Column("Name", "string", "name", 1),
        ),
        cluster.event_cells,
    ),
}
