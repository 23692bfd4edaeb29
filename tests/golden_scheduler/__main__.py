"""``python -m tests.golden_scheduler DIR``: replay every case of a directory with ``cases/`` and
``results/``; print agreement per family and the differences. Exit code 1 when there are any."""

import sys
from pathlib import Path

from scheduler.kernel import kernel_named, kernel_of
from tests.golden_scheduler.replay import Outcome, replay_case

DIFFERENCES_MAX = 5
"""Printed for each family."""
SUFFIX = ".jsonl.gz"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not (Path(arguments[0]) / "cases").is_dir():
        print("usage: python -m tests.golden_scheduler DIR   (with DIR/cases and DIR/results)")
        return 2
    directory = Path(arguments[0])
    families: dict[str, list[Outcome]] = {}
    for case in sorted((directory / "cases").glob("*" + SUFFIX)):
        results = directory / "results" / case.name
        if not results.is_file():
            print(f"{results}: missing")
            return 2
        outcome = replay_case(case, results)
        families.setdefault(outcome.family, []).append(outcome)
    agree = attempts = 0
    for family, outcomes in families.items():
        of_family = sum(o.agree for o in outcomes)
        all_of_family = sum(o.attempts for o in outcomes)
        print(f"{family}: {of_family} / {all_of_family}")
        differences = [d for o in outcomes for d in o.differences]
        for difference in differences[:DIFFERENCES_MAX]:
            print(f"  {difference}")
        if len(differences) > DIFFERENCES_MAX:
            print(f"  and {len(differences) - DIFFERENCES_MAX} more differences")
        agree += of_family
        attempts += all_of_family
    print(kernel_named(kernel_of("auto")))
    print(f"{agree} of {attempts} agree")
    return 0 if agree == attempts else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
