"""Parts of a pod with paths of their own: status, resize, ephemeralcontainers."""

from typing import Any

import pytest

from api.core import JsonObject
from tests.apiserver.apiserver_rig import Rig

PODS = "/api/v1/namespaces/x/pods"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
SMALL = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m"}}


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.namespace("x")
    pod: JsonObject = {
        "metadata": {"name": "p", "labels": {"a": "b"}},
        "spec": {
            "containers": [
                {"name": "c", "image": "i", "resources": SMALL},
                {"name": "d", "image": "i"},
            ],
            "initContainers": [{"name": "init", "image": "i"}],
        },
    }
    assert made.call("POST", PODS, pod)[0] == 201
    return made


def patch(rig: Rig, part: str, body: JsonObject, **more: Any) -> tuple[int, JsonObject]:
    code, answer = rig.call("PATCH", f"{PODS}/p/{part}", body, content_type=STRATEGIC, **more)
    return code, answer


def resize(rig: Rig, name: str = "c", **resources: Any) -> tuple[int, JsonObject]:
    return patch(rig, "resize", {"spec": {"containers": [{"name": name, "resources": resources}]}})


def messages(answer: JsonObject) -> list[tuple[str, str]]:
    causes = answer["details"]["causes"]
    return [(cause.get("field", ""), cause["message"]) for cause in causes]


def test_a_resize_changes_resources_and_nothing_else(rig: Rig) -> None:
    body = {
        "metadata": {"labels": {"a": "c"}},
        "spec": {
            "containers": [
                {"name": "c", "image": "other", "resources": {"requests": {"cpu": "150m"}}}
            ]
        },
    }
    code, pod = patch(rig, "resize", body)
    assert code == 200
    container = pod["spec"]["containers"][0]
    assert container["image"] == "i" and pod["metadata"]["labels"] == {"a": "b"}
    assert container["resources"]["requests"] == {"cpu": "150m", "memory": "64Mi"}
    assert pod["metadata"]["generation"] == 2
    owner = pod["metadata"]["managedFields"][-1]
    assert owner["subresource"] == "resize"
    fields = owner["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"c"}']
    assert fields == {"f:resources": {"f:requests": {"f:cpu": {}}}}
    assert rig.call("GET", f"{PODS}/p/resize")[1] == rig.call("GET", f"{PODS}/p")[1]


def test_what_a_resize_may_not_do(rig: Rig) -> None:
    mutable = ("spec", "Forbidden: only cpu and memory resources are mutable")
    removed = (
        "spec.containers[0].resources.requests",
        "Forbidden: resource requests cannot be removed",
    )
    code, answer = resize(rig, requests={"memory": None})
    assert code == 422 and removed in messages(answer)
    code, answer = resize(rig, limits={"ephemeral-storage": "1Gi"})
    assert code == 422 and mutable in messages(answer)
    code, answer = resize(rig, requests={"cpu": "500m"})
    assert (code, messages(answer)) == (
        422,
        [
            (
                "spec.containers[0].resources.requests",
                'Invalid value: "500m": must be less than or equal to cpu limit of 200m',
            )
        ],
    )
    body = {"spec": {"initContainers": [{"name": "init", "resources": {"requests": {"cpu": "1"}}}]}}
    code, answer = patch(rig, "resize", body)
    immutable = "Forbidden: resources for non-sidecar init containers are immutable"
    assert code == 422 and ("spec", immutable) in messages(answer)


def test_a_resize_neither_renames_nor_adds(rig: Rig) -> None:
    pod = rig.call("GET", f"{PODS}/p")[1]
    pod["spec"]["containers"].reverse()
    code, answer = rig.call("PUT", f"{PODS}/p/resize", pod)
    text = "Forbidden: containers may not be renamed or reordered on resize"
    assert code == 422
    assert messages(answer) == [(f"spec.containers[{i}].name", text) for i in (0, 1)]
    code, answer = resize(rig, "e", requests={"cpu": "1"})
    assert code == 422


def test_the_class_of_service_stays(rig: Rig) -> None:
    text = "Pod QOS Class may not change as a result of resizing"
    bare = {"metadata": {"name": "q"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert rig.call("POST", PODS, bare)[0] == 201
    body = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}}
    code, answer = rig.call("PATCH", f"{PODS}/q/resize", body, content_type=STRATEGIC)
    assert code == 422
    assert ("spec", f'Invalid value: "BestEffort": {text}') in messages(answer)


def test_resources_stay_fixed_on_the_pod_itself(rig: Rig) -> None:
    body = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "150m"}}}]}}
    code, answer = rig.call("PATCH", f"{PODS}/p", body, content_type=STRATEGIC)
    assert code == 422
    assert messages(answer)[0][1].startswith("Forbidden: pod updates may not change fields other")


