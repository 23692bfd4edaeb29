"""A fake API server in a process of its own, and a cluster handle for it."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.plan import ClusterPlan, ProcessSample
from actors.processes import cpu_seconds, pss_bytes
from loadtest.foreign.programless import Programless
from tests.loadtest.fake_api import TOKEN

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class FakeHandle(Programless):
    """What actors.cluster.ClusterHandle promises, for the fake server."""

    process: "subprocess.Popen[str]"
    server: str
    ca_file: str
    kubeconfig: str = ""
    identity_file: str = ""
    token: str = TOKEN
    placement: list[str] = field(default_factory=list)
    stopped: bool = False
    plans: list[ClusterPlan] = field(default_factory=list)

    @property
    def servers(self) -> list[str]:
        return [self.server]

    def samples(self) -> list[ProcessSample]:
        pid = self.process.pid
        return [ProcessSample("apiserver-0", pid, cpu_seconds(pid), pss_bytes(pid))]

    def gauges(self) -> dict[str, dict[str, float]]:
        return {"apiserver-0": {"watchers": 1.0}}

    def freeze(self) -> None:
        """Stop the process where it is: nothing is answered, and the kernel takes what comes."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.stopped = True
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def launch(directory: Path, nodes: int, stall: tuple[int, int] = (0, 0)) -> FakeHandle:
    command = [sys.executable, str(Path(__file__).parent / "fake_api.py"), str(directory)]
    process = subprocess.Popen(
        [*command, str(nodes), *map(str, stall)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout
    port = process.stdout.readline().strip()
    assert port, "the fake server did not start"
    ca_file = str(directory / "security" / "ca.crt")
    return FakeHandle(process, f"https://127.0.0.1:{port}", ca_file)


@pytest.fixture
def fake_cluster(tmp_path: Path) -> Iterator[Callable[..., FakeHandle]]:
    """A function that starts a fake cluster; all are stopped at the end."""
    handles: list[FakeHandle] = []

    def start(nodes: int = 3, stall: tuple[int, int] = (0, 0)) -> FakeHandle:
        handle = launch(tmp_path / f"fake-{len(handles)}", nodes, stall)
        handles.append(handle)
        return handle

    yield start
    for handle in handles:
        if not handle.stopped:
            handle.stop()
