"""What a step costs in virtual time: a small profile of service times.

The figures are those of the benchmarks on one core of a 2-core virtual machine, rounded. They
decide how batches form and which races can happen; absolute speeds of a run mean nothing.
"""

from dataclasses import dataclass

US = 1_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Service times of one kind of program, in nanoseconds."""

    step_ns: int
    item_ns: int
    """For each request, answer, object or record that a step takes in."""

    def of(self, items: int) -> int:
        return self.step_ns + items * self.item_ns


STORE = Cost(15 * US, 8 * US)
API_SERVER = Cost(25 * US, 70 * US)
SCHEDULER = Cost(20 * US, 60 * US)
PARTITION = Cost(50 * US, 20 * US)
CONTROLLERS = Cost(20 * US, 50 * US)
HOLLOW = Cost(20 * US, 30 * US)
USER = Cost(10 * US, 10 * US)
