"""``python -m tests.golden_api DIR [--only ID]``.

Prints for each file how many cases pass and the first difference of each that does not; the last
line is ``N of M pass``. Exit code 1 when one does not.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.golden_api.run import replay


def main() -> int:
    parser = argparse.ArgumentParser(prog="golden-api")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", default="", help="the case of this id")
    arguments = parser.parse_args()
    if not arguments.directory.is_dir():
        parser.error(f"{arguments.directory} is no directory")
    files = asyncio.run(replay(arguments.directory, arguments.only))
    passed = total = 0
    for name, outcomes in files.items():
        good = sum(difference is None for difference in outcomes.values())
        print(f"{name}: {good} / {len(outcomes)}")
        for case, difference in outcomes.items():
            if difference is not None:
                print(f"  {case}: {difference}")
        passed, total = passed + good, total + len(outcomes)
    print(f"{passed} of {total} pass")
    return 0 if total and passed == total else 1


if __name__ == "__main__":
    sys.exit(main())
