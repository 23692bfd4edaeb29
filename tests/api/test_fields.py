"""The table of fields: types taken apart, embedded structs, merge rules."""

from api.fields import OBJECT_META, FieldType, fields_of, json_fields, type_row
from api.kinds import all_kinds


def test_every_struct_of_every_kind_can_be_read() -> None:
    seen: list[str] = []
    for kind in all_kinds():
        todo = [kind.type_name]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.append(name)
            for field in fields_of(name):
                item = field.type.item
                assert item in KNOWN or item == "struct", (name, field)
                if item == "struct":
                    todo.append(field.type.struct)
            json_fields(name)
    assert len(seen) > 800


KNOWN = {
    *("s", "b", "i", "l", "d", "y", "any", "W", "TypeMeta"),
    *("Time", "MicroTime", "Duration", "Quantity", "IntOrString"),
    *("RawExtension", "FieldsV1", "JSON", "SchemaOrBool", "SchemaOrArray", "SchemaOrStrings"),
}


def test_types() -> None:
    pod = json_fields("api.core.v1.PodSpec")
    assert pod["containers"].type == FieldType(False, "list", "struct", "api.core.v1.Container")
    assert pod["nodeSelector"].type == FieldType(False, "map", "s", "")
    assert pod["priority"].type == FieldType(True, "", "i", "")
    status = json_fields("api.core.v1.ResourceRequirements")
    assert status["limits"].type == FieldType(False, "map", "Quantity", "")
    extra = json_fields("api.authentication.v1.UserInfo")["extra"]
    assert extra.type == FieldType(False, "map", "W", "")


def test_merge_rules() -> None:
    meta = json_fields(OBJECT_META)
    assert meta["ownerReferences"].patch_merges
    assert meta["ownerReferences"].merge_key == "uid"
    assert meta["finalizers"].patch_merges
    assert meta["finalizers"].merge_key == ""
    assert not meta["labels"].patch_merges
    assert json_fields("api.core.v1.PodSpec")["volumes"].patch_merges
    assert type_row("api.core.v1.ObjectReference")["mt"] == "atomic"


def test_embedded_structs_are_taken_apart_by_json_name_only() -> None:
    volume = json_fields("api.core.v1.Volume")
    assert "name" in volume and "hostPath" in volume
    assert [field.name for field in fields_of("api.core.v1.Volume")] == ["name", ""]
    assert {"kind", "apiVersion"} <= set(json_fields("api.core.v1.Pod"))
