"""What is wrong with an object of a served kind, in Kubernetes' words and order.

Objects come defaulted (``api.defaulting``) and, on create, admitted. An empty list means that the
object is right. The causes are those of one 422, several alike where the server repeats itself:
on update it checks metadata in the generic code and again in that of the kind.

Source: tests/golden/api/errors.jsonl; apiserver/pkg/registry/rest/{create,update}.go.
"""

from collections.abc import Callable, Mapping

from api.core import JsonObject
from api.errors import Cause
from api.kinds import SERVED, Kind, kind_of
from api.validation import (
    access,
    admission_policies,
    autoscaling,
    batch,
    certificates,
    claims,
    cluster,
    csi,
    definitions,
    flowcontrol,
    ingresses,
    networking,
    nodes,
    pods,
    policies,
    quotas,
    registrations,
    secrets,
    services,
    sets,
    storage,
    webhooks,
    workloads,
)
from api.validation.metadata import check_metadata, check_metadata_update
from api.validation.pod_parts import check_pod_part
from api.validation.statuses import check_status
from api.validation.structural import structural_checks

__all__ = [
    "in_words_of_new_events",
    "validate_approval",
    "validate_create",
    "validate_pod_part",
    "validate_status_update",
    "validate_update",
]

Check = Callable[[list[Cause], JsonObject], None]
UpdateCheck = Callable[[list[Cause], JsonObject, JsonObject], None]

_CHECKS: Mapping[str, tuple[Check, UpdateCheck]] = {
    **{key: structural_checks(kind_of(key)) for key in SERVED},
    "pods": (pods.check_pod, pods.check_pod_update),
    "nodes": (nodes.check_node, nodes.check_node_update),
    "services": (services.check_service, services.check_service_update),
    "namespaces": (cluster.check_namespace, cluster.check_namespace_update),
    "events": (cluster.check_event, cluster.check_event_update),
    "configmaps": (cluster.check_config_map, cluster.check_config_map_update),
    "serviceaccounts": (cluster.check_service_account, cluster.check_service_account_update),
    "coordination.k8s.io/leases": (cluster.check_lease, cluster.check_lease_update),
    "apps/deployments": (workloads.check_deployment, workloads.check_deployment_update),
    "apps/replicasets": (workloads.check_replica_set, workloads.check_replica_set_update),
    "apps/statefulsets": (sets.check_stateful_set, sets.check_stateful_set_update),
    "apps/daemonsets": (sets.check_daemon_set, sets.check_daemon_set_update),
    "apps/controllerrevisions": (
        sets.check_controller_revision,
        sets.check_controller_revision_update,
    ),
    "replicationcontrollers": (
        sets.check_replication_controller,
        sets.check_replication_controller_update,
    ),
    "podtemplates": (sets.check_pod_template, sets.check_pod_template_update),
    "batch/jobs": (batch.check_job, batch.check_job_update),
    "batch/cronjobs": (batch.check_cron_job, batch.check_cron_job_update),
    "persistentvolumes": (storage.check_volume, storage.check_volume_update),
    "persistentvolumeclaims": (claims.check_claim, claims.check_claim_update),
    "storage.k8s.io/storageclasses": (
        storage.check_storage_class,
        storage.check_storage_class_update,
    ),
    "storage.k8s.io/csidrivers": (csi.check_driver, csi.check_driver_update),
    "storage.k8s.io/csinodes": (csi.check_drivers_of_node, csi.check_drivers_of_node_update),
    "storage.k8s.io/volumeattachments": (csi.check_attachment, csi.check_attachment_update),
    "storage.k8s.io/csistoragecapacities": (csi.check_capacity, csi.check_capacity_update),
    "storage.k8s.io/volumeattributesclasses": (
        csi.check_attributes_class,
        csi.check_attributes_class_update,
    ),
    "node.k8s.io/runtimeclasses": (nodes.check_runtime_class, nodes.check_runtime_class_update),
    "networking.k8s.io/servicecidrs": (
        networking.check_service_range,
        networking.check_service_range_update,
    ),
    "networking.k8s.io/ipaddresses": (networking.check_taken, networking.check_taken_update),
    "certificates.k8s.io/certificatesigningrequests": (
        certificates.check_request,
        certificates.check_request_update,
    ),
    "flowcontrol.apiserver.k8s.io/flowschemas": (
        flowcontrol.check_flow_schema,
        flowcontrol.check_flow_schema_update,
    ),
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations": (
        flowcontrol.check_priority_level,
        flowcontrol.check_priority_level_update,
    ),
    **{
        f"admissionregistration.k8s.io/{name}webhookconfigurations": (
            webhooks.check_webhooks,
            webhooks.check_webhooks_update,
        )
        for name in ("mutating", "validating")
    },
    "admissionregistration.k8s.io/validatingadmissionpolicies": (
        admission_policies.check_policy,
        admission_policies.check_policy_update,
    ),
    "admissionregistration.k8s.io/mutatingadmissionpolicies": (
        admission_policies.check_mutating_policy,
        admission_policies.check_mutating_policy_update,
    ),
    "admissionregistration.k8s.io/validatingadmissionpolicybindings": (
        admission_policies.check_policy_binding,
        admission_policies.check_policy_binding_update,
    ),
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings": (
        admission_policies.check_mutating_binding,
        admission_policies.check_mutating_binding_update,
    ),
    "autoscaling/horizontalpodautoscalers": (
        autoscaling.check_autoscaler,
        autoscaling.check_autoscaler_update,
    ),
    "policy/poddisruptionbudgets": (
        policies.check_disruption_budget,
        policies.check_disruption_budget_update,
    ),
    "limitranges": (policies.check_limit_range, policies.check_limit_range_update),
    "resourcequotas": (quotas.check_quota, quotas.check_quota_update),
    "scheduling.k8s.io/priorityclasses": (
        policies.check_priority_class,
        policies.check_priority_class_update,
    ),
    "secrets": (secrets.check_secret, secrets.check_secret_update),
    "endpoints": (networking.check_endpoints, networking.check_endpoints_update),
    "discovery.k8s.io/endpointslices": (
        networking.check_endpoint_slice,
        networking.check_endpoint_slice_update,
    ),
    "networking.k8s.io/ingresses": (ingresses.check_ingress, ingresses.check_ingress_update),
    "networking.k8s.io/ingressclasses": (
        ingresses.check_ingress_class,
        ingresses.check_ingress_class_update,
    ),
    "networking.k8s.io/networkpolicies": (
        networking.check_network_policy,
        networking.check_network_policy_update,
    ),
    "rbac.authorization.k8s.io/roles": (access.check_role, access.check_role_update),
    "rbac.authorization.k8s.io/clusterroles": (
        access.check_cluster_role,
        access.check_cluster_role_update,
    ),
    "rbac.authorization.k8s.io/rolebindings": (
        access.check_role_binding,
        access.check_role_binding_update,
    ),
    "rbac.authorization.k8s.io/clusterrolebindings": (
        access.check_cluster_role_binding,
        access.check_cluster_role_binding_update,
    ),
    "apiregistration.k8s.io/apiservices": (
        registrations.check_api_service,
        registrations.check_api_service_update,
    ),
    "apiextensions.k8s.io/customresourcedefinitions": (
        definitions.check_definition,
        definitions.check_definition_update,
    ),
}
"""Checks by kind; what has none of its own is checked by the field table."""

