"""A door over several shards: one order of revisions, merged reads and watches, leases that reach
over shards, and the transaction that is refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.disk import DirectoryError
from actors.etcd.identity import cluster_identity
from actors.shard import open_shard
from api.storage import LEASES, REVOKE
from store.core import StoreSettings
from store.etcd.errors import UNIMPLEMENTED, EtcdError
from store.etcd.spread import home_of, prefix_of, shard_of
from tests.store.door_in_process import Client, door_of, run

SHARDS = 3
KEYS = [b"/k/%03d" % number for number in range(60)]


def keys_on(shard: int, count: int) -> list[bytes]:
    return [key for key in KEYS if shard_of(key, SHARDS) == shard][:count]


def put_operation(key: bytes, value: bytes = b"t") -> dict[str, Any]:
    return {"request_put": {"key": key, "value": value}}


def test_a_span_that_is_a_prefix() -> None:
    assert prefix_of(b"/a/", b"/a0") == (b"/a/", None)
    assert prefix_of(b"a\xfe", b"a\xff") == (b"a\xfe", None)
    for span in ((b"/a/", b"/a1"), (b"/a", b"/a\0"), (b"/a/", b""), (b"a\xff", b"b"), (b"\0", b"")):
        assert prefix_of(*span) == span


def test_revisions_rise_from_write_to_write_whatever_the_shard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            revisions = [await client.put(key) for key in KEYS]
            assert revisions == sorted(set(revisions))
            assert {revision % 64 for revision in revisions} == set(range(SHARDS))
            last = await client.range(b"/k/", b"/k0")
            assert last["header"]["revision"] >= revisions[-1]
            # Any revision that was told can be read at, on every shard.
            for known in (revisions[0], revisions[30], last["header"]["revision"]):
                found = await client.range(b"/k/", b"/k0", revision=known)
                mods = [kv["mod_revision"] for kv in found["kvs"]]
                assert sorted(mods) == [revision for revision in revisions if revision <= known]

    run(scenario())


def test_a_read_of_many_shards_is_that_of_one(tmp_path: Path) -> None:
    """Keys, values, order, limits and counts are the same over one shard and over three."""
    requests: list[dict[str, Any]] = [
        {"key": b"/k/", "range_end": b"/k0"},
        {"key": b"/k/", "range_end": b"/k0", "limit": 7},
        {"key": b"/k/010", "range_end": b"/k/020", "limit": 10},
        {"key": b"/k/010", "range_end": b"/k/020", "limit": 9},
        {"key": b"/k/", "range_end": b"/k0", "count_only": True},
        {"key": b"/k/", "range_end": b"/k0", "keys_only": True, "limit": 3},
        {"key": b"/k/", "range_end": b"/k0", "sort_order": 2, "sort_target": 0, "limit": 5},
        {"key": b"/k/", "range_end": b"/k0", "sort_order": 1, "sort_target": 1, "limit": 50},
        {"key": b"/k/", "range_end": b"/k0", "sort_order": 2, "sort_target": 4},
        {"key": b"/k/033", "range_end": b"\0"},
        {"key": b"/none/", "range_end": b"/none0"},
        {"key": b"/k/001"},
    ]

    async def answers(path: Path, shards: int) -> list[Any]:
        async with door_of(path, shards) as (_, client):
            for number, key in enumerate(KEYS):
                await client.put(key, b"%d" % (number * 7 % 13))
                if number % 4 == 0:
                    await client.put(key, b"again")
                if number % 9 == 0:
                    await client.delete(key)
            found = [await client.range(**request) for request in requests]
            gone = await client.delete(b"/k/", b"/k/030", prev_kv=True)
            found.append({"deleted": gone["deleted"], "kvs": gone["prev_kvs"]})
            found.append(await client.range(b"/", b"0"))
            return [
                (
                    [(kv["key"], kv.get("value"), kv["version"]) for kv in one.get("kvs", ())],
                    one.get("count"),
                    one.get("more"),
                    one.get("deleted"),
                )
                for one in found
            ]

    async def scenario() -> None:
        one = await answers(tmp_path / "one", 1)
        assert one == await answers(tmp_path / "many", SHARDS)
        assert one[1][1:3] == (53, True) and len(one[1][0]) == 7

    run(scenario())


def test_a_transaction_over_two_shards_is_refused_by_name(tmp_path: Path) -> None:
    (first, second), (elsewhere,) = keys_on(0, 2), keys_on(2, 1)

    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            absent = {"target": 1, "key": first, "create_revision": 0}
            done = await client.txn([absent], [put_operation(first), put_operation(second)], [])
            assert done["succeeded"]
            read = {"request_range": {"key": b"/k/", "range_end": b"/k0"}}
            for compares, then, otherwise in (
                ([], [put_operation(first), put_operation(elsewhere)], []),
                ([absent], [put_operation(elsewhere)], []),
                ([], [put_operation(first)], [put_operation(elsewhere)]),
                ([], [put_operation(first), read], []),
            ):
                with pytest.raises(EtcdError, match="over several shards") as refused:
                    await client.txn(compares, then, otherwise)
                assert refused.value.code == UNIMPLEMENTED
            assert await client.values(b"/k/") == {first: b"t", second: b"t"}

    run(scenario())


def test_a_lease_takes_its_keys_on_every_shard_with_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            for lease in (7, 8):
                await client.grant(lease, 600)
            for key in KEYS[:12]:
                await client.put(key, lease=7)
            await client.put(KEYS[20], lease=8)
            told = await client.call("Lease", "LeaseTimeToLive", {"ID": 7, "keys": True})
            assert told["keys"] == KEYS[:12] and 590 <= told["TTL"] <= 600
            leases = await client.call("Lease", "LeaseLeases", {})
            assert sorted(one["ID"] for one in leases["leases"]) == [7, 8]
            following = await client.following(b"/k/")
            await client.revoke(7)
            assert await client.values(b"/k/") == {KEYS[20]: b"v"}
            assert sorted(key for _, key, _ in await seen(following, 12)) == KEYS[:12]
            with pytest.raises(EtcdError, match="requested lease not found"):
                await client.put(KEYS[0], lease=7)
            with pytest.raises(EtcdError, match="requested lease not found"):
                await client.put(keys_on(1, 1)[0], lease=99)
            assert await client.values(b"/k/") == {KEYS[20]: b"v"}

    run(scenario())


async def seen(following: Any, count: int) -> list[tuple[int, bytes, bytes]]:
    await following.until(count)
    found: list[tuple[int, bytes, bytes]] = following.seen()
    assert [one[0] for one in found] == sorted(one[0] for one in found)
    return found


def test_a_lease_that_expires_takes_its_keys_on_every_shard_with_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            following = await client.following(b"/k/")
            await client.grant(5, 2)
            for key in KEYS[:9]:
                await client.put(key, lease=5)
            events = await following.until(18)
            gone = [event["kv"]["key"] for event in events if event.get("type")]
            assert sorted(gone) == KEYS[:9]
            assert await client.values(b"/k/") == {}
            leases = await client.call("Lease", "LeaseLeases", {})
            assert "leases" not in leases

    run(scenario())


def test_a_lease_that_ended_at_home_alone_is_ended_everywhere_by_the_next_start(
    tmp_path: Path,
) -> None:
    """As if the process had died between the end of the lease and the word to the others."""
    lease = 9

    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            await client.grant(lease, 600)
            for key in KEYS[:9]:
                await client.put(key, lease=lease)
        home = home_of(lease, SHARDS)
        epoch_ns = cluster_identity(tmp_path, SHARDS).created_ns
        settings = StoreSettings(shard=home, retain_ns=0, epoch_ns=epoch_ns)
        shard = await open_shard(str(tmp_path / f"shard-{home}"), settings)
        assert (await shard.ask((REVOKE, lease)))[0] == 0
        await shard.stop()
        async with door_of(tmp_path, SHARDS) as (door, client):
            assert await client.values(b"/k/") == {}
            for shard in door._shards.all:
                assert await shard.ask((LEASES,)) == (0, [], [])

    run(scenario())


def test_a_watch_over_shards_has_no_gap_no_duplicate_and_one_order(tmp_path: Path) -> None:
    async def writer(client: Client, number: int, written: dict[int, tuple[bytes, bytes]]) -> None:
        for turn in range(40):
            key = KEYS[(number * 17 + turn) % 20]
            value = b"%d/%d" % (number, turn)
            written[await client.put(key, value)] = (key, value)

    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            before = await client.put(KEYS[0], b"before")
            following = await client.following(b"/k/")
            single = await client.following(KEYS[3], range_end=b"")
            written: dict[int, tuple[bytes, bytes]] = {}
            await asyncio.gather(*(writer(client, number, written) for number in range(5)))
            due = [(revision, *written[revision]) for revision in sorted(written)]
            assert len(due) == 200 and due[0][0] > following.revision >= before
            assert await seen(following, 200) == due
            mine = [one for one in due if one[1] == KEYS[3]]
            assert await seen(single, len(mine)) == mine
            # From any revision that was seen, the rest is the same again.
            for place in (0, 57, 150):
                again = await client.following(b"/k/", start_revision=due[place][0])
                assert await seen(again, 200 - place) == due[place:]
                deleted = await client.following(b"/k/", start_revision=due[0][0], filters=[0])
                await deleted.call.progress()
                while not deleted.progress:
                    await deleted.next()
                assert deleted.progress >= due[-1][0] and not deleted.events

    run(scenario())


def test_a_watch_of_the_future_waits_for_it_on_every_shard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            now = await client.put(KEYS[0])
            later = now + 64 * 400_000
            following = await client.following(b"/k/", start_revision=later)
            revision, early = now, 0
            while revision < later:
                revision = await client.put(KEYS[early % 50])
                early += 1
            assert early > 10
            last = await client.put(KEYS[1], b"last")
            found = await seen(following, 2)
            assert found[0][0] == revision and found[1] == (last, KEYS[1], b"last")

    run(scenario())


def test_compaction_reaches_every_shard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            revisions = [await client.put(key) for key in KEYS[:10] * 2]
            await client.compact(revisions[12])
            with pytest.raises(EtcdError, match="has been compacted"):
                await client.compact(revisions[12])
            with pytest.raises(EtcdError, match="future revision"):
                await client.compact(revisions[-1] + 64_000_000_000)
            for key in KEYS[:10]:
                with pytest.raises(EtcdError, match="has been compacted"):
                    await client.range(key, revision=revisions[11])
            assert len(await client.values(b"/k/", revision=revisions[12])) == 10
            following = await client.following(b"/k/", start_revision=revisions[3])
            canceled = await following.canceled()
            assert canceled["compact_revision"] == revisions[12]

    run(scenario())


def test_a_restart_keeps_all_and_another_number_of_shards_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, SHARDS) as (_, client):
            for key in KEYS:
                last = await client.put(key)
        async with door_of(tmp_path, SHARDS) as (_, client):
            assert len(await client.values(b"/k/")) == len(KEYS)
            assert await client.put(KEYS[0]) > last
        with pytest.raises(DirectoryError, match="was made for 3 shards"):
            async with door_of(tmp_path, 2):
                pass

    run(scenario())
