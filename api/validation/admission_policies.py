"""Validation of admission policies, validating and mutating, and of their bindings.

Source: pkg/apis/admissionregistration/validation/validation.go of Kubernetes 1.36.
"""

import re
from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_dns_1035, wrong_with_qualified_name, wrong_with_subdomain
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import wrong_with_path_segment
from api.validation.webhooks import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    check_expression,
    check_match_conditions,
    check_rule,
    check_word,
)

NOTES_MAX: Final = 20
_NOTE_BYTES_MAX: Final = 5 * 1024
_ACTIONS: Final = ("Audit", "Deny", "Warn")
_REASONS: Final = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_IDENTIFIER: Final = re.compile("[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED: Final = (
    *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for"),
    *("function", "if", "import", "let", "loop", "package", "namespace", "return", "var"),
    *("void", "while"),
)
_PATCHES: Final = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
_REINVOCATIONS: Final = ("IfNeeded", "Never")
_OPERATIONS: Final = ("*", "CONNECT", "CREATE", "UPDATE")
_NOTHING: Final = "validations or auditAnnotations must contain at least one item"
_TWICE: Final = "name and selector are mutually exclusive"
_BOTH: Final = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the "
    "API response and headers serves no purpose)"
)


def check_policy(causes: list[Cause], policy: JsonObject) -> None:
    """A ValidatingAdmissionPolicy, defaulted; metadata apart."""
    spec = policy["spec"]
    _check_scope(causes, spec)
    _check_variables(causes, spec.get("variables") or ())
    validations, notes = spec.get("validations") or (), spec.get("auditAnnotations") or ()
    if not validations and not notes:
        causes.append(Cause.required("spec.validations", _NOTHING))
        causes.append(Cause.required("spec.auditAnnotations", _NOTHING))
    for index, validation in enumerate(validations):
        _check_validation(causes, validation, f"spec.validations[{index}]")
    if len(notes) > NOTES_MAX:
        text = f"must not have more than {NOTES_MAX} auditAnnotations"
        causes.append(Cause.invalid("spec.auditAnnotations", notes, text))
    for index, note in enumerate(notes):
        field, key = f"spec.auditAnnotations[{index}]", note.get("key", "")
        _check_note(causes, note, policy["metadata"].get("name", ""), field)
        if key in (other.get("key", "") for other in notes[:index]):
            causes.append(Cause.duplicate(f"{field}.key", key))


def check_policy_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_policy(causes, new)


def check_mutating_policy(causes: list[Cause], policy: JsonObject) -> None:
    """A MutatingAdmissionPolicy, defaulted; metadata apart."""
    spec = policy["spec"]
    _check_scope(causes, spec)
    _check_variables(causes, spec.get("variables") or ())
    _check_operations(causes, spec.get("matchConstraints"), "spec.matchConstraints")
    mutations = spec.get("mutations") or ()
    if not mutations:
        text = "mutations must contain at least one item"
        causes.append(Cause.required("spec.mutations", text))
    for index, mutation in enumerate(mutations):
        _check_mutation(causes, mutation, f"spec.mutations[{index}]")
    again = spec.get("reinvocationPolicy", "")
    if not again:
        causes.append(Cause.required("spec.reinvocationPolicy"))
    else:
        check_word(causes, again, "spec.reinvocationPolicy", _REINVOCATIONS)


def check_mutating_policy_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_mutating_policy(causes, new)


def _check_mutation(causes: list[Cause], mutation: JsonObject, field: str) -> None:
    kind = mutation.get("patchType", "")
    if not kind:
        causes.append(Cause.required(f"{field}.patchType"))
        return
    if kind not in _PATCHES:
        causes.append(Cause.not_supported(f"{field}.patchType", kind, tuple(_PATCHES)))
        return
    wanted = _PATCHES[kind]
    for name in (wanted, *(name for name in _PATCHES.values() if name != wanted)):
        patch, path = mutation.get(name), f"{field}.{name}"
        if patch is None:
            if name == wanted:
                text = f"must be specified when patchType is {kind}"
                causes.append(Cause.required(path, text))
        elif name == wanted:
            text = "expression is not specified"
            check_expression(causes, patch.get("expression", ""), f"{path}.expression", text)
        else:
            shown = {"Expression": patch.get("expression", "")}
            text = f"must not be specified when patchType is {kind}"
            causes.append(Cause.invalid(path, shown, text))


