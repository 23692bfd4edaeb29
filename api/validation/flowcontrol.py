"""Validation of FlowSchemas and PriorityLevelConfigurations.

Source: pkg/apis/flowcontrol/validation/validation.go, pkg/apis/flowcontrol/internalbootstrap, and
apiserver/pkg/apis/flowcontrol/bootstrap/default.go of Kubernetes 1.36.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label, wrong_with_subdomain

PRECEDENCE_MAX: Final = 10_000
QUEUES_MAX: Final = 10_000_000
ENTROPY_BITS_MAX: Final = 60
_METHODS: Final = ("ByNamespace", "ByUser")
_VERBS: Final = (
    *("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"),
)
_SUBJECTS: Final = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
"""Kinds of subjects, with the field that each of them needs."""
_NAMESPACE_TEXT: Final = "each member of this list must be '*' or a DNS-1123 label; "
_PERCENT_TEXT: Final = "must be between 0 and 100, inclusive"
_POSITIVE_TEXT: Final = "must be positive"

_EVERYTHING: Final[JsonObject] = {
    "resourceRules": [
        {
            "verbs": ["*"],
            "apiGroups": ["*"],
            "resources": ["*"],
            "clusterScope": True,
            "namespaces": ["*"],
        }
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}


def _groups(*names: str) -> list[JsonObject]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


FIXED_SCHEMAS: Final[Mapping[str, JsonObject]] = {
    "exempt": {
        "priorityLevelConfiguration": {"name": "exempt"},
        "matchingPrecedence": 1,
        "rules": [{"subjects": _groups("system:masters"), **_EVERYTHING}],
    },
    "catch-all": {
        "priorityLevelConfiguration": {"name": "catch-all"},
        "matchingPrecedence": PRECEDENCE_MAX,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": _groups("system:unauthenticated", "system:authenticated"),
                **_EVERYTHING,
            }
        ],
    },
}
"""Specifications of the FlowSchemas that every server has, by name."""
FIXED_LEVELS: Final[Mapping[str, JsonObject]] = {
    "exempt": {"type": "Exempt"},
    "catch-all": {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": 5,
            "limitResponse": {"type": "Reject"},
            "lendablePercent": 0,
        },
    },
}
"""The same of its priority levels; ``exempt`` of the first is free."""


def check_flow_schema(causes: list[Cause], schema: JsonObject) -> None:
    """A FlowSchema, defaulted; metadata apart."""
    spec, name = schema["spec"], schema["metadata"].get("name", "")
    _check_precedence(causes, spec["matchingPrecedence"], name)
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        shown = {"Type": method.get("type", "")}
        causes.append(Cause.not_supported("spec.distinguisherMethod.type", shown, _METHODS))
    level = spec["priorityLevelConfiguration"].get("name", "")
    if not level:
        text = "must reference a priority level"
        causes.append(Cause.required("spec.priorityLevelConfiguration.name", text))
    for text in wrong_with_subdomain(level) if level else ():
        causes.append(Cause.invalid("spec.priorityLevelConfiguration.name", level, text))
    for index, rule in enumerate(spec.get("rules") or ()):
        _check_rule(causes, rule, f"spec.rules[{index}]")
    if name in FIXED_SCHEMAS and _bare(spec) != FIXED_SCHEMAS[name]:
        text = f"spec of '{name}' must equal the fixed value"
        causes.append(Cause.invalid("spec", spec, text))
    check_flow_status(causes, schema, schema)


def check_flow_schema_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_flow_schema(causes, new)


def _bare(value: Any) -> Any:
    """Without the fields that are empty, which mean the same as none."""
    if isinstance(value, dict):
        return {name: _bare(value[name]) for name in value if value[name] not in (None, "", [], {})}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _check_precedence(causes: list[Cause], precedence: int, name: str) -> None:
    field = "spec.matchingPrecedence"
    if precedence <= 0:
        causes.append(Cause.invalid(field, precedence, "must be a positive value"))
    if precedence > PRECEDENCE_MAX:
        text = f"must not be greater than {PRECEDENCE_MAX}"
        causes.append(Cause.invalid(field, precedence, text))
    if precedence == 1 and name != "exempt":
        text = "only the schema named 'exempt' may have matchingPrecedence 1"
        causes.append(Cause.invalid(field, precedence, text))


def _check_rule(causes: list[Cause], rule: JsonObject, field: str) -> None:
    subjects = rule.get("subjects") or ()
    if not subjects:
        text = "subjects must contain at least one value"
        causes.append(Cause.required(f"{field}.subjects", text))
    for index, subject in enumerate(subjects):
        _check_subject(causes, subject, f"{field}.subjects[{index}]")
    resources, others = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resources and not others:
        text = "at least one of resourceRules and nonResourceRules has to be non-empty"
        causes.append(Cause.required(field, text))
    for index, part in enumerate(resources):
        _check_resource_rule(causes, part, f"{field}.resourceRules[{index}]")
    for index, part in enumerate(others):
        _check_path_rule(causes, part, f"{field}.nonResourceRules[{index}]")


def _check_subject(causes: list[Cause], subject: JsonObject, field: str) -> None:
    kind = subject.get("kind", "")
    own = _SUBJECTS.get(kind)
    if own is None:
        causes.append(Cause.not_supported(f"{field}.kind", kind, tuple(_SUBJECTS)))
        return
    value = subject.get(own)
    if value is None:
        text = f"{own} is required when subject kind is '{kind}'"
        causes.append(Cause.required(f"{field}.{own}", text))
    elif not value.get("name"):
        causes.append(Cause.required(f"{field}.{own}.name"))
    if value is not None and kind == "ServiceAccount":
        _check_account(causes, value, f"{field}.{own}")
    for other in ("serviceAccount", "user", "group"):
        if other != own and subject.get(other) is not None:
            known = next(name for name in _SUBJECTS if _SUBJECTS[name] == other)
            text = f"{other} is forbidden when subject kind is not '{known}'"
            causes.append(Cause.forbidden(f"{field}.{other}", text))


def _check_account(causes: list[Cause], account: JsonObject, field: str) -> None:
    name, namespace = account.get("name", ""), account.get("namespace", "")
    for text in wrong_with_subdomain(name) if name not in ("", "*") else ():
        causes.append(Cause.invalid(f"{field}.name", name, text))
    if not namespace:
        text = "must specify namespace for service account"
        causes.append(Cause.required(f"{field}.namespace", text))
    for text in wrong_with_label(namespace) if namespace else ():
        causes.append(Cause.invalid(f"{field}.namespace", namespace, text))


def _check_verbs(causes: list[Cause], verbs: Sequence[str], field: str) -> None:
    if not verbs:
        causes.append(Cause.required(field, "verbs must contain at least one value"))
    elif "*" in verbs:
        _check_alone(causes, verbs, field, "verbs")
    elif any(verb not in _VERBS for verb in verbs):
        causes.append(Cause.not_supported(field, verbs, _VERBS))


def _check_alone(causes: list[Cause], words: Sequence[str], field: str, what: str) -> None:
    """A star stands for all, so nothing stands beside it."""
    if len(words) > 1 and "*" in words:
        text = f"if '*' is present, must not specify other {what}"
        causes.append(Cause.invalid(field, words, text))


def _check_resource_rule(causes: list[Cause], rule: JsonObject, field: str) -> None:
    _check_verbs(causes, rule.get("verbs") or (), f"{field}.verbs")
    for name, one, others in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        words = rule.get(name) or ()
        if not words:
            text = f"resource rules must supply at least one {one}"
            causes.append(Cause.required(f"{field}.{name}", text))
        _check_alone(causes, words, f"{field}.{name}", others)
    namespaces, path = rule.get("namespaces") or (), f"{field}.namespaces"
    if not namespaces and not rule.get("clusterScope"):
        text = "resource rules that are not cluster scoped must supply at least one namespace"
        causes.append(Cause.required(path, text))
    elif "*" in namespaces:
        _check_alone(causes, namespaces, path, "namespaces")
    else:
        for index, name in enumerate(namespaces):
            for text in wrong_with_label(name):
                causes.append(Cause.invalid(f"{path}[{index}]", name, _NAMESPACE_TEXT + text))


def _check_path_rule(causes: list[Cause], rule: JsonObject, field: str) -> None:
    _check_verbs(causes, rule.get("verbs") or (), f"{field}.verbs")
    paths, place = rule.get("nonResourceURLs") or (), f"{field}.nonResourceURLs"
    if not paths:
        causes.append(Cause.required(place, "nonResourceURLs must contain at least one value"))
    elif "*" in paths:
        _check_alone(causes, paths, place, "non-resource URLs")
    else:
        for index, path in enumerate(paths):
            wrong = _wrong_with_path(path)
            if wrong:
                causes.append(Cause.invalid(f"{place}[{index}]", path, wrong))


def _wrong_with_path(path: str) -> str:
    if not path:
        return "must not be empty"
    if not path.startswith("/"):
        return "must start with slash"
    if " " in path:
        return "must not contain white-space"
    if "//" in path:
        return "must not contain double slash"
    stars = path.count("*")
    if stars > 1 or (stars == 1 and not path.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def check_flow_status(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Conditions of a FlowSchema or of a PriorityLevelConfiguration: each type once."""
    seen: list[str] = []
    for index, condition in enumerate((new.get("status") or {}).get("conditions") or ()):
        field, kind = f"status.conditions[{index}].type", condition.get("type", "")
        if kind in seen:
            causes.append(Cause.duplicate(field, kind))
        seen.append(kind)
        if not kind:
            causes.append(Cause.required(field, "must not be empty"))


