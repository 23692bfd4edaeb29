"""One version of a custom kind: everything that its schema decides about its objects.

Source: apiextensions-apiserver/pkg/registry/customresource/strategy.go, status_strategy.go,
validator.go; pkg/apiserver/customresource_handler.go (defaulting and pruning).
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson

from api.apply.schema import Atom
from api.apply.sets import EMPTY, FieldSet, of_paths
from api.canonical import canonicalize
from api.conversion import View
from api.core import JsonObject
from api.crd.atoms import resource_atom
from api.crd.columns import printer_of
from api.crd.embedded import coerce_embedded, embedded_faults, has_embedded
from api.crd.lists import duplicates
from api.crd.paths import PathError, find_all, go_text, parse_path, simple_path, value_at
from api.crd.prune import prune, set_defaults, write_whole
from api.crd.rules import broken_rules, has_rules
from api.crd.schema import Node
from api.crd.values import ABSENT, wrong_values
from api.errors import Cause
from api.fields import OBJECT_META
from api.kinds import Kind, Subresource
from api.printers.columns import Printer
from api.structure import check_structure
from api.validation.metadata import CUSTOM, check_metadata, check_metadata_update

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""In the order in which discovery names them."""
_SUBRESOURCE_VERBS = ("get", "patch", "update")
_INT32_MAX = 2**31 - 1


