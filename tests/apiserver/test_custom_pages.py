"""Pages of custom resources: each object once, whatever happens in between, at whichever server."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apiserver.apiserver_rig import Rig
from tests.apiserver.custom_widgets import WIDGETS, defined, widget

NAMES = st.sampled_from([f"w{number}" for number in range(12)])


@settings(deadline=None, max_examples=12)
@given(
    first=st.sets(NAMES, min_size=1),
    limit=st.integers(1, 5),
    churn=st.lists(st.tuples(st.booleans(), NAMES), max_size=10),
    shard_by=st.sampled_from(["kind", "hash"]),
)
def test_pages_tell_of_each_object_once(
    first: set[str], limit: int, churn: list[tuple[bool, str]], shard_by: str
) -> None:
    rig = Rig(shards=2, shard_by=shard_by)  # type: ignore[arg-type]
    defined(rig)
    other = Rig(stores=rig.stores, shard_by=shard_by, first_id=10**6)  # type: ignore[arg-type]
    for name in sorted(first):
        assert rig.call("POST", WIDGETS, widget(name, {"size": 1}))[0] == 201
    other.step([])
    seen: list[str] = []
    token, changes, servers = "", iter(churn), [rig, other]
    while True:
        servers.reverse()
        code, page = servers[0].call("GET", f"{WIDGETS}?limit={limit}&continue={token}")
        assert code == 200
        seen += [one["metadata"]["name"] for one in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
        for comes, name in (one for _, one in zip(range(3), changes, strict=False)):
            if comes:
                rig.call("POST", WIDGETS, widget(name, {"size": 1}))
            else:
                rig.call("DELETE", f"{WIDGETS}/{name}")
        other.step([])
    assert seen == sorted(first), "as it was when the first page was asked for"
