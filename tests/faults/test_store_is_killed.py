"""kill -9 of the real store process: nothing acknowledged under fsync is missing."""

import asyncio
from pathlib import Path

from tests.faults.kill_etcd import rounds

ROUNDS = 5
SEED = 15
"""With it all kinds of moments come."""


def test_what_was_acknowledged_is_there_after_every_kill(tmp_path: Path) -> None:
    moments, answers = asyncio.run(rounds(tmp_path, SEED, ROUNDS))
    assert set(moments) == {"answers", "writes", "start"}
    assert sum(moments.values()) == ROUNDS
    assert answers > 100
