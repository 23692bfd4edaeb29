"""The cost profile of a virtual campaign: service times of its programs, disks and wires."""

from dataclasses import dataclass
from typing import Final

from sim.connection import US
from sim.cost import API_SERVER, CONTROLLERS, HOLLOW, PARTITION, SCHEDULER, STORE, Cost

PERCENT: Final = 100
ROLES: Final = (
    ("store", STORE),
    ("apiserver", API_SERVER),
    ("scheduler", SCHEDULER),
    ("partition", PARTITION),
    ("controllers", CONTROLLERS),
    ("hollow", HOLLOW),
)
DISK: Final = "/disk"
"""After a shard's name: the disk of its log."""


@dataclass(frozen=True, slots=True)
class CostProfile:
    """What takes how long. The default is that of the simulator: see sim.cost."""

    roles: tuple[tuple[str, Cost], ...] = ROLES
    """By the part of a program's name before "-"."""
    frame_ns: int = 100 * US
    """A frame's way from one program to another."""
    sync_ns: tuple[tuple[str, int], ...] = (
        ("fsync", 200 * US),
        ("buffered", 20 * US),
        ("none", 5 * US),
    )
    """One write of a shard's log, by durability; what arrives meanwhile goes with the next one."""
    scales: tuple[tuple[str, int], ...] = ()
    """Percent by which single programs ("store-0") or disks ("store-0/disk") are slower or
    faster than their kind."""

    def of(self, program: str) -> Cost:
        cost = dict(self.roles)[program.partition("-")[0]]
        percent = dict(self.scales).get(program, PERCENT)
        return Cost(cost.step_ns * percent // PERCENT, cost.item_ns * percent // PERCENT)

    def sync_of(self, program: str, durability: str) -> int:
        percent = dict(self.scales).get(program + DISK, PERCENT)
        return dict(self.sync_ns)[durability] * percent // PERCENT

    def scaled(self, percent: dict[str, int]) -> "CostProfile":
        """This profile with more or other scales; those that are there are multiplied."""
        scales = dict(self.scales)
        for name, value in percent.items():
            scales[name] = scales.get(name, PERCENT) * value // PERCENT
        return CostProfile(self.roles, self.frame_ns, self.sync_ns, tuple(sorted(scales.items())))


DEFAULT: Final = CostProfile()
