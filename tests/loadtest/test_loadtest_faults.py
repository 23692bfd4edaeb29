"""``spec.faults``: what is written, what it becomes, and what is refused."""

import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from actors.blueprint import parts_of
from actors.plan import NetworkFaults, Security
from loadtest.absences import Absence, absences, audit_text, broken_promises
from loadtest.bundle import RunState
from loadtest.campaign import parse_campaign
from loadtest.compiled import Compiled, compile_campaign, describe, document
from loadtest.faults import Slowing, describe_slow
from loadtest.fields import CampaignError
from loadtest.interruptions import Interruption, describe_interruptions
from loadtest.saboteur import Saboteur

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


def slow(component: str, **more: str) -> dict[str, str]:
    return {"component": component, "perOperation": "2ms", **more}


def test_slow_programs_have_their_times() -> None:
    faults = {"slow": [slow("store", at="5s", **{"for": "2s"}), slow("store-1", at="7s")]}
    plan = compiled(faults)
    assert plan.slow == (
        Slowing(5 * SECOND, "store-0", 2_000_000),
        Slowing(5 * SECOND, "store-1", 2_000_000),
        Slowing(7 * SECOND, "store-0", 0),
        Slowing(7 * SECOND, "store-1", 0),
        Slowing(7 * SECOND, "store-1", 2_000_000),
        Slowing(20 * SECOND, "store-1", 0),
    )
    assert describe_slow(plan.slow) == [
        "store-0: 2 ms an operation, from 5 to 7 s",
        "store-1: 2 ms an operation, from 5 to 7 s",
        "store-1: 2 ms an operation, from 7 to 20 s",
    ]
    assert "Slow     store-0: 2 ms an operation, from 5 to 7 s" in describe(plan)
    assert document(plan)["slow"] == [asdict(one) for one in plan.slow]
    with pytest.raises(CampaignError, match="no etcd"):
        compiled({"slow": [slow("store-0")]}, storeEngine="etcd")


class Cluster:
    """All programs serve, but what is told to one of them is lost."""

    def __init__(self, deaf: str) -> None:
        self._deaf = deaf
        self.told: list[tuple[str, float]] = []
        self.switched: list[tuple[str, str, bool]] = []
        self.done = threading.Event()

    def await_lives(self, holds: object, timeout_s: float) -> bool:
        return True

    def slow(self, program: str, service_s: float) -> bool:
        self.told.append((program, service_s))
        if service_s == 0.0:
            self.done.set()
        return program != self._deaf

    def pause(self, program: str, still: bool) -> bool:
        return self._switched("pause", program, still)

    def disconnect(self, program: str, off: bool) -> bool:
        return self._switched("disconnect", program, off)

    def _switched(self, how: str, program: str, away: bool) -> bool:
        self.switched.append((how, program, away))
        if away:
            self.done.set()
        return program != self._deaf


def away(component: str, at: str, length: str) -> dict[str, str]:
    return {"component": component, "at": at, "for": length}


def test_programs_that_are_away_have_their_times() -> None:
    faults = {
        "pause": [away("store", "5s", "2s")],
        "disconnect": [away("store-1", "8s", "1s")],
    }
    plan = compiled(faults)
    assert plan.interruptions == (
        Interruption(5 * SECOND, "store-0", "pause", True),
        Interruption(5 * SECOND, "store-1", "pause", True),
        Interruption(7 * SECOND, "store-0", "pause", False),
        Interruption(7 * SECOND, "store-1", "pause", False),
        Interruption(8 * SECOND, "store-1", "disconnect", True),
        Interruption(9 * SECOND, "store-1", "disconnect", False),
    )
    assert describe_interruptions(plan.interruptions) == [
        "store-0 stands still from 5 to 7 s",
        "store-1 stands still from 5 to 7 s",
        "store-1 is cut off from 8 to 9 s",
    ]
    assert "Away     store-1 is cut off from 8 to 9 s" in describe(plan)
    assert document(plan)["interruptions"] == [asdict(one) for one in plan.interruptions]


@pytest.mark.parametrize("how", ["pause", "disconnect"])
@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([away("store", "5s", "0s")], r"\[0\].for: must be from 1ms to 1m"),
        ([away("store", "5s", "61s")], r"\[0\].for: must be from 1ms to 1m"),
        ([away("store", "19s", "2s")], r"\[0\]: the load has ended before it is over"),
        ([away("stroe", "1s", "2s")], r"\[0\].component: no program 'stroe'; did you mean 'store'"),
        (
            [away("store", "1s", "2s"), away("store-0", "3s", "1s")],
            r"\[1\]: store-0 is away at that time already",
        ),
        ([{"component": "store", "at": "1s"}], r"\[0\].for: is required"),
        ([{**away("store", "1s", "1s"), "perOperation": "1s"}], "perOperation: unknown key"),
        ([away("store", "1s", "1s")] * 101, "has 101 entries; at most 100 are allowed"),
        (away("store", "1s", "1s"), "must be a list"),
    ],
)
def test_an_absence_that_cannot_be_is_one_clear_error(how: str, found: Any, says: str) -> None:
    with pytest.raises(CampaignError, match=how + ".*" + says):
        compiled({how: found})


