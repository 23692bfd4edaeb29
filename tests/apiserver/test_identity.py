"""Tokens, reviews and the table of rights."""

import pytest

from api.core import JsonObject
from apiserver.identity import Identities
from apiserver.messages import User
from tests.apiserver.apiserver_rig import ALICE, Rig

ACCOUNTS = "/api/v1/namespaces/x/serviceaccounts"
SCHEDULER = User("system:kube-scheduler", ("system:authenticated",))
NODES = User("hollowfleet:nodes", ("system:nodes", "system:authenticated"))
CONTROLLERS = User("system:kube-controller-manager", ("system:authenticated",))
BINDING = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
POD: JsonObject = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.namespace("x")
    made.core.introduce(Identities({"secret": ALICE}, b"k" * 32))
    return made


def token_of(rig: Rig, **spec: object) -> str:
    code, answer = rig.call("POST", f"{ACCOUNTS}/default/token", {"spec": spec})
    assert (code, answer["kind"]) == (201, "TokenRequest")
    token: str = answer["status"]["token"]
    return token


def holder(rig: Rig, token: str) -> User | None:
    return rig.core.user_of_token(token.encode(), rig.now_ns)


def test_a_token_stands_for_its_account_until_it_expires(rig: Rig) -> None:
    token = token_of(rig, expirationSeconds=600)
    user = holder(rig, token)
    assert user is not None and user.name == "system:serviceaccount:x:default"
    assert "system:serviceaccounts:x" in user.groups
    rig.now_ns += 599 * 10**9
    assert holder(rig, token) == user
    rig.now_ns += 10**9
    assert holder(rig, token) is None


def test_the_token_of_a_deleted_account_is_refused_also_when_it_is_made_again(rig: Rig) -> None:
    token = token_of(rig)
    rig.call("DELETE", f"{ACCOUNTS}/default")
    assert holder(rig, token) is None
    rig.call("POST", ACCOUNTS, {"metadata": {"name": "default"}})
    assert holder(rig, token) is None


def test_a_token_that_was_changed_or_is_for_others_is_refused(rig: Rig) -> None:
    token = token_of(rig)
    head, claims, signature = token.split(".")
    for forged in (
        f"{head}.{claims}x.{signature}",
        f"{head}.{claims}.{signature[:-1]}",
        f"{head}.{claims}.",
        "..",
        "a.b.c",
        f"eyJhbGciOiJub25lIn0.{claims}.",
    ):
        assert holder(rig, forged) is None
    assert holder(rig, token_of(rig, audiences=["vault"])) is None
    other = Identities({}, b"o" * 32)
    rig.core.introduce(other)
    assert holder(rig, token) is None


def test_what_a_token_cannot_be_asked_for(rig: Rig) -> None:
    path = f"{ACCOUNTS}/default/token"
    assert rig.call("POST", path, {"spec": {"expirationSeconds": 60}})[0] == 422
    assert rig.call("POST", f"{ACCOUNTS}/none/token", {"spec": {}})[0] == 404
    assert rig.call("GET", path)[0] == 405


BOUND = {"kind": "Pod", "apiVersion": "v1", "name": "p"}


def test_a_token_bound_to_an_object_ends_with_it(rig: Rig) -> None:
    pods = "/api/v1/namespaces/x/pods"
    rig.call("POST", pods, POD)
    token = token_of(rig, boundObjectRef=BOUND)
    assert holder(rig, token) is not None
    rig.call("DELETE", f"{pods}/p?gracePeriodSeconds=0")
    rig.call("POST", pods, POD)
    assert holder(rig, token) is None
    rig.call("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
    of_node = token_of(rig, boundObjectRef={**BOUND, "kind": "Node", "name": "n"})
    assert holder(rig, of_node) is not None
    rig.call("DELETE", "/api/v1/nodes/n")
    assert holder(rig, of_node) is None


def test_what_a_token_cannot_be_bound_to(rig: Rig) -> None:
    path = f"{ACCOUNTS}/default/token"
    rig.call("POST", "/api/v1/namespaces/x/pods", POD)
    rig.call("POST", ACCOUNTS, {"metadata": {"name": "other"}})
    for bound, at, code, words in (
        ({**BOUND, "name": "q"}, path, 404, 'pods "q" not found'),
        ({**BOUND, "kind": "Service"}, path, 400, "object of type /v1, Kind=Service"),
        ({**BOUND, "uid": "u"}, path, 409, "bound object reference (u) does not match"),
        (BOUND, path.replace("default", "other"), 400, "different serviceaccount name"),
    ):
        answered, body = rig.call("POST", at, {"spec": {"boundObjectRef": bound}})
        assert (answered, words in body["message"]) == (code, True), body


def test_token_reviews_tell_whose_a_token_is(rig: Rig) -> None:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    _, known = rig.call("POST", path, {"spec": {"token": "secret"}})
    assert known["status"]["user"]["username"] == "alice"
    _, account = rig.call("POST", path, {"spec": {"token": token_of(rig)}})
    assert account["status"]["authenticated"] is True
    _, unknown = rig.call("POST", path, {"spec": {"token": "nope"}})
    assert unknown["status"] == {"user": {}, "error": "invalid bearer token"}
    assert rig.call("POST", path, {"spec": {"token": 1}})[0] == 400


@pytest.mark.parametrize(
    ("user", "method", "path", "code"),
    [
        (SCHEDULER, "GET", "/api/v1/nodes", 200),
        (SCHEDULER, "POST", "/api/v1/namespaces/x/pods/p/binding", 201),
        (SCHEDULER, "DELETE", "/api/v1/nodes/n", 403),
        (SCHEDULER, "GET", "/api/v1/namespaces/x/secrets", 403),
        (NODES, "GET", "/api/v1/namespaces/x/pods", 200),
        (NODES, "POST", "/api/v1/namespaces/x/pods/p/binding", 403),
        (NODES, "DELETE", "/api/v1/namespaces/x", 403),
        (CONTROLLERS, "GET", "/api/v1/namespaces/x/secrets", 200),
        (ALICE, "GET", "/api/v1/namespaces/x/pods", 403),
        (ALICE, "GET", "/version", 200),
        (ALICE, "GET", "/metrics", 403),
        (User("system:masters", ("system:authenticated",)), "GET", "/api/v1/nodes", 403),
    ],
)
def test_each_user_may_what_his_role_says(
    rig: Rig, user: User, method: str, path: str, code: int
) -> None:
    rig.call("POST", "/api/v1/namespaces/x/pods", POD)
    body = BINDING if path.endswith("binding") else None
    assert rig.ask(method, path, body, user=user).code == code


def test_reviews_answer_from_the_same_table(rig: Rig) -> None:
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    asked = {"verb": "create", "resource": "pods", "subresource": "binding", "namespace": "x"}
    for name, allowed in ((SCHEDULER.name, True), ("alice", False)):
        spec = {"user": name, "groups": ["dev"], "resourceAttributes": asked}
        assert rig.call("POST", path, {"spec": spec})[1]["status"] == {"allowed": allowed}
    assert rig.call("POST", path, {"spec": {"user": "a", "groups": 5}})[0] == 400
    assert rig.call("POST", path, {"spec": {"resourceAttributes": asked}})[0] == 422
    rules = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    _, mine = rig.call("POST", rules, {"spec": {"namespace": "x"}})
    every = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    assert mine["status"]["resourceRules"][0] == every
