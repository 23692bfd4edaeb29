"""Lists by the two indexes of a watch cache: the same answers, and what they cost in objects."""

from collections.abc import Sequence

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from api.core import JsonObject
from api.kinds import kind_of
from api.sorted_keys import BLOCK_KEYS, PIECE_KEYS, SortedKeys
from apiserver.cache import ResourceCache
from apiserver.keys import CacheIndex
from apiserver.messages import Answer, User
from apiserver.records import Record, encode
from apiserver.registry import Registry, Request
from apiserver.selection import selection_of
from apiserver.shards import Sharding
from apiserver.verbs.read import list_objects

PODS = kind_of("pods")
ADMIN = User("admin", ("system:masters",))
SPACES = ("a", "a-b", "a0", "b")
NODES = ("", "n1", "n2")
SELECTORS = (
    "",
    "spec.nodeName=n1",
    "spec.nodeName=",
    "spec.nodeName!=n1",
    "spec.nodeName=n1,spec.nodeName=n2",
    "metadata.name=p2",
    "metadata.name=p2,spec.nodeName=n2",
    "metadata.name!=p2",
    "metadata.namespace=a",
    "metadata.namespace=a,metadata.name=p1",
    "status.phase=Running",
)

writes = st.tuples(
    st.sampled_from(SPACES), st.sampled_from(["p1", "p2", "p3"]), st.sampled_from([*NODES, None])
)


def written(space: str, name: str, node: str) -> tuple[bytes, bytes]:
    """Header and value of a pod."""
    meta = {"name": name, "namespace": space, "uid": f"u-{space}-{name}"}
    obj = {"metadata": meta, "spec": {"nodeName": node} if node else {}}
    header, value, _ = encode(PODS, {"kind": "Pod", "apiVersion": "v1", **obj})
    return header, value


def pod(cache: ResourceCache, space: str, name: str, node: str, revision: int) -> Record:
    header, value = written(space, name, node)
    return Record(cache.key(space, name), header, value, revision, revision)


class Served:
    """Pods of one registry, without a store."""

    def __init__(self, index: CacheIndex) -> None:
        self.registry = Registry(Sharding("kind", 1), 1, "test", index)
        self.cache = self.registry.cache(PODS)

    def write(self, space: str, name: str, node: str | None, revision: int) -> None:
        key = self.cache.key(space, name)
        if node is None:
            change = (1, key, revision, 0, 0, b"", b"", None)
        else:
            header, value = written(space, name, node)
            change = (0, key, revision, revision, 1, header, value, None)
        self.cache.take([change], 0)
        self.registry.frontiers[0] = revision
        self.cache.check()
        assert [record.key for record in self.cache.walk("")] == sorted(self.cache.records)

    def list(self, namespace: str = "", **options: str) -> JsonObject:
        request = Request(0, ADMIN, "list", PODS)
        request.namespace, request.options = namespace, options
        verb = list_objects(self.registry, request)
        try:
            next(verb)
            verb.send(None)
        except StopIteration as end:
            answer: Answer = end.value
            return orjson.loads(answer.body)  # type: ignore[no-any-return]
        raise AssertionError("a list asks once whether the cache is fresh")


def names(answer: JsonObject) -> list[tuple[str, str]]:
    found = [item["metadata"] for item in answer["items"]]
    return [(meta["namespace"], meta["name"]) for meta in found]


def wanted(node: str, space: str, name: str, selector: str) -> bool:
    """By comparing term by term, as one would read it."""
    have = {
        "spec.nodeName": node,
        "metadata.name": name,
        "metadata.namespace": space,
        "status.phase": "",
    }
    for term in filter(None, selector.split(",")):
        field, _, value = term.partition("=")
        if (have[field.removesuffix("!")] == value) is field.endswith("!"):
            return False
    return True


