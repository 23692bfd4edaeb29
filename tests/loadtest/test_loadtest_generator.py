"""The generator process against a real server: open loop, TLS, tokens, bounds."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest.bundle import read_rows
from loadtest.campaign import parse_campaign
from loadtest.client import Endpoint
from loadtest.compiled import Compiled, compile_campaign, write_schedule
from loadtest.fleet import GeneratorFleet
from loadtest.measure import read_generators

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 120.0


def compiled(load: dict[str, Any], duration: str, generator: dict[str, Any]) -> Compiled:
    doc: dict[str, object] = {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "g"},
        "spec": {
            "generator": generator,
            "phases": [{"name": "a", "duration": duration, "load": [load]}],
        },
    }
    return compile_campaign(parse_campaign(doc, "x"), Path())


PODS = {"scenario": "pods", "rate": 50, "arrivals": "constant"}


def run_fleet(
    plan: Compiled,
    endpoint: Endpoint,
    tmp_path: Path,
    during: Callable[[GeneratorFleet], None] = lambda fleet: None,
) -> list[dict[str, str]]:
    bundle, private = tmp_path / "bundle", tmp_path / "private"
    bundle.mkdir()
    private.mkdir(mode=0o700)
    write_schedule(plan.arrivals, bundle)
    fleet = GeneratorFleet(plan, endpoint, bundle, private)
    try:
        fleet.wait_ready()
        said = re.fullmatch(r"\d generators?: good for about ([0-9,]+) small .*", fleet.ceiling())
        assert said and int(said[1].replace(",", "")) > 0
        fleet.go(time.time_ns() + 200_000_000)
        during(fleet)
        while fleet.running:
            fleet.wait_news(PATIENCE_S)
        assert fleet.failures() == []
    finally:
        fleet.stop()
    rows = [row for i in range(3) for row in read_rows(bundle / f"samples-{i}.csv.gz")]
    return sorted(rows, key=lambda row: int(row["intended_us"]))


def until(fleet: GeneratorFleet, what: str, count: int) -> None:
    """Until the generators report so many of something."""
    while fleet.totals().get(what, 0) < count:
        assert fleet.running
        fleet.wait_news(PATIENCE_S)


def endpoint_of(handle: Any, **changes: str) -> Endpoint:
    given = {"server": handle.server, "ca_file": handle.ca_file, "token": handle.token}
    return Endpoint(**(given | changes))


def test_a_stalled_server_is_charged_for_those_who_waited(
    fake_cluster: Callable[..., Any], tmp_path: Path
) -> None:
    handle = fake_cluster(stall=(50, 75))
    plan = compiled(PODS, "4s", {})
    began = time.monotonic()
    rows = run_fleet(plan, endpoint_of(handle), tmp_path)
    took_us = (time.monotonic() - began) * 1e6
    assert len(rows) == 200
    assert all(row["code"] == "201" for row in rows)
    # Nobody is answered after the first 50 until 125 have come; a generator that waited for
    # answers would never bring them. So 75 of these 125 end after the last of them was due, however
    # slow the machine is, and one of the first 51 waits for the rest of them: 74 at 50/s.
    ended_us = [int(row["intended_us"]) + int(row["latency_us"]) for row in rows]
    due_us = int(rows[124]["intended_us"])
    assert sum(ended >= due_us for ended in ended_us[:125]) >= 75
    assert max(int(row["latency_us"]) for row in rows[:51]) >= 74 / 50 * 1e6 - 1000
    assert max(ended_us) < took_us, "nobody is charged more than there was"
    facts, latency, codes = read_generators(tmp_path / "bundle")
    assert latency["create", "pods", "resource"].p99 > 1.2
    assert codes == {"create pods 201": 200}
    assert facts[0].overflow == 0


def test_arrivals_beyond_the_bound_are_counted_and_not_sent(
    fake_cluster: Callable[..., Any], tmp_path: Path
) -> None:
    handle = fake_cluster()
    plan = compiled(PODS, "3s", {"inFlightMax": 10})

    def stall(fleet: GeneratorFleet) -> None:
        until(fleet, "done", 10)
        handle.freeze()
        until(fleet, "overflow", 40)
        handle.thaw()

    rows = run_fleet(plan, endpoint_of(handle), tmp_path, stall)
    assert len(rows) == 150
    unsent = sum(row["code"] == "-1" for row in rows)
    assert unsent >= 40
    facts, _, _ = read_generators(tmp_path / "bundle")
    assert (facts[0].overflow, facts[0].sent) == (unsent, 150 - unsent)


def test_several_processes_share_a_schedule(
    fake_cluster: Callable[..., Any], tmp_path: Path
) -> None:
    handle = fake_cluster()
    plan = compiled(PODS | {"lifetime": "500ms"}, "2s", {"processes": 2})
    rows = run_fleet(plan, endpoint_of(handle), tmp_path)
    assert len(rows) == len(plan.arrivals)
    assert {row["code"] for row in rows} == {"201", "200"}
    assert len(list(read_rows(tmp_path / "bundle" / "samples-1.csv.gz"))) > 50
    results = [
        json.loads((tmp_path / "bundle" / f"generator-{i}.json").read_text()) for i in (0, 1)
    ]
    heard = sum(result["locust"]["requests"] for result in results)
    assert heard == len(plan.arrivals), "Locust knows of each"


def test_a_user_of_a_closed_loop_waits_for_its_answer(
    fake_cluster: Callable[..., Any], tmp_path: Path
) -> None:
    """Whatever the machine's speed: no two requests of a user overlap, and nobody is late."""
    load = {"scenario": "pods", "arrivals": "closed", "users": 3, "count": 60}
    plan = compiled(load, "10m", {"inFlightMax": 1})
    rows = run_fleet(plan, endpoint_of(fake_cluster()), tmp_path)
    assert [row["code"] for row in rows] == ["201"] * 60
    user_of = {arrival.name: arrival.group for arrival in plan.arrivals}
    free_us: dict[int, int] = {}
    for row in rows:
        user, sent_us = user_of[row["name"]], int(row["intended_us"])
        assert sent_us >= free_us.get(user, 0)
        free_us[user] = sent_us + int(row["latency_us"])
        assert row["lateness_us"] == "0"
    assert len(free_us) == 3
    (facts,), _, _ = read_generators(tmp_path / "bundle")
    assert (facts.sent, facts.lateness_max_s, facts.overflow, facts.unreached) == (60, 0, 0, 0)


