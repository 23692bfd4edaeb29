"""Whole requests beside the recorded ones: by the sources of apiserver v1.36, not by record."""

from typing import Any

import orjson
import pytest

from api.calls import APPLY_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from apiserver.health import health
from tests.apiserver.apiserver_rig import Rig

MAPS = "/api/v1/namespaces/x/configmaps"
PODS = "/api/v1/namespaces/x/pods"
REVIEWS = "/apis/authorization.k8s.io/v1"
NO_SUCH = "the server could not find the requested resource"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
WHAT_IT_BECAME = ' "" is invalid: patch: Invalid value: "{'
"""Then comes the patched object, and then why it is refused."""
NAMELESS = "the name of the object (a based on URL) was undeterminable: name must be provided"


@pytest.fixture(scope="module")
def rig() -> Rig:
    made = Rig(2)
    made.namespace("x")
    assert made.call("POST", MAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}})[0] == 201
    return made


@pytest.mark.parametrize(
    ("method", "path", "body", "media", "code", "message"),
    [
        ("PUT", f"{MAPS}/a", {"data": {}}, "", 400, NAMELESS),
        ("PATCH", f"{MAPS}/a", {"metadata": None}, MERGE_PATCH, 400, NAMELESS),
        ("PATCH", f"{MAPS}/a", {"$patch": "delete"}, STRATEGIC_PATCH, 400, NAMELESS),
        ("PATCH", f"{MAPS}/a", b"{a}", STRATEGIC_PATCH, 400,
         "invalid character 'a' looking for beginning of object key string"),
        ("PATCH", f"{MAPS}/a", b'{"a": tru}', MERGE_PATCH, 400,
         "error decoding patch: invalid character '}' in literal true (expecting 'e')"),
        ("PATCH", f"{MAPS}/a", {"apiVersion": None}, MERGE_PATCH, 400, NAMELESS),
        ("PATCH", f"{MAPS}/a", {"apiVersion": 1}, MERGE_PATCH, 422,
         "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go "
         "struct field .apiVersion of type string"),
        ("PATCH", f"{MAPS}/a", {"apiVersion": None, "kind": "X"}, MERGE_PATCH, 422,
         'no kind "X" is registered for version "__internal" in scheme '
         '"pkg/runtime/scheme.go:111"'),
        ("PATCH", f"{MAPS}/a", b"null", MERGE_PATCH, 400, "Invalid JSON Patch"),
        ("PATCH", f"{MAPS}/a?fieldManager=m", b"", APPLY_PATCH, 400,
         "invalid object type: /, Kind="),
        ("PATCH", f"{MAPS}/a?fieldManager=m", [], APPLY_PATCH, 400,
         "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot "
         "unmarshal array into Go value of type map[string]interface {}"),
        ("DELETE", f"{MAPS}/a", {"kind": "Foo"}, "", 400,
         'no kind "Foo" is registered for version "meta.k8s.io/v1" in scheme '
         '"pkg/runtime/scheme.go:111"'),
        ("DELETE", f"{CLASSES}/system-node-critical", None, "", 403,
         'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system '
         "priority class and cannot be deleted"),
        ("DELETE", f"{MAPS}?continue=abc", None, "", 400,
         "invalid continue token: continue key is not valid: invalid character 'i' looking for "
         "beginning of value"),
        ("POST", f"{PODS}/a/eviction", {}, "", 400,
         "name in URL does not match name in Eviction object"),
        ("POST", f"{PODS}/a/binding", {"target": {"name": "n"}}, "", 400,
         "name in URL does not match name in Binding object"),
        ("GET", "/api/v1/pods/a", None, "", 404, NO_SUCH),
        ("GET", f"{REVIEWS}/subjectaccessreviews/a", None, "", 404, NO_SUCH),
        ("POST", f"{REVIEWS}/localsubjectaccessreviews", {}, "", 404, NO_SUCH),
        ("POST", f"{REVIEWS}/selfsubjectrulesreviews", {}, "", 400, "no namespace on request"),
        ("POST", f"{REVIEWS}/subjectaccessreviews",
         {"spec": {"resourceAttributes": {}, "nonResourceAttributes": {"path": "/"}}}, "", 422,
         '.authorization.k8s.io "" is invalid: [spec.nonResourceAttributes: Invalid value: '
         '{"path":"/"}: cannot be specified in combination with resourceAttributes, spec.user: '
         'Invalid value: "": at least one of user or group must be specified]'),
        ("POST", f"{REVIEWS}/namespaces/x/localsubjectaccessreviews",
         {"spec": {"user": "u", "resourceAttributes": {"namespace": "y"}}}, "", 422,
         '.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: '
         '"y": must match metadata.namespace'),
        ("POST", f"{REVIEWS}/selfsubjectaccessreviews",
         {"metadata": {"name": "a"}, "spec": {"resourceAttributes": {}}}, "", 422,
         '.authorization.k8s.io "" is invalid: metadata: Invalid value: {"name":"a"}: must be '
         "empty"),
    ],
)  # fmt: skip
def test_refusals(
    rig: Rig, method: str, path: str, body: object, media: str, code: int, message: str
) -> None:
    got, status = rig.call(method, path, body, content_type=media)
    said = status["message"]
    if said.startswith(WHAT_IT_BECAME):
        said = said[said.rindex("}") + 4 :]
    assert (got, said) == (code, message)