def test_a_program_is_away_for_one_reason_at_a_time() -> None:
    with pytest.raises(CampaignError, match=r"disconnect\[0\]: store-0 is away at that time"):
        compiled({"pause": [away("store", "1s", "5s")], "disconnect": [away("store", "2s", "1s")]})


def test_nodes_by_https_have_no_frames_to_cut() -> None:
    faults = {"disconnect": [away("hollow", "1s", "1s")]}
    with pytest.raises(CampaignError, match="hollow nodes by HTTPS have no frames to cut"):
        compiled(faults, nodeTransport="https")


@pytest.mark.parametrize("how", ["pause", "disconnect"])
def test_nobody_is_away_once_the_saboteur_has_stopped(how: str) -> None:
    """However far off its end was planned."""
    cluster = Cluster("")
    deeds = compiled({how: [away("store-0", "1s", "19s")]}).interruptions
    said: list[str] = []
    saboteur = Saboteur(cluster, deeds, said.append)  # type: ignore[arg-type]
    saboteur.start(time.time_ns() - 2 * SECOND)
    assert cluster.done.wait(60)
    saboteur.stop()
    assert cluster.switched == [(how, "store-0", True), (how, "store-0", False)]
    (one,) = saboteur.away
    assert one.how == how and one.until_ns >= one.since_ns > 0
    saboteur.stop()
    assert len(cluster.switched) == 2
    words = {"pause": "stands still", "disconnect": "is cut off"}
    assert said == [f"store-0 {words[how]}", "store-0 is back"]


@pytest.mark.parametrize(("how", "said"), [("pause", "paused"), ("disconnect", "cut off")])
def test_an_absence_is_told_as_what_it_was(how: str, said: str) -> None:
    state = RunState("x", "now", load_start_wall_ns=SECOND)
    row = {"program": "store-0", "how": how, "since_ns": 6 * SECOND, "until_ns": 8 * SECOND}
    state.interruptions = [row]
    assert absences(state) == [Absence("store-0", 5.0, 2.0, planned=True, how=how)]
    assert absences(state)[0].said == f"{said} by the campaign"
    assert broken_promises(state) == []


def test_programs_are_told_in_time_and_who_does_not_hear_is_named() -> None:
    cluster = Cluster("store-1")
    plan = compiled({"slow": [slow("store")]}).slow
    deeds = [one for one in plan if one.program != "store-0"]
    said: list[str] = []
    saboteur = Saboteur(cluster, deeds, said.append)  # type: ignore[arg-type]
    saboteur.start(time.time_ns() - 60 * SECOND)
    assert cluster.done.wait(60)
    saboteur.stop()
    assert cluster.told == [("store-1", 0.002), ("store-1", 0.0)]
    assert [one.per_operation_ns for one in saboteur.missed] == [2_000_000, 0]
    assert said == []


def test_a_network_may_be_that_of_one_way() -> None:
    faults = {"network": {"bandwidth": 1000, "between": ["apiserver-0", "store-1"]}}
    plan = compiled(faults)
    assert "1,000 bytes/s, between apiserver-0 and store-1 only" in describe(plan)
    parts = parts_of(plan.cluster, Security("", "", ""))
    assert [part.name for part in parts if part.network.active] == ["store-1", "apiserver-0"]


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
        ({"network": {"delay": "1ms", "between": ["store-0"]}}, "between: must be two programs"),
        (
            {"network": {"delay": "1ms", "between": ["store-0"] * 2}},
            "between: must be two programs",
        ),
        ({"network": {"between": ["store-0", "apiserver-0"]}}, "between: needs a fault"),
        (
            {"network": {"delay": "1ms", "between": ["store-0", "apiserver"]}},
            r"network.between: no program 'apiserver'; did you mean 'apiserver-0'",
        ),
        ({"slow": {"component": "store"}}, "slow: must be a list"),
        ({"slow": [{"component": "store"}]}, r"slow\[0\].perOperation: is required"),
        ({"slow": [slow("store", perOperation="0s")]}, "perOperation: must be from 1us to 1m"),
        ({"slow": [slow("store", rate="5/s")]}, r"slow\[0\].rate: unknown key"),
        ({"slow": [slow("stroe")]}, r"slow\[0\].component: no program 'stroe'; did you mean"),
        ({"slow": [slow("store", at="20s")]}, r"slow\[0\].at: the load has ended by then"),
        (
            {"slow": [slow("store", at="5s", **{"for": "2s"}), slow("store-1", at="6s")]},
            r"slow\[1\]: store-1 is slow at that time already",
        ),
        ({"slow": [slow("store")] * 101}, "at most 100"),
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
