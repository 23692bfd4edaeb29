"""Validation of security contexts of pods and containers.

Source: validatePodSpecSecurityContext, ValidateSecurityContext and what they call in
pkg/apis/core/validation/validation.go. Privileged containers are allowed; options of Windows are
not looked at.
"""

import re
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.validation.mounts import check_descending_path

_ID_RANGE: Final = "must be between 0 and 2147483647, inclusive"
_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL: Final = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_NAME: Final = re.compile(_SYSCTL)
_NET_SYSCTLS: Final = ("net.",)
_IPC_SYSCTLS: Final = ("kernel.shm", "kernel.msg", "fs.mqueue.")
_LOCALHOST_BYTES_MAX: Final = 4095


def check_pod_security(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """``field``: of the specification."""
    context = spec.get("securityContext") or {}
    path = f"{field}.securityContext"
    _check_ids(causes, context, ("fsGroup", "runAsUser", "runAsGroup"), path)
    for index, group in enumerate(context.get("supplementalGroups", ())):
        if not 0 <= group < 2**31:
            causes.append(Cause.invalid(f"{path}.supplementalGroups[{index}]", group, _ID_RANGE))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        causes.append(Cause.invalid(f"{path}.shareProcessNamespace", True, text))
    _check_sysctls(causes, spec, f"{path}.sysctls")
    _check_choice(causes, context, "fsGroupChangePolicy", ("Always", "OnRootMismatch"), path)
    _check_seccomp(causes, context.get("seccompProfile"), f"{path}.seccompProfile")
    _check_app_armor(causes, context.get("appArmorProfile"), f"{path}.appArmorProfile")
    _check_choice(causes, context, "supplementalGroupsPolicy", ("Merge", "Strict"), path)
    _check_choice(causes, context, "seLinuxChangePolicy", ("MountOption", "Recursive"), path)


def check_container_security(
    causes: list[Cause], context: JsonObject, host_users: bool, field: str
) -> None:
    """The security context of a container, at ``field``. ``host_users``: its users are the
    node's."""
    _check_ids(causes, context, ("runAsUser", "runAsGroup"), field)
    mount = context.get("procMount")
    if mount is not None:
        if mount not in ("Default", "Unmasked"):
            known = ("Default", "Unmasked")
            causes.append(Cause.not_supported(f"{field}.procMount", mount, known))
        if host_users and mount == "Unmasked":
            text = "`hostUsers` must be false to use `Unmasked`"
            causes.append(Cause.invalid(f"{field}.procMount", mount, text))
    _check_seccomp(causes, context.get("seccompProfile"), f"{field}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        text = "cannot set `allowPrivilegeEscalation` to false and "
        if context.get("privileged"):
            causes.append(Cause.invalid(field, _in_go(context), f"{text}`privileged` to true"))
        if "CAP_SYS_ADMIN" in (context.get("capabilities") or {}).get("add", ()):
            text += "`capabilities.Add` CAP_SYS_ADMIN"
            causes.append(Cause.invalid(field, _in_go(context), text))
    _check_app_armor(causes, context.get("appArmorProfile"), f"{field}.appArmorProfile")


def _in_go(context: JsonObject) -> JsonObject:
    """A container's context as the server prints its own struct of it."""
    shown: JsonObject = {
        "SELinuxOptions" if name == "seLinuxOptions" else name[0].upper() + name[1:]: None
        for name in _FIELDS
    }
    for name, in_go in zip(_FIELDS, list(shown), strict=True):
        shown[in_go] = context.get(name)
    capabilities = context.get("capabilities")
    if capabilities is not None:
        shown["Capabilities"] = {
            "Add": capabilities.get("add"),
            "Drop": capabilities.get("drop"),
        }
    return shown


_FIELDS = (
    *("capabilities", "privileged", "seLinuxOptions", "windowsOptions", "runAsUser"),
    *("runAsGroup", "runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation"),
    *("procMount", "seccompProfile", "appArmorProfile"),
)
"""Of a container's security context, in the order of the server's struct."""


def check_host_users(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """A pod with users of its own shares nothing else with its host."""
    if spec.get("hostUsers") is not False:
        return
    for name, shown in (
        ("hostNetwork", "hostNetwork"),
        ("hostPID", "HostPID"),
        ("hostIPC", "HostIPC"),
    ):
        if spec.get(name):
            text = "when `pod.Spec.HostUsers` is false"
            causes.append(Cause.forbidden(f"{field}.{shown}", text))


def _check_ids(
    causes: list[Cause], context: JsonObject, names: tuple[str, ...], field: str
) -> None:
    for name in names:
        value = context.get(name)
        if value is not None and not 0 <= value < 2**31:
            causes.append(Cause.invalid(f"{field}.{name}", value, _ID_RANGE))


def _check_choice(
    causes: list[Cause], context: JsonObject, name: str, known: tuple[str, ...], field: str
) -> None:
    value = context.get(name)
    if value is not None and value not in known:
        causes.append(Cause.not_supported(f"{field}.{name}", value, known))


def _check_sysctls(causes: list[Cause], spec: JsonObject, field: str) -> None:
    names: set[str] = set()
    for index, sysctl in enumerate((spec.get("securityContext") or {}).get("sysctls", ())):
        path, name = f"{field}[{index}].name", sysctl["name"]
        if not name:
            causes.append(Cause.required(path))
        elif len(name) > 253 or not _SYSCTL_NAME.fullmatch(name):
            text = f"must have at most 253 characters and match regex ^{_SYSCTL}$"
            causes.append(Cause.invalid(path, name, text))
        elif name in names:
            causes.append(Cause.duplicate(path, name))
        names.add(name)
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith(_NET_SYSCTLS):
            text = "may not be specified when 'hostNetwork' is true"
            causes.append(Cause.invalid(path, name, text))
        elif spec.get("hostIPC") and dotted.startswith(_IPC_SYSCTLS):
            causes.append(Cause.invalid(path, name, "may not be specified when 'hostIPC' is true"))


def _check_seccomp(causes: list[Cause], profile: JsonObject | None, field: str) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        text = "type is required when seccompProfile is set"
        causes.append(Cause.required(f"{field}.type", text))
    elif kind not in _PROFILES:
        causes.append(Cause.not_supported(f"{field}.type", kind, _PROFILES))
    place = f"{field}.localhostProfile"
    if kind != "Localhost":
        if local is not None:
            text = "can only be set when seccomp type is Localhost"
            causes.append(Cause.invalid(place, profile, text))
    elif local is None:
        causes.append(Cause.required(place, "must be set when seccomp type is Localhost"))
    else:
        check_descending_path(causes, local, place)


def _check_app_armor(causes: list[Cause], profile: JsonObject | None, field: str) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    place = f"{field}.localhostProfile"
    if kind == "Localhost":
        if not local:
            causes.append(Cause.required(place, "must be set when AppArmor type is Localhost"))
        elif local != local.strip():
            causes.append(Cause.invalid(place, local, "must not be padded with whitespace"))
        if local and len(local.encode()) > _LOCALHOST_BYTES_MAX:
            causes.append(Cause.too_long(place, _LOCALHOST_BYTES_MAX))
    elif kind in _PROFILES:
        if local is not None:
            text = "can only be set when AppArmor type is Localhost"
            causes.append(Cause.invalid(place, local, text))
    elif not kind:
        text = "type is required when appArmorProfile is set"
        causes.append(Cause.required(f"{field}.type", text))
    else:
        causes.append(Cause.not_supported(f"{field}.type", kind, _PROFILES))
