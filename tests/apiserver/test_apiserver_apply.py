"""Server-side apply through the API server's core, with the managers that other writes leave."""

from typing import Any

import pytest

from tests.apiserver.apiserver_rig import Rig

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
CM = "/api/v1/namespaces/x/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/x/deployments"


@pytest.fixture
def rig() -> Rig:
    made = Rig(2)
    made.namespace("x")
    return made


def wish(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def apply(rig: Rig, query: str, body: Any, path: str = f"{CM}/c") -> tuple[int, Any]:
    return rig.call("PATCH", f"{path}?{query}", body, content_type=APPLY)


def managers(obj: dict[str, Any]) -> list[tuple[str, str, str]]:
    entries = obj["metadata"].get("managedFields", ())
    return [(e["manager"], e["operation"], e.get("subresource", "")) for e in entries]


def test_an_apply_creates_then_merges(rig: Rig) -> None:
    code, made = apply(rig, "fieldManager=m", wish(a="1", b="1"))
    assert (code, made["data"]) == (201, {"a": "1", "b": "1"})
    code, merged = apply(rig, "fieldManager=n", wish(c="1"))
    assert (code, merged["data"]) == (200, {"a": "1", "b": "1", "c": "1"})
    code, pruned = apply(rig, "fieldManager=m", wish(a="1"))
    assert (code, pruned["data"]) == (200, {"a": "1", "c": "1"})
    assert rig.call("GET", f"{CM}/c")[1] == pruned
    assert managers(pruned) == [("m", "Apply", ""), ("n", "Apply", "")]


def test_an_apply_of_the_same_writes_nothing(rig: Rig) -> None:
    _, made = apply(rig, "fieldManager=m", wish(a="1"))
    rig.run(5000)
    assert apply(rig, "fieldManager=m", wish(a="1")) == (200, made)


def test_others_keep_what_they_own_unless_forced(rig: Rig) -> None:
    apply(rig, "fieldManager=m", wish(a="1"))
    code, changed = rig.call(
        "PATCH", f"{CM}/c?fieldManager=n", {"data": {"a": "2"}}, content_type=MERGE
    )
    assert (code, managers(changed)) == (200, [("n", "Update", "")])
    code, status = apply(rig, "fieldManager=m", wish(a="1"))
    assert (code, status["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "n" using v1: .data.a',
    )
    code, forced = apply(rig, "fieldManager=m&force=true", wish(a="1"))
    assert (code, forced["data"], managers(forced)) == (200, {"a": "1"}, [("m", "Apply", "")])


def deployed(rig: Rig) -> tuple[str, dict[str, Any]]:
    """A Deployment of one replica that the manager m has applied: its path and what was applied."""
    template = {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    body: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template, "replicas": 1},
    }
    path = f"{DEPLOYMENTS}/d"
    assert apply(rig, "fieldManager=m", body, path)[0] == 201
    return path, body


def test_scale_and_status_have_managers_of_their_own(rig: Rig) -> None:
    path, body = deployed(rig)
    scale = {"spec": {"replicas": 3}}
    rig.call("PATCH", f"{path}/scale?fieldManager=hpa", scale, content_type=MERGE)
    code, status = apply(rig, "fieldManager=m", body, path)
    assert code == 409
    assert 'conflict with "hpa" with subresource "scale" using apps/v1' in status["message"]
    head = {name: body[name] for name in ("apiVersion", "kind", "metadata")}
    observed = {**head, "status": {"observedGeneration": 1}}
    code, got = apply(rig, "fieldManager=dc", observed, f"{path}/status")
    assert (code, got["status"]) == (200, {"observedGeneration": 1})
    assert managers(got) == [
        ("dc", "Apply", "status"),
        ("m", "Apply", ""),
        ("hpa", "Update", "scale"),
    ]
    assert apply(rig, "fieldManager=dc", observed, f"{DEPLOYMENTS}/none/status")[0] == 404


def test_a_scale_is_applied_with_owners_of_its_own(rig: Rig) -> None:
    path, _ = deployed(rig)
    scale: dict[str, Any] = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "d"},
        "spec": {"replicas": 3},
    }
    code, refused = apply(rig, "fieldManager=s", scale, f"{path}/scale")
    assert (code, refused["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "m": .spec.replicas',
    )
    code, got = apply(rig, "fieldManager=s&force=true", scale, f"{path}/scale")
    assert (code, got["kind"], got["spec"]) == (200, "Scale", {"replicas": 3})
    assert "managedFields" not in got["metadata"]
    _, deployment = rig.call("GET", path)
    mine, theirs = deployment["metadata"]["managedFields"]
    assert (mine["manager"], "f:replicas" in mine["fieldsV1"]["f:spec"]) == ("m", False)
    assert (theirs["manager"], theirs["subresource"], theirs["apiVersion"]) == (
        "s",
        "scale",
        "apps/v1",
    )
    assert theirs["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    # What he no longer wishes is nobody's, and a Scale without it is one of none.
    assert apply(rig, "fieldManager=s", {**scale, "spec": {}}, f"{path}/scale")[0] == 200
    _, deployment = rig.call("GET", path)
    assert (deployment["spec"]["replicas"], managers(deployment)) == (0, [("m", "Apply", "")])
    assert apply(rig, "fieldManager=s", {"spec": {}}, f"{path}/scale")[0] == 400
    assert apply(rig, "fieldManager=s", scale, f"{DEPLOYMENTS}/none/scale")[0] == 404


def test_another_version_is_applied_in_its_own_words(rig: Rig) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    body: dict[str, Any] = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 50},
    }
    path = "/apis/autoscaling/v1/namespaces/x/horizontalpodautoscalers/h"
    code, made = apply(rig, "fieldManager=m", body, path)
    assert (code, made["apiVersion"]) == (201, "autoscaling/v1")
    assert made["spec"]["targetCPUUtilizationPercentage"] == 50
    [entry] = made["metadata"]["managedFields"]
    assert entry["apiVersion"] == "autoscaling/v1"
    assert "f:targetCPUUtilizationPercentage" in entry["fieldsV1"]["f:spec"]
    _, second = rig.call("GET", path.replace("/v1/", "/v2/", 1))
    assert second["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    body["spec"] = {"maxReplicas": 5, "scaleTargetRef": target}
    assert apply(rig, "fieldManager=n", body, path)[0] == 409
    code, taken = apply(rig, "fieldManager=n&force=true", body, path)
    assert (code, taken["spec"]["maxReplicas"]) == (200, 5)
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "name": "p", "namespace": "x"},
        "note": "first",
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "type": "Normal",
        "reason": "Seen",
        "action": "Look",
        "reportingController": "example.com/eye",
        "reportingInstance": "eye-0",
    }
    path = "/apis/events.k8s.io/v1/namespaces/x/events/e"
    assert apply(rig, "fieldManager=m", event, path)[0] == 201
    labelled = {**event, "metadata": {"name": "e", "labels": {"a": "b"}}}
    code, told = apply(rig, "fieldManager=m", labelled, path)
    assert (code, told["metadata"]["labels"]) == (200, {"a": "b"})
    assert rig.call("GET", "/api/v1/namespaces/x/events/e")[1]["message"] == "first"


