"""The calls that a kube-apiserver makes to its etcd, made to a door with one shard and with three.

A kube-apiserver itself is not run here. Source of the calls: Kubernetes 1.36
staging/src/k8s.io/apiserver/pkg/storage/etcd3 (store.go, watcher.go, compact.go, lease_manager.go),
and go.etcd.io/etcd/client/v3/kubernetes for what get, list, put and delete become.
"""

from pathlib import Path
from typing import Any

import pytest

from store.etcd.errors import EtcdError
from tests.store.door_in_process import Client, door_of, run

PODS, END = b"/registry/pods/", b"/registry/pods0"


async def optimistic_put(
    client: Client, key: bytes, value: bytes, expected: int, lease: int
) -> Any:
    compare = {"target": 2, "key": key, "mod_revision": expected}
    put = {"request_put": {"key": key, "value": value, "lease": lease}}
    return await client.txn([compare], [put], [{"request_range": {"key": key}}])


async def optimistic_delete(client: Client, key: bytes, expected: int) -> Any:
    compare = {"target": 2, "key": key, "mod_revision": expected}
    delete = {"request_delete_range": {"key": key}}
    return await client.txn([compare], [delete], [{"request_range": {"key": key}}])


def found(answer: Any) -> Any:
    """The key that the other branch of a refused transaction read."""
    return answer["responses"][0]["response_range"]["kvs"][0]


@pytest.mark.parametrize("shards", [1, 3])
def test_create_update_delete_list_and_count(tmp_path: Path, shards: int) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, shards) as (_, client):
            keys = [PODS + b"default/p%02d" % number for number in range(20)]
            revisions = {}
            for key in keys:
                created = await optimistic_put(client, key, b"1", 0, 0)
                assert created["succeeded"]
                revisions[key] = created["header"]["revision"]
            again = await optimistic_put(client, keys[0], b"2", 0, 0)
            assert not again.get("succeeded")
            assert found(again)["mod_revision"] == revisions[keys[0]]
            updated = await optimistic_put(client, keys[0], b"2", revisions[keys[0]], 0)
            assert updated["succeeded"]
            stale = await optimistic_delete(client, keys[0], revisions[keys[0]])
            assert found(stale)["value"] == b"2"
            newest = found(stale)["mod_revision"]
            assert newest == updated["header"]["revision"]
            deleted = await optimistic_delete(client, keys[0], newest)
            assert deleted["succeeded"]
            gone = await client.range(keys[0])
            assert "kvs" not in gone and gone["header"]["revision"] >= newest
            # Pages of a list, all at the revision of the first.
            page = await client.range(PODS, END, limit=8)
            at, seen = page["header"]["revision"], [kv["key"] for kv in page["kvs"]]
            assert page["more"] and page["count"] == 19
            await client.put(PODS + b"default/p03a")
            while page.get("more"):
                page = await client.range(seen[-1] + b"\0", END, limit=8, revision=at)
                seen += [kv["key"] for kv in page["kvs"]]
            assert seen == keys[1:]
            counted = await client.range(PODS, END, count_only=True)
            assert counted["count"] == 20 and "kvs" not in counted
            # Health, and what the client asks of the server's version and size.
            assert "kvs" not in await client.range(b"/registry/health")
            status = await client.call("Maintenance", "Status", {})
            assert status["version"].startswith("3.") and "dbSize" in status

    run(scenario())


@pytest.mark.parametrize("shards", [1, 3])
def test_list_then_watch_with_progress(tmp_path: Path, shards: int) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, shards) as (_, client):
            for number in range(6):
                await client.put(PODS + b"a/p%d" % number, b"1")
            listed = await client.range(PODS, END)
            at = listed["header"]["revision"]
            following = await client.following(
                PODS, range_end=END, start_revision=at + 1, prev_kv=True, progress_notify=True
            )
            created = await optimistic_put(client, PODS + b"a/new", b"n", 0, 0)
            old = listed["kvs"][0]
            await optimistic_put(client, old["key"], b"2", old["mod_revision"], 0)
            gone = listed["kvs"][1]
            await optimistic_delete(client, gone["key"], gone["mod_revision"])
            await client.put(b"/registry/services/specs/x")
            first, second, third = await following.until(3)
            assert (
                "prev_kv" not in first
                and first["kv"]["create_revision"] == (first["kv"]["mod_revision"])
            )
            assert first["kv"]["mod_revision"] == created["header"]["revision"]
            assert second["prev_kv"]["value"] == b"1" and second["kv"]["value"] == b"2"
            assert third["type"] == 1 and third["prev_kv"]["key"] == gone["key"]
            # A consistent read of the watch cache: the revision, then progress up to it.
            present = (await client.range(PODS, END, count_only=True))["header"]["revision"]
            while following.progress < present:
                await following.call.progress()
                await following.next()
            assert len(following.events) == 3

    run(scenario())


@pytest.mark.parametrize("shards", [1, 3])
def test_events_hang_on_leases_and_history_is_compacted(tmp_path: Path, shards: int) -> None:
    key = b"compact_rev_key"

    async def scenario() -> None:
        async with door_of(tmp_path, shards) as (_, client):
            granted = await client.call("Lease", "LeaseGrant", {"TTL": 3660})
            names = [b"/registry/events/default/e%d" % number for number in range(9)]
            for name in names:
                put = await optimistic_put(client, name, b"e", 0, granted["ID"])
                assert put["succeeded"]
            told = await client.call(
                "Lease", "LeaseTimeToLive", {"ID": granted["ID"], "keys": True}
            )
            assert told["keys"] == names
            # Several API servers agree on who compacts by the version of a key.
            for version in (0, 1):
                compare = {"target": 0, "key": key, "version": version}
                put_key = {"request_put": {"key": key, "value": b"%d" % version}}
                read = {"request_range": {"key": key}}
                mine = await client.txn([compare], [put_key], [read])
                late = await client.txn([compare], [put_key], [read])
                assert mine["succeeded"] and not late.get("succeeded")
                assert found(late)["version"] == version + 1
            at = (await client.range(names[0]))["header"]["revision"]
            await client.put(names[0], b"newer")
            await client.compact(at)
            assert len((await client.range(b"/registry/events/", b"/registry/events0"))["kvs"]) == 9
            with pytest.raises(EtcdError, match="has been compacted"):
                await client.range(b"/registry/events/", b"/registry/events0", revision=at - 1)

    run(scenario())
