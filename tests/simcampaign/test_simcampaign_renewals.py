"""The short ways of heartbeats store what the general way stores.

Two API servers get the same updates of a Lease. One gets JSON, which may go the short way; the
other gets the same text as YAML, which may not. Both must answer alike and hold the same object at
the same time. The same goes for the patch of a node, which an empty map sends the general way.
"""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.calls import STRATEGIC_PATCH, ApiRequest
from api.core import JsonObject
from api.times import rfc3339
from apiserver.core import ApiServerCore
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from apiserver.verbs.heartbeat import _beats
from hollow_node.documents import node_conditions, node_object
from hollow_node.node_list import NodeShape
from sim.campaign.costs import DEFAULT
from sim.campaign.servers import ApiServerProgram, StoreProgram, Wires
from sim.heap import Agenda
from sim.kernel import Kernel
from store.core import StoreCore, StoreSettings

START_NS = 1_790_000_000 * 10**9
LEASES, SPACE = "coordination.k8s.io/leases", "kube-node-lease"


class Server:
    """An API server with one shard in virtual time."""

    def __init__(self) -> None:
        self.kernel = Kernel(1, Agenda(START_NS))
        wires = Wires(self.kernel, DEFAULT.frame_ns)
        core = StoreCore(StoreSettings(0, epoch_ns=START_NS))
        store = StoreProgram(
            self.kernel, wires, "store-0", core, DEFAULT.sync_of("store-0", "none")
        )
        api = ApiServerCore(Sharding("kind", 1), 1, "apiserver-0", Limits(100))
        self.api = ApiServerProgram(self.kernel, wires, "apiserver-0", api, [store])
        self.wires = wires
        self.now_ns = START_NS
        store.turns.wake()
        self.api.turns.wake()
        self.run(2.0)

    def run(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)
        self.kernel.agenda.run(self.now_ns)

    def ask(self, verb: str, body: bytes = b"", content_type: str = "") -> tuple[int, Any]:
        name = "" if verb == "create" else "n1"
        words = ApiRequest(0, verb, LEASES, SPACE, name, body=body, content_type=content_type)
        return self.answer(words)

    def answer(self, words: ApiRequest) -> tuple[int, Any]:
        answers: list[tuple[int, int, bytes]] = []
        self.wires.send_now(self.api.call, [words[1:]], answers.extend)
        self.run(0.5)
        ((code, _, text),) = answers
        return code, orjson.loads(text)


def lease(revision: str, **spec: object) -> JsonObject:
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1"}
    meta: JsonObject = {"name": "n1", "namespace": SPACE, "ownerReferences": [owner]}
    if revision:
        meta["resourceVersion"] = revision
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": meta,
        "spec": {"holderIdentity": "n1", "leaseDurationSeconds": 40, **spec},
    }


def moment(number: int) -> str:
    return f"2026-11-21T10:00:{number % 60:02d}.{number:06d}Z"


ODD: tuple[tuple[str, object], ...] = (
    ("renewTime", "2026-11-21T10:00:00Z"),
    ("renewTime", "2026-11-21T10:00:00.000000+00:00"),
    ("renewTime", "2026-13-21T10:00:00.000000Z"),
    ("renewTime", "2026-11-21T10:00:00,000000Z"),
    ("renewTime", 7),
    ("leaseDurationSeconds", 41),
    ("leaseDurationSeconds", True),
    ("leaseDurationSeconds", -1),
    ("holderIdentity", ""),
    ("acquireTime", moment(3)),
    ("preferredHolder", None),
    ("unheardOf", 1),
)
META: tuple[tuple[str, object], ...] = (
    ("labels", {"time": "x"}),
    ("annotations", {"renewTime": "y"}),
    ("finalizers", ["a.b/c"]),
    ("ownerReferences", []),
    ("uid", "another"),
    ("name", "n2"),
    ("resourceVersion", "1"),
    ("managedFields", []),
)
changes = st.one_of(
    st.just(("", "")),
    st.just(("", "")),
    st.tuples(st.just("spec"), st.sampled_from(range(len(ODD)))),
    st.tuples(st.just("metadata"), st.sampled_from(range(len(META)))),
)


def both(changes: list[tuple[str, Any]]) -> None:
    short, general = Server(), Server()
    servers = ((short, ""), (general, "application/yaml"))
    body = orjson.dumps(lease("", renewTime=moment(0)))
    revisions = [
        server.ask("create", body)[1]["metadata"]["resourceVersion"] for server, _ in servers
    ]
    for number, (part, place) in enumerate(changes, 1):
        found = []
        for which, (server, content_type) in enumerate(servers):
            sent = lease(revisions[which], renewTime=moment(number))
            if part:
                name, value = (ODD if part == "spec" else META)[place]
                sent[part][name] = value
            found.append(server.ask("update", orjson.dumps(sent), content_type))
        assert found[0][0] == found[1][0], changes
        states = [server.ask("get") for server, _ in servers]
        assert states[0] == states[1], changes
        revisions = [state[1]["metadata"]["resourceVersion"] for state in states]
    for server, _ in servers:
        server.api.core.check()


