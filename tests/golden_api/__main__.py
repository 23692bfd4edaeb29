"""``python -m tests.golden_api DIR [--served] [--managed-fields] [--only ID]``."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.golden_api.replay import Case
from tests.golden_api.server import Server, running_server

FILES = ("defaults", "errors", "tables", "patches", "watch")


async def replay(directory: Path, arguments: argparse.Namespace) -> tuple[int, int]:
    """(cases that pass, cases), printing each file's."""
    passed = total = 0
    async with running_server() as server:
        for name in FILES:
            path = directory / f"{name}.jsonl"
            if not path.exists():
                continue
            cases = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
            differences = await _replay_file(server, name, cases, arguments)
            good = sum(difference is None for _, difference in differences)
            print(f"{path.name}: {good} / {len(differences)}")
            for case, difference in differences:
                if difference is not None:
                    print(f"  {case}: {difference}")
            passed, total = passed + good, total + len(differences)
    return passed, total


async def _replay_file(
    server: Server,
    name: str,
    cases: list[dict[str, object]],
    arguments: argparse.Namespace,
) -> list[tuple[str, str | None]]:
    runs = [
        Case(server, case, f"{name}{number}", arguments.managed_fields)
        for number, case in enumerate(cases)
    ]
    runs = [
        run
        for run in runs
        if (not arguments.served or run.served()) and arguments.only in ("", run.id)
    ]
    if name == "watch":
        # Watches are open for seconds each: all scenarios at once. The compaction comes last.
        together = [run for run in runs if "watches" in run.case]
        apart = [run for run in runs if "watches" not in run.case]
        results = await asyncio.gather(*(run.run() for run in together))
        return [
            *((run.id, result) for run, result in zip(together, results, strict=True)),
            *[(run.id, await run.run()) for run in apart],
        ]
    return [(run.id, await run.run()) for run in runs]


def main() -> int:
    parser = argparse.ArgumentParser(prog="golden-api", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--served", action="store_true", help="only cases of served kinds")
    parser.add_argument(
        "--managed-fields", action="store_true", help="compare metadata.managedFields too"
    )
    parser.add_argument("--only", default="", help="the case of this id")
    arguments = parser.parse_args()
    if not arguments.directory.is_dir():
        parser.error(f"{arguments.directory} is no directory")
    passed, total = asyncio.run(replay(arguments.directory, arguments))
    print(f"{passed} of {total} pass")
    return 0 if passed == total else 1


if __name__ == "__main__":
    sys.exit(main())
