"""Custom resources in the API server: definitions, verbs, versions, several servers."""

import orjson
import pytest

from api.core import JsonObject
from apiserver.shards import Sharding
from tests.apiserver.apiserver_rig import Rig
from tests.apiserver.custom_widgets import (
    APPLY,
    DEFINITIONS,
    GROUP,
    MERGE,
    SPEC,
    TABLE,
    WIDGETS,
    condition,
    defined,
    definition,
    version,
    widget,
)

ALL = f"/apis/{GROUP}/v1/widgets"
OF_WIDGETS = f"{DEFINITIONS}/widgets.{GROUP}"


def created(rig: Rig, name: str, spec: JsonObject) -> JsonObject:
    code, made = rig.call("POST", WIDGETS, widget(name, spec))
    assert code == 201, made
    found: JsonObject = made
    return found


def test_a_definition_is_served_as_soon_as_it_is_made() -> None:
    rig = Rig()
    assert rig.call("GET", ALL)[0] == 404
    stored = defined(rig, shortNames=["wd"], categories=["all"])
    assert condition(stored, "NamesAccepted")[:2] == ("True", "NoConflicts")
    assert condition(stored, "Established")[:2] == ("True", "InitialNamesAccepted")
    assert stored["status"]["storedVersions"] == ["v1"]
    assert rig.call("GET", ALL)[1]["items"] == []
    listed = rig.call("GET", f"/apis/{GROUP}/v1")[1]["resources"]
    assert [row["name"] for row in listed] == ["widgets", "widgets/status", "widgets/scale"]
    assert listed[0]["shortNames"] == ["wd"] and listed[0]["categories"] == ["all"]
    groups = [one["name"] for one in rig.call("GET", "/apis")[1]["groups"]]
    assert groups[-1] == GROUP
    found = rig.call("GET", f"/openapi/v3/apis/{GROUP}/v1")[1]
    assert found["components"]["schemas"]["com.example.v1.Widget"]["properties"]["spec"]
    assert f"apis/{GROUP}/v1" in rig.call("GET", "/openapi/v3")[1]["paths"]


def test_names_that_are_taken_are_not_accepted() -> None:
    rig = Rig()
    defined(rig)
    other = defined(rig, plural="gadgets", kind="Widget", listKind="GadgetList")
    assert condition(other, "NamesAccepted") == (
        "False",
        "KindConflict",
        '"Widget" is already in use',
    )
    assert condition(other, "Established")[:2] == ("False", "NotAccepted")
    assert rig.call("GET", f"/apis/{GROUP}/v1/gadgets")[0] == 404
    assert rig.call("DELETE", OF_WIDGETS)[0] == 200
    freed = rig.call("GET", f"{DEFINITIONS}/gadgets.{GROUP}")[1]
    # The list kind was free from the start; the kind is, now that its holder is gone.
    assert condition(freed, "Established")[0] == "True"
    assert freed["status"]["acceptedNames"]["kind"] == "Widget"


def test_finalizers_without_a_domain_are_warned_of_and_numbers_are_written_as_go_does() -> None:
    rig = Rig()
    defined(rig)
    one = widget("a", {"size": 2.0, "free": {"any": [1.0, 0.5, {"n": 1e3}]}})
    one["metadata"]["finalizers"] = ["x", "a/b"]
    made = rig.ask("POST", WIDGETS, one)
    prefer = "prefer a domain-qualified finalizer name"
    assert [value.split(" to avoid")[0] for _, value in made.headers] == [
        f'299 - "metadata.finalizers: \\"x\\": {prefer}'
    ]
    assert b'"size":2,' in made.body and b'"any":[1,0.5,{"n":1000}]' in made.body
    more = {"metadata": {"finalizers": ["x", "y.z"]}}
    changed = rig.ask("PATCH", f"{WIDGETS}/a", more, content_type=MERGE)
    assert [value.split(" to avoid")[0] for _, value in changed.headers] == [
        f'299 - "metadata.finalizers: \\"y.z\\": {prefer} including a path (/)'
    ]


