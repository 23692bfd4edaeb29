"""Validation of PersistentVolumes and storage classes.

Source: pkg/apis/core/validation/validation.go, pkg/apis/storage/validation/validation.go.
"""

from collections.abc import Sequence

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name
from api.quantity import parse, whole_value
from api.validation.affinity import check_node_selector
from api.validation.claims import POSITIVE, VOLUME_MODES, check_access_modes, check_class_name
from api.validation.csi import check_parameters, check_provisioner
from api.validation.metadata import IMMUTABLE
from api.validation.volumes import PERSISTENT_SOURCES, check_volume_source

_RECLAIM = ("Delete", "Recycle", "Retain")
_CLASS_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_AFFINITY_STAYS = f"{IMMUTABLE}, except for updating from beta label to GA"


def check_volume(causes: list[Cause], volume: JsonObject) -> None:
    """A PersistentVolume, defaulted; metadata apart."""
    spec = volume["spec"]
    if not spec.get("accessModes"):
        causes.append(Cause.required("spec.accessModes"))
    check_access_modes(causes, spec.get("accessModes") or (), "spec.accessModes")
    _check_capacity(causes, spec.get("capacity") or {})
    policy = spec["persistentVolumeReclaimPolicy"]
    if policy not in _RECLAIM:
        field = "spec.persistentVolumeReclaimPolicy"
        causes.append(Cause.not_supported(field, policy, _RECLAIM))
    affinity = spec.get("nodeAffinity")
    if affinity is not None and "required" in affinity:
        check_node_selector(causes, affinity["required"], "spec.nodeAffinity.required")
    elif affinity is not None:
        text = "must specify required node constraints"
        causes.append(Cause.required("spec.nodeAffinity.required", text))
    check_volume_source(causes, spec, PERSISTENT_SOURCES, "spec")
    first = next((name for name in PERSISTENT_SOURCES if spec.get(name) is not None), "")
    if first == "local" and affinity is None:
        text = "Local volume requires node affinity"
        causes.append(Cause.required("spec.nodeAffinity", text))
    path = (spec.get("hostPath") or {}).get("path", "")
    if path and not path.strip("/") and policy == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        causes.append(Cause.forbidden("spec.persistentVolumeReclaimPolicy", text))
    check_class_name(causes, spec.get("storageClassName"), "spec.storageClassName")
    if spec["volumeMode"] not in VOLUME_MODES:
        causes.append(Cause.not_supported("spec.volumeMode", spec["volumeMode"], VOLUME_MODES))
    _check_attributes_class(causes, spec)


def _check_capacity(causes: list[Cause], capacity: JsonObject) -> None:
    if not capacity:
        causes.append(Cause.required("spec.capacity"))
    if list(capacity) != ["storage"]:
        shown = dict(capacity) or None
        causes.append(Cause.not_supported("spec.capacity", shown, ("storage",)))
    for name, text in capacity.items():
        field = f"spec.capacity[{name}]"
        if parse(text)[0] < 0:
            amount = whole_value(text)
            causes.append(Cause.invalid(field, amount, "must be a valid resource quantity"))
        if parse(text)[0] <= 0:
            causes.append(Cause.invalid(field, text, POSITIVE))


def _check_attributes_class(causes: list[Cause], spec: JsonObject) -> None:
    name, field = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if name is None:
        return
    if not name:
        causes.append(Cause.required(field, "an empty string is disallowed"))
    check_class_name(causes, name, field)
    if "csi" not in spec:
        text = "has to be specified when using volumeAttributesClassName"
        causes.append(Cause.required("spec.csi", text))


def check_volume_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The source, ``volumeMode`` and a ``nodeAffinity`` that was set are immutable. The rest is
    judged twice, as there."""
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    check_volume(causes, new)
    check_volume(causes, new)
    if any(after.get(name) != before.get(name) for name in PERSISTENT_SOURCES):
        text = "spec.persistentvolumesource is immutable after creation"
        causes.append(Cause.forbidden("spec.persistentvolumesource", text))
    if after["volumeMode"] != before["volumeMode"]:
        causes.append(Cause.invalid("volumeMode", after["volumeMode"], IMMUTABLE))
    affinity = after.get("nodeAffinity")
    if "nodeAffinity" in before and affinity != before["nodeAffinity"]:
        causes.append(Cause.invalid("nodeAffinity", affinity, _AFFINITY_STAYS))


def check_storage_class(causes: list[Cause], storage_class: JsonObject) -> None:
    """A StorageClass, defaulted; metadata apart."""
    check_provisioner(causes, storage_class.get("provisioner", ""), "provisioner")
    check_parameters(causes, storage_class.get("parameters") or {})
    policy = storage_class["reclaimPolicy"]
    if policy and policy not in _CLASS_RECLAIM:
        causes.append(Cause.not_supported("reclaimPolicy", policy, _CLASS_RECLAIM))
    mode = storage_class["volumeBindingMode"]
    if mode not in _BINDING:
        causes.append(Cause.not_supported("volumeBindingMode", mode, _BINDING))
    terms = storage_class.get("allowedTopologies") or ()
    known: list[dict[str, list[str]]] = [{} for _ in terms]  # As many empty ones are there first.
    for index, term in enumerate(terms):
        expressions = term.get("matchLabelExpressions") or ()
        field = f"allowedTopologies[{index}].matchLabelExpressions"
        _check_topology(causes, expressions, field)
        found = _topology(expressions)
        same = [one for one in known if one == found]
        causes.extend(Cause.duplicate(field, "") for _ in same)
        known.append(found)


def _topology(expressions: Sequence[JsonObject]) -> dict[str, list[str]]:
    return {one.get("key", ""): sorted({*(one.get("values") or ())}) for one in expressions}


def _check_topology(causes: list[Cause], expressions: Sequence[JsonObject], field: str) -> None:
    keys: list[str] = []
    for index, expression in enumerate(expressions):
        path, key = f"{field}[{index}]", expression.get("key", "")
        values = expression.get("values") or ()
        if not values:
            causes.append(Cause.required(f"{path}.values"))
        for place, value in enumerate(values):
            if value in values[:place]:
                causes.append(Cause.duplicate(f"{path}.values[{place}]", value))
        for text in wrong_with_qualified_name(key):
            causes.append(Cause.invalid(f"{path}.key", key, text))
        if key in keys:
            causes.append(Cause.duplicate(f"{path}.key", key))
        keys.append(key)


def check_storage_class_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """All that says how volumes are made and bound is immutable."""
    check_storage_class(causes, new)
    for name in ("parameters", "provisioner", "reclaimPolicy"):
        if new.get(name) != old.get(name):
            causes.append(Cause.forbidden(name, f"updates to {name} are forbidden."))
    if new["volumeBindingMode"] != old["volumeBindingMode"]:
        causes.append(Cause.invalid("volumeBindingMode", new["volumeBindingMode"], IMMUTABLE))
