"""Which shard holds which key, by kind, by namespace and by hash; lists and watches over them."""

import orjson
import pytest

from apiserver.shards import ShardBy, Sharding
from tests.apiserver.apiserver_rig import Rig


def shards_of(sharding: Sharding, *keys: tuple[str, str]) -> list[int]:
    return [
        sharding.shard_of(resource, f"/registry/{resource}/{rest}".encode())
        for resource, rest in keys
    ]


def test_a_namespace_lies_on_one_shard_and_its_object_with_it() -> None:
    sharding = Sharding("namespace", 7)
    for namespace in ("default", "kube-system", "a", "team-42"):
        found = shards_of(
            sharding,
            ("namespaces", namespace),
            ("pods", f"{namespace}/web-1"),
            ("pods", f"{namespace}/web-2"),
            ("apps/deployments", f"{namespace}/web"),
            ("coordination.k8s.io/leases", f"{namespace}/x"),
        )
        assert len(set(found)) == 1
    used = {shards_of(sharding, ("pods", f"n{number}/p"))[0] for number in range(100)}
    assert used == set(range(7))
    nodes = {shards_of(sharding, ("nodes", f"n{number}"))[0] for number in range(100)}
    assert nodes == set(range(7))


def test_what_is_read_together() -> None:
    assert Sharding("kind", 3).groups == ((0,), (1,), (2,))
    for spread in ("namespace", "hash"):
        sharding = Sharding(spread, 3)  # type: ignore[arg-type]
        assert sharding.groups == ((0, 1, 2),)
        assert sharding.group_of("pods") == sharding.group_of("nodes") == 0
        assert Sharding(spread, 1).groups == ((0,),)  # type: ignore[arg-type]


@pytest.mark.parametrize("shard_by", ["kind", "namespace", "hash"])
def test_a_list_and_a_watch_over_all_namespaces(shard_by: ShardBy) -> None:
    rig = Rig(3, shard_by)
    names = [f"n{number}" for number in range(8)]
    for name in names:
        rig.namespace(name)
    _, listed = rig.call("GET", "/api/v1/configmaps")
    start = int(listed["metadata"]["resourceVersion"])
    stream = rig.frame_watch("configmaps", "", since=start)
    written = []
    for turn in range(3):
        for name in names:
            body = orjson.dumps({"metadata": {"name": f"c{turn}"}})
            rig.now_ns += 1_000
            [answer] = rig.frame_calls(("create", "configmaps", name, "", "", "", body))
            assert answer.code == 201
            written.append(answer.revision)
    held = [shard.core.keyspace.live for shard in rig.stores]
    assert shard_by == "kind" or min(held) > 0
    _, listed = rig.call("GET", "/api/v1/configmaps")
    ours = [one["metadata"] for one in listed["items"] if one["metadata"]["namespace"] in names]
    assert sorted(int(meta["resourceVersion"]) for meta in ours) == written
    assert written == sorted(set(written))
    told = [revision for body in stream.bodies if body[0] == "items" for revision in body[2]]
    assert told == written
