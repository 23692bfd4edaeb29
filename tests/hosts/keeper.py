"""A machine's keeper without Ray: ``python -m tests.hosts.keeper CLUSTER RUN-DIRECTORY``.

Says "ready", then "heard" once a program serves; from then on nobody renews its lease.
"""

import signal
import sys
from pathlib import Path

from actors.ray.machine import Machine, Papers

PATIENT_S = 600.0
HASTY_S = 0.1


def main(cluster: str, directory: str) -> None:
    run = Path(directory)
    secrets = (("ca.key", b"secret"),)
    papers = Papers(cluster, str(run), str(run / "security"), str(run / "programs.log"), secrets)
    machine = Machine("127.0.0.1", papers)
    machine.lease_s = PATIENT_S
    print("ready", flush=True)
    machine.news([], 0)  # From here on it is patient.
    while not any(life.up_ns for life in machine.news([], 0)[0]):
        pass
    print("heard", (run / "security" / "ca.key").read_text(), flush=True)
    machine.lease_s = HASTY_S
    machine.news([], 0)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
