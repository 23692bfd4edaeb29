"""A journal or a core that breaks by a bug ends the program: it must not answer and do nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, sys
from actors.shard import open_shard
from store.core import StoreSettings

async def main():
    shard = await open_shard(sys.argv[1], StoreSettings(0, "fsync"))
    assert (await shard.ask(("put", b"/a", b"", b"", -1, 0)))[0] == 0
    exec(sys.argv[2])
    print("asked", flush=True)
    await shard.ask(("put", b"/b", b"", b"", -1, 0))
    print("answered", flush=True)

asyncio.run(main())
"""


# What no code may do, and what follows.
BUGS = {
    "shard.journal._directory.segments.clear()": "IndexError",
    "shard.core.ledger = None": "AttributeError",
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_broken_shard_ends_the_program_loudly(tmp_path: Path, bug: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), bug],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 70
    assert ended.stdout == "asked\n"
    assert BUGS[bug] in ended.stderr and "a store shard broke: the program ends" in ended.stderr
