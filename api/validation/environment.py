"""Validation of a container's environment: variables, and where their values come from.

Source: ValidateEnv, ValidateEnvFrom and validateEnvVarValueFrom in
pkg/apis/core/validation/validation.go; pkg/apis/core/pods/helpers.go (labels of fields).
"""

import re
from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_config_key, wrong_with_qualified_name, wrong_with_subdomain

_NAME: Final = re.compile(r"[ -<>-~]+")
_NAME_MESSAGE: Final = (
    "a valid environment variable name must consist only of printable ASCII characters other "
    "than '='"
)
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_LABELS: Final = (
    *_FIELDS,
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
)
"""Fields that have a name, of which only the others can be asked for here."""
_SUBSCRIPT: Final = re.compile(r"(.*)\['(.*)'\]")
_RESOURCES: Final = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_FIELDS_OF_FILES: Final = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_BYTES: Final = (
    *("1", "1k", "1M", "1G", "1T", "1P", "1E"),
    *("1Ki", "1Mi", "1Gi", "1Ti", "1Pi"),
    "1Ei",
)
_RESOURCE_WORDS: Final = {
    "cpu": "cpu",
    "memory": "memory",
    "ephemeral-storage": "local ephemeral storage",
    "hugepages": "hugepages",
}
_PAGES: Final = ("limits.hugepages-", "requests.hugepages-")


def check_env(causes: list[Cause], env: Sequence[JsonObject], field: str) -> None:
    """Variables of a container, in their list at ``field``."""
    for index, variable in enumerate(env):
        path = f"{field}[{index}]"
        name = variable["name"]
        if not name:
            causes.append(Cause.required(f"{path}.name"))
        elif not _NAME.fullmatch(name):
            causes.append(Cause.invalid(f"{path}.name", name, _NAME_MESSAGE))
        if variable.get("valueFrom") is not None:
            _check_source(causes, variable, f"{path}.valueFrom")


def _check_source(causes: list[Cause], variable: JsonObject, field: str) -> None:
    source = variable["valueFrom"]
    kinds = [kind for kind in _SOURCES if kind in source]
    for kind in kinds:
        place = f"{field}.{kind}"
        if kind == "fieldRef":
            _check_field(causes, source[kind], place)
        elif kind == "resourceFieldRef":
            _check_resource(causes, source[kind], place)
        elif kind in ("configMapKeyRef", "secretKeyRef"):
            _check_key(causes, source[kind], place)
    text = ""
    if not kinds:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
        text += "`secretKeyRef` or `fileKeyRef`"
    elif variable.get("value"):
        text = "may not be specified when `value` is not empty"
    elif len(kinds) > 1:
        text = "may not have more than one field specified at a time"
    if text:
        causes.append(Cause.invalid(field, "", text))


def check_field_of_file(causes: list[Cause], reference: JsonObject, field: str) -> None:
    """A field of the pod that becomes a file."""
    _check_field(causes, reference, field, _FIELDS_OF_FILES)


def check_resource_of_file(causes: list[Cause], reference: JsonObject, field: str) -> None:
    """A request or limit that becomes a file: of a container that is named."""
    if not reference.get("containerName"):
        causes.append(Cause.required(f"{field}.containerName"))
        _check_divisor(causes, reference, field)
    else:
        _check_resource(causes, reference, field)


def _check_field(
    causes: list[Cause], reference: JsonObject, field: str, known: Sequence[str] = _FIELDS
) -> None:
    version, path = reference.get("apiVersion", ""), reference.get("fieldPath", "")
    if not version or not path:
        causes.append(Cause.required(f"{field}.{'fieldPath' if version else 'apiVersion'}"))
        return
    found = _SUBSCRIPT.fullmatch(path)
    label, subscript = found.groups() if found else (path, None)
    why = ""
    if version != "v1":
        why = f"unsupported pod version: {version}"
    elif label not in _LABELS and path != "spec.host":
        why = f"field label not supported: {path}"
    elif subscript is not None and not label.startswith("metadata."):
        why = f"field label does not support subscript: {path}"
    if why:
        place = f"{field}.fieldPath"
        causes.append(Cause.invalid(place, path, f"error converting fieldPath: {why}"))
    elif subscript is None:
        if path not in known and (path != "spec.host" or known is not _FIELDS):
            causes.append(Cause.not_supported(f"{field}.fieldPath", path, known))
    elif label in ("metadata.annotations", "metadata.labels"):
        key = subscript.lower() if label == "metadata.annotations" else subscript
        for text in wrong_with_qualified_name(key):
            causes.append(Cause.invalid(field, key, text))
    else:
        causes.append(Cause.invalid(field, label, "does not support subscript"))


def _check_resource(causes: list[Cause], reference: JsonObject, field: str) -> None:
    resource = reference.get("resource", "")
    if not resource:
        causes.append(Cause.required(f"{field}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_PAGES):
        causes.append(Cause.not_supported(f"{field}.resource", resource, _RESOURCES))
    _check_divisor(causes, reference, field)


def _check_divisor(causes: list[Cause], reference: JsonObject, field: str) -> None:
    """What amounts are told in multiples of."""
    resource, divisor = reference.get("resource", ""), reference.get("divisor", "0")
    if divisor == "0":
        return
    kind = resource.partition(".")[2].partition("-2")[0].partition("-1")[0]
    words = ("1m", "1") if kind == "cpu" else _BYTES
    named = _RESOURCE_WORDS.get(kind)
    if named is not None and divisor not in words:
        listed = " and ".join(words) if kind == "cpu" else ", ".join(words)
        text = f"only divisor's values {listed} are supported with the {named} resource"
        causes.append(Cause.invalid(f"{field}.divisor", resource, text))


def _check_key(causes: list[Cause], reference: JsonObject, field: str) -> None:
    name, key = reference.get("name", ""), reference.get("key", "")
    for text in wrong_with_subdomain(name):
        causes.append(Cause.invalid(f"{field}.name", name, text))
    if not key:
        causes.append(Cause.required(f"{field}.key"))
        return
    for text in wrong_with_config_key(key):
        causes.append(Cause.invalid(f"{field}.key", key, text))


def check_env_from(causes: list[Cause], sources: Sequence[JsonObject], field: str) -> None:
    """Whole ConfigMaps and Secrets. What is wrong with their number is told of the list."""
    for index, source in enumerate(sources):
        path = f"{field}[{index}]"
        prefix = source.get("prefix", "")
        if prefix and not _NAME.fullmatch(prefix):
            causes.append(Cause.invalid(f"{path}.prefix", prefix, _NAME_MESSAGE))
        kinds = [kind for kind in ("configMapRef", "secretRef") if kind in source]
        for kind in kinds:
            name = source[kind].get("name", "")
            if not name:
                causes.append(Cause.required(f"{path}.{kind}.name"))
                continue
            for text in wrong_with_subdomain(name.removesuffix("-") + "a" * name.endswith("-")):
                causes.append(Cause.invalid(f"{path}.{kind}.name", name, text))
        if not kinds:
            text = "must specify one of: `configMapRef` or `secretRef`"
            causes.append(Cause.invalid(field, "", text))
        elif len(kinds) > 1:
            text = "may not have more than one field specified at a time"
            causes.append(Cause.invalid(field, "", text))
