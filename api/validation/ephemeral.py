"""Validation of ephemeral containers, and of what their subresource may change.

Source: validateEphemeralContainers and ValidatePodEphemeralContainersUpdate in
pkg/apis/core/validation/validation.go.
"""

from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.validation.containers import PodContext, check_container, check_images

_FORBIDDEN: Final = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)
_NOT_HERE: Final = "cannot be set for an Ephemeral Container"


def check_ephemeral_containers(
    causes: list[Cause], spec: JsonObject, context: PodContext, field: str
) -> None:
    """Containers for debugging, in their list at ``field``: their names are no others' in the
    pod."""
    others = [
        container["name"]
        for name in ("containers", "initContainers")
        for container in spec.get(name) or ()
    ]
    names = list(others)
    for index, container in enumerate(spec["ephemeralContainers"]):
        path = f"{field}[{index}]"
        check_container(causes, container, context, path)
        before = len(causes)
        check_images(causes, [container], field)
        causes[before:] = [cause._replace(field=f"{path}.image") for cause in causes[before:]]
        if container["name"] in names:
            causes.append(Cause.duplicate(f"{path}.name", container["name"]))
        names.append(container["name"])
        target = container.get("targetContainerName")
        if target and target not in others:
            causes.append(Cause.not_found(f"{path}.targetContainerName", target))
        for name in _FORBIDDEN:
            if container.get(name):
                causes.append(Cause.forbidden(f"{path}.{name}", _NOT_HERE))
        for place, mount in enumerate(container.get("volumeMounts", ())):
            for name in ("subPath", "subPathExpr"):
                if mount.get(name):
                    where = f"{path}.volumeMounts[{place}].{name}"
                    causes.append(Cause.forbidden(where, _NOT_HERE))


def check_ephemeral_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Of two specifications: containers may be added, and none changed or taken away."""
    kept = {container["name"]: container for container in new.get("ephemeralContainers", ())}
    field = "spec.ephemeralContainers"
    for container in old.get("ephemeralContainers", ()):
        name = container["name"]
        if name not in kept:
            text = f'existing ephemeral containers "{name}" may not be removed\n'
            causes.append(Cause.forbidden(field, text))
        elif kept[name] != container:
            text = f'existing ephemeral containers "{name}" may not be changed\n'
            causes.append(Cause.forbidden(field, text))
