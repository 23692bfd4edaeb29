"""Tables against the recorded ones of the served kinds, ages by Go's rules."""

import copy
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from api.admission import taint_new_node
from api.core import JsonObject
from api.defaulting import set_defaults
from api.defaults.services import set_addresses
from api.errors import BadRequest
from api.kinds import SERVED, Kind, kind_by_path, kind_of
from api.lifecycle import prepare_create, prepare_status_update, prepare_update
from api.patches import merge_patch, strategic_merge_patch
from api.printers.ages import age, human_duration
from api.tables import INCLUDE_OBJECT, table, to_beta

GOLDEN = Path(__file__).parent.parent / "golden" / "api"
SECOND = 1_000_000_000
UID = "11111111-2222-4333-8444-555555555555"
CREATED = "2026-11-21T03:46:40Z"
NOW_NS = 1_795_232_805 * SECOND
"""Five seconds after CREATED."""


def kind_and_rest(path: str) -> tuple[Kind, list[str]]:
    parts = path.split("?")[0].strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    return kind_by_path(group, version, rest[0]), rest[1:]


def recorded() -> list[JsonObject]:
    cases = [json.loads(line) for line in (GOLDEN / "tables.jsonl").read_text().splitlines()]
    return [c for c in cases if is_stored(kind_and_rest(c["steps"][0]["req"]["path"])[0])]


def is_stored(kind: Kind) -> bool:
    return kind.key in SERVED and kind is kind_of(kind.key)


CASES = recorded()


class Shelf:
    """The objects of one case, by kind and name."""

    def __init__(self, with_account: bool) -> None:
        self.objects: dict[tuple[str, str], JsonObject] = {}
        if with_account:
            self._add(kind_of("serviceaccounts"), {"metadata": {"name": "default"}})

    def _add(self, kind: Kind, obj: JsonObject) -> None:
        obj["metadata"]["uid"] = UID
        set_defaults(kind, obj)
        if kind.key == "nodes":
            taint_new_node(obj)
        prepare_create(kind, obj, 0)
        obj["metadata"]["creationTimestamp"] = CREATED
        self.objects[kind.key, obj["metadata"]["name"]] = obj

    def do(self, req: JsonObject) -> None:
        kind, rest = kind_and_rest(req["path"])
        if req["method"] == "POST":
            self._add(kind, copy.deepcopy(req["body"]))
        elif req["method"] == "PATCH":
            old = self.objects[kind.key, rest[0]]
            strategic = "strategic" in req["headers"]["Content-Type"]
            body = copy.deepcopy(req["body"])
            if strategic:
                new = strategic_merge_patch(kind.type_name, old, body)
            else:
                new = merge_patch(old, body)
            set_defaults(kind, new)
            (prepare_status_update if len(rest) > 1 else prepare_update)(kind, new, old)
            self.objects[kind.key, rest[0]] = new
        elif req["method"] == "DELETE":
            self.objects[kind.key, rest[0]]["metadata"]["deletionTimestamp"] = CREATED


def plain(cell: Any) -> Any:
    """A cell as recorded: ages are left open."""
    if not isinstance(cell, str):
        return cell
    if cell == CREATED:
        return "<time>"
    if cell in ("5s", "8s"):
        return "<age>"
    return re.sub(r"\(\S+ ago\)", "(<age> ago)", cell).replace(UID, "<uid>")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_recorded_tables(case: JsonObject) -> None:
    shelf = Shelf(case["id"] == "tab-serviceaccounts")
    compared = 0
    for step in case["steps"]:
        req, body = step["req"], step["res"].get("body")
        kind, rest = kind_and_rest(req["path"])
        if req["method"] != "GET":
            shelf.do(req)
        if not isinstance(body, dict) or body["kind"] != "Table" or kind.key not in SERVED:
            continue
        names = rest[:1] or sorted(name for key, name in shelf.objects if key == kind.key)
        include = next((w for w in INCLUDE_OBJECT if f"includeObject={w}" in req["path"]), "")
        objects = [shelf.objects[kind.key, name] for name in names]
        got = table(kind, objects, NOW_NS, include or "Metadata")
        if body["apiVersion"].endswith("v1beta1"):
            got = to_beta(got)
        compare(got, body)
        compared += 1
    assert compared


def compare(got: JsonObject, body: JsonObject) -> None:
    assert got["apiVersion"] == body["apiVersion"]
    columns = [{k: v for k, v in c.items() if k != "description"} for c in got["columnDefinitions"]]
    assert columns == body["columnDefinitions"]
    assert [[plain(c) for c in row["cells"]] for row in got["rows"]] == [
        row["cells"] for row in body["rows"]
    ]
    for ours, theirs in zip(got["rows"], body["rows"], strict=True):
        assert ours.get("conditions") == theirs.get("conditions")
        if theirs["object"] is None:
            assert ours["object"] is None
            continue
        assert ours["object"]["kind"] == theirs["object"]["kind"]
        assert ours["object"]["apiVersion"] == theirs["object"]["apiVersion"]
        assert set(ours["object"]) == set(theirs["object"])
        assert ours["object"]["metadata"]["name"] == theirs["object"]["metadata"]["name"]


