"""The one door to a running cluster for what drives it: campaigns, the command line, tests."""

from collections.abc import Callable
from typing import Protocol

from actors.lives import Life
from actors.plan import ClusterPlan, ProcessSample


class ClusterHandle(Protocol):
    """A started cluster."""

    server: str
    """URL of the HTTPS API."""
    servers: list[str]
    """Those of all API servers, that one first."""
    ca_file: str
    kubeconfig: str
    identity_file: str
    """A client certificate and its key, PEM; empty where the token is all that is shown."""
    placement: list[str]
    """What is to be said of the machines of a cluster that has several, in sentences."""

    @property
    def token(self) -> str:
        """Bearer token of the administrator."""
        ...

    def samples(self) -> list[ProcessSample]:
        """Cumulative CPU seconds and PSS of each process; Ray's own have the role ``ray``."""
        ...

    def gauges(self) -> dict[str, dict[str, float]]:
        """Program name to its counters and queue lengths."""
        ...

    def kill(self, program: str) -> int:
        """SIGKILL to the process in which a program serves; its pid, 0 when there is none."""
        ...

    def slow(self, program: str, service_s: float) -> bool:
        """Let every operation of a program take so long, until it dies; 0: no longer. False: it
        does not run now. See actors.hold."""
        ...

    def pause(self, program: str, still: bool) -> bool:
        """Let the process in which a program serves stand still (SIGSTOP), or go on (SIGCONT).
        False: there is none. Whoever pauses lets it go on before he stops the cluster."""
        ...

    def disconnect(self, program: str, off: bool) -> bool:
        """Cut a program off from all others, until it dies, or connect it again: no frame comes to
        it or leaves it meanwhile, and none is lost. HTTPS is not touched. False: it does not run
        now."""
        ...

    def lives(self) -> list[Life]:
        """The processes of each program so far: when they began, served and died."""
        ...

    def await_lives(self, holds: Callable[[list[Life]], bool], timeout_s: float) -> bool:
        """Block until the lives are so; False when the time was up before."""
        ...

    def failures(self) -> list[str]:
        """What programs logged as failures; empty in a healthy run."""
        ...

    def stop(self) -> None:
        """Stop everything; no process is left. Idempotent."""
        ...


def start_cluster(plan: ClusterPlan, progress: Callable[[str], None]) -> ClusterHandle:
    """Start a cluster on a private local Ray, or on the Ray cluster of the job we are in; blocks.

    Raises actors.ray.cluster.ClusterError, which names the program that did not start.
    """
    from actors.ray.cluster import RayCluster  # imports Ray's environment only when it is wanted

    return RayCluster.start(plan, progress)
