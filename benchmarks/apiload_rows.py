"""Rows of HTTP load by the Go tool in benchmarks/apiload, with the real system's figures beside."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.security import admin_token
from benchmarks.api_stack import Stack

SOURCE = Path(__file__).parent / "apiload"
HEAD = (
    f"{'':<32}{'per s':>9}{'p50 ms':>8}{'p99 ms':>8}{'api':>9}{'store':>8}{'sum':>9}{'loader':>8}"
    "   ms of CPU per 1,000; the real one's rate, p50/p99, sum"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the tool. ``real``: kube-apiserver 1.36.3 with etcd on a machine of this kind
    (rate, p50/p99 in ms, CPU ms per 1,000 operations). ``alone``: creates, one at a time."""

    name: str
    arguments: tuple[str, ...]
    real: str = ""
    alone: bool = False


ALL_AT_ONCE = Row(
    "list-pods 50,000, 4 at once",
    ("list-pods", "-n", "8", "-c", "4"),
    "0.85, 4745/-, 2340000 (one at a time)",
)
"""Of a server that holds them."""


def rows(scale: int) -> tuple[Row, ...]:
    """``scale``: creates of the row with 32 in flight; at least 10,000 pods exist when listed."""
    rest = max(0, 10_000 - scale - scale // 4 - scale // 8)
    return (
        Row("warm", ("create-pods", "-n", "400", "-c", "32", "-prefix", "warm")),
        Row(
            "create-pods c=1",
            ("create-pods", "-n", str(scale // 8), "-c", "1", "-prefix", "one"),
            "629, 1.3/5.8, 1900",
            alone=True,
        ),
        Row(
            "create-pods c=32",
            ("create-pods", "-n", str(scale), "-c", "32", "-prefix", "many"),
            "1420-1550, 16/82, 1300",
        ),
        Row(
            "create-pods c=256",
            ("create-pods", "-n", str(scale // 4), "-c", "256", "-prefix", "more"),
            "1351, 144/485, 1340",
        ),
        Row(
            "put-leases c=256",
            ("put-leases", "-n", str(2 * scale), "-c", "256", "-leases", "2000"),
            "2916, 70/265, 620",
        ),
        Row("get-pod c=32", ("get-pod", "-n", str(2 * scale), "-c", "32"), "5593, 4.8/21, 290"),
        Row("fill", ("create-pods", "-n", str(max(rest, 1)), "-c", "32", "-prefix", "fill")),
        Row("list-pods 10,000", ("list-pods", "-n", "10", "-c", "1"), "2.9, 331/-, 380000"),
        Row(
            "watch-fanout 1,000",
            ("watch-fanout", "-w", "1000", "-n", "200", "-c", "4"),
            "89140, 58/107, 14",
        ),
    )


def build(directory: str) -> str | None:
    """The path of the built tool; None without Go."""
    if shutil.which("go") is None:
        return None
    path = f"{directory}/apiload"
    subprocess.run(["go", "build", "-o", path, "."], cwd=SOURCE, check=True)
    return path


def run(tool: str, stack: Stack, row: Row) -> dict[str, Any]:
    """Run the tool once; its report. RuntimeError when a request failed."""
    pids = ",".join(
        (
            f"api={stack.api.process.pid}",
            *(f"store{n}={one.process.pid}" for n, one in enumerate(stack.stores)),
        )
    )
    command = [
        *(tool, *row.arguments, "-server", stack.server, "-token", admin_token(stack.security)),
        *("-ca", f"{stack.security.directory}/ca.crt", "-pids", pids),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    report: dict[str, Any] = json.loads(done.stdout)
    if report["errors"] or report.get("lost_watches"):
        raise RuntimeError(f"{row.name}: {report['errors']} errors\n{done.stderr}")
    return report


def line(row: Row, report: dict[str, Any]) -> str:
    per = {name: value * 1000 for name, value in report["cpu_s_per_1000"].items()}
    store = sum(value for name, value in per.items() if name.startswith("store"))
    loader = report["loader_cpu_s"] / report["ops"] * 1e6
    return (
        f"{row.name:<32}{report['ops_s']:>9.0f}{report['p50_ms']:>8.2f}{report['p99_ms']:>8.1f}"
        f"{per['api']:>9.1f}{store:>8.1f}{per['api'] + store:>9.1f}{loader:>8.1f}   {row.real}"
    )