def _check_operations(causes: list[Cause], match: JsonObject | None, field: str) -> None:
    """Nothing is changed of what is deleted."""
    for rule in (match or {}).get("resourceRules") or ():
        for operation in rule.get("operations") or ():
            if operation not in _OPERATIONS:
                path = f"{field}.resourceRules.operations"
                causes.append(Cause.not_supported(path, operation, _OPERATIONS))


def _check_scope(causes: list[Cause], spec: JsonObject) -> None:
    """What both kinds of policies have in common: when they apply."""
    check_word(causes, spec["failurePolicy"], "spec.failurePolicy", FAILURE_POLICIES)
    if spec.get("paramKind") is not None:
        _check_param_kind(causes, spec["paramKind"], "spec.paramKind")
    constraints = spec.get("matchConstraints")
    if constraints is None:
        causes.append(Cause.required("spec.matchConstraints"))
    else:
        _check_match(causes, constraints, "spec.matchConstraints")
        if not constraints.get("resourceRules"):
            causes.append(Cause.required("spec.matchConstraints.resourceRules"))
    check_match_conditions(causes, spec.get("matchConditions") or (), "spec.matchConditions")


def _check_param_kind(causes: list[Cause], kind: JsonObject, field: str) -> None:
    version, name = kind.get("apiVersion", ""), kind.get("kind", "")
    group, _, last = version.rpartition("/")
    path = f"{field}.apiVersion"
    if not version:
        causes.append(Cause.required(path))
    elif version.count("/") > 1:
        text = f"unexpected GroupVersion string: {version}"
        causes.append(Cause.invalid(path, version, text))
    else:
        wrong = wrong_with_subdomain(group) if group else ()
        if wrong:
            causes.append(Cause.invalid(path, group, ",".join(wrong)))
        wrong = wrong_with_dns_1035(last)
        if not last:
            causes.append(Cause.invalid(path, version, "version must be specified"))
        elif wrong:
            causes.append(Cause.invalid(path, last, ",".join(wrong)))
    wrong = wrong_with_dns_1035(name.lower())
    if not name:
        causes.append(Cause.required(f"{field}.kind"))
    elif wrong:
        text = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
        causes.append(Cause.invalid(f"{field}.kind", name, text))


def _check_match(causes: list[Cause], match: JsonObject, field: str) -> None:
    """MatchResources, defaulted."""
    check_word(causes, match["matchPolicy"], f"{field}.matchPolicy", MATCH_POLICIES)
    for name in ("namespaceSelector", "objectSelector"):
        check_label_selector(causes, match[name], f"{field}.{name}")
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(name) or ()):
            path = f"{field}.{name}[{index}]"
            names = rule.get("resourceNames") or ()
            for place, one in enumerate(names):
                for text in wrong_with_path_segment(one):
                    causes.append(Cause.invalid(f"{path}.resourceNames[{place}]", one, text))
                if one in names[:place]:
                    causes.append(Cause.duplicate(f"{path}.resourceNames[{place}]", one))
            check_rule(causes, rule, path)


def _check_variables(causes: list[Cause], variables: Sequence[JsonObject]) -> None:
    for index, variable in enumerate(variables):
        field, name = f"spec.variables[{index}]", variable.get("name", "")
        if not name.strip():
            causes.append(Cause.required(f"{field}.name", "name is not specified"))
        elif not _IDENTIFIER.fullmatch(name) or name in _RESERVED:
            text = "name is not a valid CEL identifier"
            causes.append(Cause.invalid(f"{field}.name", name, text))
        expression = variable.get("expression", "")
        text = "expression is not specified"
        check_expression(causes, expression, f"{field}.expression", text)


