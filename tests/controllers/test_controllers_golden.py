"""The recorded scenarios of the controllers that exist, played and compared.

``KNOWN`` names those that do not agree, each with its reason. A scenario of the table that begins
to agree fails the test, so the table stays true.
"""

import json
from collections.abc import Mapping

import pytest

from controllers.template_hash import dump_template, template_hash
from tests.controllers.replay import GOLDEN, differences, each, scenarios

STEPS = "the rollout takes its steps in other sizes, because pods become ready at other times"
SILENT = "the recording ends before the events of the manager's start were written"
PODGC = "when the rounds of the pod collector fall is not recorded"
RACE = "two ReplicaSets want one pod; here the adopter looks before the other has let go"
SPREAD = "which of two nodes a pod is on, and so which pods must go, is the scheduler's choice"
KNOWN: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "d-adopt-rs-2",
            "d-rolling-11",
            "d-rolling-17",
            "d-rolling-20",
            "d-rolling-23",
            "d-rolling-27",
            "d-rolling-6",
            "d-rolling-9",
            "d-rollover-2",
            "d-undo-2",
            "cold-rollout-0",
            "cold-rollout-2",
            "cold-rollout-3",
            "cold-rollout-102",
            "cold-rollout-111",
        ),
        STEPS,
    ),
    **dict.fromkeys(
        [f"cold-rank-{number}" for number in (104, 113, 114, 116, 119, 122, 126, 128)], SILENT
    ),
    "nl-delete-0": PODGC,
    "nl-oos-0": PODGC,
    "cold-adopt-0": RACE,
    "nl-unreachable-2": SPREAD,
}
FINAL = ("deployments", "replicasets", "nodes")
"""What must agree even where the way there differs."""
FILES = ("deploy_rs", "cluster", "cold", "cold2", "nodes", "termgc")
KINDS = (
    "d-",
    "rs-",
    "gc-",
    "ns-",
    "nl-",
    "cold-gc",
    "cold-adopt",
    "cold-rank",
    "cold-rollout",
    "podgc-",
    "pv-",
    "pvc-",
    "term-gc",
)


@pytest.mark.parametrize(("file", "name"), list(each(FILES, KINDS)))
def test_scenario(file: str, name: str) -> None:
    wrong = differences(scenarios(file)[name])
    if name in KNOWN:
        assert wrong, f"{name} agrees now: take it out of KNOWN"
        if KNOWN[name] in (STEPS, SILENT, RACE):
            assert not [words for words in wrong if words.startswith(FINAL)], "\n".join(wrong)
        pytest.xfail(KNOWN[name])
    assert not wrong, "\n".join(wrong)


def test_every_recorded_hash_of_a_pod_template() -> None:
    pairs = 0
    for line in (GOLDEN / "hashes.jsonl").read_text().splitlines():
        pair = json.loads(line)
        if "hashedText" not in pair:
            continue
        pairs += 1
        assert dump_template(pair["template"]) == pair["hashedText"]
        assert template_hash(pair["template"], pair["collisionCount"]) == pair["hash"]
    assert pairs == 80
