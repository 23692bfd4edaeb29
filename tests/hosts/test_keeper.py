"""The keeper of a machine, whose lease runs out: nothing of the cluster is left there."""

import os
import subprocess
import sys
from pathlib import Path

from actors.ray.machine import FENCED, LEASE_S
from tests.hosts.rig import ROOT

WAIT_S = 60.0
PROGRAM = """
import sys
from actors.lives import Pulse
pulse = Pulse(sys.argv[1], "hollow-0")
pulse.up()
sys.stdin.read()
"""
RAY_GIVES_UP_S = 14.0


def test_a_machine_that_nobody_asks_any_more_kills_its_programs_and_removes_what_they_had(
    tmp_path: Path,
) -> None:
    cluster, run = f"test-{os.getpid()}-keeper", tmp_path / "bundle" / "cluster"
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.hosts.keeper", cluster, str(run)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    program: subprocess.Popen[bytes] | None = None
    try:
        assert keeper.stdout
        assert keeper.stdout.readline() == "ready\n"
        command = [sys.executable, "-c", PROGRAM, cluster]
        program = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
        assert keeper.stdout.readline() == "heard secret\n"
        assert program.wait(WAIT_S) == -9
        assert keeper.wait(WAIT_S) == FENCED
        # The end of its output is the end of its reaper too.
        assert keeper.stdout.read() == ""
        assert not run.parent.exists()
        assert tmp_path.exists()
    finally:
        for process in (keeper, program):
            if process is not None:
                process.kill()
                process.communicate()


def test_programs_of_a_lost_machine_are_dead_before_ray_starts_others() -> None:
    assert LEASE_S < RAY_GIVES_UP_S
