"""The detached process that keeps a standing cluster: ``python -m loadtest.supervise CONFIG.json``.

Started by ``hollowfleet up``; SIGTERM ends it. It starts the cluster, copies the kubeconfig,
waits for the nodes, writes its state, and on its way out leaves no process and no credentials.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from actors.cluster import ClusterHandle, start_cluster
from actors.plan import ClusterPlan, NetworkFaults, NodeSpec
from actors.processes import start_ticks
from actors.ray.cluster import ClusterError
from loadtest.client import Endpoint
from loadtest.generator_config import write_private
from loadtest.observer import NodeFollower
from loadtest.signals import hear_no_end
from loadtest.standing import Standing, write_standing

READY_STALL_S = 60.0


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    plan: ClusterPlan
    nodes: int
    kubeconfig: str
    state_directory: str
    log: str


def write_config(config: SupervisorConfig, path: Path) -> None:
    path.write_text(json.dumps(asdict(config)))


def read_config(path: Path) -> SupervisorConfig:
    document: dict[str, Any] = json.loads(path.read_text())
    plan = document.pop("plan")
    plan["nodes"] = tuple(
        NodeSpec(
            node["count"],
            node["prefix"],
            tuple((key, value) for key, value in node["capacity"]),
            tuple((key, value) for key, value in node["labels"]),
        )
        for node in plan["nodes"]
    )
    plan["network"] = NetworkFaults(**plan["network"])
    return SupervisorConfig(plan=ClusterPlan(**plan), **document)


class Supervisor:
    """One standing cluster, from start to stop."""

    def __init__(self, config: SupervisorConfig) -> None:
        self._config = config
        self._directory = Path(config.state_directory)
        self._standing = Standing(
            pid=os.getpid(),
            start_ticks=start_ticks(os.getpid()),
            phase="starting",
            server="",
            kubeconfig=config.kubeconfig,
            log=config.log,
            nodes=config.nodes,
        )
        self._stop = threading.Event()

    def run(self) -> int:
        """Exit code: 0 when stopped on request, 1 when the cluster did not start."""
        write_standing(self._directory, self._standing)
        place = self._directory / "cluster"
        shutil.rmtree(place, ignore_errors=True)
        handle: ClusterHandle | None = None
        try:
            plan = replace(self._config.plan, run_directory=str(place))
            handle = start_cluster(plan, _say)
            self._open(handle)
            signal.signal(signal.SIGTERM, lambda *_: self._stop.set())
            self._stop.wait()
            return 0
        except KeyboardInterrupt:
            return 0
        except ClusterError as error:
            self._fail(str(error))
            return 1
        finally:
            hear_no_end()
            if handle:
                Path(self._config.kubeconfig).unlink(missing_ok=True)
                handle.stop()
            shutil.rmtree(place, ignore_errors=True)

    def _open(self, handle: ClusterHandle) -> None:
        """Hand out the kubeconfig, then wait for the nodes. Raises ClusterError."""
        path = Path(self._config.kubeconfig)
        try:
            write_private(path, Path(handle.kubeconfig).read_text())
        except OSError as error:
            raise ClusterError(f"cannot write the kubeconfig to {path}: {error.strerror}") from None
        self._standing = replace(self._standing, server=handle.server)
        write_standing(self._directory, self._standing)
        _say(f"API at {handle.server}")
        follower = NodeFollower(Endpoint(handle.server, handle.ca_file, handle.token))
        follower.start()
        try:
            self._await_nodes(follower)
        finally:
            follower.stop()
        self._standing = replace(self._standing, phase="ready")
        write_standing(self._directory, self._standing)

    def _await_nodes(self, follower: NodeFollower) -> None:
        best, changed = -1, time.monotonic()
        while follower.nodes.ready < self._config.nodes:
            ready, now = follower.nodes.ready, time.monotonic()
            if ready > best:
                best, changed = ready, now
                _say(f"nodes Ready {ready}/{self._config.nodes}")
            elif now - changed > READY_STALL_S:
                why = f" ({follower.problem})" if follower.problem else ""
                raise ClusterError(f"only {ready} of {self._config.nodes} nodes are Ready{why}")
            time.sleep(0.2)
        _say(f"nodes Ready {follower.nodes.ready}/{self._config.nodes}")

    def _fail(self, text: str) -> None:
        self._standing = replace(self._standing, phase="failed", error=text)
        write_standing(self._directory, self._standing)
        _say(f"failed: {text}")


def _say(text: str) -> None:
    print(text, flush=True)


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        print("usage: python -m loadtest.supervise CONFIG.json", file=sys.stderr)
        return 2
    # Until the cluster stands, SIGTERM breaks off its start.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Supervisor(read_config(Path(argv[1]))).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
