"""The objects of a fresh cluster are those that a fresh kube-apiserver was recorded with."""

import json
from pathlib import Path

import pytest

from api.core import JsonObject
from api.validation import validate_create
from apiserver.bootstrap import recorded
from tests.apiserver.apiserver_rig import Rig
from tests.golden_api.compare import first_difference, without_managed_fields

GOLDEN = Path(__file__).parents[1] / "golden" / "api" / "bootstrap.jsonl"
ABSENT = ("/apis/coordination.k8s.io/v1/leases",)
"""Servers are known by their frame ports, not by Leases."""
CASES: list[JsonObject] = [
    case for case in map(json.loads, GOLDEN.read_text().splitlines()) if case["path"] not in ABSENT
]
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
MERGE = "application/merge-patch+json"
AUTO = "apf.kubernetes.io/autoupdate-spec"


@pytest.fixture(scope="module")
def fresh() -> Rig:
    return Rig(2, "hash")


def test_every_recorded_object_is_there_and_no_other(fresh: Rig) -> None:
    for case in CASES:
        code, found = fresh.call("GET", case["path"])
        assert code == 200, case["path"]
        found = without_managed_fields(found)
        if "items" not in case["body"]:
            meta = found["metadata"]
            found = {
                "labels": meta.get("labels"),
                "annotations": meta.get("annotations"),
                "aggregationRule": found.get("aggregationRule"),
                "rules": found["rules"],
            }
        expected = json.loads(json.dumps(case["body"]).replace("2026-11-21", "2026-09-21"))
        assert first_difference(expected, found) is None, case["path"]
    roles = [case["path"] for case in CASES if "/clusterroles/" in case["path"]]
    _, listed = fresh.call("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")
    names = [one["metadata"]["name"] for one in listed["items"]]
    assert names == sorted(path.rpartition("/clusterroles/")[2] for path in roles)


def test_what_is_written_as_it_was_recorded_would_be_let_in() -> None:
    for one in recorded():
        obj = json.loads(one.value)
        if one.kind.key != "scheduling.k8s.io/priorityclasses":  # Theirs are the system's names.
            assert validate_create(one.kind, obj) == [], one.name
        assert obj["metadata"]["managedFields"][0]["manager"] == "kube-apiserver"


def test_flow_control_comes_back_unless_somebody_has_taken_it_over() -> None:
    rig = Rig()
    level, schema = f"{FLOW}/prioritylevelconfigurations", f"{FLOW}/flowschemas"
    shares = {"spec": {"limited": {"nominalConcurrencyShares": 77}}}
    assert rig.call("DELETE", f"{schema}/probes")[0] == 200
    assert rig.call("PATCH", f"{level}/system", shares, content_type=MERGE)[0] == 200
    mine = {**shares, "metadata": {"annotations": {AUTO: "false"}}}
    assert rig.call("PATCH", f"{level}/workload-low", mine, content_type=MERGE)[0] == 200
    off = {"metadata": {"annotations": {AUTO: "false"}}}
    assert rig.call("PATCH", f"{level}/catch-all", off, content_type=MERGE)[0] == 200
    code, status = rig.call("PATCH", f"{level}/catch-all", mine, content_type=MERGE)
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec")
    rig.run(10)

    def state(path: str) -> tuple[int, str, int]:
        _, found = rig.call("GET", path)
        meta, limited = found["metadata"], found["spec"]["limited"]
        return limited["nominalConcurrencyShares"], meta["annotations"][AUTO], meta["generation"]

    assert rig.call("GET", f"{schema}/probes")[0] == 200
    assert state(f"{level}/system") == (30, "true", 3)
    assert state(f"{level}/workload-low") == (77, "false", 2)
    assert state(f"{level}/catch-all") == (5, "true", 1)


def test_roles_that_somebody_deleted_come_back_at_the_next_start() -> None:
    rig = Rig()
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/view"
    assert rig.call("DELETE", role)[0] == 200
    rig.run(20)
    assert rig.call("GET", role)[0] == 404
    again = Rig(stores=rig.stores, first_id=10**6)
    assert again.call("GET", role)[0] == 200
