"""The standing cluster of ``up`` and ``down``: its state on disk, and who it is.

One cluster a user, in ~/.local/state/hollowfleet or the directory of HOLLOWFLEET_STATE. A process
is named by its pid and its start time, so a recycled pid is never taken for ours.
"""

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from actors.plan import ClusterPlan, NodeSpec
from actors.processes import alive, await_exit, descendants, start_ticks
from api.strict_yaml import YamlError, read_yaml

STOP_TIMEOUT_S = 180.0


class StandingError(Exception):
    """Something the user can put right; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The supervisor of a standing cluster, as its state file has it."""

    pid: int
    start_ticks: int
    phase: str
    """starting, ready or failed."""
    server: str
    kubeconfig: str
    log: str
    nodes: int
    error: str = ""

    @property
    def is_alive(self) -> bool:
        return alive(self.pid, self.start_ticks)


def state_directory(environment: dict[str, str]) -> Path:
    given = environment.get("HOLLOWFLEET_STATE")
    if given:
        return Path(given)
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "hollowfleet"


def read_standing(directory: Path) -> Standing | None:
    """None when there is no state or it cannot be understood."""
    try:
        return Standing(**json.loads((directory / "cluster.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_standing(directory: Path, standing: Standing) -> None:
    temporary = directory / ".cluster.json.tmp"
    temporary.write_text(json.dumps(asdict(standing)) + "\n")
    temporary.replace(directory / "cluster.json")


def forget_standing(directory: Path) -> None:
    (directory / "cluster.json").unlink(missing_ok=True)


def check_port(port: int) -> None:
    """Raises StandingError when the port of loopback is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StandingError(f"port {port} cannot be used: {error.strerror}") from None


def check_kubeconfig(path: Path) -> None:
    """Raises StandingError unless a kubeconfig can be written there without loss."""
    if path.is_dir():
        raise StandingError(f"{path} is a directory; --kubeconfig must name a file")
    if not path.parent.is_dir():
        raise StandingError(f"{path.parent} does not exist; cannot write the kubeconfig there")
    if path.exists() and not _is_ours(path):
        raise StandingError(f"{path} exists and was not written by hollowfleet; name another file")
    # Permissions do not tell all: only the file system itself knows whether it takes a new file.
    try:
        existed = path.exists()
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise StandingError(f"cannot write the kubeconfig to {path}: {error.strerror}") from None


def _is_ours(path: Path) -> bool:
    try:
        document = read_yaml(path.read_text())
    except (OSError, UnicodeDecodeError, YamlError):
        return False
    return isinstance(document, dict) and document.get("current-context") == "hollowfleet"


def plan_of_nodes(nodes: int, node_list: Path | None, rows: int) -> ClusterPlan:
    """A plan with ``nodes`` nodes, the first ``rows`` of them from a list."""
    generic = max(0, nodes - rows)
    return ClusterPlan(
        run_directory="",
        nodes=(NodeSpec(generic),) if generic else (),
        node_list_csv=str(node_list.resolve()) if node_list else "",
        node_list_rows_max=nodes if node_list and nodes < rows else 0,
    )


def stop_standing(standing: Standing, tell: Callable[[int], None]) -> list[int]:
    """Ask the supervisor to stop with ``tell(pid)`` and wait; the processes that are left."""
    family: dict[int, int] = {}
    for pid in (standing.pid, *descendants(standing.pid)):
        with suppress(FileNotFoundError, ProcessLookupError):
            family[pid] = start_ticks(pid)
    tell(standing.pid)
    return await_exit(family, STOP_TIMEOUT_S)
