"""Pod traces: rows with an arrival, an end, and resource requests.

The openb schema: name, cpu_milli, memory_mib, num_gpu, gpu_milli, ..., creation_time and
deletion_time in seconds since the start of the trace, which spans 149 days with at most 56
arrivals an hour. Without compression it is no load.
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hollow_node.node_list import NodeListError, NodeShape, read_node_list
from loadtest.fields import SECOND_NS, CampaignError

OPENB_COLUMNS = (
    "name",
    "cpu_milli",
    "memory_mib",
    "num_gpu",
    "gpu_milli",
    "creation_time",
    "deletion_time",
)


class TracePod(NamedTuple):
    """One pod of a trace; times are trace time in seconds."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_share_milli: int
    """Share of each GPU, 1000 is a whole one."""
    created_s: int
    deleted_s: int
    """0: never."""


class TimedPod(NamedTuple):
    """A pod of a trace on the clock of a run."""

    pod: TracePod
    created_ns: int
    deleted_ns: int
    """0: never."""


def parse_openb(lines: Iterable[str], source: str) -> list[TracePod]:
    """Pods in the order of the file. Errors: CampaignError naming the line."""
    reader = csv.DictReader(lines)
    missing = [column for column in OPENB_COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise CampaignError(
            f"{source}: not a pod trace: column '{missing[0]}' is missing; "
            f"its first line must name {', '.join(OPENB_COLUMNS)}"
        )
    pods = []
    for row in reader:
        try:
            pods.append(
                TracePod(
                    name=row["name"],
                    cpu_milli=int(row["cpu_milli"]),
                    memory_mib=int(row["memory_mib"]),
                    gpus=int(row["num_gpu"]),
                    gpu_share_milli=int(row["gpu_milli"]),
                    created_s=int(row["creation_time"]),
                    deleted_s=int(row["deletion_time"] or 0),
                )
            )
        except (TypeError, ValueError):
            raise CampaignError(f"{source}: line {reader.line_num} is not a pod") from None
    return pods


def read_openb(path: Path) -> list[TracePod]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return parse_openb(lines, str(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CampaignError(f"{path}: cannot read the pod trace: {_why(error)}") from None


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


def window(
    pods: Iterable[TracePod], start_ns: int, length_ns: int, compression: float
) -> list[TimedPod]:
    """The pods that arrive in a window of the run, times compressed and relative to its start.

    ``start_ns``: trace time at the start of the window. ``length_ns``: run time. Deletions may
    lie beyond the window.
    """
    out: list[TimedPod] = []
    for pod in pods:
        created_ns = round((pod.created_s * SECOND_NS - start_ns) / compression)
        if not 0 <= created_ns < length_ns:
            continue
        deleted_ns = round((pod.deleted_s * SECOND_NS - start_ns) / compression)
        out.append(TimedPod(pod, created_ns, max(0, deleted_ns)))
    out.sort(key=lambda timed: (timed.created_ns, timed.pod.name))
    return out
