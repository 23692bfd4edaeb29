"""Resource requests and limits of containers.

Source: ValidateContainerResourceRequirements in pkg/apis/core/validation/validation.go.
"""

from collections.abc import Mapping, Sequence

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name
from api.podspec import is_pod_level_resource
from api.quantity import QuantityError, milli_value, parse

CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_COUNTED = (
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
)
_STANDARD = (*CONTAINER_RESOURCES, "storage", *_COUNTED)
_NATIVE_DOMAIN = "kubernetes.io/"
_UNKNOWN = "must be a standard resource type or fully qualified"
_BOUND = "must be greater than or equal to 0"


def check_resources(
    causes: list[Cause], resources: JsonObject, field: str, pod_level: bool = False
) -> None:
    """``limits`` and ``requests`` of one container, or of a whole pod, and each against the
    other."""
    limits = resources.get("limits", {})
    requests = resources.get("requests", {})
    check = _check_amount_of_pod if pod_level else _check_amount
    for name, text in limits.items():
        check(causes, name, text, f"{field}.limits[{name}]")
    for name, text in requests.items():
        check(causes, name, text, f"{field}.requests[{name}]")
        _check_against_limit(causes, (name, text), limits, field)
    pages = any(is_huge_page(name) for name in (*limits, *requests))
    if pages and not any(name in ("cpu", "memory") for name in (*limits, *requests)):
        causes.append(Cause.forbidden(field, "HugePages require cpu or memory"))


def is_huge_page(name: str) -> bool:
    """Memory in pages of one size."""
    return name.startswith("hugepages-")


def is_native(name: str) -> bool:
    """A resource of Kubernetes' own, not one of a vendor."""
    return "/" not in name or _NATIVE_DOMAIN in name


def check_quantity(causes: list[Cause], name: str, text: str, field: str) -> None:
    """Not negative, and whole for what is counted."""
    if text[0] == "-":
        causes.append(Cause.invalid(field, text, _BOUND))
    if (name in _COUNTED or not is_native(name)) and milli_value(text) % 1000:
        causes.append(Cause.invalid(field, text, "must be an integer"))


def _check_amount(causes: list[Cause], name: str, text: str, field: str) -> None:
    if name not in CONTAINER_RESOURCES:
        check_resource_name(causes, name, field)
    check_quantity(causes, name, text, field)
    _check_pages(causes, name, text, field)


def _check_amount_of_pod(causes: list[Cause], name: str, text: str, field: str) -> None:
    wrong: Sequence[str] = wrong_with_qualified_name(name)
    if not wrong and "/" not in name and name not in _STANDARD and not is_huge_page(name):
        wrong = (_UNKNOWN,)
    causes.extend(Cause.invalid(field, name, why) for why in wrong)
    if not wrong and not is_pod_level_resource(name):
        causes.append(Cause.not_supported(field, name, ("cpu", "hugepages-", "memory")))
    check_quantity(causes, name, text, field)
    _check_pages(causes, name, text, field)


def _check_pages(causes: list[Cause], name: str, text: str, field: str) -> None:
    if not is_huge_page(name):
        return
    try:
        size = parse(name.removeprefix("hugepages-"))[0]
    except QuantityError:
        size = 0
    if size <= 0 or parse(text)[0] % size:
        why = f"{text} is not positive integer multiple of {name}"
        causes.append(Cause.invalid(field, text, why))


def check_resource_name(causes: list[Cause], name: str, field: str) -> None:
    """The name of a resource of a container that is none of the common ones."""
    wrong = wrong_with_qualified_name(name)
    if wrong:
        causes.extend(Cause.invalid(field, name, text) for text in wrong)
        return
    if "/" not in name:
        if name not in _STANDARD and not is_huge_page(name):
            causes.append(Cause.invalid(field, name, _UNKNOWN))
        if not is_huge_page(name):
            causes.append(Cause.invalid(field, name, "must be a standard resource for containers"))
    elif not is_native(name) and name.startswith("requests."):
        causes.append(Cause.invalid(field, name, "doesn't follow extended resource name standard"))


def _check_against_limit(
    causes: list[Cause], request: tuple[str, str], limits: Mapping[str, str], field: str
) -> None:
    name, text = request
    overcommit = is_native(name) and not is_huge_page(name)
    limit = limits.get(name)
    if limit is None:
        if not overcommit:
            causes.append(
                Cause.required(
                    f"{field}.limits", "Limit must be set for non overcommitable resources"
                )
            )
        return
    if limit == text:
        return
    asked, allowed = parse(text)[0], parse(limit)[0]
    if asked != allowed and not overcommit:
        detail = f"must be equal to {name} limit of {limit}"
        causes.append(Cause.invalid(f"{field}.requests", text, detail))
    elif asked > allowed:
        detail = f"must be less than or equal to {name} limit of {limit}"
        causes.append(Cause.invalid(f"{field}.requests", text, detail))
