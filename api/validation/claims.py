"""Validation of claims to storage.

Source: ValidatePersistentVolumeClaimSpec and ValidatePersistentVolumeClaimUpdate in
pkg/apis/core/validation/validation.go.
"""

from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label, wrong_with_subdomain
from api.quantity import parse
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import IMMUTABLE

ACCESS_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES: Final = ("Block", "Filesystem")
POSITIVE: Final = "must be greater than zero"
_FIXED: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims"
)
_NO_GROUP: Final = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"


def check_claim(causes: list[Cause], claim: JsonObject) -> None:
    """A PersistentVolumeClaim, defaulted; metadata apart."""
    check_claim_spec(causes, claim["spec"], "spec")


def check_claim_spec(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """What a claim, or the template of one, asks for."""
    if not spec.get("accessModes"):
        text = "at least 1 access mode is required"
        causes.append(Cause.required(f"{field}.accessModes", text))
    if spec.get("selector") is not None:
        check_label_selector(causes, spec["selector"], f"{field}.selector")
    check_access_modes(causes, spec.get("accessModes") or (), f"{field}.accessModes")
    storage = (spec.get("resources") or {}).get("requests", {}).get("storage")
    if storage is None:
        causes.append(Cause.required(f"{field}.resources[storage]"))
    elif parse(storage)[0] <= 0:
        causes.append(Cause.invalid(f"{field}.resources[storage]", storage, POSITIVE))
    check_class_name(causes, spec.get("storageClassName"), f"{field}.storageClassName")
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        causes.append(Cause.not_supported(f"{field}.volumeMode", mode, VOLUME_MODES))
    _check_sources(causes, spec, field)
    name = f"{field}.volumeAttributesClassName"
    check_class_name(causes, spec.get("volumeAttributesClassName"), name)


def check_access_modes(causes: list[Cause], modes: Sequence[str], field: str) -> None:
    """Modes that there are; one of them goes with no other."""
    for mode in modes:
        if mode not in ACCESS_MODES:
            causes.append(Cause.not_supported(field, mode, ACCESS_MODES))
    known = [mode for mode in modes if mode in ACCESS_MODES]
    if "ReadWriteOncePod" in known and any(mode != "ReadWriteOncePod" for mode in known):
        text = "may not use ReadWriteOncePod with other access modes"
        causes.append(Cause.forbidden(field, text))


def check_class_name(causes: list[Cause], name: str | None, field: str) -> None:
    """The name of a class, or none."""
    for text in wrong_with_subdomain(name) if name else ():
        causes.append(Cause.invalid(field, name, text))


def _check_sources(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """What the new volume is filled with: twice the same, in an old and in a new form."""
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    for name, source in (("dataSource", old), ("dataSourceRef", new)):
        if source is not None:
            _check_source(causes, source, f"{field}.{name}")
    place = (new or {}).get("namespace")
    for text in wrong_with_label(place) if place else ():
        causes.append(Cause.invalid(f"{field}.dataSourceRef.namespace", place, text))
    if old is None or new is None:
        return
    shown: JsonObject = {}
    if place:
        text = "may not be specified when dataSourceRef.namespace is specified"
        causes.append(Cause.invalid(field, shown, text))
    elif any(old.get(name) != new.get(name) for name in ("apiGroup", "kind", "name")):
        causes.append(Cause.invalid(field, shown, "must match dataSourceRef"))


def _check_source(causes: list[Cause], source: JsonObject, field: str) -> None:
    group, kind = source.get("apiGroup") or "", source.get("kind", "")
    for name in ("name", "kind"):
        if not source.get(name):
            causes.append(Cause.required(f"{field}.{name}"))
    if not group and kind != "PersistentVolumeClaim":
        causes.append(Cause.invalid(field, kind, _NO_GROUP))
    for text in wrong_with_subdomain(group) if group else ():
        causes.append(Cause.invalid(f"{field}.apiGroup", group, text))


def check_claim_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """A claim keeps what it asks for; once bound it may ask for more room."""
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    check_claim(causes, new)
    bound = new["status"].get("phase") == "Bound"
    same = dict(after)
    if not before.get("volumeName"):
        _set_or_drop(same, before, "volumeName")
    if "storageClassName" not in before:
        same.pop("storageClassName", None)
    if bound:
        requests = dict(same.get("resources", {}).get("requests", {}))
        known = before.get("resources", {}).get("requests", {})
        _set_or_drop(requests, known, "storage")
        same["resources"] = {**same.get("resources", {}), "requests": requests}
        _set_or_drop(same, before, "volumeAttributesClassName")
    if same != before:
        causes.append(Cause.forbidden("spec", _FIXED))
    wanted, known_size = _size(after), _size(before)
    has = old["status"].get("capacity", {}).get("storage", "0")
    if parse(wanted)[0] < parse(known_size)[0] and parse(wanted)[0] <= parse(has)[0]:
        text = "field can not be less than status.capacity"
        causes.append(Cause.forbidden("spec.resources.requests.storage", text))
    if after.get("volumeMode") != before.get("volumeMode"):
        causes.append(Cause.invalid("volumeMode", after.get("volumeMode"), IMMUTABLE))
    _check_class_of_attributes(causes, after, before)


def _check_class_of_attributes(causes: list[Cause], after: JsonObject, before: JsonObject) -> None:
    name, old = after.get("volumeAttributesClassName"), before.get("volumeAttributesClassName")
    if old is None or name:
        return
    to = "nil" if name is None else "an empty string"
    text = f"update from non-nil value to {to} is forbidden"
    causes.append(Cause.forbidden("spec.volumeAttributesClassName", text))


def _size(spec: JsonObject) -> str:
    size: str = (spec.get("resources") or {}).get("requests", {}).get("storage", "0")
    return size


def _set_or_drop(target: JsonObject, source: JsonObject, name: str) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)
