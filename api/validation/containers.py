"""Validation of a pod's containers and volumes.

Source: validateContainers and ValidateVolumes in pkg/apis/core/validation/validation.go.
"""

import re
from collections.abc import Sequence

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label
from api.validation.ports import (
    PORT_RANGE,
    PROTOCOLS,
    check_port_or_name,
    wrong_with_port_name,
)
from api.validation.resources import check_resources

_ENV_NAME = re.compile(r"[ -<>-~]+")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_PROBE_NUMBERS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_REQUIRED_OF_VOLUMES = {
    "hostPath": "path",
    "secret": "secretName",
    "configMap": "name",
    "persistentVolumeClaim": "claimName",
    "csi": "driver",
    "nfs": "server",
}
_NONNEGATIVE = "must be greater than or equal to 0"


def check_volumes(causes: list[Cause], volumes: Sequence[JsonObject], field: str) -> set[str]:
    """Check all volumes; the names of those that are right, for mounts to refer to."""
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        path = f"{field}[{index}]"
        before = len(causes)
        _check_source(causes, volume, path)
        name = volume["name"]
        if not name:
            causes.append(Cause.required(f"{path}.name"))
        else:
            for text in wrong_with_label(name):
                causes.append(Cause.invalid(f"{path}.name", name, text))
        if name in names:
            causes.append(Cause.duplicate(f"{path}.name", name))
        if len(causes) == before:
            names.add(name)
    return names


def _check_source(causes: list[Cause], volume: JsonObject, path: str) -> None:
    sources = [name for name in volume if name != "name"]
    if not sources:
        causes.append(Cause.required(path, "must specify a volume type"))
        return
    if len(sources) > 1:
        sources.sort(key=lambda name: (name != "emptyDir", name != "hostPath"))
    for name in sources[1:]:
        causes.append(Cause.forbidden(f"{path}.{name}", "may not specify more than 1 volume type"))
    wanted = _REQUIRED_OF_VOLUMES.get(sources[0])
    if wanted is not None and not volume[sources[0]].get(wanted):
        causes.append(Cause.required(f"{path}.{sources[0]}.{wanted}"))


def check_containers(
    causes: list[Cause], containers: Sequence[JsonObject], volumes: set[str], field: str
) -> set[str]:
    """Check the main containers; their names."""
    if not containers:
        causes.append(Cause.required(field))
    names: set[str] = set()
    for index, container in enumerate(containers):
        path = f"{field}[{index}]"
        _check_container(causes, container, volumes, path)
        name = container["name"]
        if name in names:
            causes.append(Cause.duplicate(f"{path}.name", name))
        names.add(name)
        _check_probes(causes, container, path)
    if any("ports" in container for container in containers):
        _check_host_ports(causes, containers, field)
    return names


def check_init_containers(
    causes: list[Cause], containers: Sequence[JsonObject], state: tuple[set[str], set[str]]
) -> None:
    """Check the init containers. ``state``: names of the volumes, names of the others."""
    volumes, names = state
    for index, container in enumerate(containers):
        path = f"spec.initContainers[{index}]"
        _check_container(causes, container, volumes, path)
        name = container["name"]
        if name in names:
            causes.append(Cause.duplicate(f"{path}.name", name))
        names.add(name)
        if container.get("restartPolicy") == "Always":
            _check_probes(causes, container, path)
            continue
        if "restartPolicy" in container:
            causes.append(
                Cause.not_supported(
                    f"{path}.restartPolicy", container["restartPolicy"], ("Always",)
                )
            )
        for probe in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if probe in container:
                causes.append(
                    Cause.forbidden(
                        f"{path}.{probe}",
                        "may not be set for init containers without restartPolicy=Always",
                    )
                )


