"""Which columns the kinds have in a Table, and what fills their cells.

Source: pkg/printers/internalversion/printers.go; tests/golden/api/table_columns.jsonl.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.core import JsonObject
from api.printers import (
    batch,
    cluster,
    control,
    networking,
    pods,
    policies,
    sets,
    storage,
    workloads,
)

Cells = Callable[[JsonObject, int], list[Any]]
"""The cells of an object at a time in ns."""


class Column(NamedTuple):
    """One column. ``priority`` 1: only shown by ``-o wide``."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0


class Printer(NamedTuple):
    """The table of one kind: its columns, and the cells of an object."""

    columns: tuple[Column, ...]
    cells: Cells


_NAME = Column("Name", "string", "name")
_MARKS = {"i": ("integer", ""), "b": ("boolean", ""), "name": ("string", "name")}


def _generic_cells(obj: JsonObject, now_ns: int) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


GENERIC = Printer((_NAME, Column("Created At", "date")), _generic_cells)
"""For kinds without a printer."""


def _printer(text: str, cells: Cells) -> Printer:
    """The columns after the name. ``:i`` integer, ``:b`` boolean, after ``|`` only when wide."""
    found = [_NAME]
    for priority, part in enumerate(text.split(" | ")):
        for word in part.split(", "):
            name, _, mark = word.partition(":")
            kind, shape = _MARKS.get(mark, ("string", ""))
            found.append(Column(name, kind, shape, priority))
    return Printer(tuple(found), cells)


_EVENTS = Printer(
    (
        Column("Last Seen"),
        Column("Type"),
        Column("Reason"),
        Column("Object"),
        Column("Subobject", priority=1),
        Column("Source", priority=1),
        Column("Message"),
        Column("First Seen", priority=1),
        Column("Count", priority=1),
        Column("Name", "string", "name", 1),
    ),
    cluster.event_cells,
)

