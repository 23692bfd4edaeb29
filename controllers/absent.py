"""Kinds that a cluster stores and nothing in it acts on, with what their writers are told.

Without a word a StatefulSet is created, and ``kubectl rollout status`` waits for ever; a
NetworkPolicy is created, and somebody relies on it. So an API server of a whole cluster warns of a
new object of these kinds, as kube-apiserver warns of deprecated ones. One that stands alone, before
controllers of its user's choice, does not.
"""

from typing import Final

from api.kinds import kind_of

_NO_PODS: Final = "hollowfleet has no controller for it: unless you run one, no pods come of it"
_NO_ROLES: Final = "hollowfleet stores roles and does not evaluate them, so it changes no rights"
_NOT_ASKED: Final = "hollowfleet stores it and does not ask it, so it refuses and changes nothing"
_NOT_QUEUED: Final = "hollowfleet has no priority and fairness, so no request is queued by it"
_NO_NETWORK: Final = "hollowfleet has no network"

_WORDS: Final[dict[str, str]] = {
    "replicationcontrollers": _NO_PODS,
    "apps/statefulsets": _NO_PODS,
    "apps/daemonsets": _NO_PODS,
    "batch/jobs": _NO_PODS,
    "batch/cronjobs": "hollowfleet has no controller for it: unless you run one, no jobs run",
    "autoscaling/horizontalpodautoscalers": (
        "hollowfleet has no controller for it: unless you run one, nothing is scaled by it"
    ),
    "policy/poddisruptionbudgets": (
        "hollowfleet has no controller for it: unless you run one, nobody counts its pods and "
        "all their evictions are refused"
    ),
    "certificates.k8s.io/certificatesigningrequests": (
        "hollowfleet has no signers: unless you run one, no certificate comes of it"
    ),
    "networking.k8s.io/networkpolicies": f"{_NO_NETWORK}, so nothing is kept apart by it",
    "networking.k8s.io/ingresses": f"{_NO_NETWORK}, so nothing is reached by it",
    "rbac.authorization.k8s.io/clusterroles": _NO_ROLES,
    "rbac.authorization.k8s.io/clusterrolebindings": _NO_ROLES,
    "rbac.authorization.k8s.io/roles": _NO_ROLES,
    "rbac.authorization.k8s.io/rolebindings": _NO_ROLES,
    "admissionregistration.k8s.io/mutatingwebhookconfigurations": _NOT_ASKED,
    "admissionregistration.k8s.io/validatingwebhookconfigurations": _NOT_ASKED,
    "admissionregistration.k8s.io/mutatingadmissionpolicies": _NOT_ASKED,
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings": _NOT_ASKED,
    "admissionregistration.k8s.io/validatingadmissionpolicies": _NOT_ASKED,
    "admissionregistration.k8s.io/validatingadmissionpolicybindings": _NOT_ASKED,
    "flowcontrol.apiserver.k8s.io/flowschemas": _NOT_QUEUED,
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations": _NOT_QUEUED,
}
UNATTENDED: Final = {key: f"{kind_of(key).kind}: {words}" for key, words in _WORDS.items()}
"""Key of the kind -> what a client is told that creates one."""
