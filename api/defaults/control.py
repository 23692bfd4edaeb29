"""Defaults of what steers the API server: flow control, webhooks, admission policies.

Source: pkg/apis/{flowcontrol,admissionregistration}/v1/defaults.go of Kubernetes 1.36.
"""

from api.core import JsonObject

MATCHING_PRECEDENCE = 1000
SHARES = 30
WEBHOOK_TIMEOUT_S = 10


def set_flow_schema_defaults(schema: JsonObject) -> None:
    """In place."""
    schema["spec"]["matchingPrecedence"] = (
        schema["spec"].get("matchingPrecedence") or MATCHING_PRECEDENCE
    )


def set_priority_level_defaults(level: JsonObject) -> None:
    """A PriorityLevelConfiguration, in place."""
    spec = level["spec"]
    exempt = spec.get("exempt")
    if spec.get("type") == "Exempt" and exempt is None:
        exempt = spec["exempt"] = {}
    if exempt is not None:
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    limited = spec.get("limited")
    if limited is not None:
        limited["nominalConcurrencyShares"] = _or(limited.get("nominalConcurrencyShares"), SHARES)
        limited["lendablePercent"] = _or(limited.get("lendablePercent"), 0)
        queuing = limited["limitResponse"].get("queuing")
        if queuing is not None:
            queuing["queues"] = queuing.get("queues") or 64
            queuing["handSize"] = queuing.get("handSize") or 8
            queuing["queueLengthLimit"] = queuing.get("queueLengthLimit") or 50


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def set_webhook_defaults(configuration: JsonObject) -> None:
    """What both kinds of webhook configuration have in common, in place."""
    for webhook in configuration.get("webhooks") or ():
        webhook["failurePolicy"] = webhook.get("failurePolicy") or "Fail"
        webhook["timeoutSeconds"] = _or(webhook.get("timeoutSeconds"), WEBHOOK_TIMEOUT_S)
        _set_match_defaults(webhook)
        service = webhook["clientConfig"].get("service")
        if service is not None:
            service["port"] = _or(service.get("port"), 443)
        _set_scopes(webhook.get("rules"))


def set_mutating_webhook_defaults(configuration: JsonObject) -> None:
    """A MutatingWebhookConfiguration, in place."""
    set_webhook_defaults(configuration)
    for webhook in configuration.get("webhooks") or ():
        webhook["reinvocationPolicy"] = webhook.get("reinvocationPolicy") or "Never"


def _set_match_defaults(holder: JsonObject) -> None:
    holder["matchPolicy"] = holder.get("matchPolicy") or "Equivalent"
    for name in ("namespaceSelector", "objectSelector"):
        if holder.get(name) is None:
            holder[name] = {}


def _set_scopes(rules: list[JsonObject] | None) -> None:
    for rule in rules or ():
        rule["scope"] = rule.get("scope") or "*"


def set_policy_defaults(policy: JsonObject) -> None:
    """A ValidatingAdmissionPolicy or a MutatingAdmissionPolicy, in place."""
    spec = policy["spec"]
    spec["failurePolicy"] = spec.get("failurePolicy") or "Fail"
    if spec.get("matchConstraints") is not None:
        _set_match_resources_defaults(spec["matchConstraints"])


def set_policy_binding_defaults(binding: JsonObject) -> None:
    """The binding of such a policy, in place."""
    if binding["spec"].get("matchResources") is not None:
        _set_match_resources_defaults(binding["spec"]["matchResources"])


def _set_match_resources_defaults(resources: JsonObject) -> None:
    _set_match_defaults(resources)
    _set_scopes(resources.get("resourceRules"))
    _set_scopes(resources.get("excludeResourceRules"))
