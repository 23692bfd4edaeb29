"""Kinds beyond the spine through the whole server: views, approval, deprecation, admission."""

from base64 import b64encode
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.core import JsonObject
from tests.apiserver.apiserver_rig import Rig

SCALERS = "namespaces/x/horizontalpodautoscalers"
V1, V2 = f"/apis/autoscaling/v1/{SCALERS}", f"/apis/autoscaling/v2/{SCALERS}"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
EVENTS, CORE_EVENTS = "/apis/events.k8s.io/v1/namespaces/x/events", "/api/v1/namespaces/x/events"


@pytest.fixture
def rig() -> Rig:
    made = Rig(2)
    made.namespace("x")
    return made


def autoscaler(version: str, **spec: object) -> JsonObject:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 5, "scaleTargetRef": target, **spec},
    }


def test_one_object_in_two_versions(rig: Rig) -> None:
    code, made = rig.call("POST", V1, autoscaler("v1", targetCPUUtilizationPercentage=70))
    assert code == 201 and made["apiVersion"] == "autoscaling/v1"
    _, seen = rig.call("GET", f"{V2}/h")
    assert seen["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    body = {"spec": {"targetCPUUtilizationPercentage": 50}}
    media = "application/merge-patch+json"
    code, patched = rig.call("PATCH", f"{V1}/h", body, content_type=media)
    assert code == 200 and patched["spec"]["targetCPUUtilizationPercentage"] == 50
    _, listed = rig.call("GET", V1)
    assert listed["kind"] == "HorizontalPodAutoscalerList"
    assert [one["spec"]["targetCPUUtilizationPercentage"] for one in listed["items"]] == [50]
    assert "kind" not in listed["items"][0]
    assert rig.call("POST", V1, autoscaler("v1", bogus=1))[0] == 409
    wrong = rig.call("PATCH", f"{V1}/h", {"spec": {"maxReplicas": "x"}}, content_type=media)
    assert wrong[0] == 422


def test_events_of_both_groups(rig: Rig) -> None:
    event = {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "name": "p", "namespace": "x"},
        "note": "hello",
        "reportingController": "c",
        "reportingInstance": "c-0",
        "action": "Look",
        "reason": "Seen",
        "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z",
    }
    assert rig.call("POST", EVENTS, event)[0] == 201
    _, core = rig.call("GET", f"{CORE_EVENTS}/e")
    assert core["message"] == "hello" and core["involvedObject"]["name"] == "p"
    query = "fieldSelector=regarding.name%3Dp,reportingController%3Dc"
    assert len(rig.call("GET", f"{EVENTS}?{query}")[1]["items"]) == 1
    assert rig.call("GET", f"{EVENTS}?fieldSelector=regarding.name%3Dq")[1]["items"] == []


def signed_request() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "r")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = asked.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def test_approval_changes_the_conditions_only(rig: Rig) -> None:
    body = {
        "metadata": {"name": "r"},
        "spec": {
            "request": signed_request(),
            "signerName": "example.com/s",
            "usages": ["client auth"],
            "username": "forged",
        },
    }
    code, made = rig.call("POST", CSRS, body)
    assert code == 201 and made["spec"]["username"] != "forged"
    made["spec"]["username"] = "other"
    made["status"] = {
        "conditions": [{"type": "Approved", "status": "True"}],
        "certificate": "YQ==",
    }
    code, approved = rig.call("PUT", f"{CSRS}/r/approval", made)
    assert code == 200 and approved["spec"]["username"] != "other"
    assert approved["status"]["conditions"][0]["type"] == "Approved"
    assert "certificate" not in approved["status"]


def test_only_the_stored_and_the_shown_versions_are_served(rig: Rig) -> None:
    assert rig.call("GET", "/apis/resource.k8s.io/v1beta1/deviceclasses")[0] == 404
    assert rig.call("GET", "/apis/resource.k8s.io/v1/deviceclasses")[0] == 200