def _check_validation(causes: list[Cause], validation: JsonObject, field: str) -> None:
    text = "expression is not specified"
    check_expression(causes, validation.get("expression", ""), f"{field}.expression", text)
    telling = validation.get("messageExpression", "")
    if telling and not telling.strip():
        text = "must be non-empty if specified"
        causes.append(Cause.invalid(f"{field}.messageExpression", telling, text))
    elif telling:
        check_expression(causes, telling, f"{field}.messageExpression")
    message = validation.get("message", "")
    if message and not message.strip():
        text = "message must be non-empty if specified"
        causes.append(Cause.invalid(f"{field}.message", message, text))
    elif "\n" in message.strip() or "\r" in message.strip():
        text = "message must not contain line breaks"
        causes.append(Cause.invalid(f"{field}.message", message, text))
    if validation.get("reason") is not None:
        check_word(causes, validation["reason"], f"{field}.reason", _REASONS)


def _check_note(causes: list[Cause], note: JsonObject, policy: str, field: str) -> None:
    key = note.get("key", "")
    if not policy:
        text = "requires metadata.name be non-empty"
        causes.append(Cause.invalid(f"{field}.key", key, text))
    else:
        name = f"{policy}/{key}"
        for text in wrong_with_qualified_name(name):
            causes.append(Cause.invalid(f"{field}.key", name, text))
    value = note.get("valueExpression", "").strip()
    if len(value.encode()) > _NOTE_BYTES_MAX:
        text = f"must not exceed {_NOTE_BYTES_MAX} bytes in length"
        causes.append(Cause.required(f"{field}.valueExpression", text))
    else:
        text = "valueExpression is not specified"
        check_expression(causes, value, f"{field}.valueExpression", text)


def check_policy_binding(causes: list[Cause], binding: JsonObject) -> None:
    """A ValidatingAdmissionPolicyBinding, defaulted; metadata apart."""
    spec = binding["spec"]
    # The field is spelled so there.
    _check_binding(causes, spec, "spec.matchResouces")
    actions, field = spec.get("validationActions") or (), "spec.validationActions"
    for index, action in enumerate(actions):
        check_word(causes, action, f"{field}[{index}]", _ACTIONS)
        if action in actions[:index]:
            causes.append(Cause.duplicate(f"{field}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        causes.append(Cause.invalid(field, actions, _BOTH))
    if not actions:
        causes.append(Cause.required(field, "at least one validation action is required"))


def check_policy_binding_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_policy_binding(causes, new)


def check_mutating_binding(causes: list[Cause], binding: JsonObject) -> None:
    """A MutatingAdmissionPolicyBinding, defaulted; metadata apart."""
    spec = binding["spec"]
    _check_binding(causes, spec, "spec.matchResources")
    _check_operations(causes, spec.get("matchResources"), "spec.matchResources")


def check_mutating_binding_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    check_mutating_binding(causes, new)


def _check_binding(causes: list[Cause], spec: JsonObject, match_field: str) -> None:
    name = spec.get("policyName", "")
    if not name:
        causes.append(Cause.required("spec.policyName"))
    for text in wrong_with_subdomain(name) if name else ():
        causes.append(Cause.invalid("spec.policyName", name, text))
    if spec.get("paramRef") is not None:
        _check_param(causes, spec["paramRef"], "spec.paramRef")
    if spec.get("matchResources") is not None:
        _check_match(causes, spec["matchResources"], match_field)


def _check_param(causes: list[Cause], param: JsonObject, field: str) -> None:
    name, selector = param.get("name", ""), param.get("selector")
    for text in wrong_with_path_segment(name):
        causes.append(Cause.invalid(f"{field}.name", name, text))
    if name and selector is not None:
        causes.append(Cause.forbidden(f"{field}.name", _TWICE))
    if selector is not None:
        check_label_selector(causes, selector, f"{field}.selector")
        if name:
            causes.append(Cause.forbidden(f"{field}.selector", _TWICE))
    if not name and selector is None:
        causes.append(Cause.required(field, "one of name or selector must be specified"))
    action, path = param.get("parameterNotFoundAction"), f"{field}.parameterNotFoundAction"
    if not action:
        causes.append(Cause.required(path))
    else:
        check_word(causes, action, path, ("Deny", "Allow"))
