"""Admission ResourceQuota: who is refused, in which words, and that nobody slips through."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from tests.apiserver.apiserver_rig import Rig

SPACE = "/api/v1/namespaces/x"
PODS, QUOTAS, SERVICES = f"{SPACE}/pods", f"{SPACE}/resourcequotas", f"{SPACE}/services"
CLAIMS = f"{SPACE}/persistentvolumeclaims"
MERGE = "application/merge-patch+json"


def pod(name: str, **resources: Any) -> JsonObject:
    container = {"name": "c", "image": "i", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def quota(rig: Rig, name: str, hard: dict[str, str], **spec: Any) -> None:
    """Make one and count for it, as a controller does that finds nothing."""
    body = {"metadata": {"name": name}, "spec": {"hard": hard, **spec}}
    assert rig.call("POST", QUOTAS, body)[0] == 201
    status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    assert rig.call("PATCH", f"{QUOTAS}/{name}/status", status, content_type=MERGE)[0] == 200


def used(rig: Rig, name: str) -> dict[str, str]:
    found: dict[str, str] = rig.call("GET", f"{QUOTAS}/{name}")[1]["status"]["used"]
    return found


def refusal(rig: Rig, path: str, body: JsonObject, method: str = "POST") -> str:
    kind = MERGE if method == "PATCH" else "application/json"
    code, status = rig.call(method, path, body, content_type=kind)
    assert (code, status["reason"]) == (403, "Forbidden"), status
    text: str = status["message"]
    return text


def test_a_quota_says_what_was_asked_for_and_what_is_used(rig: Rig) -> None:
    quota(rig, "q", {"pods": "3", "requests.cpu": "1", "limits.memory": "1Gi"})
    asked = {"requests": {"cpu": "600m"}, "limits": {"memory": "512Mi"}}
    assert rig.call("POST", PODS, pod("a", **asked))[0] == 201
    assert used(rig, "q") == {"limits.memory": "512Mi", "pods": "1", "requests.cpu": "600m"}
    assert refusal(rig, PODS, pod("b", **asked)) == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m, '
        "used: requests.cpu=600m, limited: requests.cpu=1"
    )
    more = {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}}
    assert refusal(rig, PODS, pod("b", **more)) == (
        'pods "b" is forbidden: exceeded quota: q, requested: limits.memory=1Gi,'
        "requests.cpu=500m, used: limits.memory=512Mi,requests.cpu=600m, "
        "limited: limits.memory=1Gi,requests.cpu=1"
    )
    assert refusal(rig, PODS, pod("c")) == (
        'pods "c" is forbidden: failed quota: q: must specify limits.memory for: c; '
        "requests.cpu for: c"
    )
    assert used(rig, "q")["pods"] == "1"


def test_a_dry_run_and_a_name_that_is_taken_cost_nothing(rig: Rig) -> None:
    quota(rig, "q", {"count/configmaps": "1"})
    one = {"metadata": {"name": "a"}}
    assert rig.call("POST", f"{SPACE}/configmaps?dryRun=All", one)[0] == 201
    assert used(rig, "q") == {"count/configmaps": "0"}
    assert rig.call("POST", f"{SPACE}/configmaps", one)[0] == 201
    assert rig.call("POST", f"{SPACE}/configmaps", one)[0] == 409
    assert used(rig, "q") == {"count/configmaps": "1"}
    text = refusal(rig, f"{SPACE}/configmaps?dryRun=All", {"metadata": {"generateName": "b-"}})
    assert text.startswith('configmaps "b-') and text.endswith(
        "is forbidden: exceeded quota: q, requested: count/configmaps=1, "
        "used: count/configmaps=1, limited: count/configmaps=1"
    )


def test_nothing_is_enforced_before_somebody_has_counted(rig: Rig) -> None:
    body = {"metadata": {"name": "q"}, "spec": {"hard": {"secrets": "0"}}}
    assert rig.call("POST", QUOTAS, body)[0] == 201
    assert rig.call("POST", f"{SPACE}/secrets", {"metadata": {"name": "a"}})[0] == 201
    half = {"status": {"hard": {"secrets": "5"}}}
    assert rig.call("PATCH", f"{QUOTAS}/q/status", half, content_type=MERGE)[0] == 200
    assert refusal(rig, f"{SPACE}/secrets", {"metadata": {"name": "b"}}) == (
        'secrets "b" is forbidden: status unknown for quota: q, resources: secrets'
    )


def test_objects_of_any_group_are_counted(rig: Rig) -> None:
    quota(rig, "q", {"count/deployments.apps": "0", "count/leases.coordination.k8s.io": "1"})
    leases = "/apis/coordination.k8s.io/v1/namespaces/x/leases"
    assert rig.call("POST", leases, {"metadata": {"name": "a"}})[0] == 201
    assert refusal(rig, leases, {"metadata": {"name": "b"}}) == (
        'leases.coordination.k8s.io "b" is forbidden: exceeded quota: q, '
        "requested: count/leases.coordination.k8s.io=1, "
        "used: count/leases.coordination.k8s.io=1, limited: count/leases.coordination.k8s.io=1"
    )


def test_scopes_choose_pods(rig: Rig) -> None:
    quota(rig, "best", {"pods": "0"}, scopes=["BestEffort"])
    quota(rig, "ends", {"pods": "0"}, scopes=["Terminating", "NotBestEffort"])
    chosen = [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
    quota(rig, "high", {"pods": "0"}, scopeSelector={"matchExpressions": chosen})
    high = {"metadata": {"name": "high"}, "value": 7}
    assert rig.call("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", high)[0] == 201
    asked = {"requests": {"cpu": "1"}}
    assert "exceeded quota: best," in refusal(rig, PODS, pod("a"))
    assert rig.call("POST", PODS, pod("a", **asked))[0] == 201
    short = pod("b", **asked)
    short["spec"]["activeDeadlineSeconds"] = 5
    assert "exceeded quota: ends," in refusal(rig, PODS, short)
    first = pod("c", **asked)
    first["spec"]["priorityClassName"] = "high"
    assert "exceeded quota: high," in refusal(rig, PODS, first)


def test_a_service_that_becomes_more_and_a_claim_that_grows_are_charged(rig: Rig) -> None:
    quota(
        rig,
        "q",
        {"services.nodeports": "1", "fast.storageclass.storage.k8s.io/requests.storage": "2Gi"},
    )
    service = {
        "metadata": {"name": "s"},
        "spec": {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
    }
    assert rig.call("POST", SERVICES, service)[0] == 201
    text = refusal(rig, f"{SERVICES}/s", {"spec": {"type": "NodePort"}}, "PATCH")
    assert text.endswith(
        "exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, "
        "limited: services.nodeports=1"
    )
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}
    claim = {**spec, "resources": {"requests": {"storage": "1Gi"}}}
    assert rig.call("POST", CLAIMS, {"metadata": {"name": "a"}, "spec": claim})[0] == 201
    claim["resources"] = {"requests": {"storage": "1500Mi"}}
    assert refusal(rig, CLAIMS, {"metadata": {"name": "b"}, "spec": claim}).endswith(
        "requested: fast.storageclass.storage.k8s.io/requests.storage=1500Mi, "
        "used: fast.storageclass.storage.k8s.io/requests.storage=1Gi, "
        "limited: fast.storageclass.storage.k8s.io/requests.storage=2Gi"
    )


actions = st.one_of(
    st.tuples(st.just("create"), st.integers(0, 1), st.integers(1, 4)),
    st.tuples(st.just("hold"), st.integers(0, 1)),
    st.tuples(st.just("hear"), st.integers(0, 1)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, min_size=5, max_size=25))
def test_two_servers_that_create_at_once_never_exceed_a_quota(plan: list[tuple[Any, ...]]) -> None:
    first = Rig()
    first.namespace("x")
    quota(first, "q", {"count/configmaps": "6"})
    rigs = (first, Rig(stores=first.stores, first_id=10**6))
    asked = 0
    for action, which, *count in plan:
        rig = rigs[which]
        if action == "hold":
            rig.held.add(0)
        elif action == "hear":
            rig.release(0)
        else:
            requests = []
            for _ in range(count[0]):
                asked += 1
                requests.append(
                    (
                        "create",
                        "configmaps",
                        "x",
                        "",
                        "",
                        "",
                        b'{"metadata":{"name":"c%d"}}' % asked,
                    )
                )
            answers = rig.frame_calls(*requests)
            assert {answer.code for answer in answers} <= {201, 403}
    for rig in rigs:
        rig.release(0)
    _, listed = first.call("GET", f"{SPACE}/configmaps")
    assert len(listed["items"]) == min(asked, 6)
    assert used(first, "q") == {"count/configmaps": str(min(asked, 6))}
    for rig in rigs:
        rig.core.check()
