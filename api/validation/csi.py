"""Validation of what drivers of storage need: drivers, attachments, capacities, classes.

Source: pkg/apis/storage/validation/validation.go of Kubernetes 1.36. A field called
``attachedRequired`` in what is said of ``attachRequired`` is Kubernetes' own slip.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name, wrong_with_subdomain
from api.quantity import parse
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import IMMUTABLE, nonnegative
from api.validation.volumes import check_driver_name

_GROUP_POLICIES: Final = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES: Final = ("Persistent", "Ephemeral")
_NODE_ID_MAX: Final = 256
_PERIOD_S_MIN: Final = 10
_TOKEN_S_MIN: Final = 600
_TOKEN_S_MAX: Final = 1 << 32
_PARAMETERS_MAX: Final = 512
_PARAMETERS_BYTES_MAX: Final = 256 * 1024
_ONE_SOURCE: Final = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def check_driver(causes: list[Cause], driver: JsonObject) -> None:
    """A CSIDriver, defaulted; metadata apart."""
    spec = driver["spec"]
    policy = spec.get("fsGroupPolicy")
    if policy is not None and policy not in _GROUP_POLICIES:
        causes.append(Cause.not_supported("spec.fsGroupPolicy", policy, _GROUP_POLICIES))
    _check_token_requests(causes, spec.get("tokenRequests") or (), "spec.tokenRequests")
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _LIFECYCLES:
            causes.append(Cause.not_supported("spec.volumeLifecycleModes", mode, _LIFECYCLES))
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < _PERIOD_S_MIN:
        text = "must be greater than or equal to 10 seconds"
        causes.append(Cause.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, text))


def check_driver_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Whether volumes are attached, and how long they live, stays."""
    check_driver(causes, new)
    for name, told in (
        ("attachRequired", "attachedRequired"),
        ("volumeLifecycleModes", "volumeLifecycleModes"),
    ):
        if new["spec"].get(name) != old["spec"].get(name):
            causes.append(Cause.invalid(f"spec.{told}", new["spec"].get(name), IMMUTABLE))


def _check_token_requests(causes: list[Cause], requests: Sequence[JsonObject], field: str) -> None:
    audiences: list[str] = []
    for index, request in enumerate(requests):
        audience, seconds = request.get("audience", ""), request.get("expirationSeconds")
        path = f"{field}[{index}]"
        if audience in audiences:
            causes.append(Cause.duplicate(f"{path}.audience", audience))
            continue
        audiences.append(audience)
        if seconds is not None and seconds < _TOKEN_S_MIN:
            text = "may not specify a duration less than 10 minutes"
            causes.append(Cause.invalid(f"{path}.expirationSeconds", seconds, text))
        if seconds is not None and seconds > _TOKEN_S_MAX:
            text = "may not specify a duration larger than 2^32 seconds"
            causes.append(Cause.invalid(f"{path}.expirationSeconds", seconds, text))


def check_drivers_of_node(causes: list[Cause], node: JsonObject) -> None:
    """A CSINode; metadata apart."""
    names: list[str] = []
    for index, driver in enumerate(node["spec"].get("drivers") or ()):
        field = f"spec.drivers[{index}]"
        name, number = driver.get("name", ""), driver.get("nodeID", "")
        check_driver_name(causes, name, f"{field}.name")
        if not number:
            causes.append(Cause.required(f"{field}.nodeID"))
        if len(number) > _NODE_ID_MAX:
            text = f"must be {_NODE_ID_MAX} characters or less"
            causes.append(Cause.invalid(f"{field}.nodeID", number, text))
        count = (driver.get("allocatable") or {}).get("count")
        if count is not None and count < 0:
            causes.append(nonnegative(f"{field}.allocatable.count", count))
        if name in names:
            causes.append(Cause.duplicate(f"{field}.name", name))
        names.append(name)
        _check_keys(causes, driver.get("topologyKeys") or (), field)


def _check_keys(causes: list[Cause], keys: Sequence[str], field: str) -> None:
    for index, key in enumerate(keys):
        if not key:
            causes.append(Cause.required(field))
        if key in keys[:index]:
            causes.append(Cause.duplicate(field, key))
        for text in wrong_with_qualified_name(key):
            causes.append(Cause.invalid(field, key, text))


