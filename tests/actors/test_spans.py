"""A sampled pod on a whole small cluster: each program writes what it did, one not sampled none."""

import asyncio
import json
import ssl
from pathlib import Path

import numpy as np
import orjson

from actors.local import LocalCluster
from actors.net.client import FrameClient
from actors.partition import start as start_partition
from actors.plan import SPANS, ClusterPlan, NodeSpec, PartitionConfig, StoreConfig
from actors.security import admin_token
from actors.span_points import TRACED
from actors.store import start as start_store
from api.core import JsonObject
from api.storage import INVALID, OK
from api.tracing import ANNOTATION, CLIENT, INTERNAL, SERVER, Context, Span, span_of
from scheduler.partition import RowsChanged
from scheduler.partition_wire import question_body, request_body
from tests.actors.following import Followed
from tests.actors.loopback import PATIENCE_S, SECURITY, run

CONTEXT = Context("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
WAY = [
    ("apiserver-0", "POST /api/v1/namespaces/default/pods", SERVER),
    ("store-0", "persist", SERVER),
    ("apiserver-0", "dispatch", INTERNAL),
    ("scheduler", "queue", INTERNAL),
    ("scheduler", "score", INTERNAL),
    ("scheduler", "create pods/binding", CLIENT),
    ("store-0", "persist", SERVER),
    ("apiserver-0", "dispatch", INTERNAL),
    ("hollow-0", "syncPod", INTERNAL),
    ("hollow-0", "patch pods/status", CLIENT),
    ("store-0", "persist", SERVER),
    ("apiserver-0", "dispatch", INTERNAL),
]
"""Of a pod, in order of the begin of each."""


def pod(name: str, sampled: bool) -> bytes:
    notes = {"annotations": {ANNOTATION: CONTEXT.traceparent()}} if sampled else {}
    spec = {"containers": [{"name": "c", "image": "registry.example/app:v1"}]}
    return orjson.dumps({"metadata": {"name": name, **notes}, "spec": spec})


async def post(cluster: LocalCluster, body: bytes, traceparent: str) -> None:
    """By HTTPS, as a generator does."""
    host, _, port = cluster.server.removeprefix("https://").partition(":")
    trust = ssl.create_default_context(cafile=f"{cluster.security.directory}/ca.crt")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=trust)
    head = [
        "POST /api/v1/namespaces/default/pods HTTP/1.1",
        f"host: {host}",
        f"authorization: Bearer {admin_token(cluster.security)}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *([f"traceparent: {traceparent}"] if traceparent else []),
    ]
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    assert b" 201 " in await reader.readline()
    writer.close()


WORKLOAD_WAY = [
    ("controllers-0", "syncDeployment", INTERNAL),
    ("controllers-0", "create apps/replicasets", CLIENT),
    ("controllers-0", "syncReplicaSet", INTERNAL),
    ("controllers-0", "create pods", CLIENT),
    ("controllers-0", "create pods", CLIENT),
]


async def live_deployment(directory: Path) -> None:
    """One that is sampled, and one that is not, of two pods each."""
    plan = ClusterPlan(
        str(directory),
        nodes=(NodeSpec(1),),
        store_shards=1,
        controller_shards=1,
        durability="none",
        traced=True,
    )
    async with LocalCluster(plan) as cluster:
        client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "test")
        for name, sampled in (("sampled", True), ("other", False)):
            template = orjson.loads(pod(name, sampled))
            template["metadata"] |= {"labels": {"app": name}}
            spec = {"selector": {"matchLabels": {"app": name}}, "template": template, "replicas": 2}
            body = orjson.dumps({"metadata": {"name": name}, "spec": spec})
            call = ["create", "apps/deployments", "default", "", "", "", body, "", True]
            ((code, _, answer),) = await client.call(("api", [call]))
            assert code == 201, answer
        pods = Followed(client, "pods", "default")
        await pods.until(lambda objects: len(objects) == 4, PATIENCE_S)
        pods.close()
        await client.close()


def test_controllers_write_what_they_made_for_a_sampled_workload(tmp_path: Path) -> None:
    run(live_deployment(tmp_path))
    found = [(program, span) for program, span in spans_of(tmp_path) if "controllers" in program]
    assert [(program, span.name, span.kind) for program, span in found] == WORKLOAD_WAY
    assert {span.context for _, span in found} == {CONTEXT}
    assert all(span.parent == CONTEXT.span for _, span in found)
    assert {span.attributes.get("k8s.deployment.name") for _, span in found[:2]} == {"sampled"}
    names = {str(span.attributes["k8s.pod.name"]) for _, span in found[3:]}
    assert len(names) == 2 and all(name.startswith("sampled-") for name in names)


def no_rows() -> RowsChanged:
    return RowsChanged(
        sequence=0,
        reset=True,
        cluster_nodes=0,
        gone=(),
        nodes=(),
        resources=("cpu",),
        rows=np.zeros(0, np.int64),
        counts=np.zeros((7, 0), np.int64),
        ports=(),
        images=(),
    )


