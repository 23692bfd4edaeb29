"""Printer columns of custom resources: the columns of a definition, cells by JSONPath.

Source: apiextensions-apiserver/pkg/registry/customresource/tableconvertor/tableconvertor.go;
GetSchemaAndColumns in pkg/apiserver (Age when none is named).
"""

from typing import Any

import orjson

from api.core import JsonObject
from api.crd.numbers import go_number
from api.crd.paths import find_all, parse_path
from api.printers.ages import human_duration
from api.printers.columns import Column, Printer
from api.times import TimeError, parse_time

_NAME = Column("Name", "string", "name")
_AGE: JsonObject = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def printer_of(columns: list[JsonObject]) -> Printer:
    """How objects with these additionalPrinterColumns are shown; an age when there are none."""
    columns = columns or [_AGE]
    paths = [(column["type"], parse_path(column["jsonPath"]) or ()) for column in columns]

    def cells(obj: JsonObject, now_ns: int) -> list[Any]:
        found: list[Any] = [obj["metadata"]["name"]]
        for kind, steps in paths:
            values = find_all(steps, obj)
            found.append(_cell(kind, values[0], now_ns) if values else None)
        return found

    shown = (
        Column(one["name"], one["type"], one.get("format", ""), one.get("priority", 0))
        for one in columns
    )
    return Printer((_NAME, *shown), cells)


def _cell(kind: str, value: Any, now_ns: int) -> Any:
    if kind == "string":
        return _printed(value)
    number = type(value) in (int, float)
    if kind == "integer":
        return int(value) if number else None
    if kind == "number":
        return float(value) if number else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date" and isinstance(value, str):
        try:
            return human_duration(now_ns - parse_time(value))
        except TimeError:
            return "<invalid>"
    return None


def _printed(value: Any) -> str | None:
    """As the printer of JSONPath writes a value: text as it is, maps and lists as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return go_number(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