def test_a_patch_that_takes_the_kind_leaves_the_one_of_the_url(rig: Rig) -> None:
    code, made = rig.call("PATCH", f"{MAPS}/a", {"kind": None}, content_type=MERGE_PATCH)
    assert (code, made["kind"]) == (200, "ConfigMap")


def test_an_apply_without_a_name_makes_nothing(rig: Rig) -> None:
    wish = {"apiVersion": "v1", "kind": "ConfigMap"}
    path = f"{MAPS}/none?fieldManager=m"
    code, status = rig.call("PATCH", path, wish, content_type=APPLY_PATCH)
    assert (code, status["message"]) == (400, NAMELESS.replace("(a ", "(none "))
    path = f"{MAPS}/a?fieldManager=m"
    assert rig.call("PATCH", path, wish, content_type=APPLY_PATCH)[0] == 200


def test_a_strategic_patch_may_replace_all_and_name_another_kind(rig: Rig) -> None:
    """It is read into a struct of the kind."""
    whole: dict[str, Any] = {"$patch": "replace", "kind": "Foo", "metadata": {"name": "a"}}
    before = rig.call("GET", f"{MAPS}/a")[1]
    nothing = rig.call("PATCH", f"{MAPS}/a", b"null", content_type=STRATEGIC_PATCH)
    assert nothing == (200, before)
    code, made = rig.call("PATCH", f"{MAPS}/a", whole, content_type=STRATEGIC_PATCH)
    assert (code, made["kind"], "data" in made) == (200, "ConfigMap", False)
    assert made["metadata"]["uid"] == before["metadata"]["uid"]


def test_deletecollection_with_a_limit_takes_one_page() -> None:
    rig = Rig(2)
    rig.namespace("x")
    for name in "abcd":
        assert rig.call("POST", MAPS, {"metadata": {"name": name}})[0] == 201
    code, page = rig.call("DELETE", f"{MAPS}?limit=3&dryRun=All")
    assert code == 200 and page["metadata"]["remainingItemCount"] == 1
    code, page = rig.call("DELETE", f"{MAPS}?limit=1")
    assert code == 200 and [one["metadata"]["name"] for one in page["items"]] == ["a"]
    token = page["metadata"]["continue"]
    assert rig.call("DELETE", f"{MAPS}?limit=2&continue={token}")[0] == 200
    assert [one["metadata"]["name"] for one in rig.call("GET", MAPS)[1]["items"]] == ["d"]
    body = {"kind": "DeleteOptions", "apiVersion": "apps/v1", "preconditions": {"uid": "u"}}
    assert rig.call("DELETE", MAPS, body)[0] == 409
    assert rig.call("DELETE", MAPS)[0] == 200
    assert rig.call("GET", MAPS)[1]["items"] == []


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("?uid=u", None, 409),
        ("?resourceVersion=1", None, 409),
        ("?uid=u&propagationPolicy=no", {}, 200),
        ("?propagationPolicy=no", {"propagationPolicy": "Background"}, 200),
    ],
)
def test_options_of_a_deletion_come_from_the_body_or_else_from_the_query(
    rig: Rig, query: str, body: object, code: int
) -> None:
    rig.call("POST", MAPS, {"metadata": {"name": "gone", "labels": {"one": ""}}})
    assert rig.call("DELETE", f"{MAPS}/gone{query}&dryRun=All", body)[0] == code
    assert rig.call("DELETE", f"{MAPS}{query}&labelSelector=one", body)[0] == code


def test_lists_and_objects_have_partial_forms_of_their_own(rig: Rig) -> None:
    one, many = (f"application/json;as=PartialObjectMetadata{end};g=meta.k8s.io;v=v1"
                 for end in ("", "List"))  # fmt: skip
    asked = "you requested PartialObjectMetadata"
    for path, accept, text in (
        (MAPS, one, f"{asked}, but the requested object is a list (*core.ConfigMapList)"),
        (f"{MAPS}/a", many, f"{asked}List, but the requested object is not a list "
         "(*core.ConfigMap)"),
    ):  # fmt: skip
        code, status = rig.call("GET", path, accept=accept)
        assert (code, status["reason"], status["message"]) == (406, "NotAcceptable", text)
    assert rig.call("GET", MAPS, accept=many)[0] == rig.call("GET", f"{MAPS}/a", accept=one)[0]


def test_a_scale_has_a_table(rig: Rig) -> None:
    labels = {"app": "a"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"selector": {"matchLabels": labels}, "template": template, "replicas": 3}
    path = "/apis/apps/v1/namespaces/x/deployments"
    assert rig.call("POST", path, {"metadata": {"name": "d"}, "spec": spec})[0] == 201
    accept = "application/json;as=Table;g=meta.k8s.io;v=v1"
    _, table = rig.call("GET", f"{path}/d/scale", accept=accept)
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"] == ["d", 3, 0, "0s"]


