"""A journal that breaks by a bug ends the program: it must not answer and write nothing."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, sys
from actors.shard import open_shard
from store.core import StoreSettings

async def main():
    shard = await open_shard(sys.argv[1], StoreSettings(0, "fsync"))
    assert (await shard.ask(("put", b"/a", b"", b"", -1, 0)))[0] == 0
    shard.journal._directory.segments.clear()   # what no code may do
    print("asked", flush=True)
    await shard.ask(("put", b"/b", b"", b"", -1, 0))
    print("answered", flush=True)

asyncio.run(main())
"""


def test_a_broken_journal_ends_the_program_loudly(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert ended.returncode == 70
    assert ended.stdout == "asked\n"
    assert "IndexError" in ended.stderr and "journal of a store shard broke" in ended.stderr
