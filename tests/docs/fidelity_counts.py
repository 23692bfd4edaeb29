"""The table of recorded cases in docs/fidelity.md.

``python -m tests.docs.fidelity_counts [--write]`` prints it, or writes it between the marks of the
document. Scheduler placements are replayed. For the API server and the controllers the tests' own
tables of exceptions are counted; those tests play every case and fail when a table is not true.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.kinds import SERVED
from tests.actors.test_apiserver_program import UNLIKE
from tests.controllers.replay import scenarios
from tests.controllers.test_controllers_golden import FILES, KINDS, KNOWN
from tests.golden_api.run import FILES as API_FILES
from tests.golden_scheduler.replay import replay_case

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
DOCUMENT = ROOT / "docs" / "fidelity.md"
BEGIN, END = "<!-- recorded: begin -->\n", "<!-- recorded: end -->\n"

WHY_SCENARIOS = {
    "cluster": "endpoints, HPA, PDB and token secrets are absent; those of quotas need Jobs",
    "cold": "DaemonSet, endpoints, Job, PDB and StatefulSet are absent; those of quotas need Jobs",
    "cold2": "DaemonSet, endpoints, Job, PDB and StatefulSet are absent",
    "deploy_rs": "ReplicationController is absent",
    "nodes": "DaemonSet is absent",
    "workloads": "StatefulSet, DaemonSet, Job and CronJob are absent",
    "random": "pods are picked at random, which the replay cannot follow; other kinds are absent",
    "repeat": "a second run of scenarios of deploy_rs: it tells what is firm",
    "cold_repeat": "a second run of cold: it tells what is firm",
}


def recorded() -> str:
    """The whole block, without its marks."""
    parts = [_api(), _scheduler(), _controllers(), _others()]
    return "\n".join("\n".join(lines) + "\n" for lines in parts)


def _table(*rows: Sequence[object]) -> list[str]:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _api() -> list[str]:
    rows: list[Sequence[object]] = [("file", "cases", "pass", "differ")]
    for name in API_FILES:
        cases = [case["id"] for case in _read(GOLDEN / "api" / f"{name}.jsonl")]
        differ = [case for case in cases if case in UNLIKE]
        rows.append(
            (f"{name}.jsonl", len(cases), len(cases) - len(differ), ", ".join(differ) or "-")
        )
    lines = ["### API server", "", f"Served: {', '.join(sorted(SERVED))}.", "", *_table(*rows)]
    if UNLIKE:
        lines += ["", "Why they differ:", ""]
        lines += [f"- {case}: {reason}" for case, reason in UNLIKE.items()]
    return lines


def _scheduler() -> list[str]:
    attempts: Counter[str] = Counter()
    agree: Counter[str] = Counter()
    for case in sorted((GOLDEN / "scheduler" / "cases").glob("*.jsonl.gz")):
        outcome = replay_case(case, GOLDEN / "scheduler" / "results" / case.name)
        attempts[outcome.family] += outcome.attempts
        agree[outcome.family] += outcome.agree
    rows: list[Sequence[object]] = [("family", "agree", "attempts")]
    rows += [(family, agree[family], attempts[family]) for family in sorted(attempts)]
    return ["### Scheduler", "", *_table(*rows)]


def _controllers() -> list[str]:
    rows: list[Sequence[object]] = [
        ("file", "scenarios", "played", "agree", "why not all are played")
    ]
    for path in sorted((GOLDEN / "controllers").glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        every = scenarios(name)
        played = [key for key, item in every.items() if _is_played(name, item)]
        differ = sum(key in KNOWN for key in played)
        why = "-" if len(played) == len(every) else WHY_SCENARIOS[name]
        rows.append((name, len(every), len(played), len(played) - differ, why))
    lines = ["### Controllers", "", *_table(*rows), "", "Those that differ:", ""]
    by_reason: dict[str, list[str]] = {}
    for scenario, reason in KNOWN.items():
        by_reason.setdefault(reason, []).append(scenario)
    return [*lines, *(f"- {reason}: {', '.join(ids)}" for reason, ids in by_reason.items())]


def _is_played(file: str, item: Mapping[str, Any]) -> bool:
    return file in FILES and item["kind"].startswith(KINDS)


def _others() -> list[str]:
    pairs = _read(GOLDEN / "controllers" / "hashes.jsonl")
    ours = sum("hashedText" in pair for pair in pairs)
    rows: list[Sequence[object]] = [
        ("what", "pass", "all", "test", "others"),
        (
            "pod template hashes",
            ours,
            len(pairs),
            "`tests/controllers/test_controllers_golden.py`",
            "hashes of ControllerRevisions, which are absent",
        ),
        ("columns of tables", *_columns(), "`tests/api/test_tables.py`", "kinds not served"),
    ]
    return ["### Others", "", *_table(*rows)]


def _columns() -> tuple[int, int]:
    paths = [line["path"] for line in _read(GOLDEN / "api" / "table_columns.jsonl")]
    plurals = {key.rpartition("/")[2]: key for key in SERVED}
    return sum(_key(path, plurals) for path in paths), len(paths)


def _key(path: str, plurals: Mapping[str, str]) -> bool:
    parts = path.strip("/").split("/")
    key = parts[-1] if parts[0] == "api" else f"{parts[1]}/{parts[-1]}"
    return plurals.get(parts[-1]) == key


def parts_of_document() -> tuple[str, str, str]:
    """The document: before the block, the block, behind it."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    block, _, behind = rest.partition(END)
    return before, block, behind


def main(arguments: Sequence[str]) -> None:
    block = recorded()
    if "--write" in arguments:
        before, _, behind = parts_of_document()
        DOCUMENT.write_text(before + BEGIN + block + END + behind, encoding="utf-8")
    else:
        print(block)


if __name__ == "__main__":
    main(sys.argv[1:])
