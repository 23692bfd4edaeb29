"""Who may do what: a fixed table for the users of a cluster's own tokens.

Roles and bindings are stored but not evaluated yet (docs/fidelity.md). Until then administrators
may all, the scheduler and nodes what Kubernetes' bootstrap roles for them allow, controllers all
but to act for others, service accounts and everybody else what any authenticated user may.

Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go at v0.36.3 (system:kube-scheduler,
system:node, system:basic-user, system:discovery, system:public-info-viewer).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from apiserver.messages import User

ADMINS = "system:masters"
_ADMINS = f"group {ADMINS}"
_EVERYBODY = "group system:authenticated"
_ALL = ("*",)
_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch", "delete")


class Rule(NamedTuple):
    """Verbs on resources; ``"*"`` stands for any. Subresources are ``resource/subresource``."""

    verbs: Sequence[str]
    groups: Sequence[str]
    resources: Sequence[str]


class PathRule(NamedTuple):
    """Verbs on paths; a final ``*`` stands for any rest."""

    verbs: Sequence[str]
    paths: Sequence[str]


_AUTHORIZATION = "authorization.k8s.io"
_RULES: dict[str, tuple[Rule, ...]] = {
    _ADMINS: (Rule(_ALL, _ALL, _ALL),),
    _EVERYBODY: (
        Rule(
            ("create",), (_AUTHORIZATION,), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
        ),
        Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
    ),
    "user system:kube-controller-manager": (
        Rule((*_READ, *_WRITE, "deletecollection"), _ALL, _ALL),
    ),
    "user system:kube-scheduler": (
        Rule((*_WRITE, *_READ), ("", "events.k8s.io"), ("events",)),
        Rule((*_WRITE, *_READ), ("coordination.k8s.io",), ("leases",)),
        Rule(_READ, ("",), ("nodes", "namespaces", "services", "replicationcontrollers")),
        Rule(("delete", *_READ), ("",), ("pods",)),
        Rule(("create",), ("",), ("bindings", "pods/binding")),
        Rule(("patch", "update"), ("",), ("pods/status",)),
        Rule(_READ, ("apps",), ("replicasets", "statefulsets")),
        Rule(_READ, ("policy",), ("poddisruptionbudgets",)),
        Rule(("update", *_READ), ("",), ("persistentvolumeclaims", "persistentvolumes")),
        Rule(_READ, ("storage.k8s.io",), _ALL),
        Rule(("create",), ("authentication.k8s.io",), ("tokenreviews",)),
        Rule(("create",), (_AUTHORIZATION,), ("subjectaccessreviews",)),
    ),
    "group system:nodes": (
        Rule((*_WRITE, *_READ), ("",), ("nodes", "pods")),
        Rule(("patch", "update"), ("",), ("nodes/status", "pods/status")),
        Rule(("create",), ("",), ("pods/eviction", "serviceaccounts/token")),
        Rule(("create", "patch", "update"), ("", "events.k8s.io"), ("events",)),
        Rule(_READ, ("",), ("services", "configmaps", "secrets")),
        Rule(("get",), ("",), ("persistentvolumeclaims", "persistentvolumes")),
        Rule((*_WRITE, "get"), ("coordination.k8s.io",), ("leases",)),
        Rule(_READ, ("node.k8s.io",), ("runtimeclasses",)),
        Rule((*_WRITE, *_READ), ("storage.k8s.io",), ("csinodes", "csidrivers")),
        Rule(("create",), ("authentication.k8s.io",), ("tokenreviews",)),
        Rule(("create",), (_AUTHORIZATION,), ("subjectaccessreviews",)),
    ),
}
"""``user NAME`` or ``group NAME`` to what it may."""
_PATH_RULES: dict[str, tuple[PathRule, ...]] = {
    _ADMINS: (PathRule(_ALL, _ALL),),
    "group system:monitoring": (
        PathRule(
            ("get",),
            (
                *("/metrics", "/metrics/slis", "/healthz", "/livez", "/readyz"),
                *("/healthz/*", "/livez/*", "/readyz/*"),
            ),
        ),
    ),
    _EVERYBODY: (
        PathRule(("get",), ("/healthz", "/livez", "/readyz", "/version", "/version/")),
        PathRule(
            ("get",),
            (
                *("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez"),
                *("/openapi", "/openapi/*", "/readyz", "/version", "/version/"),
            ),
        ),
    ),
}


def _subjects(user: User) -> Iterator[str]:
    yield f"user {user.name}"
    for group in dict.fromkeys(user.groups):
        yield f"group {group}"


def rules_of(user: User) -> list[Rule]:
    """What a user may do with resources, by his name and by his groups."""
    return [rule for subject in _subjects(user) for rule in _RULES.get(subject, ())]


def path_rules_of(user: User) -> list[PathRule]:
    """What a user may do with paths that are no resources."""
    return [rule for subject in _subjects(user) for rule in _PATH_RULES.get(subject, ())]


def may(user: User, verb: str, group: str, resource: str) -> bool:
    """``resource``: with its subresource after a slash, if there is one."""
    if ADMINS in user.groups:
        return True
    return any(
        _names(rule.verbs, verb) and _names(rule.groups, group) and _names(rule.resources, resource)
        for rule in rules_of(user)
    )


def may_path(user: User, verb: str, path: str) -> bool:
    """Whether a user may do so; a path of a rule that ends in ``*`` stands for all below."""
    return any(
        _names(rule.verbs, verb)
        and any(
            path.startswith(known[:-1]) if known.endswith("*") else path == known
            for known in rule.paths
        )
        for rule in path_rules_of(user)
    )


def _names(known: Sequence[str], word: str) -> bool:
    return word in known or "*" in known
