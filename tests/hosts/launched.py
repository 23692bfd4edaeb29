"""A Ray cluster over machines of a rig, by the very commands that docs/many-machines.md gives."""

import io
import re
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.hosts.rig import ROOT, Machine, Rig

PAGE = ROOT / "docs" / "many-machines.md"
CLONE = Path("/root/hollowfleet")
LEFT_OUT = (".venv", ".git", ".*_cache", "__pycache__", "runs", ".hypothesis")
HEAD_IN_PAGE = "10.0.0.11"
WAIT_S = 600.0


@dataclass(frozen=True)
class Launched:
    """A cluster that comes up: ``ray up`` has returned. Commands are typed at the desk."""

    rig: Rig
    desk: Machine
    head: Machine
    workers: tuple[Machine, ...]
    began: float
    """Monotonic time of the first command."""

    def type(self, command: str) -> "subprocess.Popen[str]":
        """Start a line of the page, in the clone."""
        line = command.replace(HEAD_IN_PAGE, self.head.address)
        return self.desk.popen("bash", "-c", line, cwd=CLONE)

    def typed(self, command: str) -> str:
        """What a line of the page says until it ends. AssertionError when it fails."""
        with self.type(command) as process:
            said, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, said
        return said

    def bundle(self, said: str, directory: Path) -> Path:
        """The bundle that a run has reported and the page has brought to the desk, from there to a
        directory of ours."""
        (name,) = {*re.findall(r"^Report /root/runs/(.*)/report.html$", said, re.MULTILINE)}
        archive = self.desk.archive(f"{CLONE}/runs", name, WAIT_S)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(directory, filter="data")
        return directory / name

    def join_by_hand(self, machine: Machine) -> None:
        """Have a machine join the Ray cluster, with what cluster.yaml says."""
        token = self.desk.run("cat", "/root/.ray/auth_token", timeout_s=WAIT_S)
        machine.write("/root/.ray/auth_token", token)
        file = yaml.safe_load((ROOT / "cluster.yaml").read_text())
        start = str(file["worker_start_ray_commands"][-1])
        machine.run(
            "bash", "-c", start.replace("$RAY_HEAD_IP", self.head.address), timeout_s=WAIT_S
        )


def page_commands() -> list[str]:
    """Lines of the page that are to be typed, in order."""
    commands, inside = [], False
    for line in PAGE.read_text().splitlines():
        if line.startswith("```"):
            inside = line == "```sh"
        elif inside:
            commands.append(line)
    return commands


@contextmanager
def launched(workers: int, spare: int = 0, unplugged: int = 0) -> Iterator[Launched]:
    """A desk, a head and so many workers; names for so many more machines. The cables of the
    first ``unplugged`` workers are not in."""
    names = [f"worker-{number}" for number in range(workers + spare)]
    with Rig.made("desk", "head", *names) as rig:
        desk, head = rig.add("desk", ROOT), rig.add("head")
        others = tuple(rig.add(name) for name in names[:workers])
        for machine in others[:unplugged]:
            machine.cut()
        desk.write("/root/.ssh/id_ed25519", rig.user_key())
        desk.write("/root/.ssh/config", "StrictHostKeyChecking accept-new\nLogLevel ERROR\n")
        excludes = [f"--exclude={name}" for name in LEFT_OUT]
        desk.run("rsync", "-a", *excludes, f"{ROOT}/", f"{CLONE}/", timeout_s=WAIT_S)
        file = yaml.safe_load((ROOT / "cluster.yaml").read_text())
        addresses = [machine.address for machine in others]
        file["provider"].update(head_ip=head.address, worker_ips=addresses)
        desk.write(f"{CLONE}/cluster.yaml", yaml.safe_dump(file))
        cluster = Launched(rig, desk, head, others, time.monotonic())
        token, up, *_ = page_commands()
        assert "auth-token" in token
        assert "ray up" in up
        cluster.typed(token)
        cluster.typed(up)
        yield cluster
