"""Removes what a killed run leaves elsewhere: ``python -m loadtest.foreign.guard CONFIG.json``.

A process of its own that waits for the end of its input, which comes however the run ends. Unless
it was dismissed by then, it removes the run's namespace and the private directory of its
credentials.
"""

import json
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from loadtest.client import ApiClient, Endpoint, ServerUnreachable
from loadtest.foreign.namespace import REMOVAL_S, remove_namespace
from loadtest.foreign.surroundings import ForeignError
from loadtest.generator_config import write_private

WELL = b"1"
TRIES, PAUSE_S = 20, 3.0
"""When the server cannot be reached."""


class Guard:
    """The run's side. ``private``: the directory of the endpoint's files."""

    def __init__(self, endpoint: Endpoint, private: Path, namespace: str, run: str) -> None:
        config = private / "guard.json"
        document = {"endpoint": asdict(endpoint), "namespace": namespace, "run": run}
        write_private(config, json.dumps(document))
        # A session of its own: ctrl-C is for the run.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.foreign.guard", str(config)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd=Path(__file__).resolve().parents[2],
        )

    def dismiss(self) -> None:
        """All is removed. Idempotent."""
        assert self._process.stdin
        if not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.write(WELL)
                self._process.stdin.close()
        self._process.wait()


def main(config: Path) -> None:
    document = json.loads(config.read_text())
    # Ready for the worst before it comes: the files may be gone by then.
    endpoint = Endpoint(**document["endpoint"])
    if sys.stdin.buffer.read(1) == WELL:
        return
    client = ApiClient(endpoint, REMOVAL_S)
    try:
        for _ in range(TRIES if document["namespace"] else 0):
            try:
                remove_namespace(client, document["namespace"], document["run"])
                break
            except ServerUnreachable:
                time.sleep(PAUSE_S)
            except ForeignError as error:
                print(error, file=sys.stderr)
                break
    finally:
        client.close()
        shutil.rmtree(config.parent, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
