"""Kills ``hollowfleet etcd`` with SIGKILL at random moments, and looks for what it acknowledged.

    python -m tests.faults.kill_etcd --rounds 200 --seed 7

Moments are drawn from the seed: after so many answers, after so many writes of its log (before
their answer, in the middle of the next), or while it reads its log at the start.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from api.streams import Stream
from tests.faults.acknowledged import Ledger
from tests.faults.etcd_process import EtcdProcess
from tests.faults.inotify import MODIFY, OPEN, FileEvents

ROUNDS_OF_A_DIRECTORY = 25
"""Then a new one begins: a log that only grows takes ever longer to read."""
ANSWERS_MAX = 400
WRITES_MAX = 60
WAIT_S = 120.0
MOMENTS = ("answers", "answers", "writes", "writes", "start")


async def one_round(directory: Path, ledger: Ledger, stream: Stream) -> str:
    """Start, check, load, kill; the kind of moment. Afterwards no process is left."""
    moment = MOMENTS[stream.below(len(MOMENTS))]
    if moment == "start" and not list(directory.glob("**/log-*")):
        moment = "answers"
    if moment == "start":
        log = sorted(directory.glob("**/log-*"))[-1]
        with FileEvents(log.parent, OPEN) as events, EtcdProcess(directory):
            assert await asyncio.to_thread(events.wait, "log-", 1, WAIT_S)
        return moment
    with EtcdProcess(directory) as process:
        address = await asyncio.to_thread(lambda: process.address)
        await ledger.check(address)
        if moment == "answers":
            at = 1 + stream.below(ANSWERS_MAX)
            await ledger.load(address, lambda done: process.kill() if done == at else None)
        else:
            log = sorted(directory.glob("**/log-*"))[-1]
            with FileEvents(log.parent, MODIFY) as events:
                loading = asyncio.create_task(ledger.load(address, lambda done: None))
                count = 1 + stream.below(WRITES_MAX)
                written = await asyncio.to_thread(events.wait, "log-", count, WAIT_S)
                process.kill()
                await loading
                assert written, "it wrote less than it was asked to"
    return moment


async def rounds(directory: Path, seed: int, count: int) -> tuple[Counter[str], int]:
    """So many kills, and a last look; how many of each moment, and the answers in all."""
    moments: Counter[str] = Counter()
    answers = 0
    for first in range(0, count, ROUNDS_OF_A_DIRECTORY):
        place = directory / f"from-{first}"
        ledger = Ledger(Stream(seed, f"load/{first}"))
        for number in range(first, min(first + ROUNDS_OF_A_DIRECTORY, count)):
            stream = Stream(seed, f"kill/{number}")
            moments[await one_round(place, ledger, stream)] += 1
        with EtcdProcess(place) as process:
            await ledger.check(await asyncio.to_thread(lambda: process.address))
        answers += ledger.acknowledged_total
        print(f"{sum(moments.values())} kills, {answers} acknowledged writes kept", flush=True)
    return moments, answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # Not in the temporary directory, which may be memory, where a sync costs nothing.
    with tempfile.TemporaryDirectory(dir=".") as directory:
        moments, answers = asyncio.run(rounds(Path(directory), options.seed, options.rounds))
    print(f"seed {options.seed}: kills by moment {dict(moments)}; all of {answers} writes kept")


if __name__ == "__main__":
    main()