def test_objects_are_pruned_defaulted_judged_and_shown() -> None:
    rig = Rig()
    defined(rig)
    made = rig.ask("POST", WIDGETS, widget("a", {"size": 3, "zz": 1, "free": {"any": [1]}}))
    assert [value for _, value in made.headers] == ['299 - "unknown field \\"spec.zz\\""']
    obj = orjson.loads(made.body)
    assert obj["spec"] == {"size": 3, "free": {"any": [1]}, "color": "red"}
    code, refused = rig.call("POST", WIDGETS, widget("b", {"size": "x", "color": "green"}))
    assert code == 422
    assert [cause["field"] for cause in refused["details"]["causes"]] == ["spec.color", "spec.size"]
    table = rig.call("GET", ALL, accept=TABLE)[1]
    assert [row["cells"] for row in table["rows"]] == [["a", 3, "red"]]
    items = rig.call("GET", ALL)[1]["items"]
    assert [(one["kind"], one["apiVersion"]) for one in items] == [("Widget", f"{GROUP}/v1")]
    assert rig.call("POST", WIDGETS, {"metadata": {"name": "c"}, "spec": {"size": 1}})[0] == 400
    other = {**widget("d", {"size": 1}), "apiVersion": f"{GROUP}/v2"}
    assert (
        "does not match the expected API version" in rig.call("POST", WIDGETS, other)[1]["message"]
    )


def test_protobuf_is_refused_in_both_directions() -> None:
    rig = Rig()
    defined(rig)
    protobuf = "application/vnd.kubernetes.protobuf"
    assert rig.call("GET", ALL, accept=protobuf)[0] == 406
    assert rig.call("GET", ALL, accept=f"{protobuf},application/json")[0] == 200
    assert rig.call("POST", WIDGETS, b"k8s\0", content_type=protobuf)[0] == 415


def test_status_and_scale_are_written_apart() -> None:
    rig = Rig()
    defined(rig)
    created(rig, "a", {"size": 1, "replicas": 2})
    body = {"status": {"ready": 5}, "spec": {"size": 9}, "metadata": {"labels": {"x": "y"}}}
    code, after = rig.call("PATCH", f"{WIDGETS}/a/status", body, content_type=MERGE)
    assert code == 200
    assert (after["spec"]["size"], after["status"]) == (1, {"ready": 5})
    assert "labels" not in after["metadata"] and after["metadata"]["generation"] == 1
    scale = rig.call("GET", f"{WIDGETS}/a/scale")[1]
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 5})
    code, _ = rig.call("PATCH", f"{WIDGETS}/a/scale", {"spec": {"replicas": 7}}, content_type=MERGE)
    assert code == 200
    whole = rig.call("GET", f"{WIDGETS}/a")[1]
    assert whole["spec"]["replicas"] == 7 and whole["metadata"]["generation"] == 2
    code, _ = rig.call(
        "PATCH", f"{WIDGETS}/a/scale", {"spec": {"replicas": -1}}, content_type=MERGE
    )
    assert code == 422


def test_apply_merges_lists_that_are_maps_and_tells_of_conflicts() -> None:
    rig = Rig()
    defined(rig)
    path = f"{WIDGETS}/a?fieldManager="
    one = widget("a", {"size": 1, "tags": [{"k": "a", "v": "1"}]})
    two = widget("a", {"size": 2, "tags": [{"k": "b", "v": "2"}]})
    assert rig.call("PATCH", path + "one", one, content_type=APPLY)[0] == 201
    code, conflict = rig.call("PATCH", path + "two", two, content_type=APPLY)
    assert code == 409
    assert [cause["field"] for cause in conflict["details"]["causes"]] == [".spec.size"]
    code, after = rig.call("PATCH", path + "two&force=true", two, content_type=APPLY)
    assert code == 200
    assert [tag["k"] for tag in after["spec"]["tags"]] == ["a", "b"]
    del one["spec"]["tags"]
    one["spec"]["size"] = 2
    after = rig.call("PATCH", path + "one", one, content_type=APPLY)[1]
    assert [tag["k"] for tag in after["spec"]["tags"]] == ["b"]


def test_what_the_schema_leaves_open_is_owned_entry_by_entry() -> None:
    rig = Rig()
    defined(rig)
    path = f"{WIDGETS}/a?fieldManager="
    one = widget("a", {"size": 1, "free": {"x": {"y": 1}, "list": [1, 2]}})
    made = rig.call("PATCH", path + "one", one, content_type=APPLY)[1]
    owned = made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:free"]
    assert owned == {"f:list": {}, "f:x": {".": {}, "f:y": {}}}
    two = widget("a", {"free": {"x": {"z": 2}}})
    code, merged = rig.call("PATCH", path + "two", two, content_type=APPLY)
    assert code == 200
    assert merged["spec"]["free"] == {"x": {"y": 1, "z": 2}, "list": [1, 2]}
    del one["spec"]["free"]["x"]
    after = rig.call("PATCH", path + "one", one, content_type=APPLY)[1]
    assert after["spec"]["free"] == {"x": {"z": 2}, "list": [1, 2]}