def check_drivers_of_node_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """A driver that is there stays as it is, but for how many volumes it can take."""
    check_drivers_of_node(causes, new)
    check_drivers_of_node(causes, new)
    known = {driver["name"]: driver for driver in old["spec"].get("drivers") or ()}
    for driver in new["spec"].get("drivers") or ():
        before = known.get(driver["name"], driver)
        names = ("nodeID", "topologyKeys")
        if any(driver.get(name) != before.get(name) for name in names):
            shown = {
                "Name": driver["name"],
                "NodeID": driver.get("nodeID", ""),
                "TopologyKeys": driver.get("topologyKeys"),
                "Allocatable": None,
            }
            causes.append(Cause.invalid("spec.drivers", shown, IMMUTABLE))


def check_attachment(causes: list[Cause], attachment: JsonObject) -> None:
    """A new VolumeAttachment; metadata apart."""
    _check_attachment(causes, attachment)
    spec = attachment["spec"]
    check_driver_name(causes, spec.get("attacher", ""), "spec.attacher")
    name = (spec.get("source") or {}).get("persistentVolumeName")
    for text in wrong_with_subdomain(name) if name is not None else ():
        causes.append(Cause.invalid("spec.source.persistentVolumeName", name, text))


def _check_attachment(causes: list[Cause], attachment: JsonObject) -> None:
    spec = attachment["spec"]
    if not spec.get("attacher"):
        causes.append(Cause.required("spec.attacher"))
    source = spec.get("source") or {}
    inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    if inline is None and name is None:
        causes.append(Cause.required("spec.source", _ONE_SOURCE))
    elif inline is not None and name is not None:
        causes.append(Cause.forbidden("spec.source", _ONE_SOURCE))
    elif name == "":
        text = "must specify non empty persistentVolumeName"
        causes.append(Cause.required("spec.source.persistentVolumeName", text))
    node = spec.get("nodeName", "")
    for text in wrong_with_subdomain(node):
        causes.append(Cause.invalid("spec.nodeName", node, text))


def check_attachment_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Its specification stays."""
    _check_attachment(causes, new)
    _check_attachment(causes, new)
    spec = new["spec"]
    if spec != old["spec"]:
        source = spec.get("source") or {}
        shown = {
            "Attacher": spec.get("attacher", ""),
            "Source": {
                "PersistentVolumeName": source.get("persistentVolumeName"),
                "InlineVolumeSpec": source.get("inlineVolumeSpec"),
            },
            "NodeName": spec.get("nodeName", ""),
        }
        causes.append(Cause.invalid("spec", shown, IMMUTABLE))


def check_capacity(causes: list[Cause], capacity: JsonObject) -> None:
    """A CSIStorageCapacity; metadata apart."""
    if capacity.get("nodeTopology") is not None:
        check_label_selector(causes, capacity["nodeTopology"], "nodeTopology")
    name, size = capacity.get("storageClassName", ""), capacity.get("capacity")
    for text in wrong_with_subdomain(name):
        causes.append(Cause.invalid("storageClassName", name, text))
    if size is not None and parse(size)[0] < 0:
        causes.append(nonnegative("capacity", size))


def check_capacity_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Of what it tells the capacity alone may change."""
    check_capacity(causes, new)
    for name in ("nodeTopology", "storageClassName"):
        if new.get(name) != old.get(name):
            causes.append(Cause.invalid(name, new.get(name), IMMUTABLE))


def check_attributes_class(causes: list[Cause], attributes: JsonObject) -> None:
    """A VolumeAttributesClass; metadata apart."""
    check_provisioner(causes, attributes.get("driverName", ""), "driverName")
    parameters = attributes.get("parameters") or {}
    check_parameters(causes, parameters)
    if not parameters:
        causes.append(Cause.required("parameters", "must contain at least one key/value pair"))


def check_attributes_class_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Everything but its metadata stays."""
    for name in ("driverName", "parameters"):
        if new.get(name) != old.get(name):
            causes.append(Cause.forbidden(name, f"updates to {name} are forbidden."))
    check_attributes_class(causes, new)


def check_provisioner(causes: list[Cause], name: str, field: str) -> None:
    """The name of who makes volumes: qualified, but for capital letters."""
    if not name:
        causes.append(Cause.required(field))
        return
    for text in wrong_with_qualified_name(name.lower()):
        causes.append(Cause.invalid(field, name.lower(), text))


def check_parameters(causes: list[Cause], parameters: Mapping[str, str]) -> None:
    """What a class hands to its driver."""
    if len(parameters) > _PARAMETERS_MAX:
        causes.append(Cause.too_long("parameters", _PARAMETERS_MAX))
        return
    if "" in parameters:
        causes.append(Cause.invalid("parameters", "", "field can not be empty."))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items())
    if size > _PARAMETERS_BYTES_MAX:
        causes.append(Cause.too_long("parameters", _PARAMETERS_BYTES_MAX))