class CustomVersion:
    """What ``spec.versions[i]`` of a definition says, compiled. Immutable."""

    def __init__(self, group: str, spec: JsonObject, uniform: bool) -> None:
        self.group = group
        self.name: str = spec["name"]
        self.stored: Kind | None = None
        """The kind in the version of storage."""
        self.siblings: Mapping[str, CustomVersion] = {}
        """All versions of the kind, by name."""
        self.storage: bool = spec["storage"]
        self.uniform = uniform
        """Every stored object was written by this version and this schema: the bytes in the store
        are what a client is to see."""
        self.schema: JsonObject = (spec.get("schema") or {}).get("openAPIV3Schema") or {}
        subresources = spec.get("subresources") or {}
        self.has_status = subresources.get("status") is not None
        self.scale: JsonObject | None = subresources.get("scale")
        self.warning = ""
        """What a client of a deprecated version is told."""
        self._columns: Sequence[JsonObject] = spec.get("additionalPrinterColumns") or ()
        self.selectable: Mapping[str, str] = {
            one["jsonPath"].removeprefix("."): one["jsonPath"]
            for one in spec.get("selectableFields") or ()
        }
        """Names in field selectors to their paths."""

    @cached_property
    def node(self) -> Node:
        """The schema, as those who check and prune walk it."""
        return Node(self.schema)

    @cached_property
    def _has_rules(self) -> bool:
        return has_rules(self.node)

    @cached_property
    def _has_embedded(self) -> bool:
        return has_embedded(self.node)

    @cached_property
    def atom(self) -> Atom:
        """The schema, as those who merge and own fields walk it."""
        return resource_atom(self.node)

    @cached_property
    def printer(self) -> Printer:
        """Makes the rows of its tables."""
        return printer_of(list(self._columns))

    def fields_of(self, obj: JsonObject) -> tuple[str, ...]:
        """The values of the selectable fields, as a selector compares them."""
        found = (find_all(parse_path(path) or (), obj) for path in self.selectable.values())
        return tuple(go_text(values[0]) if values else "" for values in found)

    # From a body to a stored object

    def fit(self, obj: JsonObject) -> tuple[list[str], str | None]:
        """Drop, in place, what no object of this version has: ``unknown field "spec.x"`` for each;
        and what keeps the metadata from being read, or None. Everything else mistyped is for
        ``validate``."""
        meta = obj.get("metadata")
        unknown: list[str] = []
        error = None
        if isinstance(meta, dict):
            found = check_structure(OBJECT_META, meta)
            unknown = [text.replace('"', '"metadata.', 1) for text in found.unknown]
            error = found.error
        elif meta is not None:
            error = "metadata: expected a map"
        unknown += [f'unknown field "{path}"' for path in prune(self.node, obj)]
        if error is None and self._has_embedded:
            inside, error = coerce_embedded(self.node, obj)
            unknown += inside
        return unknown, error

    def set_defaults(self, obj: JsonObject) -> None:
        """Canonical metadata and the defaults of the schema, in place. Idempotent."""
        canonicalize(OBJECT_META, obj["metadata"])
        set_defaults(self.node, obj)
        write_whole(obj)

    def view(self, kind: Kind) -> View:
        """How stored objects look in this version, and the reverse: only the apiVersion differs,
        and what the schemas of the two do not share is gone."""
        assert self.stored is not None
        return View(kind, self.stored, self.to_stored, self.from_stored, {}, True)

    def from_stored(self, obj: JsonObject) -> JsonObject:
        """A stored object as this version shows it, made of ``obj``."""
        made = {**obj, "apiVersion": f"{self.group}/{self.name}"}
        written = self.siblings.get(str(obj.get("apiVersion", "")).rpartition("/")[2])
        if written is not None:
            prune(written.node, made)
            set_defaults(written.node, made)
        prune(self.node, made)
        return made

    def to_stored(self, obj: JsonObject) -> JsonObject:
        """An object of this version as it is stored, made of ``obj``."""
        assert self.stored is not None and self.stored.custom is not None
        if self.storage:
            return obj
        made: JsonObject = orjson.loads(orjson.dumps(obj))
        made["apiVersion"] = self.stored.api_version
        prune(self.stored.custom.node, made)
        return made

    def prepare_create(self, obj: JsonObject) -> None:
        """A new object has no status where status is written apart, and is of generation 1."""
        if self.has_status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def prepare_update(self, new: JsonObject, old: JsonObject) -> None:
        """The status stays, and a change of anything but metadata counts."""
        if self.has_status:
            if "status" in old:
                new["status"] = old["status"]
            else:
                new.pop("status", None)
        wishes = [{k: obj[k] for k in obj if k != "metadata"} for obj in (new, old)]
        if wishes[0] != wishes[1]:
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def prepare_status_update(self, new: JsonObject, old: JsonObject) -> None:
        """Only the status and who owns what are new."""
        status, owners = new.get("status"), new["metadata"].get("managedFields")
        new.clear()
        new.update({name: value for name, value in old.items() if name != "status"})
        new["metadata"] = {k: v for k, v in old["metadata"].items() if k != "managedFields"}
        if owners is not None:
            new["metadata"]["managedFields"] = owners
        if status is not None:
            new["status"] = status

    # Validation

    def validate_create(self, kind: Kind, obj: JsonObject) -> list[Cause]:
        """The causes against a new object, none if it may be stored."""
        causes = _type_faults(kind, obj)
        if causes:
            return causes
        check_metadata(causes, CUSTOM, obj, kind.namespaced)
        causes += wrong_values(self.node, obj)
        causes += self._scale_faults(obj, True)
        if self._has_embedded:
            causes += embedded_faults(self.node, obj)
        causes += duplicates(self.node, obj)
        return self._with_rules(causes, obj, ABSENT)

    def validate_update(self, kind: Kind, new: JsonObject, old: JsonObject) -> list[Cause]:
        """The causes against ``new`` in the place of ``old``. What was wrong and stays is let
        be."""
        causes = _type_faults(kind, new)
        if causes:
            return causes
        check_metadata(causes, CUSTOM, new, kind.namespaced)
        check_metadata_update(causes, new, old)
        causes += wrong_values(self.node, new, old)
        causes += self._scale_faults(new, True)
        if self._has_embedded:
            causes += embedded_faults(self.node, new)
        if not any(True for _ in duplicates(self.node, old)):
            causes += duplicates(self.node, new)
        return self._with_rules(causes, new, old)

    def validate_status(self, kind: Kind, new: JsonObject, old: JsonObject) -> list[Cause]:
        """As of an update, but of the status alone."""
        causes = _type_faults(kind, new)
        if causes:
            return causes
        check_metadata(causes, CUSTOM, new, kind.namespaced)
        check_metadata_update(causes, new, old)
        node = self.node.child("status")
        if "status" in new and node is not None:
            causes += wrong_values(node, new["status"], old.get("status", ABSENT), "status")
        causes += self._scale_faults(new, False)
        if not any(True for _ in duplicates(self.node, old)):
            causes += duplicates(self.node, new)
        return self._with_rules(causes, new, old)

    def _with_rules(self, causes: list[Cause], new: JsonObject, old: Any) -> list[Cause]:
        """The causes with those of the schema's own rules, which see the whole object."""
        if not self._has_rules:
            return causes
        return [*causes, *broken_rules(self.node, new, old, causes)]

    def _scale_faults(self, obj: JsonObject, whole: bool) -> list[Cause]:
        """``whole``: the wish is judged too, not the status alone."""
        if self.scale is None:
            return []
        causes = _replica_faults(obj, self.scale["specReplicasPath"]) if whole else []
        causes += _replica_faults(obj, self.scale["statusReplicasPath"])
        path = self.scale.get("labelSelectorPath")
        if path:
            try:
                value_at(obj, simple_path(path), str)
            except PathError as error:
                causes.append(Cause.invalid(path, "", str(error)))
        return causes

    # Field ownership

    def reset_fields(self, subresource: str) -> FieldSet:
        """What a write to the object or its status cannot change."""
        if subresource == "status":
            return _OF_STATUS_WRITES
        return _STATUS if self.has_status else EMPTY


