"""Validation of Ingresses and their classes.

Source: pkg/apis/networking/validation/validation.go of Kubernetes 1.36.
"""

import re
from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_dns_1035, wrong_with_label, wrong_with_subdomain
from api.validation.addresses import is_address
from api.validation.metadata import wrong_with_path_segment
from api.validation.outcomes import check_domain_path
from api.validation.ports import check_port_number, wrong_with_port_name

_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")
_SEQUENCES: Final = ("//", "/./", "/../", "%2f", "%2F")
_ENDINGS: Final = ("/..", "/.")
_CLASS: Final = "kubernetes.io/ingress.class"
_CONTROLLER_MAX: Final = 250
_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_WILDCARD: Final = rf"\*\.{_LABEL}(\.{_LABEL})*"
_WILDCARD_NAME: Final = re.compile(_WILDCARD)
_WILDCARD_MESSAGE: Final = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
    "must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric "
    f"character (e.g. '*.example.com', regex used for validation is '{_WILDCARD}')"
)


def check_ingress(causes: list[Cause], ingress: JsonObject) -> None:
    """A new Ingress; metadata apart."""
    _check_ingress(causes, ingress)
    named = ingress["metadata"].get("annotations", {}).get(_CLASS)
    if named is not None and ingress["spec"].get("ingressClassName", named) != named:
        text = "must match `ingressClassName` when both are specified"
        causes.append(Cause.invalid(f"annotations.{_CLASS}", named, text))


