"""Which nodes there are: shapes written in a plan, or the rows of a node list."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
"""Columns of openb_node_list_all_node.csv. Source: Alibaba openb trace, ATC'23."""
PODS_PER_NODE = "110"
"""maxPods of a kubelet. Source: pkg/kubelet/apis/config/v1beta1/defaults.go, v1.36."""


class NodeListError(ValueError):
    """A node list cannot be read; the message names the row and the remedy."""


@dataclass(frozen=True, slots=True)
class NodeShape:
    """One node to be: its name, capacity as Kubernetes quantities, and extra labels."""

    name: str
    capacity: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...] = ()
    images: tuple[tuple[tuple[str, ...], int], ...] = ()
    """(names, bytes) of what its status lists."""


def read_node_list(text: str, rows_max: int = 0) -> list[NodeShape]:
    """Nodes of an openb node list: cpu in milli-cores, memory in MiB, whole GPUs.

    GPUs appear as ``alibaba.com/gpu-count`` and, 1,000 each, ``alibaba.com/gpu-milli``; their
    model as label ``alibaba.com/gpu-model``. rows_max 0: all rows.
    """
    reader = csv.DictReader(io.StringIO(text))
    missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
    if missing:
        raise NodeListError(f"node list: column {missing[0]!r} is missing; needed: {COLUMNS}")
    shapes: list[NodeShape] = []
    for number, row in enumerate(reader, start=2):
        if rows_max and len(shapes) == rows_max:
            break
        shapes.append(_shape_of_row(row, number))
    if not shapes:
        raise NodeListError("node list: no rows")
    return shapes


def _shape_of_row(row: dict[str, str], number: int) -> NodeShape:
    counts = {}
    for column in ("cpu_milli", "memory_mib", "gpu"):
        try:
            counts[column] = int(row[column])
        except (TypeError, ValueError):
            message = f"node list: row {number}: {column} is {row[column]!r}, not a whole number"
            raise NodeListError(message) from None
    cpu, gpus = counts["cpu_milli"], counts["gpu"]
    capacity = [
        ("cpu", str(cpu // 1000) if cpu % 1000 == 0 else f"{cpu}m"),
        ("memory", _mebibytes(counts["memory_mib"])),
        ("pods", PODS_PER_NODE),
    ]
    if gpus:
        capacity.append(("alibaba.com/gpu-count", str(gpus)))
        capacity.append(("alibaba.com/gpu-milli", str(1000 * gpus)))
    labels = (("alibaba.com/gpu-model", row["model"]),) if row["model"] else ()
    return NodeShape(row["sn"], tuple(capacity), labels)


def _mebibytes(count: int) -> str:
    return f"{count // 1024}Gi" if count % 1024 == 0 else f"{count}Mi"


def numbered(
    count: int, prefix: str, capacity: Sequence[tuple[str, str]], labels: Sequence[tuple[str, str]]
) -> Iterator[NodeShape]:
    """``count`` nodes of one shape, named ``prefix`` and a number from 0."""
    for number in range(count):
        yield NodeShape(f"{prefix}{number}", tuple(capacity), tuple(labels))
