"""What a client sends to do harm is a 4xx, soon, and crashes nothing."""

import time

import pytest

from tests.apiserver.apiserver_rig import Rig

CM = "/api/v1/namespaces/x/configmaps"
YAML = "application/yaml"
SECONDS_MAX = 3.0
"""Of CPU time. Generous: what these tests look for takes minutes."""
DEEP = 100_000
PATCHES = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


@pytest.fixture(scope="module")
def rig() -> Rig:
    made = Rig()
    made.namespace("x")
    return made


def refused(rig: Rig, method: str, path: str, body: object = None, **more: str) -> int:
    """The code of a request that must not succeed, crash or take long."""
    begun = time.process_time()
    answer = rig.ask(method, path, body, **more)
    assert time.process_time() - begun < SECONDS_MAX
    assert b"Internal error" not in answer.body, answer.body[:300]
    assert len(answer.body) < 4_000_000
    return answer.code


NESTED = {
    "lists": b"[" * DEEP + b"]" * DEEP,
    "maps": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "open": b"[" * DEEP,
    "labels": b'{"metadata":{"labels":%b}}' % (b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "less deep": b'{"metadata":{"name":"n"},"data":%b}' % (b'{"a":' * 900 + b"1" + b"}" * 900),
    "unknown": b'{"metadata":{"name":"n"},"z":%b}' % (b'{"a":' * 250 + b"1" + b"}" * 250),
}


@pytest.mark.parametrize("body", NESTED.values(), ids=NESTED)
def test_deep_nesting_is_a_400_wherever_it_is_sent(rig: Rig, body: bytes) -> None:
    assert refused(rig, "POST", CM, body) == 400
    assert refused(rig, "POST", f"{CM}?fieldValidation=Strict", body) == 400
    assert refused(rig, "POST", CM, body, content_type=YAML) == 400
    assert 400 <= refused(rig, "DELETE", f"{CM}/none", body) < 500
    assert refused(rig, "POST", f"{CM.replace('configmaps', 'pods')}/p/binding", body) == 400
    review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert 400 <= refused(rig, "POST", review, body) < 500
    for media in PATCHES:
        path = "/api/v1/namespaces/x?fieldManager=m"
        assert 400 <= refused(rig, "PATCH", path, body, content_type=media) < 500


def test_many_findings_are_told_within_bounds(rig: Rig) -> None:
    unknown = b",".join(b'"k%d":1' % n for n in range(100_000))
    body = b'{"metadata":{"name":"many"},%b}' % unknown
    answer = rig.ask("POST", f"{CM}?dryRun=All", body)
    assert answer.code == 201
    assert 0 < sum(len(value) for _, value in answer.headers) < 10_000
    assert refused(rig, "POST", f"{CM}?fieldValidation=Strict", body) == 400


def test_many_duplicates_are_found_in_time(rig: Rig) -> None:
    pairs = b",".join(b'"a%d":"b","a%d":"c"' % (n, n) for n in range(20_000))
    body = b'{"metadata":{"name":"twice"},"data":{%b}}' % pairs
    assert refused(rig, "POST", f"{CM}?fieldValidation=Strict", body) == 400
    huge = b'{"metadata":{"name":"t","generation":1,"generation":%b}}' % (b"9" * 400)
    assert refused(rig, "POST", CM, huge) == 400


LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)
)


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS,
        b"a: &a [*a]\n",
        b"a: &a\n  <<: *a\n",
        b'!!python/object/apply:os.system ["true"]',
        b"x: [" + b"1," * 600_000 + b"1]",
        b"- " * 5000,
        b'metadata: {name: "\\ud800"}',
        b"metadata: {name: n, generation: " + b"9" * 4000 + b"}",
        b"\xff\xfe\x00",
        b"? [1, 2]\n: 3",
    ],
)
def test_yaml_that_grows_recurses_or_runs_is_a_4xx(rig: Rig, body: bytes) -> None:
    assert refused(rig, "POST", CM, body, content_type=YAML) in (400, 422)
    apply = f"{CM}/c?fieldManager=m"
    assert refused(rig, "PATCH", apply, body, content_type=PATCHES[3]) in (400, 422)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'{"metadata":{"name":"\xff\xfe"}}',
        b'{"metadata":{"name":"a\\ud800"}}',
        b'{"metadata":{"name":"a\\u0000b"}}',
        b'{"metadata":{"name":"a\0b"}}',
        b'{"metadata":{"name":NaN}}',
        b'{"metadata":{"name":"n","generation":1e400}}',
        b'{"metadata":{"name":"n","generation":%b}}' % (b"9" * 4000),
        b'{"metadata":[]}',
        b'{"metadata":"n"}',
        b'{"metadata":{"name":{}}}',
        b'{"metadata":{"name":"n","labels":[1]}}',
    ],
)
def test_bytes_that_are_no_object_are_a_4xx(rig: Rig, body: bytes) -> None:
    assert refused(rig, "POST", CM, body) in (400, 422)
    assert refused(rig, "POST", CM, b"k8s\0" + body, content_type="application/json") == 400
    protobuf = "application/vnd.kubernetes.protobuf"
    assert 400 <= refused(rig, "POST", CM, b"k8s\0" + body * 50, content_type=protobuf) < 500


@pytest.mark.parametrize("name", ["../x", "a/b", "%", ".", "..", "a" * 254, "A", "\u00e9", "a\0"])
def test_names_that_leave_their_place_are_refused(rig: Rig, name: str) -> None:
    assert refused(rig, "POST", CM, {"metadata": {"name": name}}) == 422
    assert refused(rig, "POST", CM, {"metadata": {"generateName": name + "/"}}) == 422
    assert refused(rig, "POST", "/api/v1/namespaces", {"metadata": {"name": name}}) == 422


@pytest.mark.parametrize(
    "path",
    [
        f"{CM}/..%2f..%2fsecrets%2fx",
        "/api/v1/namespaces/..%2fx/configmaps/a",
        f"{CM}/%00",
        f"{CM}/%ff%fe",
        f"{CM}/{'a' * 60_000}",
        "/openapi/v3/../../etc/passwd",
        f"{CM}?limit=1_0",
        f"{CM}?limit=%D9%A1",
        f"{CM}?limit=99999999999999999999",
        f"{CM}?continue=%00",
        f"{CM}?continue=abcde",
        f"{CM}?continue=%C3%A9",
        f"{CM}?labelSelector={'a,' * 20_000}",
        f"{CM}?fieldSelector=%ff",
        f"{CM}?watch=1&timeoutSeconds=99999999999999999999",
        f"{CM}?watch=1&timeoutSeconds=1e9",
    ],
)
def test_paths_and_options_that_lead_nowhere(rig: Rig, path: str) -> None:
    assert refused(rig, "GET", path) in (400, 404)


def test_a_json_patch_cannot_multiply_an_object(rig: Rig) -> None:
    rig.call("POST", CM, {"metadata": {"name": "seed"}, "data": {"a": "x" * 1000}})
    copies = [{"op": "copy", "from": "/data", "path": f"/data/{n}"} for n in range(40)]
    patch = {"content_type": PATCHES[1]}
    assert refused(rig, "PATCH", f"{CM}/seed", copies, **patch) == 413
    tests = [{"op": "test", "path": "/data/a", "value": "x"}] * 20_000
    assert refused(rig, "PATCH", f"{CM}/seed", tests, **patch) == 413