def _check_ingress(causes: list[Cause], ingress: JsonObject) -> None:
    spec = ingress["spec"]
    rules, backend = spec.get("rules") or (), spec.get("defaultBackend")
    if not rules and backend is None:
        text = "either `defaultBackend` or `rules` must be specified"
        causes.append(Cause.invalid("spec", None, text))
    if backend is not None:
        _check_backend(causes, backend, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        field = f"spec.rules[{index}]"
        host = rule.get("host", "")
        if is_address(host):
            text = "must be a DNS name, not an IP address"
            causes.append(Cause.invalid(f"{field}.host", host, text))
        if host:
            _check_host(causes, host, f"{field}.host")
        if rule.get("http") is not None:
            _check_paths(causes, rule["http"].get("paths") or (), f"{field}.http.paths")
    for index, tls in enumerate(spec.get("tls") or ()):
        field = f"spec.tls[{index}]"
        for place, host in enumerate(tls.get("hosts") or ()):
            _check_host(causes, host, f"{field}.hosts[{place}]")
        name = tls.get("secretName")
        for text in wrong_with_subdomain(name) if name else ():
            causes.append(Cause.invalid(f"{field}.secretName", name, text))
    name = spec.get("ingressClassName")
    for text in wrong_with_subdomain(name) if name is not None else ():
        causes.append(Cause.invalid("spec.ingressClassName", name, text))


def check_ingress_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one, but for what an annotation says of its class."""
    _check_ingress(causes, new)


def _check_host(causes: list[Cause], host: str, field: str) -> None:
    if "*" not in host:
        for text in wrong_with_subdomain(host):
            causes.append(Cause.invalid(field, host, text))
    elif not _WILDCARD_NAME.fullmatch(host):
        causes.append(Cause.invalid(field, host, _WILDCARD_MESSAGE))


def _check_paths(causes: list[Cause], paths: Sequence[JsonObject], field: str) -> None:
    if not paths:
        causes.append(Cause.required(field))
    for index, path in enumerate(paths):
        where, kind, text = f"{field}[{index}]", path.get("pathType"), path.get("path", "")
        if kind is None:
            causes.append(Cause.required(f"{where}.pathType", "pathType must be specified"))
            continue
        if kind not in _PATH_TYPES:
            causes.append(Cause.not_supported(f"{where}.pathType", kind, _PATH_TYPES))
        else:
            if (text or kind != "ImplementationSpecific") and not text.startswith("/"):
                causes.append(Cause.invalid(f"{where}.path", text, "must be an absolute path"))
            if kind != "ImplementationSpecific":
                _check_path(causes, text, f"{where}.path")
        _check_backend(causes, path["backend"], f"{where}.backend")


def _check_path(causes: list[Cause], path: str, field: str) -> None:
    if not path:
        return
    for sequence in _SEQUENCES:
        if sequence in path:
            causes.append(Cause.invalid(field, path, f"must not contain '{sequence}'"))
    for ending in _ENDINGS:
        if path.endswith(ending):
            causes.append(Cause.invalid(field, path, f"cannot end with '{ending}'"))


def _check_backend(causes: list[Cause], backend: JsonObject, field: str) -> None:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        text = "cannot set both resource and service backends"
        causes.append(Cause.invalid(field, "", text))
    elif service is None and resource is None:
        causes.append(Cause.invalid(field, "", "resource or service backend is required"))
    elif resource is not None:
        check_reference(causes, resource, f"{field}.resource")
    elif service is not None:
        name = service.get("name", "")
        if not name:
            causes.append(Cause.required(f"{field}.service.name"))
        for text in wrong_with_dns_1035(name) if name else ():
            causes.append(Cause.invalid(f"{field}.service.name", name, text))
        _check_port(causes, service.get("port", {}), field)


def _check_port(causes: list[Cause], port: JsonObject, field: str) -> None:
    """The port of the service of the backend at ``field``."""
    name, number, place = port.get("name"), port.get("number"), f"{field}.service.port"
    if name and number:
        text = "cannot set both port name & port number"
        causes.append(Cause.invalid(field, "", text))
    elif number:
        check_port_number(causes, number, f"{place}.number")
    elif name:
        for text in wrong_with_port_name(name):
            causes.append(Cause.invalid(f"{place}.name", name, text))
    else:
        causes.append(Cause.required(field, "port name or number is required"))


def check_ingress_class(causes: list[Cause], ingress_class: JsonObject) -> None:
    """Which controller sees to its Ingresses."""
    controller = ingress_class["spec"].get("controller", "")
    if len(controller.encode()) > _CONTROLLER_MAX:
        causes.append(Cause.too_long("spec.controller", _CONTROLLER_MAX))
    check_domain_path(causes, controller, "spec.controller")
    if ingress_class["spec"].get("parameters") is not None:
        _check_parameters(causes, ingress_class["spec"]["parameters"], "spec.parameters")


def _check_parameters(causes: list[Cause], reference: JsonObject, field: str) -> None:
    """What configures the controller, defaulted: of the cluster, or of a namespace."""
    check_reference(causes, reference, field)
    scope, namespace = reference.get("scope"), reference.get("namespace")
    if scope is None:
        causes.append(Cause.required(f"{field}.scope"))
    elif scope not in ("Cluster", "Namespace"):
        causes.append(Cause.not_supported(f"{field}.scope", scope, ("Cluster", "Namespace")))
    elif scope == "Namespace" and namespace is None:
        text = "`parameters.scope` is set to 'Namespace'"
        causes.append(Cause.required(f"{field}.namespace", text))
    elif scope == "Namespace":
        for text in wrong_with_label(namespace or ""):
            causes.append(Cause.invalid(f"{field}.namespace", namespace, text))
    elif namespace is not None:
        text = "`parameters.scope` is set to 'Cluster'"
        causes.append(Cause.forbidden(f"{field}.namespace", text))


def check_reference(causes: list[Cause], reference: JsonObject, field: str) -> None:
    """A named object of some kind of this cluster."""
    group = reference.get("apiGroup")
    for text in wrong_with_subdomain(group) if group is not None else ():
        causes.append(Cause.invalid(f"{field}.apiGroup", group, text))
    for name in ("kind", "name"):
        value = reference.get(name, "")
        if not value:
            causes.append(Cause.required(f"{field}.{name}", f"{name} is required"))
        for text in wrong_with_path_segment(value):
            causes.append(Cause.invalid(f"{field}.{name}", value, text))


def check_ingress_class_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The controller stays."""
    before, after = (one["spec"].get("controller", "") for one in (old, new))
    if before != after:
        causes.append(Cause.invalid("spec.controller", after, "field is immutable"))
    check_ingress_class(causes, new)
