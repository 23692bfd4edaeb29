"""Calls by gRPC to ours and to a real etcd, one after the other: the same answers, field by field.

What a server names itself (cluster, member, term) is taken out; revisions, versions, errors with
code and text, and the events of watches are compared as they are. Both begin empty. How many events
share a response is a matter of timing, and so is the revision in its header.
"""

import shutil
from collections.abc import Awaitable
from typing import Any

import pytest

from actors.etcd.process import EtcdProcess
from store.etcd.codec import decoded, encoded
from store.etcd.errors import EtcdError
from tests.store.door_in_process import Client, door_of, run
from tests.store.etcd_calls import CALLS, WATCHES, Step
from tests.store.etcd_more_calls import MORE_CALLS

pytestmark = pytest.mark.skipif(
    not shutil.which("etcd"), reason="no etcd: apt-get install etcd-server"
)
ALL = {**CALLS, **MORE_CALLS}
OWN = ("cluster_id", "member_id", "raft_term", "memberID")
Answer = Any


def shown(message: Any) -> Any:
    """Without what a server names itself, and with a lease's time as one that it has. The keys of a
    lease come in no order. Source: etcd server/lease/lessor.go, Lease.Keys walks a map of Go."""
    if isinstance(message, dict):
        if "grantedTTL" in message:
            message = {**message, "TTL": 0 < message["TTL"] <= message["grantedTTL"]}
            if "keys" in message:
                message["keys"] = sorted(message["keys"])
        return {name: shown(value) for name, value in message.items() if name not in OWN}
    return [shown(item) for item in message] if isinstance(message, list) else message


async def said(call: Awaitable[Any]) -> Any:
    """The answer, or the refusal."""
    try:
        return shown(await call)
    except EtcdError as error:
        return f"{error.code} {error.message}"


async def played(client: Client) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for name, calls in ALL.items():
        found[name] = [await said(client.call(*call)) for call in calls]
    for name, (steps, controls, events) in WATCHES.items():
        found[name] = await watched(client, steps, controls, events)
    found["kept alive"] = await kept_alive(client)
    return found


async def watched(client: Client, steps: list[Step], controls: int, events: int) -> list[Answer]:
    """The responses of one stream: those without events in order, and the events in order."""
    call = client.watch()
    told: list[Answer] = []
    seen: list[Answer] = []
    asked = 0

    async def read() -> None:
        response = await call.read()
        if "events" not in response:
            told.append(shown(response))
        watch_id = response.get("watch_id", 0)
        seen.extend([(watch_id, shown(event)) for event in response.get("events", ())])

    for step in steps:
        match step:
            case ("create", dict(fields)):
                fields = dict(fields)
                if "back" in fields:
                    now = (await client.range(b"/"))["header"]["revision"]
                    fields["start_revision"] = now - fields.pop("back")
                await call.create(**fields)
                asked += 1
                while len(told) < min(asked, controls):
                    await read()
            case ("cancel", int(number)):
                await call.cancel_watch(number)
                asked += 1
            case ("events", int(count)):
                while len(seen) < count:
                    await read()
            case ("progress",):
                await call.progress()
            case ("empty",):
                await call._write({})
            case (str(service), str(method), dict(message)):
                await client.call(service, method, message)
    while len(told) < controls or len(seen) < events:
        await read()
    call.cancel()
    return [told, sorted(seen, key=lambda pair: pair[0])]


async def kept_alive(client: Client) -> list[Answer]:
    """A stream of keepalives: two leases, one that never was, one that is over."""
    for number, ttl_s in ((41, 600), (42, 700)):
        await client.grant(number, ttl_s)
    stream = client._channel.stream_stream("/etcdserverpb.Lease/LeaseKeepAlive")()
    answers = []
    for number in (41, 42, 43, 41, 0, -1):
        await stream.write(encoded("LeaseKeepAliveRequest", {"ID": number}))
        answers.append(shown(decoded("LeaseKeepAliveResponse", await stream.read())))
    await client.revoke(42)
    await stream.write(encoded("LeaseKeepAliveRequest", {"ID": 42}))
    answers.append(shown(decoded("LeaseKeepAliveResponse", await stream.read())))
    stream.cancel()
    return answers


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("neighbours")
    found: dict[str, Any] = {}

    async def scenario() -> None:
        async with door_of(path / "ours") as (_, client):
            found["ours"] = await played(client)
        etcd = EtcdProcess(path / "etcd", lambda code: None)
        await etcd.start()
        client = Client(etcd.address)
        try:
            found["etcd"] = await played(client)
        finally:
            await client.close()
            await etcd.stop()

    run(scenario())
    return found


@pytest.mark.parametrize("name", ALL)
def test_calls_are_answered_as_by_etcd(both: dict[str, Any], name: str) -> None:
    ours, theirs = both["ours"][name], both["etcd"][name]
    if name == "alarms":
        # With a header since 3.5, and without one in the release that a test can install.
        ours = [{**answer, "header": {}} for answer in ours]
        theirs = [{**answer, "header": {}} for answer in theirs]
    triples = zip(ALL[name], ours, theirs, strict=True)
    assert [triple for triple in triples if triple[1] != triple[2]] == []


@pytest.mark.parametrize("name", [*WATCHES, "kept alive"])
def test_streams_are_answered_as_by_etcd(both: dict[str, Any], name: str) -> None:
    assert both["ours"][name] == both["etcd"][name]
