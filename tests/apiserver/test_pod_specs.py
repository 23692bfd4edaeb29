"""A pod whose specification was seen before is stored as one whose was not."""

import re
from itertools import product
from typing import Any

import orjson
import pytest

from api.core import JsonObject
from apiserver.podspecs import HEAD_BYTES_MAX, HEADS_MAX, SPECS_MAX, PodSpecs
from tests.apiserver.apiserver_rig import Rig

PODS = "/api/v1/namespaces/x/pods"
PLAIN: JsonObject = {"containers": [{"name": "c", "image": "nginx"}]}
RICH: JsonObject = {
    "terminationGracePeriodSeconds": 5,
    "nodeName": "n1",
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "initContainers": [{"name": "i", "image": "busybox"}],
    "containers": [
        {
            "name": "c",
            "image": "nginx",
            "resources": {"limits": {"cpu": "0.5", "memory": "64Mi"}},
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        },
        {"name": "d", "image": "nginx:1"},
    ],
}
META: JsonObject = {
    "name": "p",
    "labels": {"a": "b"},
    "finalizers": ["example.com/f"],
    "annotations": {"k": "\u00fc"},
}


def create(rig: Rig, spec: JsonObject, name: str, **meta: Any) -> tuple[int, JsonObject]:
    body = {"metadata": {**META, "name": name, **meta}, "spec": spec}
    return rig.call("POST", PODS, body)


def alike(pod: JsonObject) -> JsonObject:
    """Without what differs between any two pods."""
    meta = {
        name: value
        for name, value in pod["metadata"].items()
        if name not in ("name", "uid", "resourceVersion")
    }
    spec = {**pod["spec"]}
    volume = spec["volumes"][-1]["name"]
    assert volume.startswith("kube-api-access-") and len(volume) == 21
    spec["volumes"] = [*spec["volumes"][:-1], {**spec["volumes"][-1], "name": "token"}]
    for field in ("containers", "initContainers"):
        for container in spec.get(field, ()):
            assert container["volumeMounts"][-1]["name"] == volume
            container["volumeMounts"][-1]["name"] = "token"
    return {**pod, "metadata": meta, "spec": spec}


@pytest.mark.parametrize("spec", [PLAIN, RICH])
def test_the_third_pod_is_as_the_first(rig: Rig, spec: JsonObject) -> None:
    pods = [create(rig, spec, f"p{n}")[1] for n in range(4)]
    assert len({pod["spec"]["volumes"][-1]["name"] for pod in pods}) == 4
    first, *others = [alike(pod) for pod in pods]
    assert all(other == first for other in others)
    _, listed = rig.call("GET", f"{PODS}?fieldSelector=spec.nodeName={spec.get('nodeName', '')}")
    assert len(listed["items"]) == 4


OWNER: JsonObject = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "controller": True}
SHAPES: list[JsonObject] = [
    {},
    {"labels": {}},
    {"labels": {"a": "", "c": "d"}},
    {"annotations": {"k": "v", "l": ""}},
    {"finalizers": ["example.com/f", "example.com/g"]},
    {"ownerReferences": [{**OWNER, "uid": "u1"}]},
    {"ownerReferences": [{**OWNER, "uid": "u2"}]},
    {"ownerReferences": [{**OWNER, "uid": "u2", "blockOwnerDeletion": True}]},
]


@pytest.mark.parametrize("meta", SHAPES)
def test_the_owner_of_a_known_specification_owns_its_own_metadata(meta: JsonObject) -> None:
    known, unknown = Rig(), Rig()
    for rig in (known, unknown):
        rig.namespace("x")
    for other in (*SHAPES, *SHAPES):
        create(known, PLAIN, "", generateName="other-", **other)
    made, expected = [
        create(rig, PLAIN, "p", **meta)[1]["metadata"]["managedFields"] for rig in (known, unknown)
    ]
    for entry in (*made, *expected):
        assert entry.pop("time")
    assert made == expected and len(made) == 1


