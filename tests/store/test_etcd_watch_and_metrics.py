"""Watches of the door that ask for fragments, filters and previous values; its metrics by shard."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from actors.etcd.metrics import DoorCollector
from store.etcd.errors import EtcdError
from tests.store.door_in_process import Following, door_of, run

NO_PUT, NO_DELETE = 0, 1


@pytest.mark.parametrize("shards", [1, 3])
def test_a_large_response_comes_in_fragments_if_the_reader_agrees(
    tmp_path: Path, shards: int
) -> None:
    value = bytes(700_000)

    async def scenario() -> None:
        async with door_of(tmp_path, shards) as (_, client):
            first, *_ = [await client.put(b"/k/%d" % number, value) for number in range(9)]
            responses: dict[bool, list[Any]] = {}
            for fragment in (False, True):
                following = await client.following(b"/k/", start_revision=first, fragment=fragment)
                found = responses[fragment] = []
                while len(following.events) < 9:
                    found.append(await following.next())
                assert [key for _, key, _ in following.seen()] == [
                    b"/k/%d" % number for number in range(9)
                ]
            assert not any(one.get("fragment") for one in responses[False])
            assert len(responses[True]) > len(responses[False])
            assert any(one.get("fragment") for one in responses[True])
            assert not responses[True][-1].get("fragment"), "the last says that it is whole"
            assert max(len(one["events"]) for one in responses[True]) == 3

    run(scenario())


@pytest.mark.parametrize("shards", [1, 3])
def test_filters_and_previous_values(tmp_path: Path, shards: int) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, shards) as (_, client):
            first = await client.put(b"/k/a", b"1")
            await client.put(b"/k/a", b"2")
            await client.delete(b"/k/a")
            await client.put(b"/k/b", b"3")

            async def told(count: int, **fields: Any) -> list[Any]:
                following: Following = await client.following(
                    b"/k/", start_revision=first, **fields
                )
                return [
                    (
                        event.get("type", 0),
                        event["kv"]["key"],
                        event.get("prev_kv", {}).get("value"),
                    )
                    for event in await following.until(count)
                ]

            assert await told(4, prev_kv=True) == [
                (0, b"/k/a", None),
                (0, b"/k/a", b"1"),
                (1, b"/k/a", b"2"),
                (0, b"/k/b", None),
            ]
            assert await told(3, filters=[NO_DELETE]) == [
                (0, b"/k/a", None),
                (0, b"/k/a", None),
                (0, b"/k/b", None),
            ]
            assert await told(1, filters=[NO_PUT], prev_kv=True) == [(1, b"/k/a", b"2")]

    run(scenario())


def test_metrics_by_etcds_names_and_by_shard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, 3) as (door, client):
            for number in range(30):
                await client.put(b"/k/%d" % number)
            await client.range(b"/k/1")
            last = await client.put(b"/k/0")
            await client.compact(last)
            with pytest.raises(EtcdError):
                await client.put(b"")
            following = await client.following(b"/k/")
            registry = CollectorRegistry()
            registry.register(DoorCollector(door))
            lines = generate_latest(registry).decode().splitlines()
            found = dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")

            def of_shards(name: str) -> list[float]:
                return [float(found[f'{name}{{shard="{shard}"}}']) for shard in range(3)]

            assert sum(of_shards("hollowfleet_store_keys")) == 30
            assert min(of_shards("hollowfleet_store_keys")) > 0
            assert float(found["etcd_debugging_mvcc_keys_total"]) == 30
            assert max(of_shards("hollowfleet_store_revision")) == float(
                found["etcd_debugging_mvcc_current_revision"]
            )
            assert float(found["etcd_debugging_mvcc_compact_revision"]) == last
            appended = sum(of_shards("hollowfleet_store_appended_total"))
            assert float(found["etcd_server_proposals_committed_total"]) == appended >= 34
            assert float(found["etcd_mvcc_put_total"]) == 32
            assert float(found["etcd_mvcc_range_total"]) == 1
            assert float(found["etcd_debugging_mvcc_watch_stream_total"]) == 1
            assert float(found["etcd_debugging_mvcc_watcher_total"]) == 3, "one on each shard"
            of_puts = 'grpc_method="Put",grpc_service="etcdserverpb.KV"'
            ended = {
                code: found[f'grpc_server_handled_total{{grpc_code="{code}",{of_puts}}}']
                for code in ("OK", "InvalidArgument")
            }
            assert ended == {"OK": "31.0", "InvalidArgument": "1.0"}
            following.call.cancel()

    run(scenario())
