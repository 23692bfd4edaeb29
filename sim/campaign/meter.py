"""What waits in front of each program of a virtual campaign, probed between two samples."""

from typing import Final

from sim.campaign.cluster import VirtualCluster

PROBES: Final = 50
"""From one sample to the next."""


class Meter:
    """``probe`` often, ``take`` at every sample."""

    def __init__(self, cluster: VirtualCluster) -> None:
        self._turns = [(program.name, program.turns) for program in cluster.programs]
        self._sums = [0] * len(self._turns)
        self._in_flight = 0
        self._probes = 0

    def probe(self, in_flight: int) -> None:
        """``in_flight``: requests of the load that are under way."""
        self._probes += 1
        self._in_flight += in_flight
        for place, (_, turns) in enumerate(self._turns):
            self._sums[place] += turns.items

    def take(self) -> dict[str, dict[str, float]]:
        """Means since the last time, by program; of the load under "generator". Nothing before the
        first probe."""
        count = self._probes
        if not count:
            return {}
        out = {
            name: {"waiting_mean": round(total / count, 4)}
            for (name, _), total in zip(self._turns, self._sums, strict=True)
        }
        out["generator"] = {"in_flight_mean": round(self._in_flight / count, 4)}
        self._sums = [0] * len(self._turns)
        self._in_flight = self._probes = 0
        return out
