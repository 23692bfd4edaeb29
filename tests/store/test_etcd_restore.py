"""A snapshot that was saved, restored to one shard and to several."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.disk import DirectoryError
from actors.etcd import restore
from store.etcd.errors import EtcdError
from store.journal import JournalError
from tests.store.door_in_process import door_of, run

KEYS = [b"/k/%04d" % number for number in range(2500)]


async def saved(client: Any, path: Path) -> Path:
    path.write_bytes(b"".join([blob async for blob in client.snapshot()]))
    return path


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1), (3, 2)])
def test_what_was_saved_is_there_again(tmp_path: Path, before: int, after: int) -> None:
    file = tmp_path / "saved"

    async def scenario() -> None:
        async with door_of(tmp_path / "old", before) as (_, client):
            for lease in (7, 8):
                await client.grant(lease, 600)
            await asyncio.gather(*(client.put(key, key) for key in KEYS))
            await client.delete(KEYS[1])
            for key in KEYS[10:20]:
                await client.put(key, b"again", lease=7)
            await saved(client, file)
            due = await client.range(b"/k/", b"/k0")
            member = due["header"]["member_id"]
            late = await client.put(b"/k/late")
        revision = restore(file, tmp_path / "new", after)
        assert due["header"]["revision"] >= revision >= max(kv["mod_revision"] for kv in due["kvs"])
        async with door_of(tmp_path / "new", after) as (_, client):
            found = await client.range(b"/k/", b"/k0")
            assert found["kvs"] == due["kvs"] and found["count"] == len(KEYS) - 1
            assert found["header"]["member_id"] != member
            told = await client.call("Lease", "LeaseTimeToLive", {"ID": 7, "keys": True})
            assert told["keys"] == KEYS[10:20] and told["TTL"] > 590
            leases = await client.call("Lease", "LeaseLeases", {})
            assert sorted(one["ID"] for one in leases["leases"]) == [7, 8]
            following = await client.following(b"/k/", start_revision=revision + 1)
            with pytest.raises(EtcdError, match="compacted"):
                await client.range(KEYS[0], revision=revision - 1)
            written = await client.put(KEYS[0], b"new")
            assert written > revision and (after > 1 or written == revision + 1)
            assert (before > 1 or after > 1) or written == late
            await client.revoke(7)
            events = await following.until(11)
            assert events[0]["kv"]["mod_revision"] == written
            assert len(await client.values(b"/k/")) == len(KEYS) - 11
        # What was restored is a directory as any other.
        async with door_of(tmp_path / "new", after) as (_, client):
            assert (await client.values(KEYS[0]))[KEYS[0]] == b"new"

    run(scenario())


def test_the_alarm_is_in_the_snapshot(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path / "old", quota_bytes=1000) as (_, client):
            await client.put(b"/a", bytes(500))
            with pytest.raises(EtcdError, match="database space exceeded"):
                await client.put(b"/b", bytes(500))
            await saved(client, tmp_path / "saved")
        restore(tmp_path / "saved", tmp_path / "new", 1)
        async with door_of(tmp_path / "new") as (_, client):
            with pytest.raises(EtcdError, match="database space exceeded"):
                await client.put(b"/b")
            await client.call("Maintenance", "Alarm", {"action": 2, "alarm": 1})
            await client.put(b"/b")

    run(scenario())


def test_what_cannot_be_restored_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "saved"

    async def scenario() -> None:
        async with door_of(tmp_path / "old") as (_, client):
            for key in KEYS[:50]:
                await client.put(key, bytes(100))
            await saved(client, file)

    run(scenario())
    with pytest.raises(DirectoryError, match="is not empty"):
        restore(file, tmp_path / "old", 1)
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[3000] ^= 1
    for content, reason in (
        (whole[:-1], "does not end with a checksum"),
        (bytes(flipped), "damaged: the checksum"),
        (b"", "does not end with a checksum"),
    ):
        file.write_bytes(content)
        with pytest.raises(JournalError, match=reason):
            restore(file, tmp_path / "new", 1)
        assert not (tmp_path / "new").exists()
    with pytest.raises(DirectoryError, match="cannot restore"):
        restore(tmp_path / "none", tmp_path / "new", 1)