def debugger(**more: Any) -> JsonObject:
    return {"spec": {"ephemeralContainers": [{"name": "dbg", "image": "busybox", **more}]}}


def test_ephemeral_containers_are_added_defaulted_and_kept(rig: Rig) -> None:
    code, pod = patch(rig, "ephemeralcontainers", debugger(targetContainerName="c"))
    assert code == 200
    (added,) = pod["spec"]["ephemeralContainers"]
    assert added["imagePullPolicy"] == "Always" and added["targetContainerName"] == "c"
    assert pod["metadata"]["generation"] == 2
    assert pod["metadata"]["managedFields"][-1]["subresource"] == "ephemeralcontainers"
    code, answer = patch(rig, "ephemeralcontainers", debugger(image="other"))
    assert code == 422
    assert messages(answer)[0][1].startswith(
        'Forbidden: existing ephemeral containers "dbg" may not be changed\n'
    )
    gone = {"spec": {"ephemeralContainers": [{"name": "dbg", "$patch": "delete"}]}}
    code, answer = patch(rig, "ephemeralcontainers", gone)
    assert code == 422
    assert messages(answer) == [
        (
            "spec.ephemeralContainers",
            'Forbidden: existing ephemeral containers "dbg" may not be removed\n',
        )
    ]


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ({"name": "c"}, "name", 'Duplicate value: "c"'),
        ({"targetContainerName": "z"}, "targetContainerName", 'Not found: "z"'),
        (
            {"ports": [{"containerPort": 80}]},
            "ports",
            "Forbidden: cannot be set for an Ephemeral Container",
        ),
        ({"image": ""}, "image", "Required value"),
    ],
)
def test_what_ephemeral_containers_may_not_have(
    rig: Rig, more: JsonObject, field: str, message: str
) -> None:
    code, answer = patch(rig, "ephemeralcontainers", debugger(**more))
    assert code == 422
    assert (f"spec.ephemeralContainers[0].{field}", message) in messages(answer)


def test_parts_are_applied_and_have_managers_of_their_own(rig: Rig) -> None:
    wish = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        **debugger(),
    }
    path = f"{PODS}/p/ephemeralcontainers?fieldManager=me"
    code, pod = rig.call("PATCH", path, wish, content_type=APPLY)
    assert code == 200
    owner = next(o for o in pod["metadata"]["managedFields"] if o["manager"] == "me")
    assert (owner["operation"], owner["subresource"]) == ("Apply", "ephemeralcontainers")
    assert list(owner["fieldsV1"]["f:spec"]) == ["f:ephemeralContainers"]


def test_a_status_keeps_its_class_and_what_was_observed(rig: Rig) -> None:
    condition = {"type": "Ready", "status": "False", "observedGeneration": 1}
    code, _ = patch(rig, "status", {"status": {"observedGeneration": 1, "conditions": [condition]}})
    assert code == 200
    pod = rig.call("GET", f"{PODS}/p")[1]
    pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    code, pod = rig.call("PUT", f"{PODS}/p/status", pod)
    assert (code, pod["status"]["qosClass"], pod["status"]["observedGeneration"]) == (
        200,
        "Burstable",
        1,
    )
    assert pod["status"]["conditions"][0]["observedGeneration"] == 1


@pytest.mark.parametrize(
    ("status", "field", "message"),
    [
        (
            {"qosClass": "Guaranteed"},
            "status.qosClass",
            'Invalid value: "Guaranteed": field is immutable',
        ),
        (
            {"podIPs": [{"ip": "1.2"}]},
            "status.podIPs[0]",
            'Invalid value: "1.2": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
        (
            {"hostIPs": [{"ip": "10.0.0.1"}]},
            "status.hostIPs[0].ip",
            'Invalid value: "10.0.0.1": must be equal to `hostIP`',
        ),
    ],
)
def test_what_a_status_may_not_say(rig: Rig, status: JsonObject, field: str, message: str) -> None:
    code, answer = patch(rig, "status", {"status": status})
    assert (code, messages(answer)) == (422, [(field, message)])


def test_discovery_and_the_node_without_support(rig: Rig) -> None:
    named = {one["name"]: one["verbs"] for one in rig.call("GET", "/api/v1")[1]["resources"]}
    assert named["pods/resize"] == named["pods/ephemeralcontainers"] == ["get", "patch", "update"]
    running = {"name": "c", "image": "i", "imageID": "", "ready": True, "restartCount": 0}
    running["state"] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    assert patch(rig, "status", {"status": {"containerStatuses": [running]}})[0] == 200
    code, answer = resize(rig, requests={"cpu": "150m"})
    assert code == 422
    assert ("spec", "Forbidden: Pod running on node without support for resize") in messages(answer)