HEADS: list[JsonObject] = [
    META,
    {"labels": {"b": "c"}, "creationTimestamp": None, "annotations": {"z": "", "a": "b"}},
    {"namespace": "x", "uid": "mine", "generation": 5, "selfLink": "/s"},
    {"generateName": "g-", "labels": {"a": "b"}},
    {"generateName": "Wrong-", "labels": {"a": "b"}},
    {"generateName": None, "labels": None},
    {"generateName": 1},
    {"namespace": "y"},
    {"namespace": 1},
    {"labels": {"a": "no label"}},
    {"finalizers": ["none"]},
    {"ownerReferences": [{**OWNER, "uid": "u1"}, {**OWNER, "uid": "u2"}]},
    {"resourceVersion": "7"},
    {"resourceVersion": "", "unknown": {"a": 1}},
    {"annotations": {"scheduler.alpha.kubernetes.io/critical-pod": ""}},
    {"managedFields": []},
    {"generation": -1},
    {"labels": {"a": 1}},
    {"labels": {"a": ""}},
    {"labels": {"a": "x" * 64}},
    {"labels": {"a": "\u00fc"}},
    {"labels": {"a": None}},
    {"labels": []},
    {"annotations": {"k": "other"}, "labels": {"a": "d"}, "finalizers": ["example.com/f"]},
    {"annotations": {"k": 1}, "labels": {"a": "d"}, "finalizers": ["example.com/f"]},
    {"annotations": {"k": "x" * (256 << 10)}, "labels": {"a": "d"}},
    {"annotations": {"k": ""}, "labels": {"a": "d"}, "ownerReferences": [{"unknown": 1}]},
    {"annotations": {"container.seccomp.security.alpha.kubernetes.io/c": "x"}},
]
"""The later ones are of the shape of earlier ones, with values that are right or wrong."""


MORE: list[JsonObject] = [{}, {"status": {"phase": "Running"}}, {"status": 1}, {"x": 1}]
CASES = [*product(HEADS[:2], MORE), *product(HEADS[2:], [{}])]
NAMES: list[Any] = ["a-{}", "b-{}", "c-{}", "p.{}", "P{}", "", 3, "d-{}"]


def test_metadata_known_from_others_is_answered_as_that_of_the_first() -> None:
    """Whatever it holds, and whatever the name: errors and warnings, too."""
    known, fresh = Rig(), Rig()
    for rig in (known, fresh):
        rig.namespace("x")
    for number, (meta, more) in enumerate(CASES):
        for name in NAMES:
            full = name.format(number) if isinstance(name, str) else name
            body = {"metadata": {**meta, "name": full}, "spec": PLAIN, **more}
            answers = [rig.ask("POST", PODS, body) for rig in (known, fresh)]
            assert answers[0].code == answers[1].code
            assert answers[0].headers == answers[1].headers
            bodies = [re.sub(b"Wrong-[a-z0-9]{5}", b"Wrong-", answer.body) for answer in answers]
            made = [orjson.loads(body) for body in bodies]
            if answers[0].code == 201:
                names = [pod["metadata"].pop("name") for pod in made]
                assert all(one == full if full else one.startswith("g-") for one in names)
                made = [alike(pod) for pod in made]
                assert [*made[0]["metadata"]] == [*made[1]["metadata"]]
            assert made[0] == made[1]
            fresh.core._registry.pod_specs = PodSpecs()
    (spec,) = known.core._registry.pod_specs._known.values()
    assert len(spec.heads) == 10
    assert known.core.gauges()["pod_endings"] == 4, "one for each of MORE"


def test_a_known_specification_excuses_nothing_in_the_metadata(rig: Rig) -> None:
    for name in ("a", "b", "c"):
        create(rig, PLAIN, name)
    assert create(rig, PLAIN, "c")[1]["reason"] == "AlreadyExists"
    assert create(rig, PLAIN, "Wrong")[1]["details"]["causes"][0]["field"] == "metadata.name"
    code, refused = create(rig, PLAIN, "d", labels={"a": 1})
    assert (code, refused["reason"]) == (400, "BadRequest")
    code, made = create(rig, PLAIN, "", generateName="g-")
    assert code == 201 and made["metadata"]["name"].startswith("g-")
    mirror = {"kubernetes.io/config.mirror": "x"}
    _, made = create(rig, PLAIN, "f", annotations=mirror)
    assert "volumes" not in made["spec"]
    strict = f"{PODS}?fieldValidation=Strict"
    twice = (
        b'{"metadata":{"name":"g"},"spec":{"containers":[{"name":"c","image":"nginx"}]},"spec":1}'
    )
    assert rig.call("POST", strict, twice)[0] == 400


def test_an_account_with_opinions_is_heard(rig: Rig) -> None:
    spec = {**PLAIN, "serviceAccountName": "quiet"}
    account: JsonObject = {"metadata": {"name": "quiet"}}
    accounts = "/api/v1/namespaces/x/serviceaccounts"
    assert create(rig, spec, "a")[0] == 403
    rig.call("POST", accounts, account)
    for name in ("b", "c", "d"):
        assert "volumes" in create(rig, spec, name)[1]["spec"]
    rig.call("DELETE", f"{accounts}/quiet")
    assert create(rig, spec, "e")[0] == 403
    rig.call("POST", accounts, {**account, "automountServiceAccountToken": False})
    _, pod = create(rig, spec, "f")
    assert "volumes" not in pod["spec"] and pod["spec"]["serviceAccount"] == "quiet"


