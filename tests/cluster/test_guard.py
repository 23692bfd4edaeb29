"""A cluster that a test left standing ends when the test's process dies."""

import signal
import subprocess
import sys
from pathlib import Path

from actors.processes import start_ticks
from loadtest.standing import Standing, write_standing
from tests.cluster.guard import ROOT

HOLD = """
import sys
from pathlib import Path
from tests.cluster.guard import guarded
with guarded(Path(sys.argv[1])):
    print("guarded", flush=True)
    sys.stdin.read()
"""


def test_what_stands_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    cluster = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    ticks = start_ticks(cluster.pid)
    write_standing(tmp_path, Standing(cluster.pid, ticks, "ready", "https://x", "k", "log", 1))
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert owner.stdin is not None and owner.stdout is not None
        assert owner.stdout.readline() == b"guarded\n"
        owner.kill()
        owner.wait()
        assert cluster.wait(timeout=120) == -signal.SIGTERM
    finally:
        owner.kill()
        cluster.kill()
        cluster.wait()
        owner.stdin.close()
        owner.stdout.close()
