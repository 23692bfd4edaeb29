"""Kills a program of each kind amid a campaign, at moments of the seed, and reads the report.

    python -m tests.faults.kill_campaign --runs 5 --first-seed 1

Each run kills one of each kind. The campaign is the quickstart unless another is named.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from loadtest.cli.codes import INVALID, OK, SLO_FAILED
from tests.ray.private_head import command_lines

ROOT = Path(__file__).parents[2]
KINDS = ("store", "apiserver", "scheduler", "partition", "controllers", "hollow")
RUN_S = 900.0


def killed_run(campaign: Path, out: Path, seed: int) -> dict[str, Any]:
    """Run it, and check what must hold however the kills fell; its summary.json."""
    # A short path of its own: Ray's sockets lie below it.
    temporary = Path(tempfile.mkdtemp(prefix="hf-"))
    try:
        command = [sys.executable, "-m", "loadtest", "run", str(campaign), "--seed", str(seed)]
        done = subprocess.run(
            [*command, "--set", f"kills=[{','.join(KINDS)}]", "--out", str(out)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        left = command_lines(temporary)
        assert not left, left
    finally:
        shutil.rmtree(temporary)
    assert done.returncode in (OK, SLO_FAILED, INVALID), done.stdout + done.stderr
    (bundle,) = out.iterdir()
    summary: dict[str, Any] = json.loads((bundle / "summary.json").read_text())
    check(bundle, summary)
    return summary


def check(bundle: Path, summary: dict[str, Any]) -> None:
    """The run came to its end, every death is told with its return, and nothing is missing."""
    why = (summary["stamp"], summary["reasons"], summary["outages"])
    assert summary["stamp"] in ("VALID", "INVALID"), why
    assert bool(summary["reasons"]) == (summary["stamp"] == "INVALID"), why
    planned = json.loads((bundle / "campaign.json").read_text())["kills"]
    told = {outage["program"]: outage for outage in summary["outages"]}
    # In any order: a process that is killed later may be gone sooner.
    died = sorted(outage["program"] for outage in summary["outages"])
    assert died == sorted(kill["program"] for kill in planned), why
    page = (bundle / "report.html").read_text()
    for kill in planned:
        outage = told[kill["program"]]
        assert outage["planned"] and outage["away_s"] is not None, why
        # The report rounds to milliseconds.
        assert outage["died_s"] > kill["at_ns"] / 1e9 - 0.001, "not before its time"
        assert f"<td>{kill['program']}</td><td>killed by the campaign</td>" in page
    audit = summary["audit"]
    assert audit["acknowledged"] > 0 and audit["missing_total"] == 0, audit
    assert f"the store had all of {audit['acknowledged']:,} acknowledged creates" in page
    pods = summary["pods"]
    assert pods["running"] >= pods["created"] - pods["deleted"] > 0, pods


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--campaign", type=Path, default=ROOT / "examples" / "quickstart.yaml")
    options = parser.parse_args()
    for seed in range(options.first_seed, options.first_seed + options.runs):
        # Not in the temporary directory, which may be memory, where a sync costs nothing.
        with tempfile.TemporaryDirectory(dir=".") as out:
            summary = killed_run(options.campaign.resolve(), Path(out).resolve(), seed)
        away = ", ".join(f"{o['program']} {o['away_s']:.1f} s" for o in summary["outages"])
        kept = summary["audit"]["acknowledged"]
        print(f"seed {seed}: {summary['stamp']}; away: {away}; {kept} creates kept", flush=True)
        for reason in summary["reasons"]:
            print(f"  {reason}", flush=True)


if __name__ == "__main__":
    main()