def test_a_wrong_token_is_401_and_an_unknown_authority_no_answer(
    fake_cluster: Callable[..., Any], tmp_path: Path
) -> None:
    handle, other = fake_cluster(), fake_cluster()
    plan = compiled(PODS, "500ms", {})
    for name, endpoint, code in (
        ("token", endpoint_of(handle, token="wrong"), "401"),
        ("ca", endpoint_of(handle, ca_file=other.ca_file), "0"),
    ):
        place = tmp_path / name
        place.mkdir()
        assert {row["code"] for row in run_fleet(plan, endpoint, place)} == {code}


def test_sigterm_keeps_what_was_recorded(fake_cluster: Callable[..., Any], tmp_path: Path) -> None:
    handle = fake_cluster()
    bundle, private = tmp_path / "bundle", tmp_path / "private"
    bundle.mkdir()
    private.mkdir()
    plan = compiled(PODS, "60s", {})
    write_schedule(plan.arrivals, bundle)
    fleet = GeneratorFleet(plan, endpoint_of(handle), bundle, private)
    fleet.wait_ready()
    fleet.go(time.time_ns())
    until(fleet, "done", 30)
    # A generator that does not end by itself is killed, and writes nothing.
    fleet.stop()
    result = json.loads((bundle / "generator-0.json").read_text())
    assert result["interrupted"] is True
    assert len(list(read_rows(bundle / "samples-0.csv.gz"))) >= 30


def test_the_driver_side_never_imports_locust() -> None:
    code = (
        "import sys, loadtest.cli, loadtest.run, loadtest.report, loadtest.supervise;"
        "bad = [m for m in ('locust', 'gevent', 'ray') if m in sys.modules]; sys.exit(str(bad))"
        " if bad else None"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
