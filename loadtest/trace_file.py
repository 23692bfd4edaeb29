"""Reads pod traces: one schema of our own, and other files by an adapter from it to their columns.

The schema, all numbers, in the first line of a CSV file:

    created_s             arrival, in seconds since the start of the trace
    deleted_s             end, on the same clock; or
    duration_s            time from arrival to end; neither, empty or 0: never
    cpu_milli, memory_mib requests of the pod
    gpus, gpu_milli       GPUs, and the share of each (1000: whole ones, which is the default)
    name                  a DNS name; without it pods are trace-1, trace-2 ...

An adapter names a column for each of them: ``{created_s: submit_ms * 0.001, cpu_milli: cores *
1000}``. Columns that nobody names are ignored.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from hollow_node.node_list import NodeListError, NodeShape, read_node_list
from loadtest.fields import CampaignError, Section, nearest
from loadtest.trace import TracePod

REQUIRED = ("created_s", "cpu_milli", "memory_mib")
OPTIONAL = ("deleted_s", "duration_s", "gpus", "gpu_milli", "name")
FIELDS = (*REQUIRED, *OPTIONAL)
OPENB = {
    "name": "name",
    "cpu_milli": "cpu_milli",
    "memory_mib": "memory_mib",
    "gpus": "num_gpu",
    "gpu_milli": "gpu_milli",
    "created_s": "creation_time",
    "deleted_s": "deletion_time",
}
"""Alibaba's openb trace: 149 days with at most 56 arrivals an hour. Without compression or
amplification it is no load."""
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
NAME_LETTERS_MAX = 200
Adapter = Mapping[str, str]
"""Field of the schema -> column, or "COLUMN * FACTOR"."""


def read_adapter(section: Section) -> tuple[tuple[str, str], ...]:
    """``traceColumns`` of a campaign. Errors: CampaignError."""
    given = section.raw("traceColumns")
    if given is None:
        return ()
    if not isinstance(given, dict) or not given:
        raise section.error("traceColumns", "must map fields to columns of the trace")
    for field, column in given.items():
        if field not in FIELDS:
            hint = nearest(str(field), FIELDS)
            raise section.error(f"traceColumns.{field}", f"is no field of the schema{hint}")
        if not isinstance(column, str) or _factor(column) is None:
            raise section.error(
                f"traceColumns.{field}", f"must be COLUMN or COLUMN * NUMBER, not {column!r}"
            )
    lacking = [field for field in REQUIRED if field not in given]
    if lacking:
        raise section.error("traceColumns", f"names no column for {lacking[0]}")
    return tuple(sorted(given.items()))


def _factor(column: str) -> tuple[str, float] | None:
    """(column, factor) of "COLUMN * FACTOR"."""
    name, star, number = column.partition("*")
    if not star:
        return name.strip(), 1.0
    try:
        factor = float(number)
    except ValueError:
        return None
    return (name.strip(), factor) if math.isfinite(factor) and factor > 0 else None


def read_trace(path: Path, adapter: Adapter) -> list[TracePod]:
    """Without an adapter: a file of openb, or else of the schema. Errors: CampaignError."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return parse_trace(lines, str(path), adapter)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CampaignError(f"{path}: cannot read the pod trace: {_why(error)}") from None


def parse_trace(lines: Iterable[str], source: str, adapter: Adapter) -> list[TracePod]:
    """Pods in the order of the file. Errors: CampaignError naming the column or the line."""
    reader = csv.DictReader(lines)
    there = tuple(reader.fieldnames or ())
    columns = _columns(there, source, adapter)
    pods = []
    for number, row in enumerate(reader, 1):
        try:
            pods.append(_pod(columns, row, number))
        except (TypeError, ValueError) as error:
            why = f": {error}" if isinstance(error, _BadField) else ""
            raise CampaignError(f"{source}: line {reader.line_num} is not a pod{why}") from None
    return pods


class _BadField(ValueError):
    """A field that says what is wrong with it."""


def _columns(there: tuple[str, ...], source: str, adapter: Adapter) -> dict[str, tuple[str, float]]:
    """Field -> (column, factor) of a file with the columns ``there``."""
    chosen = adapter
    if not chosen:
        plain = {field: field for field in FIELDS if field in REQUIRED or field in there}
        chosen = OPENB if OPENB["created_s"] in there else plain
    found = {}
    for field, column in chosen.items():
        pair = _factor(column)
        assert pair is not None, column
        if pair[0] not in there:
            raise CampaignError(
                f"{source}: not a pod trace: column '{pair[0]}' is missing; its first line must "
                f"name {', '.join(REQUIRED)}, or openb's {OPENB['created_s']} and so on, or "
                "traceColumns say which columns have them"
            )
        found[field] = pair
    return found


def _pod(columns: Mapping[str, tuple[str, float]], row: Mapping[str, str], number: int) -> TracePod:
    def value(field: str, default: float = 0.0) -> float:
        if field not in columns:
            return default
        column, factor = columns[field]
        text = row[column]
        if text is None or (not text and field in REQUIRED):
            raise _BadField(f"{column} is missing")
        found = (float(text) if text else default) * factor
        if not math.isfinite(found) or found < 0:
            raise _BadField(f"{column} is {text!r}")
        # Whole numbers stay whole: times of long traces in ns are beyond what a float can hold.
        return int(found) if found.is_integer() else found

    created_s = value("created_s")
    duration_s = value("duration_s")
    deleted_s = created_s + duration_s if duration_s else value("deleted_s")
    return TracePod(
        name=_name(columns, row, number),
        cpu_milli=round(value("cpu_milli")),
        memory_mib=math.ceil(value("memory_mib")),
        gpus=round(value("gpus")),
        gpu_share_milli=round(value("gpu_milli", 1000.0)),
        created_s=created_s,
        deleted_s=deleted_s,
    )


def _name(columns: Mapping[str, tuple[str, float]], row: Mapping[str, str], number: int) -> str:
    if "name" not in columns:
        return f"trace-{number}"
    name = row[columns["name"][0]]
    if not NAME.fullmatch(name) or len(name) > NAME_LETTERS_MAX:
        raise _BadField(f"{name!r} cannot be the name of a pod")
    return name


def read_nodes(path: Path) -> list[NodeShape]:
    """The nodes of a node list. Errors: CampaignError."""
    try:
        return read_node_list(path.read_text(encoding="utf-8"))
    except NodeListError as error:
        raise CampaignError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CampaignError(f"{path}: cannot read the node list: {_why(error)}") from None


def _why(error: Exception) -> str:
    match error:
        case OSError():
            return str(error.strerror)
        case UnicodeDecodeError():
            return "it is not text in UTF-8"
        case _:
            return str(error)
