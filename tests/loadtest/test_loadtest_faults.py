"""``spec.faults``: what is written, what it becomes, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from actors.plan import NetworkFaults
from loadtest.absences import Absence, absences, audit_text, broken_promises
from loadtest.bundle import RunState
from loadtest.campaign import parse_campaign
from loadtest.compiled import Compiled, compile_campaign, describe, document
from loadtest.fields import CampaignError

SECOND = 1_000_000_000


def compiled(faults: dict[str, Any], seed: int = 1, **cluster: Any) -> Compiled:
    doc: dict[str, object] = {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "x"},
        "spec": {
            "seed": seed,
            "cluster": {"nodes": 5, **cluster},
            "phases": [{"name": "one", "duration": "20s"}],
            "faults": faults,
        },
    }
    return compile_campaign(parse_campaign(doc, "file"), Path())


def test_kills_are_drawn_from_the_seed_within_the_load() -> None:
    names = ["store", "hollow-0", "scheduler", "store", "partition"]
    kills = compiled({"kills": names}, storeShards=3).kills
    assert kills == compiled({"kills": names}, storeShards=3).kills
    assert kills != compiled({"kills": names}, seed=2, storeShards=3).kills
    assert [kill.at_ns for kill in kills] == sorted(kill.at_ns for kill in kills)
    assert all(0 <= kill.at_ns < 20 * SECOND for kill in kills)
    kinds = sorted(kill.program.partition("-")[0] for kill in kills)
    assert kinds == ["hollow", "partition", "scheduler", "store", "store"]
    many = compiled({"kills": ["store"] * 50}, storeShards=3).kills
    assert {kill.program for kill in many} == {"store-0", "store-1", "store-2"}


def test_the_plan_says_what_will_be_done() -> None:
    plan = compiled({"kills": ["store-1"], "network": {"delay": "2ms", "cutEvery": "10s"}})
    assert plan.cluster.network == NetworkFaults(delay_s=0.002, cut_every_s=10.0)
    text = describe(plan)
    assert f"Kill     store-1 at {plan.kills[0].at_ns / SECOND:.3f} s" in text
    assert "Network  delay 2 to 2 ms, connections cut after 10 s on average" in text
    assert document(plan)["kills"] == [{"at_ns": plan.kills[0].at_ns, "program": "store-1"}]
    sound = compiled({})
    assert not sound.cluster.network.active
    assert "Network" not in describe(sound) and "Kill" not in describe(sound)


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ({"kills": ["stroe"]}, r"kills\[0\]: no program 'stroe'; did you mean 'store'"),
        ({"kills": ["store-7"]}, r"kills\[0\]: no program 'store-7'"),
        ({"kills": "store"}, "must be a list of programs"),
        ({"kills": ["store"] * 1001}, "at most 1000"),
        ({"kill": ["store"]}, "unknown key; did you mean 'kills'"),
        ({"network": {"loss": 0.6}}, "loss: must be a number from 0 to 0.5"),
        ({"network": {"partition": "1s"}}, "partitionEvery need each other"),
        ({"network": {"delay": "soon"}}, "delay: 'soon' is not a duration"),
    ],
)
def test_what_cannot_be_done_is_refused(faults: dict[str, Any], why: str) -> None:
    with pytest.raises(CampaignError, match=why):
        compiled(faults)


def test_a_planned_death_spoils_no_numbers_and_any_other_does() -> None:
    start = 1_000 * SECOND
    rows = [
        ("store-0", start + 2 * SECOND, start + 3 * SECOND, True),
        ("scheduler", start + 4 * SECOND, start + 5 * SECOND, False),
        ("hollow-0", start + 6 * SECOND, 0, True),
    ]
    keys = ("program", "died_ns", "back_ns", "planned")
    state = RunState("id", "now", load_start_wall_ns=start)
    state.outages = [dict(zip(keys, row, strict=True)) for row in rows]
    assert absences(state)[0] == Absence("store-0", 2.0, 1.0, True)
    assert broken_promises(state) == [
        "scheduler died at 4.0 s and was away for 1.0 s",
        "hollow-0 died at 6.0 s and did not come back",
    ]
    assert audit_text(state) == ""
    state.audit = {"acknowledged": 1000, "missing_total": 2, "missing": ["/registry/pods/a/b"]}
    text = "After the run the store lacked 2 of 1,000 acknowledged creates: /registry/pods/a/b"
    assert broken_promises(state)[-1] == audit_text(state) == text