def check_priority_level(causes: list[Cause], level: JsonObject) -> None:
    """A PriorityLevelConfiguration, defaulted; metadata apart."""
    spec, name = level["spec"], level["metadata"].get("name", "")
    kind, exempt, limited = spec.get("type", ""), spec.get("exempt"), spec.get("limited")
    if (name == "exempt") != (kind == "Exempt"):
        text = "type must be 'Exempt' if and only if name is 'exempt'"
        causes.append(Cause.invalid("spec.type", kind, text))
    if kind == "Exempt":
        if limited is not None:
            causes.append(Cause.forbidden("spec.limited", "must be nil if the type is not Limited"))
        _check_shares(causes, exempt or {}, "spec.exempt")
    elif kind == "Limited":
        if exempt is not None:
            causes.append(Cause.forbidden("spec.exempt", "must be nil if the type is Limited"))
        if limited is None:
            causes.append(Cause.required("spec.limited", "must not be empty when type is Limited"))
        else:
            _check_limited(causes, limited)
    else:
        causes.append(Cause.not_supported("spec.type", kind, ("Exempt", "Limited")))
    if name in FIXED_LEVELS:
        free = ("exempt",) if name == "exempt" else ()
        kept = {key: value for key, value in spec.items() if key not in free}
        if _bare(kept) != FIXED_LEVELS[name]:
            but = " except the 'spec.exempt' field" if free else ""
            text = f"spec of '{name}'{but} must equal the fixed value"
            causes.append(Cause.invalid("spec", spec, text))
    check_flow_status(causes, level, level)


