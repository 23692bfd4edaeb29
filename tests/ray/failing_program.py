"""A program that starts and then fails, hosted as Ray's actors host it.

    python -m tests.ray.failing_program DIRECTORY

Ends by itself; the exit code is the host's.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from actors.blueprint import MODULES, Part
from actors.plan import PartitionConfig, Security
from actors.program import Resolve
from actors.ray.host import Names, ProgramThread


class Failing:
    """Runs until the next turn of its loop."""

    address = ""
    lines = ()

    def gauges(self) -> Mapping[str, float]:
        return {}

    async def stop(self) -> None:
        pass


async def start(config: PartitionConfig, resolve: Resolve) -> Failing:
    asyncio.get_running_loop().call_soon(_step)
    return Failing()


def _step() -> None:
    raise AssertionError("an invariant of its core")


def main(directory: str) -> None:
    MODULES[PartitionConfig] = "tests.ray.failing_program"
    part = Part("failing", PartitionConfig("failing", Security("", "", directory)), 0)
    thread = ProgramThread(part, Names(""), Path(directory) / "log", restarted=False)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