def test_each_version_has_its_schema_and_one_of_them_is_stored() -> None:
    rig = Rig()
    wide = {**SPEC, "properties": {**SPEC["properties"], "extra": {"type": "string"}}}
    defined(rig, version("v1", True), version("v2", False, wide))
    created(rig, "a", {"size": 1})
    second = WIDGETS.replace("/v1/", "/v2/")
    seen = rig.call("GET", f"{second}/a")[1]
    assert seen["apiVersion"] == f"{GROUP}/v2"
    seen["spec"]["extra"] = "gone when stored as v1"
    code, answer = rig.call("PUT", f"{second}/a", seen)
    assert code == 200 and "extra" not in answer["spec"]
    stream = rig.watch(f"{second}?watch=1&resourceVersion={answer['metadata']['resourceVersion']}")
    rig.call("PATCH", f"{WIDGETS}/a", {"spec": {"size": 4}}, content_type=MERGE)
    assert [(one["apiVersion"], one["spec"]["size"]) for _, one in stream.events] == [
        (f"{GROUP}/v2", 4)
    ]
    listed = rig.call("GET", second)[1]
    assert listed["apiVersion"] == f"{GROUP}/v2" and listed["kind"] == "WidgetList"
    assert [one["apiVersion"] for one in listed["items"]] == [f"{GROUP}/v2"]
    versions = [one["version"] for one in rig.call("GET", f"/apis/{GROUP}")[1]["versions"]]
    assert versions == ["v2", "v1"]