def _check_container(
    causes: list[Cause], container: JsonObject, volumes: set[str], path: str
) -> None:
    name = container["name"]
    if not name:
        causes.append(Cause.required(f"{path}.name"))
    else:
        for text in wrong_with_label(name):
            causes.append(Cause.invalid(f"{path}.name", name, text))
    image = container.get("image", "")
    if not image:
        causes.append(Cause.required(f"{path}.image"))
    elif image != image.strip():
        text = "must not have leading or trailing whitespace"
        causes.append(Cause.invalid(f"{path}.image", image, text))
    policy = container["terminationMessagePolicy"]
    if policy not in _MESSAGE_POLICIES:
        causes.append(
            Cause.not_supported(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
        )
    if "ports" in container:
        _check_ports(causes, container["ports"], f"{path}.ports")
    if "env" in container:
        _check_env(causes, container["env"], f"{path}.env")
    if "volumeMounts" in container:
        _check_mounts(causes, container["volumeMounts"], volumes, f"{path}.volumeMounts")
    pull = container["imagePullPolicy"]
    if pull not in _PULL_POLICIES:
        causes.append(Cause.not_supported(f"{path}.imagePullPolicy", pull, _PULL_POLICIES))
    resources = container["resources"]
    if resources:
        check_resources(causes, resources, f"{path}.resources")


def _check_ports(causes: list[Cause], ports: Sequence[JsonObject], field: str) -> None:
    names: set[str] = set()
    for index, port in enumerate(ports):
        path = f"{field}[{index}]"
        name = port.get("name")
        if name:
            wrong = wrong_with_port_name(name)
            if wrong:
                causes.extend(Cause.invalid(f"{path}.name", name, text) for text in wrong)
            elif name in names:
                causes.append(Cause.duplicate(f"{path}.name", name))
            else:
                names.add(name)
        number = port["containerPort"]
        if number == 0:
            causes.append(Cause.required(f"{path}.containerPort"))
        elif not 1 <= number <= 65535:
            causes.append(Cause.invalid(f"{path}.containerPort", number, PORT_RANGE))
        host = port.get("hostPort", 0)
        if host and not 1 <= host <= 65535:
            causes.append(Cause.invalid(f"{path}.hostPort", host, PORT_RANGE))
        if port["protocol"] not in PROTOCOLS:
            causes.append(Cause.not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))


def _check_host_ports(causes: list[Cause], containers: Sequence[JsonObject], field: str) -> None:
    taken: set[tuple[str, str, int]] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.get("ports", ())):
            host = port.get("hostPort", 0)
            if not host:
                continue
            place = (port["protocol"], port.get("hostIP", ""), host)
            if place in taken:
                shown = f"{place[0]}/{place[1]}/{host}"
                causes.append(Cause.duplicate(f"{field}[{i}].ports[{j}].hostPort", shown))
            taken.add(place)


def _check_env(causes: list[Cause], env: Sequence[JsonObject], field: str) -> None:
    for index, variable in enumerate(env):
        path = f"{field}[{index}]"
        name = variable["name"]
        if not name:
            causes.append(Cause.required(f"{path}.name"))
        elif not _ENV_NAME.fullmatch(name):
            text = (
                "a valid environment variable name must consist only of printable ASCII "
                "characters other than '='"
            )
            causes.append(Cause.invalid(f"{path}.name", name, text))
        source = variable.get("valueFrom")
        if source is None:
            continue
        kinds = [kind for kind in _ENV_SOURCES if kind in source]
        if not kinds:
            text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
            text += "`secretKeyRef`"
            causes.append(Cause.invalid(f"{path}.valueFrom", "", text))
        elif variable.get("value"):
            text = "may not be specified when `value` is not empty"
            causes.append(Cause.invalid(f"{path}.valueFrom", "", text))
        elif len(kinds) > 1:
            text = "may not have more than one field specified at a time"
            causes.append(Cause.invalid(f"{path}.valueFrom", "", text))


def _check_mounts(
    causes: list[Cause], mounts: Sequence[JsonObject], volumes: set[str], field: str
) -> None:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        path = f"{field}[{index}]"
        name, place = mount["name"], mount["mountPath"]
        if not name:
            causes.append(Cause.required(f"{path}.name"))
        if name not in volumes:
            causes.append(Cause.not_found(f"{path}.name", name))
        if not place:
            causes.append(Cause.required(f"{path}.mountPath"))
        if place in places:
            causes.append(Cause.invalid(f"{path}.mountPath", place, "must be unique"))
        places.add(place)


def _check_probes(causes: list[Cause], container: JsonObject, path: str) -> None:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        field = f"{path}.{name}"
        _check_handler(causes, probe, field)
        for number in _PROBE_NUMBERS:
            if probe.get(number, 0) < 0:
                causes.append(Cause.invalid(f"{field}.{number}", probe[number], _NONNEGATIVE))
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            value = probe["successThreshold"]
            causes.append(Cause.invalid(f"{field}.successThreshold", value, "must be 1"))


def _check_handler(causes: list[Cause], handler: JsonObject, field: str) -> None:
    kinds = [kind for kind in _HANDLERS if kind in handler]
    if not kinds:
        causes.append(Cause.required(field, "must specify a handler type"))
        return
    for kind in kinds[1:]:
        text = "may not specify more than 1 handler type"
        causes.append(Cause.forbidden(f"{field}.{kind}", text))
    first = handler[kinds[0]]
    if kinds[0] == "exec" and not first.get("command"):
        causes.append(Cause.required(f"{field}.exec.command"))
    elif kinds[0] in ("httpGet", "tcpSocket", "grpc"):
        check_port_or_name(causes, first.get("port", 0), f"{field}.{kinds[0]}.port")
