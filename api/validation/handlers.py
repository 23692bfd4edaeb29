"""Validation of what a kubelet calls in a container: probes and hooks of its life.

Source: validateProbe, validateLifecycle and validateHandler in
pkg/apis/core/validation/validation.go.
"""

import re
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.validation.ports import check_port_or_name

_PROBE_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBE_NUMBERS: Final = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_NONNEGATIVE: Final = "must be greater than or equal to 0"
_SCHEMES: Final = ("HTTP", "HTTPS")
_HEADER: Final = re.compile("[-A-Za-z0-9]+")
_HEADER_MESSAGE: Final = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', "
    "regex used for validation is '[-A-Za-z0-9]+')"
)


def check_life(causes: list[Cause], container: JsonObject, grace_s: int, path: str) -> None:
    """Hooks and probes of a container that may have them. ``grace_s``: of its pod."""
    lifecycle = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        if name in lifecycle:
            field = f"{path}.lifecycle.{name}"
            _check_handler(causes, lifecycle[name], _HOOK_HANDLERS, field)
            _check_sleep(causes, lifecycle[name], grace_s, field)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is not None:
            _check_probe(causes, probe, name, f"{path}.{name}")


def _check_probe(causes: list[Cause], probe: JsonObject, name: str, field: str) -> None:
    _check_handler(causes, probe, _PROBE_HANDLERS, field)
    for number in _PROBE_NUMBERS:
        if probe.get(number, 0) < 0:
            causes.append(Cause.invalid(f"{field}.{number}", probe[number], _NONNEGATIVE))
    grace = probe.get("terminationGracePeriodSeconds")
    place = f"{field}.terminationGracePeriodSeconds"
    if grace is not None and grace <= 0:
        causes.append(Cause.invalid(place, grace, "must be greater than 0"))
    if name != "readinessProbe":
        if probe.get("successThreshold", 1) != 1:
            value = probe["successThreshold"]
            causes.append(Cause.invalid(f"{field}.successThreshold", value, "must be 1"))
    elif grace is not None:
        causes.append(Cause.invalid(place, grace, "must not be set for readinessProbes"))


def _check_sleep(causes: list[Cause], hook: JsonObject, grace_s: int, field: str) -> None:
    sleep = hook.get("sleep")
    if sleep is None or [name for name in _HOOK_HANDLERS if name in hook] != ["sleep"]:
        return
    if not 0 <= sleep["seconds"] <= grace_s:
        text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
        causes.append(Cause.invalid(f"{field}.sleep", sleep["seconds"], text))


def _check_handler(
    causes: list[Cause], handler: JsonObject, known: tuple[str, ...], field: str
) -> None:
    kinds = [kind for kind in known if kind in handler]
    if not kinds:
        causes.append(Cause.required(field, "must specify a handler type"))
        return
    first = handler[kinds[0]]
    if kinds[0] == "exec" and not first.get("command"):
        causes.append(Cause.required(f"{field}.exec.command"))
    elif kinds[0] == "httpGet":
        _check_http(causes, first, f"{field}.httpGet")
    elif kinds[0] in ("tcpSocket", "grpc"):
        check_port_or_name(causes, first.get("port", 0), f"{field}.{kinds[0]}.port")
    for kind in kinds[1:]:
        text = "may not specify more than 1 handler type"
        causes.append(Cause.forbidden(f"{field}.{kind}", text))


def _check_http(causes: list[Cause], action: JsonObject, field: str) -> None:
    if not action.get("path"):
        causes.append(Cause.required(f"{field}.path"))
    check_port_or_name(causes, action.get("port", 0), f"{field}.port")
    if action.get("scheme", "") not in _SCHEMES:
        causes.append(Cause.not_supported(f"{field}.scheme", action.get("scheme", ""), _SCHEMES))
    for header in action.get("httpHeaders", ()):
        if not _HEADER.fullmatch(header["name"]):
            causes.append(Cause.invalid(f"{field}.httpHeaders", header["name"], _HEADER_MESSAGE))