def test_a_new_storage_version_takes_over_what_is_written() -> None:
    rig = Rig()
    defined(rig)
    created(rig, "a", {"size": 1})
    change = {"spec": {"versions": [version("v1", False), version("v2", True)]}}
    code, after = rig.call("PATCH", OF_WIDGETS, change, content_type=MERGE)
    assert code == 200
    assert after["status"]["storedVersions"] == ["v1", "v2"]
    second = WIDGETS.replace("/v1/", "/v2/")
    before = rig.call("GET", f"{second}/a")[1]
    assert before["apiVersion"] == f"{GROUP}/v2"
    # A write that changes nothing still stores the object in the new version.
    code, again = rig.call("PUT", f"{WIDGETS}/a", {**before, "apiVersion": f"{GROUP}/v1"})
    assert code == 200 and again["apiVersion"] == f"{GROUP}/v1"
    assert again["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    change = {"spec": {"versions": [version("v2", True)]}}
    code, refused = rig.call("PATCH", OF_WIDGETS, change, content_type=MERGE)
    assert code == 422 and "status.storedVersions[0]" in refused["message"]


def test_a_changed_schema_shows_on_objects_that_were_there() -> None:
    rig = Rig()
    defined(rig)
    created(rig, "a", {"size": 1, "free": {"x": 1}})
    kept = {name: SPEC["properties"][name] for name in ("size", "color")}
    added = {"shape": {"type": "string", "default": "round"}}
    spec = {**SPEC, "properties": {**kept, **added}}
    change = {"spec": {"versions": [version("v1", True, spec)]}}
    stream = rig.watch(f"{ALL}?watch=1")
    assert rig.call("PATCH", OF_WIDGETS, change, content_type=MERGE)[0] == 200
    assert stream.ended is not None, "who watched the old schema lists anew"
    assert rig.call("GET", f"{WIDGETS}/a")[1]["spec"] == {
        "size": 1,
        "color": "red",
        "shape": "round",
    }


def test_a_definition_goes_after_its_objects() -> None:
    rig = Rig()
    defined(rig)
    created(rig, "a", {"size": 1})
    held = widget("b", {"size": 1})
    held["metadata"]["finalizers"] = ["example.com/wait"]
    assert rig.call("POST", WIDGETS, held)[0] == 201
    stream = rig.watch(f"{ALL}?watch=1")
    code, going = rig.call("DELETE", OF_WIDGETS)
    assert code == 200
    assert condition(going, "Terminating")[:2] == ("True", "InstanceDeletionPending")
    assert [one["metadata"]["name"] for one in rig.call("GET", ALL)[1]["items"]] == ["b"]
    waiting = rig.call("GET", OF_WIDGETS)[1]
    assert condition(waiting, "Terminating")[:2] == ("True", "InstanceDeletionInProgress")
    assert waiting["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    code, refused = rig.call("POST", WIDGETS, widget("c", {"size": 1}))
    assert (code, refused["message"]) == (
        405,
        "create not allowed while custom resource definition is terminating",
    )
    free = {"metadata": {"finalizers": None}}
    assert rig.call("PATCH", f"{WIDGETS}/b", free, content_type=MERGE)[0] == 200
    assert rig.call("GET", OF_WIDGETS)[0] == 404
    assert rig.call("GET", ALL)[0] == 404
    assert stream.ended is not None
    assert GROUP not in [one["name"] for one in rig.call("GET", "/apis")[1]["groups"]]
    assert defined(rig)["status"]["storedVersions"] == ["v1"]
    assert rig.call("GET", ALL)[1]["items"] == []


@pytest.mark.parametrize("shard_by", ["kind", "hash"])
def test_a_second_server_learns_of_it_and_a_later_one_finds_it(shard_by: str) -> None:
    first = Rig(shards=3, shard_by=shard_by)  # type: ignore[arg-type]
    second = Rig(stores=first.stores, shard_by=shard_by, first_id=10**6)  # type: ignore[arg-type]
    defined(first)
    for number in range(5):
        created(first, f"w{number}", {"size": 1 + number})
    second.step([])
    listed = second.call("GET", f"{ALL}?limit=2")[1]
    token = listed["metadata"]["continue"]
    rest = first.call("GET", f"{ALL}?limit=9&continue={token}")[1]
    names = [one["metadata"]["name"] for one in (*listed["items"], *rest["items"])]
    assert names == ["w0", "w1", "w2", "w3", "w4"]
    third = Rig(stores=first.stores, shard_by=shard_by, first_id=2 * 10**6)  # type: ignore[arg-type]
    assert len(third.call("GET", ALL)[1]["items"]) == 5


@pytest.mark.parametrize("shard", range(6))
def test_kinds_stay_while_a_shard_is_loaded_anew(shard: int) -> None:
    """Definitions and widgets lie on different ones of six shards."""
    rig = Rig(shards=6)
    defined(rig)
    created(rig, "a", {"size": 1})
    before = rig.watch(f"{ALL}?watch=1")
    rig.held.add(shard)
    rig.step([rig.stream_end(shard, "compacted")])
    assert f"apis/{GROUP}/v1" in rig.call("GET", "/openapi/v3")[1]["paths"]
    rig.release(shard)
    home = Sharding("kind", 6).group_of(f"{GROUP}/widgets")
    assert (before.ended is not None) is (shard == home), "only they have lost their history"
    assert rig.call("GET", f"{WIDGETS}/a")[0] == 200
    since = rig.call("GET", ALL)[1]["metadata"]["resourceVersion"]
    stream = rig.watch(f"{ALL}?watch=1&resourceVersion={since}")
    created(rig, "b", {"size": 1})
    assert [one["metadata"]["name"] for _, one in stream.events] == ["b"]


def test_objects_of_a_group_can_be_selected_by_the_fields_it_names() -> None:
    rig = Rig()
    selectable = [{"jsonPath": ".spec.color"}]
    defined(rig, version("v1", True, selectableFields=selectable))
    created(rig, "a", {"size": 1})
    created(rig, "b", {"size": 1, "color": "blue"})
    found = rig.call("GET", f"{ALL}?fieldSelector=spec.color%3Dblue")[1]["items"]
    assert [one["metadata"]["name"] for one in found] == ["b"]
    code, refused = rig.call("GET", f"{ALL}?fieldSelector=spec.size%3D1")
    assert (code, refused["message"]) == (400, "field label not supported: spec.size")


def test_versions_that_are_not_served_or_deprecated_say_so() -> None:
    rig = Rig()
    old: JsonObject = {"served": True, "deprecated": True, "deprecationWarning": "use v2"}
    defined(
        rig, version("v1", False, **old), version("v2", True), version("v3", False, served=False)
    )
    assert rig.call("GET", f"/apis/{GROUP}/v3/widgets")[0] == 404
    answer = rig.ask("GET", ALL)
    assert ("Warning", '299 - "use v2"') in answer.headers
    assert rig.ask("GET", f"/apis/{GROUP}/v2/widgets").headers == ()


def test_components_call_custom_kinds_by_their_key() -> None:
    rig = Rig()
    key = f"{GROUP}/widgets"
    assert rig.frame_calls(("list", key, "ns"))[0].code == 404
    defined(rig)
    created(rig, "a", {"size": 1})
    [listed] = rig.frame_calls(("list", key, "ns"))
    assert [one["metadata"]["name"] for one in orjson.loads(listed.body)["items"]] == ["a"]
    stream = rig.frame_watch(key, "ns")
    created(rig, "b", {"size": 1})
    kinds = [body[0] for body in stream.bodies]
    assert kinds.count("items") == 2


def test_a_definition_of_a_protected_group_needs_an_approval() -> None:
    rig = Rig()
    made = definition()
    made["metadata"]["name"] = "widgets.example.k8s.io"
    made["spec"]["group"] = "example.k8s.io"
    code, refused = rig.call("POST", DEFINITIONS, made)
    assert code == 422 and "metadata.annotations[api-approved.kubernetes.io]" in refused["message"]
    made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}
    assert rig.call("POST", DEFINITIONS, made)[0] == 201
    stored = rig.call("GET", f"{DEFINITIONS}/widgets.example.k8s.io")[1]
    found = condition(stored, "KubernetesAPIApprovalPolicyConformant")
    assert found[:2] == ("False", "UnapprovedAnnotation")


def test_paths_and_metadata_that_are_wrong_are_told_as_of_custom_resources() -> None:
    rig = Rig()
    defined(rig)
    assert rig.call("POST", ALL, widget("a", {"size": 1}))[0] == 404
    assert rig.call("GET", f"{WIDGETS}/a/other")[0] == 404
    odd = widget("a", {"size": 1})
    odd["metadata"] |= {"labels": {"x": 1}}
    code, refused = rig.call("POST", WIDGETS, odd)
    assert code == 400
    assert "cannot unmarshal number into Go struct field ObjectMeta.labels" in refused["message"]
    odd["metadata"] = {"name": "a", "odd": 1}
    code, refused = rig.call("POST", f"{WIDGETS}?fieldValidation=Strict", odd)
    assert code == 400 and 'unknown field "metadata.odd"' in refused["message"]
    made = rig.call("POST", WIDGETS, {**odd, "kind": "Gadget"})[1]
    assert made["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: "Gadget": must be Widget',
            "field": "kind",
        }
    ]