_STATUS = of_paths(("f:status",))
_OF_STATUS_WRITES = of_paths(("f:metadata",), ("f:spec",))


def _type_faults(kind: Kind, obj: JsonObject) -> list[Cause]:
    causes = []
    for name, wanted in (("kind", kind.kind), ("apiVersion", kind.api_version)):
        if obj.get(name) != wanted:
            causes.append(Cause.invalid(name, obj.get(name), f"must be {wanted}"))
    return causes


def _replica_faults(obj: JsonObject, path: str) -> list[Cause]:
    try:
        replicas: Any = value_at(obj, simple_path(path), int) or 0
    except PathError as error:
        return [Cause.invalid(path, 0, str(error))]
    if replicas < 0:
        return [Cause.invalid(path, replicas, "should be a non-negative integer")]
    if replicas > _INT32_MAX:
        text = f"should be less than or equal to {_INT32_MAX}"
        return [Cause.invalid(path, replicas, text)]
    return []


def kinds_of(definition: JsonObject) -> tuple[Kind, ...]:
    """The kinds that a stored definition serves by its accepted names, in order of its versions."""
    spec, names = definition["spec"], definition["status"]["acceptedNames"]
    # Never changed, and no second version by which objects come in.
    uniform = definition["metadata"].get("generation", 1) == 1 and len(spec["versions"]) == 1
    found = []
    for entry in spec["versions"]:
        version = CustomVersion(spec["group"], entry, uniform)
        group, word = spec["group"], entry["name"]
        if entry.get("deprecated"):
            own = f"{group}/{word} {names['kind']} is deprecated"
            version.warning = entry.get("deprecationWarning") or own
        subresources = []
        if version.has_status:
            subresources.append(
                Subresource("status", group, word, names["kind"], _SUBRESOURCE_VERBS)
            )
        if version.scale is not None:
            subresources.append(
                Subresource("scale", "autoscaling", "v1", "Scale", _SUBRESOURCE_VERBS)
            )
        found.append(
            Kind(
                group=group,
                version=word,
                kind=names["kind"],
                type_name=_definition_name(group, word, names["kind"]),
                resource=names["plural"],
                namespaced=spec["scope"] == "Namespaced",
                verbs=VERBS,
                subresources=tuple(subresources),
                singular=names.get("singular", ""),
                short_names=tuple(names.get("shortNames") or ()),
                categories=tuple(names.get("categories") or ()),
                list_kind=names.get("listKind", ""),
                list_type_name=_definition_name(group, word, names.get("listKind", "")),
                off=not entry["served"],
                custom=version,
            )
        )
    stored = next(kind for kind in found if kind.custom is not None and kind.custom.storage)
    siblings = {kind.version: kind.custom for kind in found if kind.custom is not None}
    for kind in found:
        assert kind.custom is not None
        kind.custom.stored = stored
        kind.custom.siblings = siblings
    return tuple(found)


def _definition_name(group: str, version: str, kind: str) -> str:
    """The name of a schema in OpenAPI documents: the group turned round."""
    return ".".join([*reversed(group.split(".")), version, kind])