@settings(max_examples=15, deadline=None)
@given(st.lists(changes, min_size=2, max_size=6))
def test_the_short_way_stores_what_the_general_way_stores(drawn: list[tuple[str, Any]]) -> None:
    both(drawn)


@pytest.mark.parametrize("part", ["spec", "metadata"])
def test_every_odd_update_between_two_renewals(part: str) -> None:
    for place in range(len(ODD if part == "spec" else META)):
        both([("", ""), ("", ""), (part, place), ("", ""), ("", "")])


def test_what_only_python_finds_equal_is_refused() -> None:
    server = Server()
    first = lease("", renewTime=moment(0))
    first["metadata"]["ownerReferences"][0]["controller"] = True
    created = server.ask("create", orjson.dumps(first))[1]
    sent = lease(created["metadata"]["resourceVersion"], renewTime=moment(1))
    sent["spec"]["leaseDurationSeconds"] = 40.0
    assert server.ask("update", orjson.dumps(sent))[0] == 400
    sent["spec"]["leaseDurationSeconds"] = 40
    sent["metadata"]["ownerReferences"][0]["controller"] = 1
    assert server.ask("update", orjson.dumps(sent))[0] == 400


def test_renewals_go_the_short_way() -> None:
    """There the order of keys is that of the stored object, else that of the client."""
    server = Server()
    created = server.ask("create", orjson.dumps(lease("", renewTime=moment(0))))[1]
    turned = lease(created["metadata"]["resourceVersion"], renewTime=moment(1))
    turned["spec"] = dict(reversed(turned["spec"].items()))
    code, stored = server.ask("update", orjson.dumps(turned))
    for number in (2, 3, 4):
        turned["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
        turned["spec"]["renewTime"] = moment(number)
        stored = server.ask("update", orjson.dumps(turned))[1]
        assert stored["spec"]["renewTime"] == moment(number)
    (owner,) = stored["metadata"]["managedFields"]
    assert owner["time"] == rfc3339(server.now_ns - 500_000_000)
    assert code == 200
    assert list(stored["spec"]) == list(created["spec"]) != list(turned["spec"])


PATCHES: tuple[tuple[str, JsonObject], ...] = (
    ("all", {}),
    ("one", {}),
    ("turned", {}),
    ("all", {"status": "False"}),
    ("all", {"lastHeartbeatTime": "2026-11-21T10:00:00+00:00"}),
    ("all", {"lastHeartbeatTime": "2026-21-21T10:00:00Z"}),
    ("all", {"lastHeartbeatTime": None}),
    ("all", {"type": "Another"}),
    ("all", {"$patch": "delete"}),
)


def beat(how: str, change: JsonObject, number: int, servers_way: JsonObject) -> bytes:
    words = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]
    words = words[3:] if how == "one" else words[::-1] if how == "turned" else words
    time = f"2026-11-21T10:00:{number:02d}Z"
    rows = [{"type": word, "lastHeartbeatTime": time} for word in words]
    rows[-1].update(change)
    return orjson.dumps({"status": {"conditions": rows}, **servers_way})


@pytest.mark.parametrize("place", range(len(PATCHES)))
def test_heartbeats_of_a_node(place: int) -> None:
    """Three of the usual kind, one of another, by another manager in between, and two more."""
    servers: tuple[tuple[Server, JsonObject], ...] = ((Server(), {}), (Server(), {"metadata": {}}))
    shape = NodeShape("n1", (("cpu", "4"), ("memory", "8Gi"), ("pods", "110")))
    node = orjson.dumps(node_object(shape, 0, "2026-11-21T09:00:00Z"))
    patch = ApiRequest(
        0, "patch", "nodes", name="n1", subresource="status", content_type=STRATEGIC_PATCH
    )
    ready = {"status": {"conditions": node_conditions(True, "2026-11-21T09:00:01Z")}}
    usual: tuple[str, JsonObject] = ("all", {})
    for server, _ in servers:
        assert server.answer(ApiRequest(0, "create", "nodes", body=node))[0] == 201
        assert server.answer(patch._replace(body=orjson.dumps(ready)))[0] == 200
    plans = [usual, usual, usual, PATCHES[place], usual, usual]
    for number, (how, change) in enumerate(plans, 2):
        codes = [
            server.answer(patch._replace(body=beat(how, change, number, way)))[0]
            for server, way in servers
        ]
        assert codes[0] == codes[1]
        if number == 4:
            label = {"metadata": {"labels": {"a": "b"}}}
            words = patch._replace(subresource="", body=orjson.dumps(label), query="fieldManager=x")
            for server, _ in servers:
                assert server.answer(words)[0] == 200
        states = [server.answer(ApiRequest(0, "get", "nodes", name="n1")) for server, _ in servers]
        assert states[0] == states[1], (number, how, change)


def test_heartbeats_of_a_node_go_the_short_way() -> None:
    body = beat("all", {}, 7, {})
    assert _beats(body) == dict.fromkeys(
        ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready"), "2026-11-21T10:00:07Z"
    )
    for how, change in PATCHES[3:]:
        if change != {"type": "Another"}:
            assert _beats(beat(how, change, 7, {})) is None
    assert _beats(beat("all", {}, 7, {"metadata": {}})) is None
