"""What admission does to new objects, through the whole server."""

from api.core import JsonObject
from tests.apiserver.apiserver_rig import Rig

PODS = "/api/v1/namespaces/x/pods"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
STORAGE = "/apis/storage.k8s.io/v1/storageclasses"
CLAIMS = "/api/v1/namespaces/x/persistentvolumeclaims"
ACCOUNTS = "/api/v1/namespaces/x/serviceaccounts"
MERGE = "application/merge-patch+json"


def pod(name: str, **spec: object) -> JsonObject:
    containers = [{"name": "c", "image": "i"}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def made(rig: Rig, path: str, body: JsonObject) -> JsonObject:
    code, answer = rig.call("POST", path, body)
    assert code == 201, answer
    found: JsonObject = answer
    return found


def priority_class(name: str, value: int, default: bool = False) -> JsonObject:
    return {"metadata": {"name": name}, "value": value, "globalDefault": default}


def test_pods_get_the_priority_of_their_class_or_of_the_default(rig: Rig) -> None:
    assert made(rig, PODS, pod("before"))["spec"]["priority"] == 0
    made(rig, CLASSES, priority_class("low", 5, True))
    made(rig, CLASSES, priority_class("high", 9))
    for name, asked, value in (("a", {}, 5), ("b", {"priorityClassName": "high"}, 9)):
        spec = made(rig, PODS, pod(name, **asked))["spec"]
        assert (spec["priority"], spec["priorityClassName"]) == (value, "high" if asked else "low")
    code, refused = rig.call("POST", PODS, pod("c", priorityClassName="nope"))
    assert (code, refused["message"]) == (
        *(403, 'pods "c" is forbidden: no PriorityClass with name nope was found'),
    )


def test_there_is_one_default_priority_class(rig: Rig) -> None:
    made(rig, CLASSES, priority_class("first", 5, True))
    code, refused = rig.call("POST", CLASSES, priority_class("second", 6, True))
    assert (code, refused["reason"]) == (403, "Forbidden")
    assert refused["message"].endswith(
        "PriorityClass first is already marked as default. Only one default can exist"
    )
    made(rig, CLASSES, priority_class("second", 6))


def test_claims_get_the_newest_default_storage_class(rig: Rig) -> None:
    claim: JsonObject = {
        "metadata": {"name": "none"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    assert "storageClassName" not in made(rig, CLAIMS, claim)["spec"]
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    for name, annotations in (("fast", marked), ("plain", {})):
        body = {"metadata": {"name": name, "annotations": annotations}, "provisioner": "test.io/p"}
        made(rig, STORAGE, body)
    after = made(rig, CLAIMS, {**claim, "metadata": {"name": "some"}})
    assert after["spec"]["storageClassName"] == "fast"
    assert after["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    own = {**claim["spec"], "storageClassName": ""}
    kept = made(rig, CLAIMS, {"metadata": {"name": "own"}, "spec": own})
    assert kept["spec"]["storageClassName"] == ""


def test_limits_of_a_namespace_are_filled_in_and_kept(rig: Rig) -> None:
    made(rig, PODS, pod("before"))
    limits = [{"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "2"}}]
    ranges = "/api/v1/namespaces/x/limitranges"
    made(rig, ranges, {"metadata": {"name": "l"}, "spec": {"limits": limits}})
    after = made(rig, PODS, pod("after"))["spec"]["containers"][0]["resources"]
    assert after == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    greedy = pod("greedy")
    greedy["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "3"}}
    code, refused = rig.call("POST", PODS, greedy)
    assert code == 403
    assert "maximum cpu usage per Container is 2, but limit is 3" in refused["message"]


def test_pods_take_what_their_account_says(rig: Rig) -> None:
    quiet = {"metadata": {"name": "quiet"}, "automountServiceAccountToken": False}
    made(rig, ACCOUNTS, {**quiet, "imagePullSecrets": [{"name": "s"}]})
    spec = made(rig, PODS, pod("a", serviceAccountName="quiet"))["spec"]
    assert "volumes" not in spec and spec["imagePullSecrets"] == [{"name": "s"}]
    code, refused = rig.call("POST", PODS, pod("b", serviceAccountName="nobody"))
    assert code == 403
    assert 'serviceaccount "nobody" not found' in refused["message"]


def test_a_quota_refuses_nothing_while_nobody_counts(rig: Rig) -> None:
    """As recorded of a server whose quota controller does not run."""
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}}
    made(rig, "/api/v1/namespaces/x/resourcequotas", quota)
    for name in ("a", "b"):
        made(rig, PODS, pod(name))


def test_a_runtime_class_gives_overhead_and_places_or_refuses(rig: Rig) -> None:
    runtime = {
        "metadata": {"name": "sandboxed"},
        "handler": "h",
        "overhead": {"podFixed": {"cpu": "250m"}},
        "scheduling": {"nodeSelector": {"a": "b"}},
    }
    assert rig.call("POST", "/apis/node.k8s.io/v1/runtimeclasses", runtime)[0] == 201

    for name in ("first", "again"):
        spec = made(rig, PODS, pod(name, runtimeClassName="sandboxed"))["spec"]
        assert (spec["overhead"], spec["nodeSelector"]) == ({"cpu": "250m"}, {"a": "b"})
    for meta, spec, text in (
        (
            {"generateName": "g-"},
            {"runtimeClassName": "none"},
            'pods "g-" is forbidden: pod rejected: RuntimeClass "none" not found',
        ),
        (
            {"name": "p"},
            {"overhead": {"cpu": "1"}},
            'pods "p" is forbidden: pod rejected: Pod Overhead set without corresponding '
            "RuntimeClass defined Overhead",
        ),
        (
            {"name": "p"},
            {"runtimeClassName": "sandboxed", "nodeSelector": {"a": "c"}},
            'pods "p" is forbidden: pod rejected: conflict: runtimeClass.scheduling.nodeSelector[a]'
            " = b; pod.spec.nodeSelector[a] = c",
        ),
    ):
        code, told = rig.call("POST", PODS, {**pod("", **spec), "metadata": meta})
        assert (code, told["message"]) == (403, text)


def test_a_bound_claim_grows_where_its_class_lets_it(rig: Rig) -> None:
    for name, may in (("elastic", True), ("stiff", False)):
        body = {"metadata": {"name": name}, "provisioner": "p", "allowVolumeExpansion": may}
        assert rig.call("POST", STORAGE, body)[0] == 201
    for name, expected in (("elastic", 200), ("stiff", 403)):
        room = {"requests": {"storage": "1Gi"}}
        spec = {"storageClassName": name, "accessModes": ["ReadWriteOnce"], "resources": room}
        assert rig.call("POST", CLAIMS, {"metadata": {"name": name}, "spec": spec})[0] == 201
        bound = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
        assert rig.call("PATCH", f"{CLAIMS}/{name}/status", bound, content_type=MERGE)[0] == 200
        more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        assert rig.call("PATCH", f"{CLAIMS}/{name}", more, content_type=MERGE)[0] == expected