async def asked(directory: Path) -> None:
    """A partition, empty but for its first question."""
    config = PartitionConfig("partition-0", SECURITY, spans=str(directory / "partition-0.jsonl"))
    partition = await start_partition(config, no_names)

    async def resolve(name: str) -> str:
        return partition.address

    client = FrameClient("partition-0", SECURITY, resolve, "test")
    question = request_body(no_rows(), 0, 1, 8, question_body(1, 8, [], []))
    await client.call(question)
    await client.call([TRACED, [("default/a", CONTEXT.traceparent())], question])
    await client.close()
    await partition.stop()


async def no_names(name: str) -> str:
    raise LookupError(name)


def test_a_partition_writes_of_sampled_pods_that_it_is_asked_about(tmp_path: Path) -> None:
    run(asked(tmp_path))
    (line,) = (tmp_path / "partition-0.jsonl").read_text().splitlines()
    span = span_of(line)
    assert (span.name, span.kind, span.context) == ("score partition", SERVER, CONTEXT)
    assert span.attributes == {"k8s.namespace.name": "default", "k8s.pod.name": "a"}
    assert span.start_ns <= span.end_ns


async def live(directory: Path, traced: bool) -> None:
    plan = ClusterPlan(
        str(directory), nodes=(NodeSpec(1),), store_shards=1, durability="none", traced=traced
    )
    async with LocalCluster(plan) as cluster:
        client = FrameClient("apiserver-0", cluster.security, cluster.resolve, "test")
        accounts = Followed(client, "serviceaccounts", "default")
        await accounts.until(lambda objects: "default" in objects, PATIENCE_S)
        nodes = Followed(client, "nodes")
        await nodes.until(ready, PATIENCE_S)
        await post(cluster, pod("sampled", True), CONTEXT.traceparent())
        await post(cluster, pod("other", False), "")

        def run_all(objects: dict[str, JsonObject]) -> bool:
            return len(objects) == 2 and all(
                (one.get("status") or {}).get("phase") == "Running" for one in objects.values()
            )

        pods = Followed(client, "pods", "default")
        await pods.until(run_all, PATIENCE_S)
        for watch in (pods, nodes):
            watch.close()
        accounts.close()
        await client.close()


def ready(nodes: dict[str, JsonObject]) -> bool:
    """There is a node, and a pod may go there at once."""
    conditions = [one for node in nodes.values() for one in node["status"].get("conditions") or ()]
    taints = [taint for node in nodes.values() for taint in node["spec"].get("taints") or ()]
    return ("Ready", "True") in [(one["type"], one["status"]) for one in conditions] and not taints


def spans_of(directory: Path) -> list[tuple[str, Span]]:
    found = []
    for path in sorted((directory / SPANS).glob("*.jsonl")):
        found += [(path.stem, span_of(line)) for line in path.read_text().splitlines()]
    return sorted(found, key=lambda one: (one[1].start_ns, one[1].end_ns))


def test_a_sampled_pod_leaves_its_way_in_every_program_and_another_none(tmp_path: Path) -> None:
    run(live(tmp_path, traced=True))
    found = spans_of(tmp_path)
    assert "other" not in json.dumps([span for _, span in found])
    assert {span.context for _, span in found} == {CONTEXT}
    assert len({span.id for _, span in found}) == len(found)
    assert all(span.start_ns <= span.end_ns and span.parent == CONTEXT.span for _, span in found)
    steps = [(program, span.name, span.kind) for program, span in found]
    # A kubelet may report more than once, and watches and answers overtake each other.
    # Partitions are asked once the scheduler is connected to them.
    asked = {step for step in steps if step[0].startswith("partition-")}
    assert {(name, kind) for _, name, kind in asked} <= {("score partition", SERVER)}
    assert sorted(set(steps) - asked) == sorted(set(WAY))
    persisted = [span for _, span in found if span.name == "persist"]
    assert len(persisted) >= 3
    for earlier, later in (("queue", "score"), ("score", "create pods/binding")):
        ends = [one.end_ns for _, one in found if one.name == earlier]
        begins = [one.start_ns for _, one in found if one.name == later]
        assert ends == begins, (earlier, later)


def test_a_traced_shard_refuses_what_is_malformed_as_any_other_does(tmp_path: Path) -> None:
    sampled = pod("a", sampled=True)
    malformed = (5, [], ["put"], ["put", b"k", b"", 7, -1, 0], ["put", 7, b"", sampled, -1, 0])

    async def scenario() -> None:
        spans = str(tmp_path / "spans.jsonl")
        config = StoreConfig(0, str(tmp_path / "log"), SECURITY, "none", spans=spans)
        store = await start_store(config, unresolved)

        async def resolve(name: str) -> str:
            return store.address

        client = FrameClient("store-0", SECURITY, resolve, "tester")
        for request in malformed:
            assert (await client.call(("store", [request])))[0][0] == INVALID
        assert (await client.call(("store", [("put", b"\xff", b"", sampled, -1, 0)])))[0][0] == OK
        await client.close()
        await store.stop()

    run(scenario())
    (line,) = (tmp_path / "spans.jsonl").read_text().splitlines()
    assert span_of(line).attributes["db.key"] == "\ufffd"


async def unresolved(name: str) -> str:
    raise AssertionError(name)


def test_a_cluster_that_is_not_traced_writes_nothing(tmp_path: Path) -> None:
    run(live(tmp_path, traced=False))
    assert not (tmp_path / SPANS).exists()
