"""Laws of field sets and of ownership, over generated sets, objects and histories."""

import copy
from itertools import islice

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.apply import Writer, apply_patch, track_create, track_update
from api.apply.owners import UPDATERS_MAX, stored_owners
from api.apply.schema import atom_of
from api.apply.sets import (
    DEPTH_MAX,
    EMPTY,
    FieldSet,
    FieldSetError,
    Path,
    difference,
    has,
    intersection,
    of_paths,
    ordered,
    parse,
    path_text,
    paths,
    union,
    without_trees,
)
from api.apply.walk import compare, field_set, whole
from api.core import JsonObject
from api.defaulting import set_defaults
from api.errors import Conflict
from api.kinds import kind_of

ELEMENTS = ("f:a", "f:b", 'k:{"name":"x"}', 'k:{"name":"y","port":80}', 'v:"s"', "v:7")
PATHS = st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=4).map(tuple)
SETS = st.lists(PATHS, max_size=8).map(lambda found: of_paths(*found))
NAMES = ("A", "B", "C")
AT = tuple(f"2026-05-01T00:00:{second:02}Z" for second in range(30))
DEPLOYMENT = kind_of("apps/deployments")
ATOM = atom_of(DEPLOYMENT.type_name)


def as_set(fields: FieldSet) -> set[Path]:
    listed = list(paths(fields))
    assert len(set(listed)) == len(listed)
    return set(listed)


@given(SETS, SETS)
def test_operations_are_those_of_sets_of_paths(left: FieldSet, right: FieldSet) -> None:
    mine, theirs = as_set(left), as_set(right)
    assert as_set(union(left, right)) == mine | theirs
    assert as_set(difference(left, right)) == mine - theirs
    assert as_set(intersection(left, right)) == mine & theirs
    below = {path for path in mine if not any(path[: len(other)] == other for other in theirs)}
    assert as_set(without_trees(left, right)) == below
    assert all(has(left, path) is (path in mine) for path in mine | theirs)


@given(SETS, SETS)
def test_equal_sets_have_equal_trees(left: FieldSet, right: FieldSet) -> None:
    assert union(left, right) == union(right, left)
    assert union(difference(left, right), intersection(left, right)) == left
    assert (left == right) is (as_set(left) == as_set(right))
    assert of_paths(*paths(left)) == left


@given(SETS, SETS)
def test_a_set_is_read_as_it_was_written(left: FieldSet, right: FieldSet) -> None:
    fields = union(left, right)
    written = orjson.dumps(ordered(fields))
    assert parse(orjson.loads(written)) == fields
    assert orjson.dumps(ordered(parse(orjson.loads(written)))) == written


def test_items_are_in_order_of_their_values() -> None:
    ports = [f'k:{{"port":{port}}}' for port in (443, 80, 9)]
    fields: FieldSet = {"f:b": {}, ports[0]: {}, "f:a": {".": {}, "f:z": {}}}
    fields.update({ports[1]: {}, ports[2]: {}, 'v:"x"': {}})
    assert list(ordered(fields)) == ["f:a", "f:b", ports[2], ports[1], ports[0], 'v:"x"']
    assert [path_text(path) for path in islice(paths(fields), 3)] == [".a", ".b", "[port=9]"]


@pytest.mark.parametrize(
    "wrong",
    [[], "x", {"a": {}}, {"f:a": []}, {"k:[]": {}}, {"k:{": {}}, {"v:{}": {}}, {"i:x": {}}],
)
def test_what_is_no_set_of_fields_is_refused(wrong: object) -> None:
    with pytest.raises(FieldSetError):
        parse(wrong)


def test_deep_sets_are_refused() -> None:
    deep: JsonObject = {}
    for _ in range(DEPTH_MAX + 1):
        deep = {"f:a": deep}
    with pytest.raises(FieldSetError):
        parse(deep)


# Objects

ENV = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("1", "2")), max_size=3)
CONTAINERS = st.dictionaries(st.sampled_from(("c", "d")), ENV, min_size=1)
LABELS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("1", "2")), min_size=1)