def test_a_budget_is_spent_and_then_refuses(rig: Rig) -> None:
    pods, budgets = "/api/v1/namespaces/x/pods", "/apis/policy/v1/namespaces/x/poddisruptionbudgets"
    merge = "application/merge-patch+json"
    budget = {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": "a"}}}}
    assert rig.call("POST", budgets, budget)[0] == 201
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    for name in ("p", "q"):
        pod = {
            "metadata": {"name": name, "labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n"},
        }
        assert rig.call("POST", pods, pod)[0] == 201
        path = f"{pods}/{name}/status"
        assert rig.call("PATCH", path, {"status": ready}, content_type=merge)[0] == 200

    def evict(name: str) -> tuple[int, JsonObject]:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        return rig.call("POST", f"{pods}/{name}/eviction", body)

    code, refusal = evict("p")
    assert code == 429 and "still being processed" in refusal["details"]["causes"][0]["message"]
    status = {"observedGeneration": 1, "disruptionsAllowed": 1, "expectedPods": 2}
    counts = {**status, "currentHealthy": 2, "desiredHealthy": 1}
    patched = rig.call("PATCH", f"{budgets}/b/status", {"status": counts}, content_type=merge)
    assert patched[0] == 200
    assert evict("p")[0] == 201
    _, spent = rig.call("GET", f"{budgets}/b")
    assert spent["status"]["disruptionsAllowed"] == 0
    assert list(spent["status"]["disruptedPods"]) == ["p"]
    code, refusal = evict("q")
    assert code == 429 and "needs 1 healthy pods" in refusal["details"]["causes"][0]["message"]


def test_what_is_said_in_two_words_is_the_same_in_both(rig: Rig) -> None:
    """The older word counts where they differ."""
    assert rig.call("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})[0] == 201
    node, merge = "/api/v1/nodes/n", "application/merge-patch+json"

    def patched(path: str, body: JsonObject) -> tuple[int, JsonObject]:
        return rig.call("PATCH", path, body, content_type=merge)

    code, found = patched(node, {"spec": {"podCIDR": "10.0.0.0/24"}})
    assert (code, found["spec"]["podCIDRs"]) == (200, ["10.0.0.0/24"])
    code, found = patched(node, {"spec": {"podCIDRs": ["10.9.0.0/24"]}})
    assert (code, found["spec"]["podCIDRs"]) == (200, ["10.0.0.0/24"])
    assert patched(node, {"spec": {"podCIDR": "10.9.0.0/24"}})[0] == 422
    pods = "/api/v1/namespaces/x/pods"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert rig.call("POST", pods, pod)[0] == 201
    for status, first in (
        ({"podIPs": [{"ip": "10.0.0.3"}]}, "10.0.0.3"),
        ({"podIP": "10.0.0.4"}, "10.0.0.4"),
        ({"podIPs": [{"ip": "10.0.0.5"}]}, "10.0.0.4"),
    ):
        code, found = patched(f"{pods}/p/status", {"status": status})
        assert code == 200
        assert found["status"]["podIP"] == first == found["status"]["podIPs"][0]["ip"]
    code, found = patched(f"{pods}/p/status", {"status": {"podIP": "z"}})
    assert (code, found["details"]["causes"][0]["field"]) == (422, "status.podIPs[0]")


@pytest.mark.parametrize(
    ("path", "selector", "names"),
    [
        ("/api/v1/nodes", "metadata.namespace=", None),
        ("/api/v1/namespaces", "metadata.namespace!=a", None),
        ("/api/v1/namespaces/x/pods", "spec.host=n", ["on"]),
        ("/api/v1/namespaces/x/pods", "status.podIPs!=1.2.3.4", ["off", "on"]),
        ("/api/v1/namespaces/x/pods", "status.podIPs=1.2.3.4", []),
        ("/api/v1/namespaces/x/pods", "status.podIPs=", ["off", "on"]),
    ],
)
def test_fields_that_only_some_kinds_have(
    rig: Rig, path: str, selector: str, names: list[str] | None
) -> None:
    for name, node in (("off", ""), ("on", "n")):
        spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": node}
        body = {"metadata": {"name": name}, "spec": spec}
        assert rig.call("POST", "/api/v1/namespaces/x/pods", body)[0] == 201
    code, found = rig.call("GET", f"{path}?fieldSelector={quote(selector)}")
    if names is None:
        assert (code, found["message"]) == (400, "field label not supported: metadata.namespace")
    else:
        assert [one["metadata"]["name"] for one in found["items"]] == names
