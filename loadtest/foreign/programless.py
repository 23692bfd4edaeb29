"""What actors.cluster.ClusterHandle says of programs, for a cluster that has none of ours."""

from collections.abc import Callable

from actors.lives import Life
from actors.plan import ProcessSample


class Programless:
    """Nothing is sampled and nothing can be done to what is not there."""

    def samples(self) -> list[ProcessSample]:
        return []

    def gauges(self) -> dict[str, dict[str, float]]:
        return {}

    def slow(self, program: str, service_s: float) -> bool:
        return False

    def pause(self, program: str, still: bool) -> bool:
        return False

    def disconnect(self, program: str, off: bool) -> bool:
        return False

    def kill(self, program: str) -> int:
        return 0

    def lives(self) -> list[Life]:
        return []

    def await_lives(self, holds: Callable[[list[Life]], bool], timeout_s: float) -> bool:
        return holds([])

    def failures(self) -> list[str]:
        return []
