"""What the operating system says of a process: CPU, memory, parents. Linux only (/proc)."""

import os
import select
import time
from collections.abc import Mapping
from contextlib import suppress
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


def belongs_to(pid: int, directory: Path) -> bool:
    """Whether a process was started with an environment that names this directory, or has a file
    of it open: some of Ray's overwrite their environment with their title."""
    try:
        if bytes(directory) in Path(f"/proc/{pid}/environ").read_bytes():
            return True
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if entry.readlink().is_relative_to(directory):
                    return True
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        pass
    return False


def alive(pid: int, ticks: int) -> bool:
    """Whether that very process still runs (a zombie does not)."""
    try:
        fields = _stat_fields(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(fields[19]) == ticks and fields[0] != "Z"


def await_exit(processes: Mapping[int, int], timeout_s: float) -> list[int]:
    """Wait until none of these processes (pid to start) runs; those that still do then. The
    kernel tells of each exit by its pidfd."""
    deadline = time.monotonic() + timeout_s
    waiting: dict[int, int] = {}
    poll = select.poll()
    try:
        for pid, ticks in processes.items():
            with suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                waiting[handle] = pid
                poll.register(handle, select.POLLIN)
                # Between the look at the pid and its pidfd another process may have got it.
                if not alive(pid, ticks):
                    _forget(poll, waiting, handle)
        while waiting and (left_s := deadline - time.monotonic()) > 0:
            for handle, _ in poll.poll(left_s * 1000):
                _forget(poll, waiting, handle)
        return sorted(waiting.values())
    finally:
        for handle in waiting:
            os.close(handle)


def _forget(poll: select.poll, waiting: dict[int, int], handle: int) -> None:
    poll.unregister(handle)
    del waiting[handle]
    os.close(handle)