def test_every_recorded_case_is_looked_at() -> None:
    lines = (GOLDEN / "tables.jsonl").read_text().splitlines()
    ids = {json.loads(line)["id"] for line in lines}
    assert ids - {case["id"] for case in CASES} == {"tab-hpav1"}


def test_recorded_columns_of_the_served_kinds() -> None:
    found = 0
    for line in (GOLDEN / "table_columns.jsonl").read_text().splitlines():
        row = json.loads(line)
        kind, _ = kind_and_rest(row["path"])
        if kind.key not in SERVED:
            continue
        columns = table(kind, [], NOW_NS)["columnDefinitions"]
        got = [[c["name"], c["type"], c["format"], c["priority"]] for c in columns]
        assert got == row["columns"], kind.key
        found += 1
    assert found == len(SERVED) + 1, "every served kind, and autoscaling in two versions"


def test_a_kind_without_a_printer_shows_when_it_was_created() -> None:
    obj = {"metadata": {"name": "r", "creationTimestamp": CREATED}}
    answer = table(kind_of("rbac.authorization.k8s.io/roles"), [obj], NOW_NS)
    assert [c["name"] for c in answer["columnDefinitions"]] == ["Name", "Created At"]
    assert answer["rows"][0]["cells"] == ["r", CREATED]


def test_wrong_include_object_is_refused_and_columns_can_be_left_out() -> None:
    kind = kind_of("configmaps")
    with pytest.raises(BadRequest, match="must be 'Metadata', 'Object', 'None', or empty"):
        table(kind, [], NOW_NS, "Bogus")
    assert table(kind, [], NOW_NS, with_columns=False)["columnDefinitions"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (330, "5m30s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 300, "3h5m"),
        (8 * 3600, "8h"),
        (48 * 3600 - 1, "47h"),
        (48 * 3600, "2d"),
        (52 * 3600, "2d4h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (731 * 86400, "2y1d"),
        (3000 * 86400, "8y"),
    ],
)
def test_ages_are_worded_as_in_go(seconds: int, text: str) -> None:
    shown = human_duration(seconds * SECOND)
    # Durations under -1 s are clock skew; a whole -1 s still counts as now.
    assert shown == text


def test_age_of_nothing() -> None:
    assert age(None, NOW_NS) == "<unknown>"
    assert age(CREATED, NOW_NS) == "5s"


def service(balancers: Sequence[JsonObject] = (), **spec: Any) -> list[Any]:
    kind = kind_of("services")
    obj: JsonObject = {"metadata": {"name": "s", "creationTimestamp": CREATED}, "spec": spec}
    obj["status"] = {"loadBalancer": {"ingress": list(balancers)}}
    set_defaults(kind, obj)
    set_addresses(obj, "10.96.0.9")
    cells: list[Any] = table(kind, [obj], NOW_NS)["rows"][0]["cells"]
    return cells


def test_rows_of_services() -> None:
    ports = [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]
    assert service(type="NodePort", ports=ports, selector={"b": "2", "a": "1"}) == [
        "s",
        "NodePort",
        "10.96.0.9",
        "<none>",
        "80:30080/TCP,53/UDP",
        "5s",
        "a=1,b=2",
    ]
    assert service(type="LoadBalancer", ports=[{"port": 80}])[3] == "<pending>"
    given = [{"hostname": "h.example"}, {"ip": "1.2.3.4"}]
    outside = service(given, type="LoadBalancer", ports=[{"port": 80}], externalIPs=["10.1.1.1"])
    assert outside[3] == "1.2.3.4,h.example,10.1.1.1"
    assert service(type="ExternalName", externalName="a.example")[2:5] == [
        "<none>",
        "a.example",
        "<none>",
    ]


def test_rows_of_events_and_namespaces() -> None:
    event: JsonObject = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "n"},
        "lastTimestamp": CREATED,
        "source": {"component": "kubelet", "host": "n1"},
        "type": "Normal",
        "reason": "Started",
        "message": " done\n",
    }
    cells = table(kind_of("events"), [event], NOW_NS)["rows"][0]["cells"]
    assert cells == [
        "5s", "Normal", "Started", "pod/p", "", "kubelet, n1", "done", "<unknown>", 1, "e",
    ]  # fmt: skip
    namespace = {"metadata": {"name": "n"}, "spec": {}, "status": {"phase": "Active"}}
    cells = table(kind_of("namespaces"), [namespace], NOW_NS)["rows"][0]["cells"]
    assert cells == ["n", "Active", "<unknown>"]
