"""Validation of a pod's containers and volumes.

Source: validateContainers and ValidateVolumes in pkg/apis/core/validation/validation.go.
"""

from collections.abc import Sequence
from typing import NamedTuple

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label
from api.validation.environment import check_env, check_env_from
from api.validation.handlers import check_life
from api.validation.mounts import Volumes, check_devices, check_mounts
from api.validation.pod_resources import check_claim_references, check_restarts
from api.validation.ports import (
    PORT_RANGE,
    PROTOCOLS,
    wrong_with_port_name,
)
from api.validation.resources import check_resources
from api.validation.security import check_container_security
from api.validation.volumes import POD_SOURCES, check_volume_source

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")


def check_volumes(
    causes: list[Cause], volumes: Sequence[JsonObject], field: str
) -> dict[str, JsonObject]:
    """Check all volumes; those that are right by name, for mounts to refer to."""
    names: dict[str, JsonObject] = {}
    for index, volume in enumerate(volumes):
        path = f"{field}[{index}]"
        before = len(causes)
        check_volume_source(causes, volume, POD_SOURCES, path)
        name = volume["name"]
        if not name:
            causes.append(Cause.required(f"{path}.name"))
        else:
            for text in wrong_with_label(name):
                causes.append(Cause.invalid(f"{path}.name", name, text))
        if name in names:
            causes.append(Cause.duplicate(f"{path}.name", name))
        if len(causes) == before:
            names[name] = volume
    return names


class PodContext(NamedTuple):
    """What the containers of a pod are checked against."""

    volumes: Volumes
    grace_s: int
    """terminationGracePeriodSeconds."""
    restart_policy: str
    host_users: bool
    claims: Sequence[str]
    """Names of its claims for devices."""


def check_containers(
    causes: list[Cause], containers: Sequence[JsonObject], context: PodContext, field: str
) -> set[str]:
    """Check the main containers; their names."""
    if not containers:
        causes.append(Cause.required(field))
    names: set[str] = set()
    for index, container in enumerate(containers):
        path = f"{field}[{index}]"
        check_container(causes, container, context, path)
        name = container["name"]
        if name in names:
            causes.append(Cause.duplicate(f"{path}.name", name))
        names.add(name)
        check_life(causes, container, context.grace_s, path)
        if "restartPolicy" in container or "restartPolicyRules" in container:
            check_restarts(causes, container, path)
    if any("ports" in container for container in containers):
        _check_host_ports(causes, containers, field)
    return names


def check_init_containers(
    causes: list[Cause], spec: JsonObject, context: PodContext, names: set[str], field: str
) -> None:
    """Check the init containers of a specification at ``field``. ``names``: of the others."""
    for index, container in enumerate(spec["initContainers"]):
        path = f"{field}.initContainers[{index}]"
        check_container(causes, container, context, path)
        if "restartPolicy" in container or "restartPolicyRules" in container:
            check_restarts(causes, container, path)
        name = container["name"]
        if name in names:
            causes.append(Cause.duplicate(f"{path}.name", name))
        names.add(name)
        _check_host_ports(causes, [container], f"{field}.initContainers")
        if container.get("restartPolicy") == "Always":
            check_life(causes, container, context.grace_s, path)
            continue
        for probe in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if probe in container:
                causes.append(
                    Cause.forbidden(
                        f"{path}.{probe}",
                        "may not be set for init containers without restartPolicy=Always",
                    )
                )


def check_container(
    causes: list[Cause], container: JsonObject, context: PodContext, path: str
) -> None:
    """What holds for containers of every sort."""
    name = container["name"]
    if not name:
        causes.append(Cause.required(f"{path}.name"))
    else:
        for text in wrong_with_label(name):
            causes.append(Cause.invalid(f"{path}.name", name, text))
    image = container.get("image", "")
    if not image:
        causes.append(Cause.required(f"{path}.image"))
    policy = container["terminationMessagePolicy"]
    if policy not in _MESSAGE_POLICIES:
        causes.append(
            Cause.not_supported(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
        )
    if "ports" in container:
        _check_ports(causes, container["ports"], f"{path}.ports")
    if "env" in container:
        check_env(causes, container["env"], f"{path}.env")
    if "envFrom" in container:
        check_env_from(causes, container["envFrom"], f"{path}.envFrom")
    if "volumeMounts" in container:
        check_mounts(causes, container, context.volumes, f"{path}.volumeMounts")
    if "volumeDevices" in container:
        check_devices(causes, container, context.volumes, f"{path}.volumeDevices")
    pull = container["imagePullPolicy"]
    if pull not in _PULL_POLICIES:
        causes.append(Cause.not_supported(f"{path}.imagePullPolicy", pull, _PULL_POLICIES))
    resources = container["resources"]
    if resources:
        check_resources(causes, resources, f"{path}.resources")
        if "claims" in resources:
            place = f"{path}.resources.claims"
            check_claim_references(causes, resources["claims"] or (), context.claims, place)
    if "resizePolicy" in container:
        _check_resize_policy(causes, container["resizePolicy"], context, f"{path}.resizePolicy")
    if "securityContext" in container:
        security, host_users = container["securityContext"], context.host_users
        check_container_security(causes, security, host_users, f"{path}.securityContext")


def check_images(causes: list[Cause], containers: Sequence[JsonObject], field: str) -> None:
    """What is asked of a pod's images, but not of a template's."""
    for index, container in enumerate(containers):
        image = container.get("image", "")
        if image != image.strip():
            text = "must not have leading or trailing whitespace"
            causes.append(Cause.invalid(f"{field}[{index}].image", image, text))


def _check_resize_policy(
    causes: list[Cause], policies: Sequence[JsonObject], context: PodContext, field: str
) -> None:
    seen: list[str] = []
    for index, policy in enumerate(policies):
        name, restart = policy["resourceName"], policy["restartPolicy"]
        if name in seen:
            causes.append(Cause.duplicate(f"{field}[{index}]", name))
        seen.append(name)
        for value, known in ((name, ("cpu", "memory")), (restart, _RESIZE_POLICIES)):
            if not value:
                causes.append(Cause.required(field))
            elif value not in known:
                causes.append(Cause.not_supported(field, value, known))
        if context.restart_policy == "Never" and restart != "NotRequired":
            text = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            causes.append(Cause.invalid(field, restart, text))


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
