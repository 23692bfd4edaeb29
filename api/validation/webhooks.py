"""Validation of webhook configurations, and of the rules that say what admission looks at.

Source: pkg/apis/admissionregistration/validation/validation.go and
apiserver/pkg/util/webhook/validation.go of Kubernetes 1.36.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from api.core import JsonObject
from api.crd.expressions import wrong_with_syntax
from api.errors import Cause
from api.names import wrong_with_dns_1035, wrong_with_qualified_name, wrong_with_subdomain
from api.validation.label_selectors import check_label_selector

CONDITIONS_MAX: Final = 64
_SCOPES: Final = ("*", "Cluster", "Namespaced")
_OPERATIONS: Final = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
FAILURE_POLICIES: Final = ("Fail", "Ignore")
MATCH_POLICIES: Final = ("Equivalent", "Exact")
REINVOCATION_POLICIES: Final = ("IfNeeded", "Never")
_ALL_SIDE_EFFECTS: Final = ("None", "NoneOnDryRun", "Some", "Unknown")
_NO_SIDE_EFFECTS: Final = ("None", "NoneOnDryRun")
_REVIEWS: Final = ("v1", "v1beta1")
_FORM: Final = "; desired format: https://host[/path]"


def check_webhooks(causes: list[Cause], configuration: JsonObject) -> None:
    """A new configuration of either kind, defaulted; metadata apart."""
    _check_webhooks(causes, configuration, None)


def check_webhooks_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one, but for what was already wrong with the last."""
    _check_webhooks(causes, new, old.get("webhooks") or ())


def _check_webhooks(
    causes: list[Cause], configuration: JsonObject, old: Sequence[JsonObject] | None
) -> None:
    hooks, before = configuration.get("webhooks") or (), old or ()
    silent = all(hook.get("sideEffects") in _NO_SIDE_EFFECTS for hook in before)
    reviewed = all(_reviewed(hook) for hook in before)
    names = [hook.get("name", "") for hook in before]
    unique = len(set(names)) == len(names)
    same = old is not None and _all_conditions(hooks) == _all_conditions(before)
    for index, hook in enumerate(hooks):
        field = f"webhooks[{index}]"
        _check_hook(causes, hook, field, _NO_SIDE_EFFECTS if silent else _ALL_SIDE_EFFECTS)
        if not same:
            check_match_conditions(
                causes, hook.get("matchConditions") or (), f"{field}.matchConditions"
            )
        _check_reviews(causes, hook, f"{field}.admissionReviewVersions", reviewed)
        name = hook.get("name", "")
        if unique and name and name in (other.get("name") for other in hooks[:index]):
            causes.append(Cause.duplicate(f"{field}.name", name))


def _all_conditions(hooks: Sequence[JsonObject]) -> list[list[JsonObject]]:
    return [hook.get("matchConditions") or [] for hook in hooks]


def _reviewed(hook: JsonObject) -> bool:
    versions = hook.get("admissionReviewVersions")
    return not versions or any(version in _REVIEWS for version in versions)


def _check_hook(
    causes: list[Cause], hook: JsonObject, field: str, side_effects: Sequence[str]
) -> None:
    _check_full_name(causes, hook.get("name", ""), f"{field}.name")
    for index, rule in enumerate(hook.get("rules") or ()):
        check_rule(causes, rule, f"{field}.rules[{index}]")
    check_word(causes, hook["failurePolicy"], f"{field}.failurePolicy", FAILURE_POLICIES)
    check_word(causes, hook["matchPolicy"], f"{field}.matchPolicy", MATCH_POLICIES)
    if hook.get("sideEffects") is None:
        text = f"must specify one of {', '.join(side_effects)}"
        causes.append(Cause.required(f"{field}.sideEffects", text))
    else:
        check_word(causes, hook["sideEffects"], f"{field}.sideEffects", side_effects)
    seconds = hook["timeoutSeconds"]
    if not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        causes.append(Cause.invalid(f"{field}.timeoutSeconds", seconds, text))
    for name in ("namespaceSelector", "objectSelector"):
        check_label_selector(causes, hook[name], f"{field}.{name}")
    if "reinvocationPolicy" in hook:
        policy = hook["reinvocationPolicy"]
        check_word(causes, policy, f"{field}.reinvocationPolicy", REINVOCATION_POLICIES)
    _check_client(causes, hook["clientConfig"], f"{field}.clientConfig")


def check_word(causes: list[Cause], word: str, field: str, words: Sequence[str]) -> None:
    """One of ``words``, told of as unsupported if it is none."""
    if word not in words:
        causes.append(Cause.not_supported(field, word, words))


def _check_full_name(causes: list[Cause], name: str, field: str) -> None:
    """Source: IsFullyQualifiedName, apimachinery util/validation."""
    wrong = wrong_with_subdomain(name) if name else ()
    if not name:
        causes.append(Cause.required(field))
    elif wrong:
        causes.append(Cause.invalid(field, name, ",".join(wrong)))
    elif name.count(".") < 2:
        text = "should be a domain with at least three segments separated by dots"
        causes.append(Cause.invalid(field, name, text))


def _check_reviews(causes: list[Cause], hook: JsonObject, field: str, reviewed: bool) -> None:
    versions = hook.get("admissionReviewVersions") or ()
    if not versions:
        causes.append(Cause.required(field, f"must specify one of {', '.join(_REVIEWS)}"))
        return
    for index, version in enumerate(versions):
        path = f"{field}[{index}]"
        if version in versions[:index]:
            causes.append(Cause.invalid(path, version, "duplicate version"))
            continue
        for text in wrong_with_dns_1035(version):
            causes.append(Cause.invalid(path, version, text))
    if reviewed and not _reviewed(hook):
        text = f"must include at least one of {', '.join(_REVIEWS)}"
        causes.append(Cause.invalid(field, versions, text))


