"""Validation of Nodes and of the runtimes that they have.

Source: ValidateNode, ValidateNodeUpdate in pkg/apis/core/validation/validation.go.
"""

from collections.abc import Sequence

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label, wrong_with_label_value, wrong_with_qualified_name
from api.validation.addresses import check_cidr
from api.validation.metadata import IMMUTABLE, check_labels
from api.validation.pods import TAINT_EFFECTS, check_tolerations
from api.validation.resources import check_quantity, check_resources

POD_CIDR_STAYS = 'node updates may not change podCIDR except from "" to valid'
PROVIDER_STAYS = 'node updates may not change providerID except from "" to valid'


def check_node(causes: list[Cause], node: JsonObject) -> None:
    """A new Node, defaulted; metadata apart."""
    spec, status = node["spec"], node["status"]
    if "taints" in spec:
        check_taints(causes, spec["taints"], "metadata.taints")
    _check_sizes(causes, status)
    for index, cidr in enumerate(spec.get("podCIDRs", ())):
        check_cidr(causes, cidr, f"spec.podCIDRs[{index}]")
    cidrs = spec.get("podCIDRs", ())
    families = {":" in cidr for cidr in cidrs}
    if len(cidrs) > 1 and (len(cidrs) > 2 or len(families) == 1):
        text = "may specify no more than one CIDR for each IP family"
        causes.append(Cause.invalid("spec.podCIDRs", cidrs, text))
    for index, cidr in enumerate(cidrs):
        if cidr in cidrs[:index]:
            causes.append(Cause.duplicate(f"spec.podCIDRs[{index}]", cidr))


def check_node_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """An update of a Node: address ranges and provider stay once they are known. Sizes and taints
    are judged twice, as there."""
    if new["spec"] == old["spec"]:
        return
    check_node(causes, new)
    after, before = new["spec"], old["spec"]
    _check_sizes(causes, new["status"])
    if before.get("podCIDRs") and after.get("podCIDRs") != before["podCIDRs"]:
        causes.append(Cause.forbidden("spec.podCIDRs", POD_CIDR_STAYS))
    if before.get("providerID") and after.get("providerID") != before["providerID"]:
        causes.append(Cause.forbidden("spec.providerID", PROVIDER_STAYS))
    check_taints(causes, after.get("taints", ()), "metadata.taints")
    if after.get("externalID") != before.get("externalID"):
        causes.append(Cause.forbidden("spec.externalID", "may not be updated"))


def _check_sizes(causes: list[Cause], status: JsonObject) -> None:
    for kind in ("capacity", "allocatable"):
        for name, text in status.get(kind, {}).items():
            check_quantity(causes, name, text, f"status.{kind}.{name}")


def check_taints(causes: list[Cause], taints: Sequence[JsonObject], field: str) -> None:
    """Key, value and effect of each taint; no two with the same key and effect."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path = f"{field}[{index}]"
        key, value, effect = taint["key"], taint.get("value", ""), taint["effect"]
        for text in wrong_with_qualified_name(key):
            causes.append(Cause.invalid(f"{path}.key", key, text))
        wrong = wrong_with_label_value(value)
        if wrong:
            causes.append(Cause.invalid(f"{path}.value", value, ";".join(wrong)))
        if not effect:
            causes.append(Cause.required(f"{path}.effect"))
        elif effect not in TAINT_EFFECTS:
            causes.append(Cause.not_supported(f"{path}.effect", effect, TAINT_EFFECTS))
        if (key, effect) in seen:
            added = taint.get("timeAdded")
            shown = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": added}
            duplicate = Cause.duplicate(path, shown)
            text = f"{duplicate.message}: taints must be unique by key and effect pair"
            causes.append(duplicate._replace(message=text))
        seen.add((key, effect))


def check_runtime_class(causes: list[Cause], runtime: JsonObject) -> None:
    """A RuntimeClass; metadata apart. Source: pkg/apis/node/validation/validation.go."""
    handler = runtime.get("handler", "")
    if not handler:
        causes.append(Cause.required("handler"))
    for text in wrong_with_label(handler) if handler else ():
        causes.append(Cause.invalid("handler", handler, text))
    overhead = (runtime.get("overhead") or {}).get("podFixed") or {}
    check_resources(causes, {"limits": overhead}, "overhead")
    scheduling = runtime.get("scheduling") or {}
    check_labels(causes, scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector")
    check_tolerations(causes, scheduling.get("tolerations") or (), "scheduling.tolerations")


def check_runtime_class_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The handler stays."""
    check_runtime_class(causes, new)
    if new.get("handler") != old.get("handler"):
        causes.append(Cause.invalid("handler", new.get("handler"), IMMUTABLE))
