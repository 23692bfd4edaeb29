"""What is wrong with a CustomResourceDefinition."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.lifecycle import prepare_create, prepare_update
from api.structure import check_structure
from api.validation import validate_create, validate_update

KIND = kind_of("apiextensions.k8s.io/customresourcedefinitions")
SCHEMA = "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
Change = Callable[[JsonObject], object]


def definition(change: Change | None = None) -> JsonObject:
    """A stored definition of one version, with a change before it is completed."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "list": {"type": "array", "items": {"type": "string"}},
                    "text": {"type": "string", "enum": ["a", "b"]},
                },
            }
        },
    }
    made: JsonObject = {
        "apiVersion": KIND.api_version,
        "kind": KIND.kind,
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
    if change is not None:
        change(made)
    set_defaults(KIND, made)
    prepare_create(KIND, made, 0)
    return made


def causes(change: Change) -> list[tuple[str, str]]:
    found = validate_create(KIND, definition(change))
    return [(cause.field, cause.message.partition(": ")[2]) for cause in found]


def of_schema(change: Change) -> Change:
    return lambda made: change(made["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def of_spec(change: Change) -> Change:
    return lambda made: change(made["spec"])


def of_field(**keywords: Any) -> Change:
    """Keywords for the property spec.text."""

    def change(schema: JsonObject) -> None:
        schema["properties"]["spec"]["properties"]["text"].update(keywords)

    return of_schema(change)


ROOT = "spec.validation.openAPIV3Schema"
TEXT = f"{ROOT}.properties[spec].properties[text]"
LIST = f"{ROOT}.properties[spec].properties[list]"


def set_list(**keywords: Any) -> Change:
    def change(schema: JsonObject) -> None:
        schema["properties"]["spec"]["properties"]["list"] = keywords

    return of_schema(change)


def test_a_good_one_is_completed() -> None:
    made = definition()
    assert validate_create(KIND, made) == []
    assert made["spec"]["names"] == {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
    }
    assert made["status"]["storedVersions"] == ["v1"]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (of_spec(lambda s: s.update(scope="World")), "spec.scope", '"World": supported values'),
        (of_spec(lambda s: s.update(scope="")), "spec.scope", ""),
        (
            of_spec(lambda s: s["names"].update(listKind="Widget")),
            "spec.names.listKind",
            '"Widget": kind and listKind may not be the same',
        ),
        (
            of_spec(lambda s: s["names"].update(shortNames=["Bad"])),
            "spec.names.shortNames[0]",
            '"Bad": a DNS-1035 label must consist of',
        ),
        (
            of_spec(lambda s: s["versions"][0].update(storage=False)),
            "spec.versions",
            "must have exactly one version marked as storage version",
        ),
        (
            of_spec(lambda s: s["versions"].append({**s["versions"][0], "storage": False})),
            "spec.versions",
            "must contain unique version names",
        ),
        (
            of_spec(lambda s: s["versions"][0].pop("schema")),
            "spec.versions[0].schema.openAPIV3Schema",
            "",
        ),
        (
            of_spec(lambda s: s["versions"][0].update(deprecationWarning="x")),
            "spec.versions[0].deprecationWarning",
            '"x": can only be set for deprecated versions',
        ),
        (
            of_spec(
                lambda s: s["versions"][0].update(
                    subresources={
                        "scale": {
                            "specReplicasPath": ".status.x",
                            "statusReplicasPath": ".status.y",
                        }
                    }
                )
            ),
            "spec.subresources.scale.specReplicasPath",
            '".status.x": should be a json path under .spec',
        ),
        (
            of_spec(
                lambda s: s["versions"][0].update(
                    additionalPrinterColumns=[{"name": "x", "type": "text", "jsonPath": ".x"}]
                )
            ),
            "spec.additionalPrinterColumns[0].type",
            '"text": must be one of boolean,date,integer,number,string',
        ),
        (
            of_spec(
                lambda s: s["versions"][0].update(selectableFields=[{"jsonPath": ".spec.list"}])
            ),
            "spec.selectableFields[0].jsonPath",
            "must point to a field of type string, boolean or integer",
        ),
        (of_schema(lambda s: s.pop("type")), f"{ROOT}.type", "must not be empty at the root"),
        (
            of_schema(lambda s: s["properties"]["spec"].pop("type")),
            f"{ROOT}.properties[spec].type",
            "must not be empty for specified object fields",
        ),
        (
            of_schema(lambda s: s.update(additionalProperties={"type": "string"})),
            f"{ROOT}.additionalProperties",
            "must not be used at the root",
        ),
        (set_list(type="array"), f"{LIST}.items", "must be specified"),
        (set_list(type="array", items={}), f"{LIST}.items.type", "for specified array items"),
        (
            set_list(
                type="array",
                items={"type": "object", "properties": {"k": {"type": "string"}}},
                **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]},
            ),
            f"{LIST}.items.properties[k].default",
            "so it must have a default or be a required property",
        ),
        (
            set_list(
                type="array",
                items={"type": "object", "properties": {}},
                **{"x-kubernetes-list-type": "set"},
            ),
            f"{LIST}.items.x-kubernetes-map-type",
            "must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
        (of_field(type="text"), f"{TEXT}.type", '"text": supported values: "array"'),
        (of_field(default="c"), f"{TEXT}.default", '"c": supported values: "a", "b"'),
        (of_field(default=5), f"{TEXT}.default", "must be of type string"),
        (of_field(pattern="("), f"{TEXT}.pattern", "must be a valid regular expression"),
        (of_field(uniqueItems=True), f"{TEXT}.uniqueItems", "cannot be set to true"),
        (of_field(**{"$ref": "#/x"}), f"{TEXT}.$ref", "$ref is not supported"),
        (
            of_field(anyOf=[{"type": "string"}]),
            f"{TEXT}.anyOf[0].type",
            "must be empty to be structural",
        ),
        (
            of_field(**{"x-kubernetes-preserve-unknown-fields": False}),
            f"{TEXT}.x-kubernetes-preserve-unknown-fields",
            "false: must be true or undefined",
        ),
        (
            of_schema(
                lambda s: s["properties"].update(
                    metadata={"type": "object", "properties": {"labels": {"type": "object"}}}
                )
            ),
            f"{ROOT}.properties[metadata]",
            "must not specify anything other than name and generateName",
        ),
        (
            of_schema(lambda s: s.update(anyOf=[{"properties": {"other": {"minimum": 1}}}])),
            f"{ROOT}.properties[other]",
            f"because it is defined in {ROOT}.anyOf[0].properties[other]",
        ),
        (
            of_schema(lambda s: s.update(nullable=True)),
            f"{ROOT}.nullable",
            "nullable cannot be true at the root",
        ),
    ],
)
def test_causes(change: Change, field: str, message: str) -> None:
    found = causes(change)
    assert [text for where, text in found if where == field and message in text], found


