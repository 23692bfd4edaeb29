"""Several API servers over one store: what a client has from one holds for the others."""

import pytest

from tests.apiserver.apiserver_rig import Rig

CM = "/api/v1/namespaces/x/configmaps"
MERGE = "application/merge-patch+json"


def write(rig: Rig, name: str, value: str) -> str:
    body = {"data": {"v": value}}
    code, _ = rig.call("PATCH", f"{CM}/{name}", body, content_type=MERGE)
    if code == 404:
        code, _ = rig.call("POST", CM, {"metadata": {"name": name}, **body})
    assert code in (200, 201)
    revision: str = rig.call("GET", f"{CM}/{name}")[1]["metadata"]["resourceVersion"]
    return revision


def pair(shards: int) -> tuple[Rig, Rig]:
    first = Rig(shards, "hash")
    first.namespace("x")
    return first, Rig(stores=first.stores, shard_by="hash", first_id=10**6)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_watch_is_resumed_on_another_server_without_gap_or_repetition(shards: int) -> None:
    first, second = pair(shards)
    listed = first.call("GET", CM)[1]["metadata"]["resourceVersion"]
    watch = first.watch(f"{CM}?watch=1&resourceVersion={listed}")
    for number in range(4):
        write(first, f"c{number % 2}", str(number))
    before = [(kind, obj["data"]["v"]) for kind, obj in watch.events]
    assert before == [("ADDED", "0"), ("ADDED", "1"), ("MODIFIED", "2"), ("MODIFIED", "3")]
    seen = watch.events[1][1]["metadata"]["resourceVersion"]
    second.step([])
    again = second.watch(f"{CM}?watch=1&resourceVersion={seen}")
    write(first, "c0", "4")
    write(second, "c1", "5")
    second.step([])
    assert [(kind, obj["data"]["v"]) for kind, obj in again.events] == [
        ("MODIFIED", str(value)) for value in (2, 3, 4, 5)
    ]


def test_a_list_at_a_revision_of_another_server_is_not_older() -> None:
    first, second = pair(2)
    revision = write(first, "c", "1")
    code, found = second.call(
        "GET", f"{CM}?resourceVersion={revision}&resourceVersionMatch=NotOlderThan"
    )
    assert code == 200 and [item["data"] for item in found["items"]] == [{"v": "1"}]
    assert int(found["metadata"]["resourceVersion"]) >= int(revision)


def test_a_token_of_another_server_goes_on_in_the_same_state() -> None:
    first, second = pair(2)
    for name in "abcd":
        write(first, name, name)
    page = first.call("GET", f"{CM}?limit=2")[1]
    second.step([])
    write(first, "e", "e")
    rest = second.call("GET", f"{CM}?limit=9&continue={page['metadata']['continue']}")[1]
    names = [item["metadata"]["name"] for item in (*page["items"], *rest["items"])]
    assert names == ["a", "b", "c", "d"]
    assert rest["metadata"]["resourceVersion"] == page["metadata"]["resourceVersion"]
