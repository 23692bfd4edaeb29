"""Defaults of the controllers of pods: Deployments, ReplicaSets, StatefulSets, DaemonSets and more.

Source: pkg/apis/apps/v1/defaults.go and pkg/apis/core/v1/defaults.go of Kubernetes 1.36.
"""

from api.core import JsonObject
from api.defaults.podtemplate import set_pod_spec_defaults
from api.defaults.storage import set_claim_defaults

HISTORY = 10
"""Old revisions kept."""


def set_deployment_defaults(deployment: JsonObject) -> None:
    """In place."""
    spec = deployment["spec"]
    put = spec.setdefault
    put("replicas", 1)
    strategy = put("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    put("revisionHistoryLimit", HISTORY)
    put("progressDeadlineSeconds", 600)
    set_pod_spec_defaults(spec["template"]["spec"])


def set_replica_set_defaults(replica_set: JsonObject) -> None:
    """In place."""
    spec = replica_set["spec"]
    spec.setdefault("replicas", 1)
    set_pod_spec_defaults(spec["template"]["spec"])


def set_stateful_set_defaults(stateful_set: JsonObject) -> None:
    """In place. Its claim templates show kind and version, as a claim of its own does. Who names
    the strategy and no more of it gets no partition."""
    spec = stateful_set["spec"]
    put = spec.setdefault
    put("podManagementPolicy", "OrderedReady")
    strategy = spec["updateStrategy"]
    if "type" not in strategy:
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        strategy["rollingUpdate"].setdefault("partition", 0)
    retention = put("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    put("replicas", 1)
    put("revisionHistoryLimit", HISTORY)
    set_pod_spec_defaults(spec["template"]["spec"])
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["kind"], claim["apiVersion"] = "PersistentVolumeClaim", "v1"
        set_claim_defaults(claim)


def set_daemon_set_defaults(daemon_set: JsonObject) -> None:
    """In place."""
    spec = daemon_set["spec"]
    strategy = spec["updateStrategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", HISTORY)
    set_pod_spec_defaults(spec["template"]["spec"])


def set_replication_controller_defaults(controller: JsonObject) -> None:
    """In place. Labels and selector are those of the template unless given."""
    spec = controller["spec"]
    template = spec.get("template")
    if template is not None:
        labels = template["metadata"].get("labels")
        if labels:
            spec.setdefault("selector", dict(labels))
            controller["metadata"].setdefault("labels", dict(labels))
        set_pod_spec_defaults(template["spec"])
    spec.setdefault("replicas", 1)


def set_pod_template_defaults(template: JsonObject) -> None:
    """In place."""
    set_pod_spec_defaults(template["template"]["spec"])
