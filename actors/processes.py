"""What the operating system says of a process: CPU, memory, parents. Linux only (/proc)."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User plus system time of a process and its reaped children. Raises FileNotFoundError."""
    fields = _stat_fields(pid)
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_S


def start_ticks(pid: int) -> int:
    """When the process began, in ticks since boot: with the pid it names a process for good."""
    return int(_stat_fields(pid)[19])


def _stat_fields(pid: int) -> list[str]:
    # The second field is the command in parentheses and may hold anything; cut after it.
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def pss_bytes(pid: int) -> int:
    """Proportional set size; 0 where the kernel does not say."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def descendants(pid: int) -> list[int]:
    """All processes below ``pid``, parents before children, by one pass over /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            child = int(entry.name)
            try:
                parent = int(_stat_fields(child)[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(child)
    found: list[int] = []
    front = [pid]
    while front:
        front = sorted(child for parent in front for child in children.get(parent, ()))
        found += front
    return found


def environment_names(pid: int, directory: Path) -> bool:
    """Whether the environment that a process was started with names this directory."""
    try:
        return bytes(directory) in Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False


def alive(pid: int, ticks: int) -> bool:
    """Whether that very process still runs (a zombie does not)."""
    try:
        fields = _stat_fields(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(fields[19]) == ticks and fields[0] != "Z"
