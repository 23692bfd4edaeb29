"""The API server's core over real store cores, step by step."""

import orjson
import pytest

from apiserver.core import ApiServerCore
from apiserver.messages import (
    Answers,
    FrameWatch,
    HttpArrived,
    HttpRequest,
    StoreCall,
    StoreReplied,
    WatchesArrived,
)
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from tests.apiserver.apiserver_rig import ADMIN, ALICE, FrameStream, Rig

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
CM = "/api/v1/namespaces/x/configmaps"
PODS = "/api/v1/namespaces/x/pods"
SERVICES = "/api/v1/namespaces/default/services"
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}


@pytest.fixture
def rig() -> Rig:
    made = Rig(2)
    made.namespace("x")
    return made


def cm(name: str, value: str = "1", **meta: object) -> dict[str, object]:
    return {"metadata": {"name": name, **meta}, "data": {"v": value}}


def test_bootstrap_happens_once_and_survives_a_restart(rig: Rig) -> None:
    _, before = rig.call("GET", "/api/v1/namespaces")
    again = Rig(stores=rig.stores, first_id=10**6)
    _, after = again.call("GET", "/api/v1/namespaces")
    assert before["items"] == after["items"]
    _, service = again.call("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.96.0.1"


def test_the_servers_own_objects_come_back_in_its_next_round(rig: Rig) -> None:
    service, lease_space = f"{SERVICES}/kubernetes", "/api/v1/namespaces/kube-node-lease"
    _, first = rig.call("GET", service)
    assert rig.call("DELETE", service)[0] == 200
    assert rig.call("DELETE", lease_space)[0] == 200
    finalize = {"metadata": {"name": "kube-node-lease"}, "spec": {"finalizers": []}}
    assert rig.call("PUT", f"{lease_space}/finalize", finalize)[0] == 200
    assert rig.call("GET", service)[0] == rig.call("GET", lease_space)[0] == 404
    rig.run(10)
    _, again = rig.call("GET", service)
    assert again["spec"] == first["spec"] and again["metadata"]["uid"] != first["metadata"]["uid"]
    assert rig.call("GET", lease_space)[0] == 200
    ports = {"spec": {"ports": [{"name": "https", "port": 8443}], "sessionAffinity": "ClientIP"}}
    assert rig.call("PATCH", service, ports, content_type=MERGE)[0] == 200
    rig.run(10)
    _, restored = rig.call("GET", service)
    assert restored["spec"]["ports"] == first["spec"]["ports"]
    assert restored["spec"]["sessionAffinity"] == "ClientIP"
    assert restored["metadata"]["uid"] == again["metadata"]["uid"]


def test_same_seed_same_bytes() -> None:
    def run() -> list[bytes]:
        rig = Rig(2, "hash")
        rig.namespace("x")
        bodies = [rig.ask("POST", PODS, {**POD, "metadata": {"generateName": "g-"}}).body]
        bodies.append(rig.ask("GET", PODS).body)
        return bodies

    assert run() == run()


def test_a_list_is_continued_at_its_revision_and_expires(rig: Rig) -> None:
    for number in range(5):
        rig.call("POST", CM, cm(f"c{number}"))
    _, page = rig.call("GET", f"{CM}?limit=2")
    assert page["metadata"]["remainingItemCount"] == 3
    rig.call("DELETE", f"{CM}/c3")
    rig.call("POST", CM, cm("c31"))
    token = page["metadata"]["continue"]
    _, rest = rig.call("GET", f"{CM}?continue={token}")
    assert [one["metadata"]["name"] for one in rest["items"]] == ["c2", "c3", "c4"]
    rig.run(200)
    rig.call("POST", CM, cm("late"))
    code, status = rig.call("GET", f"{CM}?continue={token}&limit=1")
    assert (code, status["reason"]) == (410, "Expired")
    token = status["metadata"]["continue"]
    _, rest = rig.call("GET", f"{CM}?continue={token}")
    assert [one["metadata"]["name"] for one in rest["items"]] == ["c2", "c31", "c4", "late"]


def test_a_read_waits_for_writes_of_others(rig: Rig) -> None:
    other = Rig(stores=rig.stores, first_id=10**6)
    rig.held = {0, 1}
    other.call("POST", CM, cm("a"))
    request = rig.start("GET", f"{CM}/a")
    assert request not in rig.answers, "the cache is behind what was acknowledged"
    rig.release(0)
    rig.release(1)
    assert rig.answers[request].code == 200


def test_a_change_on_stale_ground_is_made_on_the_latest_state(rig: Rig) -> None:
    rig.call("POST", CM, cm("a"))
    rig.held = {0, 1}
    code, first = rig.call("PATCH", f"{CM}/a", {"data": {"x": "1"}}, content_type=MERGE)
    assert code == 200
    code, second = rig.call("PATCH", f"{CM}/a", {"data": {"y": "2"}}, content_type=MERGE)
    assert (code, second["data"]) == (200, {"v": "1", "x": "1", "y": "2"})
    code, _ = rig.call(
        "PUT", f"{CM}/a", cm("a", resourceVersion=first["metadata"]["resourceVersion"])
    )
    assert code == 409
    version = second["metadata"]["resourceVersion"]
    code, _ = rig.call("PUT", f"{CM}/a", cm("a", resourceVersion=version))
    assert code == 200


def test_ten_writers_of_one_revision_one_wins(rig: Rig) -> None:
    _, made = rig.call("POST", CM, cm("a"))
    version = made["metadata"]["resourceVersion"]
    bodies = [orjson.dumps(cm("a", str(n), resourceVersion=version)) for n in range(10, 20)]
    answers = rig.frame_calls(*(("update", "configmaps", "x", "a", "", "", b) for b in bodies))
    assert sorted(answer.code for answer in answers) == [200] + [409] * 9


def test_an_update_that_changes_nothing_makes_no_event(rig: Rig) -> None:
    _, made = rig.call("POST", CM, cm("a"))
    watch = rig.watch(f"{CM}?watch=1&resourceVersion={made['metadata']['resourceVersion']}")
    code, same = rig.call("PUT", f"{CM}/a", cm("a"))
    assert (code, same["metadata"]["resourceVersion"]) == (200, made["metadata"]["resourceVersion"])
    assert watch.events == []


def test_generated_names_differ_and_a_taken_one_is_drawn_again(rig: Rig) -> None:
    made = [rig.call("POST", CM, {"metadata": {"generateName": "g-"}})[1] for _ in range(50)]
    names = {one["metadata"]["name"] for one in made}
    assert len(names) == 50
    assert all(len(name) == 7 for name in names)


def test_status_and_spec_are_written_apart(rig: Rig) -> None:
    rig.call("POST", PODS, POD)
    patch = {"status": {"phase": "Running"}, "metadata": {"labels": {"a": "b"}}}
    _, pod = rig.call("PATCH", f"{PODS}/p/status", patch, content_type=MERGE)
    assert pod["status"]["phase"] == "Running"
    _, pod = rig.call("PATCH", f"{PODS}/p", {"status": {"phase": "Failed"}}, content_type=MERGE)
    assert pod["status"]["phase"] == "Running"


def test_a_namespace_goes_when_its_finalizer_does(rig: Rig) -> None:
    code, gone = rig.call("DELETE", "/api/v1/namespaces/x")
    assert (code, gone["status"]["phase"]) == (200, "Terminating")
    code, status = rig.call("POST", CM, cm("a"))
    assert (code, status["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    body = {"metadata": {"name": "x"}, "spec": {"finalizers": []}}
    assert rig.call("PUT", "/api/v1/namespaces/x/finalize", body)[0] == 200
    assert rig.call("GET", "/api/v1/namespaces/x")[0] == 404
    assert rig.call("POST", CM, cm("a"))[0] == 404


def test_finalizers_hold_and_foreground_deletion_adds_one(rig: Rig) -> None:
    rig.call("POST", CM, cm("a", finalizers=["x.io/f"]))
    options = {"propagationPolicy": "Foreground"}
    _, held = rig.call("DELETE", f"{CM}/a", options)
    assert held["metadata"]["finalizers"] == ["x.io/f", "foregroundDeletion"]
    assert rig.call("GET", f"{CM}/a")[0] == 200
    patch = {"metadata": {"finalizers": None}}
    assert rig.call("PATCH", f"{CM}/a", patch, content_type=MERGE)[0] == 200
    assert rig.call("GET", f"{CM}/a")[0] == 404


def test_a_bound_pod_is_given_grace_and_then_goes(rig: Rig) -> None:
    rig.call("POST", PODS, POD)
    assert (
        rig.call(
            "POST",
            f"{PODS}/p/binding",
            {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}},
        )[0]
        == 201
    )
    _, pod = rig.call("DELETE", f"{PODS}/p")
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 30
    code, status = rig.call(
        "POST", f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {"name": "m"}}
    )
    assert code == 409
    assert "being deleted" in status["message"]
    assert rig.call("DELETE", f"{PODS}/p?gracePeriodSeconds=0")[0] == 200
    assert rig.call("GET", f"{PODS}/p")[0] == 404


def test_eviction_deletes(rig: Rig) -> None:
    rig.call("POST", PODS, POD)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    assert rig.call("POST", f"{PODS}/p/eviction", body)[0] == 201
    assert rig.call("GET", f"{PODS}/p")[0] == 404


def test_watch_ends_at_its_timeout_with_a_bookmark(rig: Rig) -> None:
    watch = rig.watch(f"{CM}?watch=1&timeoutSeconds=90&allowWatchBookmarks=true")
    assert [kind for kind, _ in watch.events] == ["BOOKMARK"]
    rig.run(61)
    assert [kind for kind, _ in watch.events] == ["BOOKMARK"] * 2
    assert watch.ended is None
    rig.run(30)
    assert watch.ended == ""
    assert [kind for kind, _ in watch.events] == ["BOOKMARK"] * 3
    assert rig.core.gauges()["watchers"] == 0


def test_watchers_of_a_node_hear_of_their_pods_only(rig: Rig) -> None:
    here = rig.frame_watch("pods", fields="spec.nodeName=n1")
    there = rig.frame_watch("pods", fields="spec.nodeName=n2")
    unbound = rig.frame_watch("pods", fields="spec.nodeName=")
    rig.call("POST", PODS, POD)
    rig.call("POST", f"{PODS}/p/binding", {"metadata": {"name": "p"}, "target": {"name": "n1"}})
    kinds = [[body[1] for body in s.bodies if body[0] == "items"] for s in (here, there, unbound)]
    assert kinds == [[(0,)], [], [(0,), (2,)]]


def test_a_large_state_is_sent_in_pieces_and_changes_come_after(rig: Rig) -> None:
    calls = [
        ("create", "configmaps", "x", "", "", "", orjson.dumps(cm(f"c{n:05}")), "", True)
        for n in range(5000)
    ]
    for start in range(0, 5000, 500):
        assert {answer.code for answer in rig.frame_calls(*calls[start : start + 500])} == {201}
    stream = rig.frame_watch("configmaps", "x")
    words = [body[0] for body in stream.bodies]
    assert words == ["items", "items", "items", "synced"]
    rig.call("DELETE", f"{CM}/c00000")
    names = [orjson.loads(raw)["metadata"]["name"] for b in stream.bodies[:3] for raw in b[3]]
    assert names == [f"c{n:05}" for n in range(5000)]
    assert stream.bodies[-1][1] == (2,)


def test_a_store_without_memory_expires_watches_and_is_loaded_again(rig: Rig) -> None:
    rig.call("POST", CM, cm("a"))
    http = rig.watch(f"{CM}?watch=1")
    frame = rig.frame_watch("configmaps")
    rig.step([rig.stream_end(0, "compacted")])
    kind, status = http.events[-1]
    assert (kind, status["code"], http.ended) == ("ERROR", 410, "")
    assert frame.ended == "expired"
    assert rig.call("GET", f"{CM}/a")[0] == 200
    again = rig.frame_watch("configmaps", since=1)
    assert again.ended == "expired"


def test_whoever_comes_while_a_shard_is_loaded_again_waits_for_it(rig: Rig) -> None:
    _, made = rig.call("POST", CM, cm("a"))
    rig.call("POST", CM, cm("b"))
    since = int(made["metadata"]["resourceVersion"])
    rig.frames[10**6] = stream = FrameStream()
    listing = HttpRequest(10**6 + 1, ADMIN, "GET", CM, "resourceVersion=0", b"")
    get = HttpRequest(10**6 + 2, ADMIN, "GET", f"{CM}/b", "resourceVersion=0", b"")
    watch = FrameWatch(10**6, "configmaps", "", "", "", since)
    rig.step(
        [
            rig.stream_end(0, "compacted"),
            HttpArrived([listing, get]),
            WatchesArrived([watch]),
        ]
    )
    items = orjson.loads(rig.answers[listing.id].body)["items"]
    assert [item["metadata"]["name"] for item in items] == ["a", "b"]
    assert rig.answers[get.id].code == 200
    # What followed is no longer known: it must not go on as if nothing had.
    assert stream.ended == "expired"


def test_a_store_that_does_not_answer_is_said_so() -> None:
    rig = Rig(1)
    core = rig.core
    request = HttpRequest(10**6, ADMIN, "DELETE", "/api/v1/namespaces/nope", "", b"")
    effects = core.step([HttpArrived([request])], rig.now_ns)
    [call] = [effect for effect in effects if isinstance(effect, StoreCall)]
    effects = core.step([StoreReplied(call.shard, call.ids, None)], rig.now_ns)
    [answers] = [effect for effect in effects if isinstance(effect, Answers)]
    assert answers.answers[0].code == 503
    assert ("Retry-After", "1") in answers.answers[0].headers


def test_requests_beyond_the_bound_are_sent_away() -> None:
    core = ApiServerCore(Sharding("kind", 1), 1, "small", Limits(2))
    core.step([], 1)
    requests = [HttpRequest(n, ADMIN, "GET", "/api/v1/nodes", "", b"") for n in range(4)]
    [answers] = [
        effect for effect in core.step([HttpArrived(requests)], 2) if isinstance(effect, Answers)
    ]
    assert [answer.code for answer in answers.answers] == [429, 429]
    assert answers.answers[0].headers == (("Retry-After", "1"),)


def test_only_admins_may(rig: Rig) -> None:
    assert rig.call("GET", CM, user=ALICE)[0] == 403
    assert rig.call("GET", "/version", user=ALICE)[0] == 200
    assert rig.call("GET", "/metrics", user=ALICE)[0] == 403


def test_what_is_not_there_says_so(rig: Rig) -> None:
    assert rig.call("GET", "/api/v1/componentstatuses")[0] == 404
    assert rig.call("GET", f"{PODS}/p/log")[0] == 404
    assert rig.ask("GET", "/nothing").code == 404
    for proxied in (f"{PODS}/p/proxy", "/api/v1/nodes/n/proxy/metrics/cadvisor"):
        code, status = rig.call("GET", proxied)
        assert (code, status["reason"]) == (501, "NotImplemented")
    assert rig.call("GET", f"{PODS}/p/log/more")[0] == 404
    code, status = rig.call("GET", "/openapi/v2")
    assert (code, status["reason"]) == (404, "NotFound")
    assert status["message"] == "OpenAPI v2 is not served here, see /openapi/v3"


def test_the_root_lists_paths_that_answer(rig: Rig) -> None:
    code, answer = rig.call("GET", "/")
    paths = answer["paths"]
    assert code == 200 and paths == sorted(paths)
    assert {"/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version"} < set(paths)
    assert {rig.ask("GET", path).code for path in paths} == {200}
    assert rig.ask("GET", "/", user=ALICE).code == 403


def test_services_get_addresses_of_their_own(rig: Rig) -> None:
    path = "/api/v1/namespaces/x/services"
    spec = {"type": "NodePort", "ports": [{"port": 80}]}
    made = [
        rig.call("POST", path, {"metadata": {"name": f"s{n}"}, "spec": spec})[1] for n in range(20)
    ]
    assert len({one["spec"]["clusterIP"] for one in made}) == 20
    assert len({one["spec"]["ports"][0]["nodePort"] for one in made}) == 20
    taken = {"type": "ClusterIP", "clusterIP": made[0]["spec"]["clusterIP"], "ports": [{"port": 1}]}
    code, status = rig.call("POST", path, {"metadata": {"name": "t"}, "spec": taken})
    assert code == 422
    assert "already allocated" in status["message"]
    rig.call("DELETE", f"{path}/s0")
    assert rig.call("POST", path, {"metadata": {"name": "t"}, "spec": taken})[0] == 201


def test_frame_calls_are_quiet_on_request(rig: Rig) -> None:
    body = orjson.dumps(cm("a"))
    [loud] = rig.frame_calls(("create", "configmaps", "x", "", "", "", body))
    [quiet] = rig.frame_calls(("delete", "configmaps", "x", "a", "", "", None, "", True))
    assert orjson.loads(loud.body)["metadata"]["resourceVersion"] == str(loud.revision)
    assert (quiet.code, quiet.body) == (200, b"")
    assert quiet.revision > loud.revision