@settings(max_examples=30, deadline=None)
@given(history=st.lists(writes, max_size=30), selector=st.sampled_from(SELECTORS))
def test_both_indexes_answer_what_a_look_at_every_object_answers(
    history: Sequence[tuple[str, str, str | None]], selector: str
) -> None:
    arms = [Served("btree"), Served("hash")]
    model: dict[tuple[str, str], str] = {}
    for revision, (space, name, node) in enumerate(history, 1):
        for arm in arms:
            arm.write(space, name, node, revision)
        if node is None:
            model.pop((space, name), None)
        else:
            model[space, name] = node
    for namespace in ("", "a", "none"):
        expected = sorted(
            (
                key
                for key, node in model.items()
                if wanted(node, *key, selector) and namespace in ("", key[0])
            ),
            key=lambda key: f"{key[0]}/{key[1]}",
        )
        for arm in arms:
            assert names(arm.list(namespace, fieldSelector=selector)) == expected


@settings(max_examples=30, deadline=None)
@given(
    before=st.lists(writes, min_size=4, max_size=20),
    after=st.lists(writes, max_size=20),
    namespace=st.sampled_from(["", "a"]),
    limit=st.integers(1, 4),
)
def test_pages_show_the_state_of_the_first_and_count_the_rest(
    before: Sequence[tuple[str, str, str | None]],
    after: Sequence[tuple[str, str, str | None]],
    namespace: str,
    limit: int,
) -> None:
    """Writes come between the pages."""
    for index in ("btree", "hash"):
        served = Served(index)  # type: ignore[arg-type]
        for revision, write in enumerate(before, 1):
            served.write(*write, revision)
        whole = names(served.list(namespace))
        page = served.list(namespace, limit=str(limit))
        got, rest = names(page), iter(after)
        while "continue" in page["metadata"]:
            assert page["metadata"]["remainingItemCount"] == len(whole) - len(got)
            for revision, write in zip(range(2), rest, strict=False):
                served.write(*write, served.registry.frontiers[0] + 1 + revision)
            token = page["metadata"]["continue"]
            page = served.list(namespace, limit=str(limit), **{"continue": token})
            got += names(page)
        assert got == whole


class CountedRecords(dict[bytes, Record]):
    """Counts the looks at an object."""

    looks = 0

    def __getitem__(self, key: bytes) -> Record:
        self.looks += 1
        return super().__getitem__(key)

    def get(self, key: bytes, default: object = None) -> Record | None:  # type: ignore[override]
        self.looks += 1
        return super().get(key)


def test_a_list_by_node_name_or_page_looks_at_what_it_returns() -> None:
    served = Served("btree")
    cache = served.cache
    for number in range(3000):
        node = f"n{number % 1000}"
        cache.load(pod(cache, f"s{number % 2}", f"p{number:04}", node, number + 1))
    records = cache.records = CountedRecords(cache.records)
    for options, returned, most in (
        ({"fieldSelector": "spec.nodeName=n7"}, 3, 3),
        ({"fieldSelector": "metadata.name=p0007"}, 1, 2),
        ({"limit": "5"}, 5, 6),
    ):
        records.looks = 0
        assert len(served.list(**options)["items"]) == returned
        assert records.looks <= most, options


def test_a_watch_of_a_node_begins_with_its_pods_alone() -> None:
    cache = Served("btree").cache
    for number in range(300):
        cache.load(pod(cache, "default", f"p{number:03}", f"n{number % 100}", number + 1))
    records = cache.records = CountedRecords(cache.records)
    chosen = selection_of(PODS, "", "", "spec.nodeName=n7").walk(cache)
    assert [record.name for record in chosen] == ["p007", "p107", "p207"]
    assert records.looks == 3


def test_a_page_copies_few_keys() -> None:
    keys = SortedKeys()
    keys.add_all([b"%06d" % number for number in range(5 * BLOCK_KEYS)])
    assert all(len(piece) <= PIECE_KEYS for piece in keys.pieces(b"", b":"))