def test_health_has_parts(rig: Rig) -> None:
    """By name, told one by one, and without those that nobody wants to know of."""

    def said(path: str) -> tuple[int, str]:
        answer = rig.ask("GET", path)
        return answer.code, answer.body.decode()

    assert said("/readyz/informer-sync") == said("/livez/ping") == said("/healthz") == (200, "ok")
    assert said("/livez/informer-sync")[0] == said("/readyz/none")[0] == 404
    code, text = said("/readyz?verbose&exclude=ping&exclude=none")
    assert code == 200
    assert text.startswith("[+]ping excluded: ok\n[+]etcd ok\n[+]etcd-readiness ok\n")
    last = 'warn: some health checks cannot be excluded: no matches for "none"\n'
    assert text.endswith(f"{last}readyz check passed\n")
    _, paths = rig.call("GET", "/")
    assert {"/livez/ping", "/readyz/etcd-readiness"} <= {*paths["paths"]}


def test_who_reads_the_shards_anew_is_not_well() -> None:
    for path, code, text in (
        ("/livez", 500, "[-]etcd failed: reason withheld\n"),
        ("/livez/ping", 200, "ok"),
        ("/livez/etcd", 500, "internal server error: the shards are being read\n"),
        ("/readyz?exclude=etcd&exclude=etcd-readiness&exclude=informer-sync", 200, "ok"),
    ):
        place, _, query = path.partition("?")
        answer = health(place, query, True)
        assert answer is not None and answer.code == code
        assert text in answer.body.decode()


def test_api_services_say_who_serves_a_group(rig: Rig) -> None:
    table = rig.ask("GET", API_SERVICES, accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    rows = {row["cells"][0]: row["cells"][1:3] for row in orjson.loads(table.body)["rows"]}
    assert rows["v1."] == rows["v2.autoscaling"] == ["Local", "True"] and len(rows) == 21
    priorities = {"groupPriorityMinimum": 1000, "versionPriority": 15}
    local: dict[str, Any] = {
        "metadata": {"name": "v1.a.b"},
        "spec": {"group": "a.b", "version": "v1"},
    }
    local["spec"].update(priorities)
    code, made = rig.call("POST", API_SERVICES, local)
    assert (code, made["status"]["conditions"][0]["reason"]) == (201, "Local")
    away = {"group": "c", "version": "V", "service": {"name": "s", "namespace": "x"}}
    code, status = rig.call("POST", API_SERVICES, {"metadata": {"name": "v1.d"}, "spec": away})
    fields = ["name", "version", "groupPriorityMinimum", "versionPriority", "service"]
    causes = [cause["field"].rpartition(".")[2] for cause in status["details"]["causes"]]
    assert (code, causes) == (422, fields)


@pytest.mark.parametrize(
    ("path", "body", "put"),
    [
        ("/api/v1/namespaces/x/endpoints", {}, 201),
        ("/api/v1/namespaces/x/limitranges", {"spec": {"limits": []}}, 201),
        ("/apis/node.k8s.io/v1/runtimeclasses", {"handler": "h"}, 201),
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/x/roles", {"rules": []}, 201),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"rules": []}, 201),
        ("/apis/storage.k8s.io/v1/csinodes", {"spec": {"drivers": []}}, 404),
        ("/apis/policy/v1/namespaces/x/poddisruptionbudgets", {"spec": {}}, 404),
    ],
)
def test_put_of_what_is_not_there_and_without_a_version(
    rig: Rig, path: str, body: dict[str, Any], put: int
) -> None:
    named = {"metadata": {"name": "put"}, **body}
    assert rig.call("PUT", f"{path}/put", named)[0] == put
    if put == 404:
        assert rig.call("POST", path, named)[0] == 201
    code, status = rig.call("PUT", f"{path}/put", named)
    bound = put == 404 or "runtimeclasses" in path
    assert code == (422 if bound else 200)
    if bound:
        assert status["details"]["causes"][0]["field"] == "metadata.resourceVersion"


def test_a_range_of_limits_without_a_name_gets_one(rig: Rig) -> None:
    code, made = rig.call("POST", "/api/v1/namespaces/x/limitranges", {"spec": {"limits": []}})
    assert code == 201 and made["metadata"]["name"].count("-") == 4


def test_a_watch_whose_time_is_over_ends_as_it_begins(rig: Rig) -> None:
    assert rig.watch(f"{MAPS}?watch=1&timeoutSeconds=-5").ended == ""
    assert rig.watch(f"{MAPS}?watch=1&timeoutSeconds=0").ended is None


def test_a_budget_s_metadata_is_judged_as_little_as_upstream(rig: Rig) -> None:
    """Its validation looks at the specification alone."""
    meta = {"name": "A_B", "finalizers": ["x"]}
    path = "/apis/policy/v1/namespaces/x/poddisruptionbudgets"
    assert rig.call("POST", path, {"metadata": meta, "spec": {}})[0] == 201
    assert rig.call("POST", MAPS, {"metadata": meta})[0] == 422
