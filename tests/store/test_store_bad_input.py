"""What nobody should ask, or should ask otherwise: each refused by name, in etcd's words, and the
store is as before. By gRPC through the door, where etcd's clients come in, and by frames."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from actors.net.link import MAGIC
from actors.plan import Security, StoreConfig
from actors.store import Store, start
from api.frames import (
    END,
    FRAME_VERSION,
    HELLO,
    MAX_FRAME_BYTES,
    OPEN,
    WELCOME,
    Frame,
    FrameDecoder,
    encode,
)
from store.etcd.codec import DEPTH_MAX, prefixed
from store.etcd.errors import UNAVAILABLE, EtcdError
from store.forms import REQUEST_BYTES_MAX
from store.transaction_forms import TXN_OPS_MAX
from tests.store.door_in_process import Client, Following, door_of, run

INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, OUT_OF_RANGE = (
    code.value[0]
    for code in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.OUT_OF_RANGE,
    )
)
MIB = 1 << 20


async def refused(call: Any, code: int, words: str) -> None:
    with pytest.raises(EtcdError) as error:
        await call
    assert (error.value.code, words in error.value.message) == (code, True), error.value


def putting(key: bytes, value: bytes = b"v") -> dict[str, Any]:
    return {"request_put": {"key": key, "value": value}}


def test_a_key_or_value_that_is_too_large(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path) as (_, client):
            fits = bytes(REQUEST_BYTES_MAX - 10)
            await client.put(b"/fits", fits)
            words = "etcdserver: request is too large"
            await refused(client.put(b"/a", fits + bytes(20)), INVALID_ARGUMENT, words)
            await refused(client.put(b"/" + fits + bytes(20), b""), INVALID_ARGUMENT, words)
            halves = [putting(b"/a", bytes(900_000)), putting(b"/b", bytes(900_000))]
            await refused(client.txn([], halves, []), INVALID_ARGUMENT, words)
            # What does not even fit into a message is refused by gRPC.
            await refused(client.put(b"/a", bytes(3 * MIB)), RESOURCE_EXHAUSTED, "larger than max")
            await refused(client.put(b""), INVALID_ARGUMENT, "etcdserver: key is not provided")
            assert list(await client.values(b"/")) == [b"/fits"]

    run(scenario())


def test_a_transaction_with_too_many_operations(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path) as (_, client):
            many = [putting(b"/%d" % number) for number in range(TXN_OPS_MAX + 1)]
            compares = [{"target": 0, "key": b"/a", "version": 0}] * (TXN_OPS_MAX + 1)
            words = "etcdserver: too many operations in txn request"
            for parts in ((compares, [], []), ([], many, []), ([], [], many)):
                await refused(client.txn(*parts), INVALID_ARGUMENT, words)
            assert (await client.txn([], many[1:], []))["succeeded"]
            assert len(await client.values(b"/")) == TXN_OPS_MAX

    run(scenario())


def test_a_duplicate_key_in_a_transaction(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path) as (_, client):
            words = "etcdserver: duplicate key given in txn request"
            range_over_it = {"request_delete_range": {"key": b"/", "range_end": b"0"}}
            for branch in (
                [putting(b"/a"), putting(b"/b"), putting(b"/a", b"w")],
                [putting(b"/a"), range_over_it],
                [range_over_it, putting(b"/a")],
            ):
                await refused(client.txn([], branch, []), INVALID_ARGUMENT, words)
                # Also in the branch that is not taken.
                await refused(client.txn([], [], branch), INVALID_ARGUMENT, words)
            assert await client.values(b"/") == {}

    run(scenario())


@pytest.mark.parametrize("shards", [1, 2])
def test_a_revision_in_the_future(tmp_path: Path, shards: int) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, shards) as (_, client):
            now = await client.put(b"/a")
            words = "etcdserver: mvcc: required revision is a future revision"
            for ahead in (64_000_000_000_000, 1 << 62):
                await refused(client.range(b"/a", revision=now + ahead), OUT_OF_RANGE, words)
                everything = client.range(b"/", b"0", revision=now + ahead)
                await refused(everything, OUT_OF_RANGE, words)
                await refused(client.compact(now + ahead), OUT_OF_RANGE, words)
                following = await client.following(b"/", start_revision=now + ahead)
                following.call.cancel()
            # None of this has taken the store out of time.
            assert now < await client.put(b"/a") < now + 64_000_000_000_000

    run(scenario())


def test_a_compacted_revision(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path) as (_, client):
            revisions = [await client.put(b"/a", b"%d" % number) for number in range(5)]
            await client.compact(revisions[3])
            words = "etcdserver: mvcc: required revision has been compacted"
            for revision in revisions[:3]:
                await refused(client.range(b"/a", revision=revision), OUT_OF_RANGE, words)
                await refused(client.compact(revision), OUT_OF_RANGE, words)
                following = await client.following(b"/", start_revision=revision)
                assert (await following.canceled())["compact_revision"] == revisions[3]
            await refused(client.compact(revisions[3]), OUT_OF_RANGE, words)
            assert (await client.values(b"/a", revision=revisions[3]))[b"/a"] == b"3"

    run(scenario())


@pytest.mark.parametrize("shards", [1, 2])
def test_an_unknown_lease(tmp_path: Path, shards: int) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, shards) as (_, client):
            words = "etcdserver: requested lease not found"
            for lease in (76, 77):
                await refused(client.put(b"/a", lease=lease), NOT_FOUND, words)
                leased = {"request_put": {"key": b"/a", "lease": lease}}
                await refused(client.txn([], [leased], []), NOT_FOUND, words)
                await refused(client.revoke(lease), NOT_FOUND, words)
                assert await client.keep_alive(lease) == 0
                told = await client.call("Lease", "LeaseTimeToLive", {"ID": lease})
                assert told["TTL"] == -1
            assert await client.values(b"/") == {}

    run(scenario())


def test_a_watcher_that_never_reads_is_cancelled_with_a_reason(tmp_path: Path) -> None:
    """The door keeps so much for it, then takes it off; history it has missed is compacted."""
    value = bytes(MIB)

    async def scenario() -> None:
        async with door_of(tmp_path, durability="none") as (door, client):
            lazy, eager = Client(door.address), await client.following(b"/")
            call = lazy.watch()
            await call.create(key=b"/", range_end=b"0", start_revision=1)
            most = 0.0
            for number in range(120):
                last = await client.put(b"/a", value + b"%d" % number)
                most = max(most, door.gauges()["unread_bytes"])
            await eager.until(120)
            assert 16 * MIB <= most <= 40 * MIB, "16 MiB, and a body of the shard for each reader"
            assert door.gauges()["watchers"] == 1, "only the one that reads"
            await client.compact(last)
            lagging = Following(call, 0)
            canceled = await lagging.canceled()
            assert canceled["compact_revision"] == last
            seen = [revision for revision, *_ in lagging.seen()]
            assert seen == list(range(2, 2 + len(seen))) and 15 <= len(seen) < 100
            await lazy.close()

    run(scenario())


def test_a_frame_watcher_that_never_reads_is_ended_as_slow(tmp_path: Path) -> None:
    security = Security("cluster-a", "right-token", "/nonexistent")

    async def scenario() -> None:
        config = StoreConfig(0, str(tmp_path), security, durability="none")
        store = await start(config, nobody)
        try:
            await read_nothing(store, security)
        finally:
            await store.stop()

    run(scenario())


async def read_nothing(store: Store, security: Security) -> None:
    host, _, port = store.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    hello = {
        "magic": MAGIC,
        "versions": [FRAME_VERSION, FRAME_VERSION],
        "cluster": security.cluster_id,
        "identity": "lazy",
        "token": security.frame_token,
    }
    writer.write(encode(Frame(HELLO, 0, hello)))
    frames = FrameDecoder()
    (welcome,) = frames.feed(await reader.read(1 << 16))
    assert welcome.kind == WELCOME
    writer.write(encode(Frame(OPEN, 1, ("watch", b"/", 0, False))))
    (opened,) = frames.feed(await reader.read(1 << 16))
    assert opened.body[0] == []
    loop = asyncio.get_running_loop()
    for number in range(100):
        done = loop.create_future()
        put = ("put", b"/a", b"", bytes(MIB) + b"%d" % number, -1, 0)
        store._shard.call([put], done.set_result)
        await done
    assert store.gauges()["frame_slow_readers_total"] == 1
    assert store.gauges()["watchers"] == 0
    reason, items = "", 0
    while not reason:
        for frame in frames.feed(await reader.read(1 << 20)):
            if frame.kind == END:
                reason = str(frame.body)
            else:
                items += 1
    assert reason == "slow" and items * MIB <= MAX_FRAME_BYTES + 8 * MIB
    writer.close()


async def nobody(name: str) -> str:
    raise AssertionError(f"a store asked for {name}")


def test_ten_thousand_idle_watchers_on_a_hundred_connections(tmp_path: Path) -> None:
    """They cost a put nothing but the events of those whom it concerns."""

    async def opened(client: Client, number: int) -> Any:
        call = client.watch()
        for key in range(100):
            await call.create(key=b"/%d/%d" % (number, key), watch_id=key + 1)
        for _ in range(100):
            assert (await call.read())["created"]
        return call

    async def scenario() -> None:
        async with door_of(tmp_path) as (door, client):
            clients = [Client(door.address) for _ in range(100)]
            calls = [await opened(one, number) for number, one in enumerate(clients)]
            assert door.gauges()["watchers"] == 10_000
            assert door.gauges()["watch_streams"] == 100
            sent = door.gauges()["sent_bytes"]
            for number in range(200):
                await client.put(b"/elsewhere/%d" % number)
            idle = door.gauges()["sent_bytes"] - sent
            assert idle < 200 * 40, "answers to the puts alone"
            for number in (0, 57, 99):
                await client.put(b"/%d/42" % number, b"news")
                response = await calls[number].read()
                assert response["watch_id"] == 43
                assert [event["kv"]["value"] for event in response["events"]] == [b"news"]
            for one in clients:
                await one.close()
            # Who hears nothing of the end of a watcher could not be closed either.
            await client.put(b"/0/0")

    run(scenario())


def test_a_server_that_stops_ends_watches_so_that_clients_come_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path) as (door, client):
            follower = await client.following(b"/k")
            await client.put(b"/k/a")
            stopping = asyncio.create_task(door.stop())
            await follower.until(1)
            with pytest.raises(EtcdError, match="etcdserver: server stopped") as stopped:
                await follower.next()
            assert stopped.value.code == UNAVAILABLE
            await stopping

    run(scenario())


@pytest.mark.parametrize("shards", [1, 2])
def test_a_watch_that_its_reader_cancels_ends_and_no_other_of_its_stream(
    tmp_path: Path, shards: int
) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path, shards) as (_, client):
            following = await client.following(b"/a")
            await following.call.create(key=b"/b", range_end=b"/c")
            second = (await following.call.read())["watch_id"]
            assert second != 0
            await following.call.cancel_watch(7)  # nobody's: not answered
            await following.call.cancel_watch(0)
            ended = await following.canceled()
            assert (ended.get("watch_id", 0), ended.get("cancel_reason", "")) == (0, "")
            for key in (b"/a", b"/b"):
                await client.put(key)
            (event,) = (await following.next())["events"]
            assert event["kv"]["key"] == b"/b"
            assert len(following.events) == 1
            following.call.cancel()

    run(scenario())


def nested(levels: int) -> bytes:
    """A transaction in a transaction, so often."""
    body = prefixed(2, prefixed(2, prefixed(1, b"/a")))
    for _ in range(levels):
        body = prefixed(2, prefixed(4, body))
    return body


@pytest.mark.parametrize(
    ("method", "body", "words"),
    [
        ("KV/Txn", nested(5_000), f"messages nested deeper than {DEPTH_MAX}"),
        ("KV/Put", b"\xff", "unexpected EOF"),
        ("Lease/LeaseKeepAlive", b"\xff", "unexpected EOF"),
        ("Maintenance/Snapshot", b"\xff", "unexpected EOF"),
        ("Watch/Watch", b"\xff", "unexpected EOF"),
        # Ten bytes are the longest integer: to read this one as a number is hours of work.
        ("Watch/Watch", prefixed(1, prefixed(5, b"\xff" * MIB)), "integer overflow"),
    ],
)
def test_bytes_that_are_no_request(tmp_path: Path, method: str, body: bytes, words: str) -> None:
    async def scenario() -> None:
        async with door_of(tmp_path) as (door, client):
            async with grpc.aio.insecure_channel(door.address) as channel:
                call = channel.stream_stream(f"/etcdserverpb.{method}")(iter([body]))
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await call.read()
            assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert error.value.details() == f"not a request: {words}"
            assert await client.values(b"/") == {}

    run(scenario())
