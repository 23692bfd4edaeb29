"""The rig itself: its machines are machines, and nothing is left of them however a test ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.processes import await_exit, start_ticks
from tests.hosts.rig import ROOT, Rig, missing, processes_in

WHY = missing()
pytestmark = pytest.mark.skipif(bool(WHY), reason=f"many machines: {WHY}")
WAIT_S = 120.0


def outside() -> tuple[list[str], list[str]]:
    """Network devices and named network namespaces of the machine that runs the tests."""
    named = Path("/run/netns")
    names = sorted(path.name for path in named.iterdir()) if named.is_dir() else []
    return sorted(path.name for path in Path("/sys/class/net").iterdir()), names


def test_machines_have_all_of_their_own_and_a_cable_that_can_be_pulled() -> None:
    before = outside()
    with Rig.made("desk", "one") as rig:
        desk, one = rig.add("desk"), rig.add("one")
        assert outside() == before
        desk.write("/root/.ssh/id_ed25519", rig.user_key())
        desk.write("/tmp/mine", "desk")
        ssh = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=%s", one.address)
        patient = tuple(word.replace("%s", str(int(WAIT_S))) for word in ssh)
        hasty = tuple(word.replace("%s", "1") for word in ssh)
        desk.run(*patient, '[ "$(hostname)" = one ] && [ ! -e /tmp/mine ]', timeout_s=WAIT_S)
        assert "python" in desk.run("which", "python", timeout_s=WAIT_S)
        one.cut()
        with pytest.raises(AssertionError, match=r"timed out|No route to host"):
            desk.run(*hasty, "true", timeout_s=WAIT_S)
        one.mend()
        desk.run(*patient, "true", timeout_s=WAIT_S)
        one.lose()
        assert not processes_in(one.namespace)
        assert processes_in(desk.namespace)
        namespaces = rig.namespace, desk.namespace
    assert not any(map(processes_in, namespaces))
    assert outside() == before


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, 0])
def test_nothing_is_left_of_a_rig_however_its_test_ends(end: int) -> None:
    before = outside()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.hosts.hold"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout and holder.stdin
        namespaces = [int(word) for word in holder.stdout.readline().split()]
        assert len(namespaces) == 2
        pids = {pid for namespace in namespaces for pid in processes_in(namespace)}
        assert len(pids) >= 2
        running = {pid: start_ticks(pid) for pid in pids}
        if end:
            holder.send_signal(end)
        holder.stdin.close()
        assert holder.wait(WAIT_S) == -end
    assert not await_exit(running, WAIT_S)
    assert not any(map(processes_in, namespaces))
    assert outside() == before