_METADATA_TWICE = frozenset(
    (
        *("pods", "nodes", "services", "namespaces", "configmaps", "secrets", "serviceaccounts"),
        *("persistentvolumes", "persistentvolumeclaims", "replicationcontrollers"),
        *("apps/replicasets", "apps/daemonsets", "apps/controllerrevisions", "batch/jobs"),
        *(
            f"networking.k8s.io/{name}"
            for name in ("ingresses", "ingressclasses", "networkpolicies")
        ),
        *("networking.k8s.io/ipaddresses", "networking.k8s.io/servicecidrs"),
        *(f"storage.k8s.io/{name}es" for name in ("storageclass", "volumeattributesclass")),
        *(f"storage.k8s.io/{name}s" for name in ("csidriver", "csinode", "volumeattachment")),
        *("storage.k8s.io/csistoragecapacities", "node.k8s.io/runtimeclasses"),
        *(
            f"rbac.authorization.k8s.io/{name}"
            for name in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
        ),
        "certificates.k8s.io/certificatesigningrequests",
        "apiregistration.k8s.io/apiservices",
    )
)
"""Kinds whose own check of an update also looks at metadata as that of a new object.
Source: ValidateUpdate in pkg/registry/*/strategy.go and what it calls."""
_METADATA_ONCE = ("events", "policy/poddisruptionbudgets")
"""Kinds whose own check of an update does not look at it at all."""


def validate_create(kind: Kind, obj: JsonObject) -> list[Cause]:
    """Causes against a new object. Cost: about 10 µs for a pod without faults."""
    if kind.custom is not None:
        return kind.custom.validate_create(kind, obj)
    causes: list[Cause] = []
    check_metadata(causes, kind.key, obj, kind.namespaced)
    _CHECKS[kind.key][0](causes, obj)
    return causes


def validate_update(kind: Kind, new: JsonObject, old: JsonObject) -> list[Cause]:
    """Causes against replacing ``old`` by ``new``, of the same name."""
    if kind.custom is not None:
        return kind.custom.validate_update(kind, new, old)
    causes = _check_metadata(kind, new, old)
    if causes and kind.key in _METADATA_TWICE:
        check_metadata(causes, kind.key, new, kind.namespaced)
    _CHECKS[kind.key][1](causes, new, old)
    return causes


def in_words_of_new_events(
    causes: list[Cause], new: JsonObject, old: JsonObject | None
) -> list[Cause]:
    """Causes against an Event, as stored, that is written through events.k8s.io/v1: ``causes`` of
    any Event and more. ``old``: None for a new one."""
    if old is None:
        cluster.check_event_of_new_group(causes, new)
    else:
        cluster.check_event_of_new_group_update(causes, new, old)
    return [
        cause._replace(field="reportingController")
        if cause.field == "reportingComponent"
        else cause
        for cause in causes
    ]


def validate_pod_part(part: str, new: JsonObject, old: JsonObject) -> list[Cause]:
    """Causes against what a write to a subresource of a pod makes of it."""
    causes = _check_metadata(_PODS, new, old)
    check_pod_part(causes, part, new, old)
    return causes


_PODS = kind_of("pods")


def validate_status_update(kind: Kind, new: JsonObject, old: JsonObject) -> list[Cause]:
    """Causes against new metadata with a new status; of pods see ``validate_pod_part``."""
    if kind.custom is not None:
        return kind.custom.validate_status(kind, new, old)
    causes = _check_metadata(kind, new, old)
    check_status(causes, kind.key, new, old)
    return causes


def validate_approval(kind: Kind, new: JsonObject, old: JsonObject) -> list[Cause]:
    """Causes against a verdict on a CertificateSigningRequest."""
    causes = _check_metadata(kind, new, old)
    certificates.check_request_approval(causes, new, old)
    return causes


def _check_metadata(kind: Kind, new: JsonObject, old: JsonObject) -> list[Cause]:
    causes: list[Cause] = []
    check_metadata(causes, kind.key, new, kind.namespaced)
    check_metadata_update(causes, new, old)
    if causes and kind.key not in _METADATA_ONCE:
        check_metadata_update(causes, new, old)
    return causes
