"""Ends a test's cluster when the tests are gone, however they went: ``python guard.py STATE``.

Started beside the cluster with a pipe to its standard input that only the tests hold open. When
that closes before it heard that all went well, it runs ``hollowfleet down`` on the state directory.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
WELL = b"1"


@contextmanager
def guarded(state: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Whatever stands in ``state`` ends with this block, or with this process."""
    # A session of its own: ctrl-C is for the tests.
    guard = subprocess.Popen(
        [sys.executable, __file__, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert guard.stdin is not None
    try:
        yield guard
        guard.stdin.write(WELL)
    finally:
        guard.stdin.close()
        guard.wait()


def main(state: str) -> None:
    if os.read(0, 1) == WELL:
        return
    subprocess.run(
        [sys.executable, "-m", "loadtest", "down"],
        cwd=ROOT,
        env={**os.environ, "HOLLOWFLEET_STATE": state},
        check=False,
    )


if __name__ == "__main__":
    main(sys.argv[1])