def test_a_generated_name_a_dry_run_and_a_collection_that_is_deleted() -> None:
    rig = Rig()
    defined(rig)
    body = widget("", {"size": 1})
    body["metadata"] = {"generateName": "w-", "labels": {"x": "y"}}
    made = rig.call("POST", WIDGETS, body)[1]
    assert made["metadata"]["name"].startswith("w-")
    code, dry = rig.call("POST", f"{WIDGETS}?dryRun=All", widget("dry", {"size": 1}))
    assert code == 201 and dry["spec"]["color"] == "red"
    created(rig, "kept", {"size": 1})
    code, gone = rig.call("DELETE", f"{WIDGETS}?labelSelector=x%3Dy")
    assert code == 200 and len(gone["items"]) == 1
    assert [one["metadata"]["name"] for one in rig.call("GET", ALL)[1]["items"]] == ["kept"]


def test_rules_of_a_schema_hold_on_every_write() -> None:
    rig = Rig()
    rule = {"rule": "self.size <= oldSelf.size", "message": "size never grows"}
    defined(rig, version("v1", True, {**SPEC, "x-kubernetes-validations": [rule]}))
    created(rig, "a", {"size": 3})
    assert rig.call("PATCH", f"{WIDGETS}/a", {"spec": {"size": 2}}, content_type=MERGE)[0] == 200
    code, refused = rig.call("PATCH", f"{WIDGETS}/a", {"spec": {"size": 5}}, content_type=MERGE)
    assert code == 422
    assert refused["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: "object": size never grows',
            "field": "spec",
        }
    ]
