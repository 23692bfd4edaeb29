"""Replay a directory of recorded cases against a server started for the purpose."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from tests.golden_api.replay import Case
from tests.golden_api.server import Server, running_server

FILES = ("defaults", "errors", "tables", "patches", "watch")

Outcomes = dict[str, str | None]
"""Id of a case to the first difference, or None."""


async def replay(
    directory: Path, only: str = "", files: Sequence[str] = FILES, *, embedded: bool = False
) -> dict[str, Outcomes]:
    """File name to the outcomes of its cases. ``only``: the id of the one that is played;
    ``embedded``: the shards live in the API server's program."""
    found: dict[str, Outcomes] = {}
    async with running_server(embedded=embedded) as server:
        for name in files:
            path = directory / f"{name}.jsonl"
            if path.exists():
                found[path.name] = await _replay_file(server, path, only)
    return found


async def _replay_file(server: Server, path: Path, only: str) -> Outcomes:
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    cases = [
        Case(server, json.loads(line), f"{path.stem}{number}") for number, line in enumerate(lines)
    ]
    cases = [case for case in cases if only in ("", case.id)]
    # Watches are open for seconds each, so scenarios run at once; but the end of an initial state
    # names the last write of anybody, so nobody writes while one of them opens its watches.
    outcomes: Outcomes = {}
    together: list[Case] = []
    for case in cases:
        if case.case.get("watches"):
            outcomes[case.id] = await case.open()
            if outcomes[case.id] is None:
                together.append(case)
    results = await asyncio.gather(*(case.finish() for case in together))
    outcomes |= {case.id: result for case, result in zip(together, results, strict=True)}
    # A compaction comes last.
    for case in cases:
        if case.id not in outcomes:
            outcomes[case.id] = await case.run()
    return outcomes
