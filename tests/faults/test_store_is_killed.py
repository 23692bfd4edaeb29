"""kill -9 of the real store process: nothing acknowledged under fsync is missing."""

import asyncio
import os
from pathlib import Path

import pytest

from api.streams import Stream
from store.journal import decoded_records
from tests.faults.acknowledged import WRITERS, Ledger
from tests.faults.etcd_process import EtcdProcess
from tests.faults.kill_etcd import rounds

ROUNDS = 5
SEED = 15
"""With it all kinds of moments come."""


def test_what_was_acknowledged_is_there_after_every_kill(tmp_path: Path) -> None:
    moments, answers = asyncio.run(rounds(tmp_path, SEED, ROUNDS))
    assert set(moments) == {"answers", "writes", "start"}
    assert sum(moments.values()) == ROUNDS
    assert answers > 100


def test_a_lost_acknowledgement_would_be_found(tmp_path: Path) -> None:
    """The check is one that can fail: a log without its last records has lost what it told."""

    async def scenario() -> None:
        ledger = Ledger(Stream(SEED, "lost"))
        with EtcdProcess(tmp_path) as process:
            address = await asyncio.to_thread(lambda: process.address)
            await ledger.load(address, lambda done: process.kill() if done == 100 else None)
        (log,) = tmp_path.glob("**/log-*")
        ends = [record.end for record in decoded_records(log.name, log.read_bytes(), 1, True)]
        # Whoever wrote the last ones had at most one write each under way: these were told.
        os.truncate(log, ends[-WRITERS - 10])
        with EtcdProcess(tmp_path) as process:
            address = await asyncio.to_thread(lambda: process.address)
            with pytest.raises(AssertionError, match="acknowledged"):
                await ledger.check(address)

    asyncio.run(scenario())