PRINTERS: Mapping[str, Printer] = {
    "events": _EVENTS,
    "secrets": _printer("Type, Data, Age", policies.secret_cells),
    "endpoints": _printer("Endpoints, Age", networking.endpoints_cells),
    "resourcequotas": _printer("Request, Limit, Age", policies.quota_cells),
    "persistentvolumes": _printer(
        "Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, "
        "VolumeAttributesClass, Reason, Age | VolumeMode",
        storage.volume_cells,
    ),
    "persistentvolumeclaims": _printer(
        "Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age "
        "| VolumeMode",
        storage.claim_cells,
    ),
    "podtemplates": _printer("Containers, Images, Pod Labels", sets.pod_template_cells),
    "replicationcontrollers": _printer(
        "Desired:i, Current:i, Ready:i, Age | Containers, Images, Selector",
        sets.replication_controller_cells,
    ),
    "apps/controllerrevisions": _printer(
        "Controller, Revision, Age", sets.controller_revision_cells
    ),
    "apps/daemonsets": _printer(
        "Desired:i, Current:i, Ready:i, Up-to-date:i, Available:i, Node Selector, Age "
        "| Containers, Images, Selector",
        sets.daemon_set_cells,
    ),
    "apps/statefulsets": _printer("Ready, Age | Containers, Images", sets.stateful_set_cells),
    "batch/jobs": _printer(
        "Status, Completions, Duration, Age | Containers, Images, Selector", batch.job_cells
    ),
    "batch/cronjobs": _printer(
        "Schedule, Timezone, Suspend:b, Active:i, Last Schedule, Age "
        "| Containers, Images, Selector",
        batch.cron_job_cells,
    ),
    "autoscaling/horizontalpodautoscalers": _printer(
        "Reference, Targets, MinPods, MaxPods, Replicas, Age", policies.autoscaler_cells
    ),
    "policy/poddisruptionbudgets": _printer(
        "Min Available, Max Unavailable, Allowed Disruptions:i, Age",
        policies.disruption_budget_cells,
    ),
    "discovery.k8s.io/endpointslices": _printer(
        "AddressType, Ports, Endpoints, Age", networking.endpoint_slice_cells
    ),
    "networking.k8s.io/ingresses": _printer(
        "Class, Hosts, Address, Ports, Age", networking.ingress_cells
    ),
    "networking.k8s.io/ingressclasses": _printer(
        "Controller, Parameters, Age", networking.ingress_class_cells
    ),
    "apiregistration.k8s.io/apiservices": _printer(
        "Service, Available, Age", networking.api_service_cells
    ),
    "networking.k8s.io/networkpolicies": _printer(
        "Pod-Selector, Age", networking.network_policy_cells
    ),
    "networking.k8s.io/ipaddresses": _printer("ParentRef", networking.ip_address_cells),
    "networking.k8s.io/servicecidrs": _printer("CIDRs, Age", networking.service_cidr_cells),
    "rbac.authorization.k8s.io/rolebindings": _printer(
        "Role, Age | Users, Groups, ServiceAccounts", policies.role_binding_cells
    ),
    "rbac.authorization.k8s.io/clusterrolebindings": _printer(
        "Role, Age | Users, Groups, ServiceAccounts", policies.role_binding_cells
    ),
    "scheduling.k8s.io/priorityclasses": _printer(
        "Value:i, Global-Default:b, Age, PreemptionPolicy", policies.priority_class_cells
    ),
    "storage.k8s.io/storageclasses": _printer(
        "Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age",
        storage.storage_class_cells,
    ),
    "storage.k8s.io/csidrivers": _printer(
        "AttachRequired:b, PodInfoOnMount:b, StorageCapacity:b, TokenRequests, "
        "RequiresRepublish:b, Modes, Age",
        storage.csi_driver_cells,
    ),
    "storage.k8s.io/csinodes": _printer("Drivers:i, Age", storage.csi_node_cells),
    "storage.k8s.io/volumeattachments": _printer(
        "Attacher:name, PV, Node, Attached:b, Age", storage.volume_attachment_cells
    ),
    "storage.k8s.io/volumeattributesclasses": _printer(
        "DriverName, Age", storage.volume_attributes_class_cells
    ),
    "node.k8s.io/runtimeclasses": _printer("Handler, Age", policies.runtime_class_cells),
    "certificates.k8s.io/certificatesigningrequests": _printer(
        "Age, SignerName, Requestor, RequestedDuration, Condition",
        control.certificate_request_cells,
    ),
    "flowcontrol.apiserver.k8s.io/flowschemas": _printer(
        "PriorityLevel, MatchingPrecedence, DistinguisherMethod, Age, MissingPL",
        control.flow_schema_cells,
    ),
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations": _printer(
        "Type, NominalConcurrencyShares, Queues, HandSize, QueueLengthLimit, Age",
        control.priority_level_cells,
    ),
    "admissionregistration.k8s.io/mutatingwebhookconfigurations": _printer(
        "Webhooks:i, Age", control.webhook_cells
    ),
    "admissionregistration.k8s.io/validatingwebhookconfigurations": _printer(
        "Webhooks:i, Age", control.webhook_cells
    ),
    "admissionregistration.k8s.io/mutatingadmissionpolicies": _printer(
        "Mutations:i, ParamKind, Age", control.policy_cells("mutations")
    ),
    "admissionregistration.k8s.io/validatingadmissionpolicies": _printer(
        "Validations:i, ParamKind, Age", control.policy_cells("validations")
    ),
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings": _printer(
        "PolicyName, ParamRef, Age", control.policy_binding_cells
    ),
    "admissionregistration.k8s.io/validatingadmissionpolicybindings": _printer(
        "PolicyName, ParamRef, Age", control.policy_binding_cells
    ),
    "resource.k8s.io/resourceclaims": _printer("State, Age", control.resource_claim_cells),
    "resource.k8s.io/resourceslices": _printer(
        "Node, Driver, Pool, Age", control.resource_slice_cells
    ),
    "resource.k8s.io/deviceclasses": _printer("Age", cluster.service_account_cells),
    "resource.k8s.io/resourceclaimtemplates": _printer("Age", cluster.service_account_cells),
    "pods": _printer(
        "Ready, Status, Restarts, Age | IP, Node, Nominated Node, Readiness Gates", pods.cells
    ),
    "apps/deployments": _printer(
        "Ready, Up-to-date, Available, Age | Containers, Images, Selector",
        workloads.deployment_cells,
    ),
    "apps/replicasets": _printer(
        "Desired:i, Current:i, Ready:i, Age | Containers, Images, Selector",
        workloads.replica_set_cells,
    ),
    # Of Scales, which have no resource of their own.
    "autoscaling/": _printer("Desired:i, Available:i, Age", workloads.scale_cells),
    "services": _printer(
        "Type, Cluster-IP, External-IP, Port(s), Age | Selector", workloads.service_cells
    ),
    "namespaces": _printer("Status, Age", cluster.namespace_cells),
    "nodes": _printer(
        "Status, Roles, Age, Version "
        "| Internal-IP, External-IP, OS-Image, Kernel-Version, Container-Runtime",
        cluster.node_cells,
    ),
    "configmaps": _printer("Data, Age", cluster.config_map_cells),
    "serviceaccounts": _printer("Age", cluster.service_account_cells),
    "coordination.k8s.io/leases": _printer("Holder, Age", cluster.lease_cells),
}