def test_who_owns_what_is_told_in_the_words_of_the_version_written(rig: Rig) -> None:
    """As recorded in ssa-crosstype-hpa, and the same on create."""
    spec = {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}
    spec["scaleTargetRef"]["apiVersion"] = "apps/v1"  # type: ignore[index]
    first = "/apis/autoscaling/v1/namespaces/x/horizontalpodautoscalers"
    second = first.replace("/v1/", "/v2/", 1)
    body = {"metadata": {"name": "h"}, "spec": spec}
    assert rig.call("POST", f"{second}?fieldManager=a", body)[0] == 201
    patch = {"spec": {"maxReplicas": 9}}
    _, made = rig.call("PATCH", f"{first}/h?fieldManager=b", patch, content_type=MERGE)
    assert [
        (entry["manager"], entry["apiVersion"], sorted(entry["fieldsV1"]["f:spec"]))
        for entry in made["metadata"]["managedFields"]
    ] == [
        ("a", "autoscaling/v2", ["f:metrics", "f:minReplicas", "f:scaleTargetRef"]),
        ("b", "autoscaling/v1", ["f:maxReplicas"]),
    ]
    spec["targetCPUUtilizationPercentage"] = 50
    _, made = rig.call("POST", first, {"metadata": {"name": "g"}, "spec": spec})
    [entry] = made["metadata"]["managedFields"]
    assert entry["apiVersion"] == "autoscaling/v1"
    assert sorted(entry["fieldsV1"]["f:spec"]) == [
        "f:maxReplicas",
        "f:minReplicas",
        "f:scaleTargetRef",
        "f:targetCPUUtilizationPercentage",
    ]


def test_new_events_say_who_reports_what(rig: Rig) -> None:
    path = "/apis/events.k8s.io/v1/namespaces/x/events"
    about = {"regarding": {"kind": "Pod", "name": "p", "namespace": "x"}}
    code, told = rig.call("POST", path, {"metadata": {"name": "e"}, **about})
    assert code == 422
    assert [cause["field"] for cause in told["details"]["causes"]] == ["eventTime", "type"]
    timed = {**about, "eventTime": "2026-01-02T03:04:05.000000Z", "type": "Normal"}
    code, told = rig.call("POST", path, {"metadata": {"name": "e"}, **timed})
    fields = [cause["field"] for cause in told["details"]["causes"]]
    words = ["reportingController", "reportingInstance", "action", "reason"]
    assert (code, list(dict.fromkeys(fields))) == (422, words)
    full = {**timed, "reportingController": "a.b/c", "reportingInstance": "c-0"}
    full |= {"action": "A", "reason": "R"}
    assert rig.call("POST", path, {"metadata": {"name": "e"}, **full})[0] == 201
    changed = {"note": "other"}
    code, told = rig.call("PATCH", f"{path}/e", changed, content_type=MERGE)
    assert (code, told["details"]["causes"][0]["field"]) == (422, "message")


def test_a_dry_run_leaves_no_trace(rig: Rig) -> None:
    assert apply(rig, "fieldManager=m&dryRun=All", wish(a="1"))[0] == 201
    assert rig.call("GET", f"{CM}/c")[0] == 404


def test_wishes_that_cannot_be(rig: Rig) -> None:
    assert apply(rig, "", wish())[0] == 422
    assert apply(rig, "fieldManager=m", {**wish(), "spec": {}})[0] == 500
    assert apply(rig, "fieldManager=m", [1])[0] == 400
    other = {**wish(), "metadata": {"name": "other"}}
    assert apply(rig, "fieldManager=m", other)[0] == 400
    old = {**wish(), "metadata": {"name": "c", "resourceVersion": "1"}}
    assert apply(rig, "fieldManager=m", old)[0] == 404
    apply(rig, "fieldManager=m", wish(a="1"))
    code, status = apply(rig, "fieldManager=m", old)
    assert (code, status["reason"]) == (409, "Conflict")
