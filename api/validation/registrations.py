"""Validation of APIServices: which server answers for a group in a version.

Those that name a Service are refused: nothing here passes requests on to another server.

Source: kube-aggregator/pkg/apis/apiregistration/validation/validation.go at v1.36.
"""

from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_dns_1035, wrong_with_subdomain

_PRIORITIES_MAX: Final = {"groupPriorityMinimum": 20_000, "versionPriority": 1_000}


def check_api_service(causes: list[Cause], service: JsonObject) -> None:
    """A new APIService; metadata apart from its name."""
    spec, name = service["spec"], service["metadata"].get("name", "")
    group, version = spec.get("group", ""), spec.get("version", "")
    if name and name != f"{version}.{group}":
        text = f'must be `spec.version+"."+spec.group`: "{version}.{group}"'
        causes.append(Cause.invalid("metadata.name", name, text))
    if not group and version != "v1":
        text = "only v1 may have an empty group and it better be legacy kube"
        causes.append(Cause.required("spec.group", text))
    for text in wrong_with_subdomain(group) if group else ():
        causes.append(Cause.invalid("spec.group", group, text))
    for text in wrong_with_dns_1035(version):
        causes.append(Cause.invalid("spec.version", version, text))
    for field, most in _PRIORITIES_MAX.items():
        value = spec.get(field, 0)
        if not 0 < value <= most:
            text = f"must be positive and less than {most}"
            causes.append(Cause.invalid(f"spec.{field}", value, text))
    if spec.get("service") is not None:
        text = "this server passes no requests on to others"
        causes.append(Cause.forbidden("spec.service", text))
    elif spec.get("insecureSkipTLSVerify"):
        text = "local APIServices may not have insecureSkipTLSVerify"
        causes.append(Cause.invalid("spec.insecureSkipTLSVerify", True, text))


def check_api_service_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_api_service(causes, new)