def check_priority_level_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_priority_level(causes, new)


def _check_shares(causes: list[Cause], part: JsonObject, field: str) -> None:
    shares = part.get("nominalConcurrencyShares", 0)
    if shares < 0:
        text = "must be a non-negative integer"
        causes.append(Cause.invalid(f"{field}.nominalConcurrencyShares", shares, text))
    if "limitResponse" in part:
        _check_response(causes, part["limitResponse"], f"{field}.limitResponse")
    lendable = part.get("lendablePercent", 0)
    if not 0 <= lendable <= 100:
        causes.append(Cause.invalid(f"{field}.lendablePercent", lendable, _PERCENT_TEXT))


def _check_limited(causes: list[Cause], limited: JsonObject) -> None:
    _check_shares(causes, limited, "spec.limited")
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        text = "if specified, must be a non-negative integer"
        causes.append(Cause.invalid("spec.limited.borrowingLimitPercent", borrowing, text))


def _check_response(causes: list[Cause], response: JsonObject, field: str) -> None:
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == "Reject":
        if queuing is not None:
            text = "must be nil if limited.limitResponse.type is not Limited"
            causes.append(Cause.forbidden(f"{field}.queuing", text))
    elif kind == "Queue":
        if queuing is None:
            text = "must not be empty if limited.limitResponse.type is Limited"
            causes.append(Cause.required(f"{field}.queuing", text))
        else:
            _check_queuing(causes, queuing, f"{field}.queuing")
    else:
        causes.append(Cause.not_supported(f"{field}.type", kind, ("Queue", "Reject")))


def _check_queuing(causes: list[Cause], queuing: JsonObject, field: str) -> None:
    queues, hand, length = (queuing[key] for key in ("queues", "handSize", "queueLengthLimit"))
    if length <= 0:
        causes.append(Cause.invalid(f"{field}.queueLengthLimit", length, _POSITIVE_TEXT))
    if queues <= 0:
        causes.append(Cause.invalid(f"{field}.queues", queues, _POSITIVE_TEXT))
    elif queues > QUEUES_MAX:
        text = f"must not be greater than {QUEUES_MAX}"
        causes.append(Cause.invalid(f"{field}.queues", queues, text))
    if hand <= 0:
        wrong = _POSITIVE_TEXT
    elif hand > queues:
        wrong = f"should not be greater than queues ({queues})"
    elif hand > ENTROPY_BITS_MAX or queues**hand > 2**ENTROPY_BITS_MAX:
        wrong = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater "
            f"than {ENTROPY_BITS_MAX}"
        )
    else:
        return
    causes.append(Cause.invalid(f"{field}.handSize", hand, wrong))
