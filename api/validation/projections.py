"""Validation of files made of what the cluster knows: keys, fields of the pod, tokens.

Source: validateProjectionSources, validateDownwardAPIVolumeFile, validateKeyToPath in
pkg/apis/core/validation/validation.go. Some of their fields lack the index, and so do ours.
"""

from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.validation.environment import check_field_of_file, check_resource_of_file
from api.validation.mounts import check_descending_path

_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_MODE_MAX: Final = 0o777
_TOKEN_S_MIN: Final = 600
_TOKEN_S_MAX: Final = 1 << 32
_SOURCES: Final = ("secret", "configMap", "downwardAPI", "serviceAccountToken")


def check_no_steps_back(causes: list[Cause], path: str, field: str) -> None:
    """A path that does not lead upwards."""
    if ".." in path.split("/"):
        causes.append(Cause.invalid(field, path, "must not contain '..'"))


def check_inner_path(causes: list[Cause], path: str, field: str) -> None:
    """A path inside a volume, of which names that begin with two dots are not free."""
    check_descending_path(causes, path, field)
    if path.startswith("..") and not path.startswith("../"):
        causes.append(Cause.invalid(field, path, "must not start with '..'"))


def check_keys(causes: list[Cause], source: JsonObject, field: str) -> None:
    """The mode of a Secret or ConfigMap, and which of its keys become which files."""
    _check_mode(causes, source, "defaultMode", field)
    _check_items(causes, source, field)


def check_downward(causes: list[Cause], source: JsonObject, field: str) -> None:
    """Fields of the pod as files."""
    _check_mode(causes, source, "defaultMode", field)
    for item in source.get("items") or ():
        _check_file(causes, item, field)


def check_projected(causes: list[Cause], volume: JsonObject, field: str) -> None:
    """Several sources in one volume: no two of them may write the same file."""
    _check_mode(causes, volume, "defaultMode", field)
    paths: set[str] = set()
    for index, source in enumerate(volume.get("sources") or ()):
        path = f"{field}.sources[{index}]"
        for name in _SOURCES:
            if source.get(name) is not None:
                _check_source(causes, (name, source[name], f"{path}.{name}"), field, paths)
        if sum(value is not None for value in source.values()) > 1:
            text = "may not specify more than 1 volume type per source"
            causes.append(Cause.forbidden(path, text))


def _check_source(
    causes: list[Cause], named: tuple[str, JsonObject, str], field: str, paths: set[str]
) -> None:
    """``named``: name of a source, the source and its path; ``paths``: files so far."""
    name, source, path = named
    if name == "serviceAccountToken":
        _check_token(causes, source, path, field)
        return
    if name == "downwardAPI":
        for item in source.get("items") or ():
            _check_file(causes, item, path)
    else:
        if not source.get("name"):
            causes.append(Cause.required(f"{path}.name"))
        _check_items(causes, source, path)
    for item in source.get("items") or ():
        place = item.get("path", "")
        if place and place in paths:
            whose = place if name == "downwardAPI" else source.get("name", "")
            causes.append(Cause.invalid(field, whose, "conflicting duplicate paths"))
        paths.add(place)


def _check_token(causes: list[Cause], token: JsonObject, path: str, field: str) -> None:
    seconds = token.get("expirationSeconds", _TOKEN_S_MIN)
    if seconds < _TOKEN_S_MIN:
        text = "may not specify a duration less than 10 minutes"
        causes.append(Cause.invalid(f"{path}.expirationSeconds", seconds, text))
    if seconds > _TOKEN_S_MAX:
        text = "may not specify a duration larger than 2^32 seconds"
        causes.append(Cause.invalid(f"{path}.expirationSeconds", seconds, text))
    if not token.get("path"):
        causes.append(Cause.required(f"{field}.path"))
    else:
        check_inner_path(causes, token["path"], f"{field}.path")


def _check_items(causes: list[Cause], source: JsonObject, field: str) -> None:
    for index, item in enumerate(source.get("items") or ()):
        path = f"{field}.items[{index}]"
        for name in ("key", "path"):
            if not item.get(name):
                causes.append(Cause.required(f"{path}.{name}"))
        check_inner_path(causes, item.get("path", ""), f"{path}.path")
        _check_mode(causes, item, "mode", path)


def _check_file(causes: list[Cause], item: JsonObject, field: str) -> None:
    if not item.get("path"):
        causes.append(Cause.required(f"{field}.path"))
    check_inner_path(causes, item.get("path", ""), f"{field}.path")
    of_field, of_resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if of_field is not None:
        check_field_of_file(causes, of_field, f"{field}.fieldRef")
        if of_resource is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            causes.append(Cause.invalid(field, "resource", text))
    elif of_resource is not None:
        check_resource_of_file(causes, of_resource, f"{field}.resourceFieldRef")
    else:
        causes.append(Cause.required(field, "one of fieldRef and resourceFieldRef is required"))
    _check_mode(causes, item, "mode", field)


def _check_mode(causes: list[Cause], owner: JsonObject, name: str, field: str) -> None:
    mode = owner.get(name)
    if mode is not None and not 0 <= mode <= _MODE_MAX:
        causes.append(Cause.invalid(f"{field}.{name}", mode, _MODE))