def test_versions_that_differ_are_judged_each_in_its_place() -> None:
    def change(made: JsonObject) -> None:
        first = made["spec"]["versions"][0]
        second = orjson.loads(orjson.dumps({**first, "name": "v2", "storage": False}))
        del second["schema"]["openAPIV3Schema"]["type"]
        made["spec"]["versions"].append(second)

    assert causes(change) == [
        ("spec.versions[1].schema.openAPIV3Schema.type", "must not be empty at the root")
    ]


def test_what_is_not_served_is_refused_by_name() -> None:
    service = {"namespace": "ns", "name": "n"}
    webhook = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]}
    conversion = {"strategy": "Webhook", "webhook": webhook}
    assert causes(of_spec(lambda s: s.update(conversion=conversion))) == [
        ("spec.conversion.strategy", "this server converts by strategy None only")
    ]


def test_what_the_store_depends_on_does_not_change() -> None:
    old = definition()
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    new = orjson.loads(orjson.dumps(old))
    new["spec"]["scope"] = "Cluster"
    new["spec"]["names"]["kind"] = "Gadget"
    new["spec"]["versions"][0]["name"] = "v2"
    prepare_update(KIND, new, old)
    found = {cause.field: cause.message for cause in validate_update(KIND, new, old)}
    assert set(found) == {"spec.scope", "spec.names.kind", "status.storedVersions[0]"}
    assert new["status"]["storedVersions"] == ["v1", "v2"]


def test_schemas_of_items_and_entries_are_read_like_others() -> None:
    items: JsonObject = {"type": "object", "odd": 1, "properties": {"a": {"type": None}}}
    raw: JsonObject = {"type": "array", "items": items}
    assert check_structure(SCHEMA, raw).error is None
    assert raw["items"] == {"type": "object", "properties": {"a": {}}}
    wrong: list[JsonObject] = [
        {"items": {"properties": []}},
        {"items": 5},
        {"additionalProperties": {"maxLength": "x"}},
        {"additionalProperties": [1]},
    ]
    for one in wrong:
        assert "cannot unmarshal" in str(check_structure(SCHEMA, one).error), one
    assert check_structure(SCHEMA, {"additionalProperties": True}).error is None
