"""Validation of writes to parts of a pod: status, resize, ephemeralcontainers.

Source: ValidatePodStatusUpdate, ValidatePodResize and ValidatePodEphemeralContainersUpdate in
pkg/apis/core/validation/validation.go.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name, wrong_with_subdomain
from api.podspec import is_restartable_init
from api.validation.addresses import check_address, is_address
from api.validation.ephemeral import check_ephemeral_update
from api.validation.pods import check_whole_pod
from api.validation.resize import MIRROR_ANNOTATION, check_resize, wrong_pod_to_resize

_OWN_CONDITIONS: Final = ("PodScheduled", "Ready", "Initialized")


def check_pod_part(causes: list[Cause], part: str, new: JsonObject, old: JsonObject) -> None:
    """``part``: the subresource. What is wrong with the pod itself is the only cause."""
    if part == "status":
        _check_status(causes, new, old)
        return
    wrong = None
    if part == "resize":
        wrong = wrong_pod_to_resize(new, old)
    elif MIRROR_ANNOTATION in old["metadata"].get("annotations", ()):
        wrong = Cause.forbidden("", "static pods do not support ephemeral containers")
    if wrong is not None:
        causes[:] = [wrong]
        return
    check_whole_pod(causes, new["spec"])
    if part == "resize":
        check_resize(causes, new, old)
    else:
        check_ephemeral_update(causes, new["spec"], old["spec"])


def _check_status(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    after, before, spec = new["status"], old["status"], old["spec"]
    for index, condition in enumerate(after.get("conditions", ())):
        kind = condition["type"]
        if kind not in _OWN_CONDITIONS:
            for text in wrong_with_qualified_name(kind):
                causes.append(Cause.invalid(f"metadata.conditions[{index}].Type", kind, text))
    name = after.get("nominatedNodeName")
    if name and name != before.get("nominatedNodeName"):
        for text in wrong_with_subdomain(name):
            causes.append(Cause.invalid("status.nominatedNodeName", name, text))
    if after.get("qosClass") != before.get("qosClass"):
        text = "field is immutable"
        causes.append(Cause.invalid("status.qosClass", after.get("qosClass"), text))
    sidecars = [c["name"] for c in spec.get("initContainers", ()) if is_restartable_init(c)]
    policy = spec["restartPolicy"]
    for field, restarts, free in (
        ("containerStatuses", policy, []),
        ("initContainerStatuses", policy, sidecars),
        ("ephemeralContainerStatuses", "Never", []),
    ):
        if restarts != "Always" and before.get(field):
            _check_transitions(causes, (after, before), field, (restarts, free))
    _check_addresses(causes, after.get("podIPs", ()), "status.podIPs")
    if after.get("hostIPs"):
        first = after["hostIPs"][0].get("ip", "")
        if first != after.get("hostIP", ""):
            text = "must be equal to `hostIP`"
            causes.append(Cause.invalid("status.hostIPs[0].ip", first, text))
        _check_addresses(causes, after["hostIPs"], "status.hostIPs")


def _check_transitions(
    causes: list[Cause],
    statuses: tuple[JsonObject, JsonObject],
    field: str,
    rule: tuple[str, Sequence[str]],
) -> None:
    """What has ended stays so. ``rule``: the restart policy, and containers that are exempt."""
    (after, before), (policy, free) = statuses, rule
    for index, old in enumerate(before[field]):
        ended = old.get("state", {}).get("terminated")
        if ended is None or old["name"] in free:
            continue
        if ended.get("exitCode") and policy == "OnFailure":
            continue
        for new in after.get(field, ()):
            if new["name"] == old["name"] and "terminated" not in new.get("state", {}):
                text = "may not be transitioned to non-terminated state"
                causes.append(Cause.forbidden(f"status.{field}[{index}].state", text))


def _check_addresses(causes: list[Cause], addresses: Sequence[JsonObject], field: str) -> None:
    texts = [address.get("ip", "") for address in addresses]
    for index, text in enumerate(texts):
        check_address(causes, text, f"{field}[{index}]")
    if len(texts) < 2 or not all(map(is_address, texts)):
        return
    if len(texts) > 2 or len({ip_address(text).version for text in texts}) < 2:
        text = "may specify no more than one IP for each IP family"
        causes.append(Cause.invalid(field, addresses, text))
    for index, text in enumerate(texts):
        if text in texts[:index]:
            causes.append(Cause.duplicate(f"{field}[{index}]", addresses[index]))