@st.composite
def wishes(draw: st.DrawFn) -> JsonObject:
    """Deployments as users apply them, of few names, so that their fields meet."""
    containers = [
        {
            "name": name,
            "image": draw(st.sampled_from(("i:1", "i:2"))),
            **({"env": [{"name": n, "value": v} for n, v in env.items()]} if env else {}),
        }
        for name, env in draw(CONTAINERS).items()
    ]
    spec: JsonObject = {
        "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}},
    }
    if draw(st.booleans()):
        spec["replicas"] = draw(st.integers(1, 3))
    meta: JsonObject = {"name": "d", "labels": draw(LABELS)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def applied(
    live: JsonObject | None, wish: JsonObject, manager: str, time: str = AT[1], force: bool = True
) -> JsonObject:
    new = apply_patch(DEPLOYMENT, live, copy.deepcopy(wish), Writer(manager, time), force)
    set_defaults(DEPLOYMENT, new)
    new["metadata"].setdefault("uid", "u")
    return new


def updated(live: JsonObject, wish: JsonObject, manager: str, time: str) -> JsonObject:
    new = copy.deepcopy(wish)
    new["metadata"]["uid"] = "u"
    set_defaults(DEPLOYMENT, new)
    track_update(DEPLOYMENT, live, new, Writer(manager, time))
    return new


def owned(obj: JsonObject, manager: str) -> FieldSet:
    found = EMPTY
    for owner in stored_owners(obj["metadata"].get("managedFields")).values():
        if owner.manager == manager:
            found = union(found, owner.fields)
    return found


@given(wishes(), wishes())
def test_to_apply_twice_is_to_apply_once(first: JsonObject, second: JsonObject) -> None:
    once = applied(applied(None, first, "a"), second, "b", AT[2])
    again = applied(once, second, "b", AT[3])
    assert again == once


@given(wishes(), wishes())
def test_the_applied_object_holds_the_patch(first: JsonObject, second: JsonObject) -> None:
    new = applied(applied(None, first, "a"), second, "b")
    wanted = field_set(ATOM, second)
    assert difference(wanted, union(whole(ATOM, new), owned(new, "b"))) == EMPTY
    compared = compare(ATOM, second, new)
    assert compared.modified == EMPTY and compared.removed == EMPTY


@given(wishes(), wishes(), st.booleans())
def test_a_field_that_is_dropped_goes_unless_another_owns_it(
    first: JsonObject, second: JsonObject, shared: bool
) -> None:
    live = applied(None, first, "a")
    if shared:
        live = applied(live, second, "b", AT[2])
    kept = copy.deepcopy(first)
    dropped = sorted(kept["metadata"]["labels"])[0]
    del kept["metadata"]["labels"][dropped]
    new = applied(live, kept, "a", AT[3])
    path = ("f:metadata", "f:labels", f"f:{dropped}")
    stays = dropped in new["metadata"].get("labels", {})
    assert stays is has(owned(live, "b"), path)
    assert not has(owned(new, "a"), path)


@given(wishes(), wishes())
def test_force_takes_what_differs(first: JsonObject, second: JsonObject) -> None:
    live = applied(None, first, "a")
    changed = compare(ATOM, live, applied(live, second, "b")).taken
    contested = intersection(owned(live, "a"), changed)
    new = applied(live, second, "b")
    assert intersection(owned(new, "a"), contested) == EMPTY
    if not contested:
        assert applied(live, second, "b", force=False) == new
        return
    with pytest.raises(Conflict) as refused:
        applied(live, second, "b", force=False)
    assert refused.value.details is not None
    named = [cause["field"] for cause in refused.value.details["causes"]]
    assert named == [path_text(path) for path in paths(contested)]


def wish_of(**env: str) -> JsonObject:
    """Containers of one variable each, or of none."""
    containers = [
        {"name": name, "image": "i:1", **({"env": [{"name": key, "value": "1"}]} if key else {})}
        for name, key in env.items()
    ]
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": {"app": "a"}}, "template": template}
    meta = {"name": "d", "labels": {"A": "1"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def variables(obj: JsonObject) -> dict[Path, int]:
    """The path of each container's variables, and how many they are."""
    above = ("f:spec", "f:template", "f:spec", "f:containers")
    return {
        (*above, f'k:{{"name":"{container["name"]}"}}', "f:env"): len(container.get("env") or ())
        for container in obj["spec"]["template"]["spec"]["containers"]
    }


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), wishes()), max_size=6), wishes())
@example(
    [("a", True, wish_of(d="A")), ("a", False, wish_of(d="A")), ("a", True, wish_of(c=""))],
    wish_of(c="", d="B"),
)
def test_nobody_owns_what_is_not_there_but_a_list_that_an_apply_emptied(
    history: list[tuple[str, bool, JsonObject]], first: JsonObject
) -> None:
    live = copy.deepcopy(first)
    set_defaults(DEPLOYMENT, live)
    track_create(DEPLOYMENT, live, Writer("maker", AT[0]))
    live["metadata"]["uid"] = "u"
    emptied: set[Path] = set()
    for number, (manager, by_apply, wish) in enumerate(history):
        time = AT[number]
        before = live
        if by_apply:
            live = applied(before, wish, manager, time)
        else:
            live = updated(before, wish, manager, time)
        had, has_now = variables(before), variables(live)
        if by_apply:
            emptied |= {path for path in had if had[path] and has_now.get(path) == 0}
        emptied -= {path for path in emptied if has_now.get(path) != 0}
        there = whole(ATOM, live)
        for owner in stored_owners(live["metadata"]["managedFields"]).values():
            assert owner.fields == ordered(owner.fields) != EMPTY
            assert list(owner.fields) == list(ordered(owner.fields))
            # Such a list is null to those who compare, and so was not removed: its maker keeps it.
            stale = set(paths(difference(owner.fields, there)))
            assert stale <= emptied, owner.manager


def test_updaters_are_capped() -> None:
    kind = kind_of("configmaps")
    live: JsonObject = {"metadata": {"name": "c"}, "data": {}}
    track_create(kind, live, Writer("maker", AT[0]))
    live["metadata"]["uid"] = "u"
    for number in range(UPDATERS_MAX + 5):
        new = copy.deepcopy(live)
        new["data"][f"k{number}"] = "1"
        track_update(kind, live, new, Writer(f"w{number:02}", AT[number]))
        live = new
    entries = live["metadata"]["managedFields"]
    assert len(entries) == UPDATERS_MAX
    ancient = next(entry for entry in entries if entry["manager"] == "ancient-changes")
    assert set(ancient["fieldsV1"]["f:data"]) == {".", *(f"f:k{n}" for n in range(6))}