def test_gated_pods_and_those_with_a_token_volume_of_their_own_are_made_in_full(rig: Rig) -> None:
    gated = {**PLAIN, "schedulingGates": [{"name": "example.com/g"}]}
    own = {**PLAIN, "volumes": [{"name": "kube-api-access-mine", "emptyDir": {}}]}
    for name in ("a", "b", "c"):
        rig.now_ns += 10**9
        _, pod = create(rig, gated, f"{name}-gated")
        made = pod["metadata"]["creationTimestamp"]
        assert pod["status"]["conditions"][0]["lastTransitionTime"] == made
        assert create(rig, own, f"{name}-own")[1]["spec"]["volumes"][0]["name"].endswith("mine")


def test_what_is_kept_is_bounded(rig: Rig) -> None:
    known = rig.core.gauges()
    for number in range(SPECS_MAX + 10):
        for name in ("a", "b"):
            spec = {**PLAIN, "hostname": f"h{number}"}
            assert rig.call(
                "POST", f"{PODS}?dryRun=All", {"metadata": {"name": name}, "spec": spec}
            )
    assert rig.core.gauges()["pod_specs"] == SPECS_MAX
    assert known["pod_specs"] == 0


def test_the_heads_kept_of_one_specification_are_bounded(rig: Rig) -> None:
    for number in range(HEADS_MAX + 20):
        assert create(rig, PLAIN, f"p{number}", labels={f"n{number}": ""})[0] == 201
    (spec,) = rig.core._registry.pod_specs._known.values()
    heads = list(spec.heads)
    assert len(heads) == HEADS_MAX
    many = {f"note-{number}-{'x' * 40}": "" for number in range(HEAD_BYTES_MAX // 40)}
    assert create(rig, PLAIN, "big", annotations=many)[0] == 201
    assert list(spec.heads) == heads


def test_pods_that_differ_in_values_share_a_head(rig: Rig) -> None:
    for number in range(HEADS_MAX + 20):
        labels, annotations = {"n": str(number)}, {"note": f"{number}" * number}
        _, made = create(rig, PLAIN, f"p{number}", labels=labels, annotations=annotations)
        assert made["metadata"]["labels"] == labels
        assert made["metadata"]["annotations"] == annotations
    (spec,) = rig.core._registry.pod_specs._known.values()
    assert len(spec.heads) == 1


def test_a_generated_name_that_is_taken_is_generated_anew(rig: Rig) -> None:
    for name in ("a", "b", "c"):
        create(rig, PLAIN, name)
    names = rig.core._registry.names
    drawn = names._count
    taken = create(rig, PLAIN, "", generateName="g-")[1]["metadata"]["name"]
    names._count = drawn
    again = create(rig, PLAIN, "", generateName="g-")[1]["metadata"]["name"]
    assert again.startswith("g-") and again != taken


def test_a_pod_of_a_known_template_needs_its_namespace_and_account(rig: Rig) -> None:
    for name in ("a", "b", "c"):
        create(rig, PLAIN, name)
    rig.namespace("y")
    other = {"metadata": {**META, "name": "d"}, "spec": PLAIN}
    assert rig.call("POST", "/api/v1/namespaces/y/pods", other)[0] == 201
    assert rig.call("POST", "/api/v1/namespaces/z/pods", other)[0] == 404
    leaving = {"metadata": {"name": "w", "finalizers": ["example.com/stay"]}}
    assert rig.call("POST", "/api/v1/namespaces", leaving)[0] == 201
    account = {"metadata": {"name": "default"}}
    assert rig.call("POST", "/api/v1/namespaces/w/serviceaccounts", account)[0] == 201
    assert rig.call("POST", "/api/v1/namespaces/w/pods", other)[0] == 201
    assert rig.call("DELETE", "/api/v1/namespaces/w")[0] == 200
    other["metadata"]["name"] = "late"
    assert rig.call("POST", "/api/v1/namespaces/w/pods", other)[0] == 403
    other["metadata"]["name"] = "d"
    rig.call("DELETE", "/api/v1/namespaces/y/serviceaccounts/default")
    other["metadata"]["name"] = "e"
    assert rig.call("POST", "/api/v1/namespaces/y/pods", other)[0] == 403
