"""A program whose step raises ends its process, so that Ray starts it again."""

import subprocess
import sys
from pathlib import Path

from tests.ray.scripts import ROOT

FAILED = 70


def test_a_raising_callback_is_logged_and_ends_the_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.ray.failing_program", str(tmp_path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == FAILED, done.stderr
    log = (tmp_path / "log").read_text()
    assert log.startswith("failing pid=")
    assert "AssertionError: an invariant of its core" in log
