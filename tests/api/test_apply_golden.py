"""The recorded server-side applies, played on the pure functions with a dict as the store."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.admission import add_default_tolerations, add_service_account, resolve_priority
from api.apply import Writer, apply_patch, manager_of, track_create, track_scale, track_update
from api.canonical import canonicalize
from api.core import JsonObject
from api.defaulting import set_defaults
from api.defaults.services import set_addresses, wants_cluster_ip
from api.errors import ApiError, Invalid, NotFound
from api.kinds import Kind, kind_by_path
from api.lifecycle import prepare_create, prepare_update
from api.patches import merge_patch, strategic_merge_patch
from api.validation import validate_create, validate_update
from tests.golden_api.compare import first_difference

GOLDEN = Path(__file__).parents[1] / "golden" / "api" / "patches.jsonl"
CASES: list[JsonObject] = [
    case
    for case in map(json.loads, GOLDEN.read_text().replace("{ns}", "ns").splitlines())
    if case["id"].startswith("ssa-") and case["id"] != "ssa-crosstype-hpa"
]
"""Without the one that writes an object in two versions: tests/actors/test_apiserver_program.py
plays it, and tests/apiserver/test_apiserver_apply.py its like."""
TIME = "2026-05-01T00:00:00Z"
UID = "11111111-2222-3333-4444-555555555551"


class Ledger:
    """What a server does around the functions, reduced to one object of each kind and name."""

    def __init__(self) -> None:
        self.objects: dict[str, JsonObject] = {}

    def answer(self, req: JsonObject) -> tuple[int, JsonObject]:
        try:
            return self._carry_out(req)
        except ApiError as error:
            return error.code, error.status()

    def _carry_out(self, req: JsonObject) -> tuple[int, JsonObject]:
        path, _, query = req["path"].partition("?")
        options = dict(part.split("=") for part in query.split("&") if part)
        kind, name, subresource = _target(path)
        body = copy.deepcopy(req.get("body") or yaml.safe_load(req.get("raw", "null")))
        media = req.get("headers", {}).get("Content-Type", "")
        writer = Writer(manager_of(options.get("fieldManager", ""), "golden/1.0"), TIME)
        live = self.objects.get(f"{kind.key}/{name}")
        if req["method"] == "GET":
            if live is None:
                raise NotFound(kind.key, name)
            return 200, live
        if req["method"] == "POST":
            set_defaults(kind, body)
            track_create(kind, body, writer)
            new = _stored_first(kind, body)
            self.objects[f"{kind.key}/{new['metadata']['name']}"] = new
            return 201, new
        if media == "application/apply-patch+yaml":
            new = apply_patch(kind, live, body, writer, options.get("force") == "true")
            new = _stored_first(kind, new) if live is None else _stored(kind, new, live)
        else:
            assert live is not None
            new = _patched(kind, live, body, media, writer, subresource)
        if "dryRun" not in options:
            self.objects[f"{kind.key}/{name}"] = new
        else:
            del new["metadata"]["resourceVersion"]
        return (201 if live is None else 200), new


def _target(path: str) -> tuple[Kind, str, str]:
    parts = path.strip("/").split("/")
    group, rest = ("", parts[1:]) if parts[0] == "api" else (parts[1], parts[2:])
    version, _, _, resource, *names = rest
    kind = kind_by_path(group, version, resource)
    return kind, names[0] if names else "", names[1] if len(names) > 1 else ""


def _patched(
    kind: Kind, live: JsonObject, body: Any, media: str, writer: Writer, subresource: str
) -> JsonObject:
    if subresource == "scale":
        new = copy.deepcopy(live)
        new["spec"]["replicas"] = body["spec"]["replicas"]
        track_scale(kind, live, new, writer._replace(subresource="scale"))
        return _stored(kind, new, live)
    if media.startswith("application/merge-patch"):
        new = merge_patch(copy.deepcopy(live), body)
    else:
        new = strategic_merge_patch(kind.type_name, live, body)
    canonicalize(kind.type_name, new)
    set_defaults(kind, new)
    track_update(kind, live, new, writer)
    return _stored(kind, new, live)


def _stored_first(kind: Kind, obj: JsonObject) -> JsonObject:
    meta = obj["metadata"]
    meta.update(namespace="ns", uid=UID, creationTimestamp=TIME, resourceVersion="1")
    set_defaults(kind, obj)
    if kind.key == "pods":
        add_service_account(obj, {}, "rand")
        add_default_tolerations(obj)
        assert resolve_priority(obj, {}) is None
    elif kind.key == "services":
        set_addresses(obj, "10.96.0.7" if wants_cluster_ip(obj) else None)
    prepare_create(kind, obj, 0)
    if kind.key == "networking.k8s.io/networkpolicies":
        meta["generation"] = 1
    causes = validate_create(kind, obj)
    if causes:
        raise Invalid(kind.qualified, meta["name"], causes)
    return obj


def _stored(kind: Kind, new: JsonObject, live: JsonObject) -> JsonObject:
    set_defaults(kind, new)
    prepare_update(kind, new, copy.deepcopy(live))
    causes = validate_update(kind, new, live)
    if causes:
        raise Invalid(kind.qualified, new["metadata"]["name"], causes)
    return new


def _difference(case: JsonObject) -> str | None:
    ledger = Ledger()
    for number, step in enumerate(case["steps"]):
        code, body = ledger.answer(step["req"])
        want = step["res"]
        if code != want["code"]:
            return f"step {number}: {code}, expected {want['code']}: {body.get('message')}"
        if "body" not in want or want["body"]["kind"] == "Scale":
            continue
        found = first_difference(want["body"], body)
        if found is None and _owners(want["body"]) != _owners(body):
            found = "owners in another order"
        if found is not None:
            return f"step {number}: {found}"
    return None


def _owners(body: JsonObject) -> list[tuple[str, str]]:
    entries = body.get("metadata", {}).get("managedFields", ())
    return [(entry["operation"], entry["manager"]) for entry in entries]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_recorded_apply(case: JsonObject) -> None:
    assert _difference(case) is None


def test_all_recorded_applies_are_played() -> None:
    assert len(CASES) == 12
