"""What is wrong with an object of a served kind, in Kubernetes' words and order.

Objects come defaulted (``api.defaulting``) and, on create, admitted. An empty list means that the
object is right. The causes are those of one 422, several alike where the server repeats itself:
on update it checks metadata in the generic code and again in that of the kind.

Source: tests/golden/api/errors.jsonl; apiserver/pkg/registry/rest/{create,update}.go.
"""

from collections.abc import Callable, Mapping

from api.core import JsonObject
from api.errors import Cause
from api.kinds import Kind
from api.validation import cluster, nodes, pods, services, workloads
from api.validation.metadata import check_metadata, check_metadata_update

__all__ = ["validate_create", "validate_status_update", "validate_update"]

Check = Callable[[list[Cause], JsonObject], None]
UpdateCheck = Callable[[list[Cause], JsonObject, JsonObject], None]

_CHECKS: Mapping[str, tuple[Check, UpdateCheck]] = {
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
}

_METADATA_TWICE = ("pods", "nodes", "services", "namespaces", "configmaps", "serviceaccounts")
"""Kinds whose own check of an update also looks at metadata as that of a new object."""


def validate_create(kind: Kind, obj: JsonObject) -> list[Cause]:
    """Causes against a new object. Cost: about 10 µs for a pod without faults."""
    causes: list[Cause] = []
    check_metadata(causes, kind.key, obj, kind.namespaced)
    _CHECKS[kind.key][0](causes, obj)
    return causes


def validate_update(kind: Kind, new: JsonObject, old: JsonObject) -> list[Cause]:
    """Causes against replacing ``old`` by ``new``, of the same name."""
    causes = validate_status_update(kind, new, old)
    if causes and kind.key in _METADATA_TWICE:
        check_metadata(causes, kind.key, new, kind.namespaced)
    _CHECKS[kind.key][1](causes, new, old)
    return causes


def validate_status_update(kind: Kind, new: JsonObject, old: JsonObject) -> list[Cause]:
    """Causes against new metadata with the status. The status itself is not judged."""
    causes: list[Cause] = []
    check_metadata(causes, kind.key, new, kind.namespaced)
    check_metadata_update(causes, new, old)
    if causes and kind.key != "events":
        check_metadata_update(causes, new, old)
    return causes
