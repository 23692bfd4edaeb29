"""Facts about the machine and the software, for the conditions of a report. No host names."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "ray",
    "locust",
    "gevent",
    "geventhttpclient",
    "uvloop",
    "httptools",
    "orjson",
    "msgpack",
    "numpy",
    "numba",
    "cryptography",
    "hdrhistogram",
    "matplotlib",
)


def host_facts(store: Path) -> dict[str, object]:
    """CPU model, cores, memory, kernel, load of the machine at the start, file system of the
    directory ``store``."""
    return {
        "cpu_model": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "store_filesystem": filesystem_of(store),
        "load_average_1m": round(os.getloadavg()[0], 2),
    }


def cores_awaited_us(path: Path = Path("/proc/pressure/cpu")) -> int | None:
    """Time since boot in which something that could run waited for a core of this machine, in µs.
    None: the kernel does not count it. Source: kernel Documentation/accounting/psi.rst."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    words = next((line.split() for line in lines if line.startswith("some ")), [])
    return next((int(word[6:]) for word in words if word.startswith("total=")), None)


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown"
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def filesystem_of(path: Path) -> str:
    """Type of the file system that holds a path: ext4, tmpfs ...; "unknown" if the OS hides it."""
    place = path.resolve()
    best, kind = "", "unknown"
    try:
        mounts = Path("/proc/self/mounts").read_text()
    except OSError:
        return kind
    for line in mounts.splitlines():
        _, mount, of_mount, *_ = line.split(" ")
        if place.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, of_mount
    return kind


def versions() -> dict[str, object]:
    """Python, packages and the commit of the source tree, empty if there is none."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": found,
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _git(*arguments: str) -> str:
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