def check_rule(causes: list[Cause], rule: JsonObject, field: str) -> None:
    """What requests a webhook or a policy is about."""
    operations = rule.get("operations") or ()
    path = f"{field}.operations"
    if not operations:
        causes.append(Cause.required(path))
    _check_alone(causes, operations, path, "operations")
    for index, operation in enumerate(operations):
        check_word(causes, operation, f"{path}[{index}]", _OPERATIONS)
    for name, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        words = rule.get(name) or ()
        if not words:
            causes.append(Cause.required(f"{field}.{name}"))
        _check_alone(causes, words, f"{field}.{name}", what)
    for index, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            causes.append(Cause.required(f"{field}.apiVersions[{index}]"))
    _check_resources(causes, rule.get("resources") or (), f"{field}.resources")
    check_word(causes, rule["scope"], f"{field}.scope", _SCOPES)


def _check_alone(causes: list[Cause], words: Sequence[str], field: str, what: str) -> None:
    if len(words) > 1 and "*" in words:
        text = f"if '*' is present, must not specify other {what}"
        causes.append(Cause.invalid(field, words, text))


def _check_resources(causes: list[Cause], resources: Sequence[str], field: str) -> None:
    if not resources:
        causes.append(Cause.required(field))
    # The real server only remembers the last resource that is named without a part.
    last_whole = ""
    for index, name in enumerate(resources):
        path, (resource, slash, part) = f"{field}[{index}]", name.partition("/")
        if not name:
            causes.append(Cause.required(path))
            continue
        if not slash:
            last_whole = name
            continue
        for covering in (f"{resource}/*", f"*/{part}"):
            if covering in resources[:index]:
                text = f"if '{covering}' is present, must not specify {name}"
                causes.append(Cause.invalid(path, name, text))
    if len(resources) > 1 and "*/*" in resources:
        text = "if '*/*' is present, must not specify other resources"
        causes.append(Cause.invalid(field, resources, text))
    if "*" in resources and last_whole != "*":
        text = "if '*' is present, must not specify other resources without subresources"
        causes.append(Cause.invalid(field, resources, text))


def check_match_conditions(
    causes: list[Cause], conditions: Sequence[JsonObject], field: str
) -> None:
    """Expressions with names that all must hold."""
    if len(conditions) > CONDITIONS_MAX:
        causes.append(Cause.too_many(field, len(conditions), CONDITIONS_MAX))
    for index, condition in enumerate(conditions):
        path, name = f"{field}[{index}]", condition.get("name", "")
        check_expression(causes, condition.get("expression", "").strip(), f"{path}.expression")
        if not name:
            causes.append(Cause.required(f"{path}.name"))
            continue
        for text in wrong_with_qualified_name(name):
            causes.append(Cause.invalid(f"{path}.name", name, text))
        if name in (other.get("name") for other in conditions[:index]):
            causes.append(Cause.duplicate(f"{path}.name", name))


def check_expression(causes: list[Cause], text: str, field: str, missing: str = "") -> None:
    """An expression in CEL: there, and of the right syntax. Its types are not looked at."""
    if not text.strip():
        causes.append(Cause.required(field, missing))
        return
    wrong = wrong_with_syntax(text)
    if wrong:
        causes.append(Cause.invalid(field, text, wrong))


def _check_client(causes: list[Cause], client: JsonObject, field: str) -> None:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        causes.append(Cause.required(field, "exactly one of url or service is required"))
    elif url is not None:
        _check_url(causes, url, f"{field}.url")
    elif service is not None:
        _check_service(causes, service, f"{field}.service")


def _check_url(causes: list[Cause], url: str, field: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        text = f'url must be a valid URL: parse "{url}": {error}{_FORM}'
        causes.append(Cause.required(field, text))
        return
    if parts.scheme != "https":
        text = f"'https' is the only allowed URL scheme{_FORM}"
        causes.append(Cause.invalid(field, parts.scheme, text))
    user, _, host = parts.netloc.rpartition("@")
    if not host:
        causes.append(Cause.invalid(field, host, f"host must be specified{_FORM}"))
    for value, what in (
        (user, "user information is"),
        (parts.fragment, "fragments are"),
        (parts.query, "query parameters are"),
    ):
        if value:
            causes.append(Cause.invalid(field, value, f"{what} not permitted in the URL"))


def _check_service(causes: list[Cause], service: JsonObject, field: str) -> None:
    for name in ("name", "namespace"):
        if not service.get(name):
            # The real server is given both in the wrong order, so it tells the other's name.
            other = "namespace" if name == "name" else "name"
            causes.append(Cause.required(f"{field}.{other}"))
    port, path = service["port"], service.get("path") or ""
    if not 1 <= port <= 65535:
        text = "port is not valid: must be between 1 and 65535, inclusive"
        causes.append(Cause.invalid(f"{field}.port", port, text))
    if path in ("", "/"):
        return
    place = f"{field}.path"
    if path == "//":
        causes.append(Cause.invalid(place, path, "segment[0] may not be empty"))
        return
    if not path.startswith("/"):
        causes.append(Cause.invalid(place, path, "must start with a '/'"))
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        if not step:
            causes.append(Cause.invalid(place, path, f"segment[{index}] may not be empty"))
        for text in wrong_with_subdomain(step) if step else ():
            causes.append(Cause.invalid(place, path, f"segment[{index}]: {text}"))
