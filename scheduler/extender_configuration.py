"""Reads the extenders of a KubeSchedulerConfiguration.

Source: staging/src/k8s.io/kube-scheduler/config/v1/types.go (Extender), and
pkg/scheduler/apis/config/validation/validation.go (validateExtenders), v1.36.
"""

import base64
import binascii
from typing import NamedTuple

from api.sections import Section
from scheduler.extender import TIMEOUT_NS, Extender, ExtenderTls, Verb

EXTENDERS_MAX = 16
WEIGHT_MAX = 1 << 20
VERBS: tuple[tuple[str, Verb], ...] = (
    ("filterVerb", "filter"),
    ("prioritizeVerb", "prioritize"),
    ("preemptVerb", "preempt"),
    ("bindVerb", "bind"),
)


class Extenders(NamedTuple):
    """All of a configuration."""

    extenders: tuple[Extender, ...] = ()
    ignored_resources: tuple[str, ...] = ()
    """NodeResourcesFit leaves these to them."""


def read_extenders(top: Section) -> Extenders:
    """Errors: ConfigurationError."""
    sections = top.optional_sections("extenders")
    if len(sections) > EXTENDERS_MAX:
        raise top.error("extenders", f"at most {EXTENDERS_MAX} extenders")
    ignored: list[str] = []
    extenders = tuple(_extender(section, ignored) for section in sections)
    if sum("bind" in extender.verbs for extender in extenders) > 1:
        raise top.error("extenders", "only one extender can bind")
    return Extenders(extenders, tuple(ignored))


def _extender(section: Section, ignored: list[str]) -> Extender:
    url = section.text("urlPrefix")
    if not url.startswith(("http://", "https://")):
        raise section.error("urlPrefix", f"must begin with http:// or https://, not {url!r}")
    verbs: dict[Verb, str] = {}
    for field, verb in VERBS:
        if section.raw(field):
            verbs[verb] = section.text(field)
    weight = section.integer("weight", 0, 0, WEIGHT_MAX)
    if "prioritize" in verbs and not weight:
        raise section.error("weight", "must be positive for an extender that prioritizes")
    tls = _tls(section.section("tlsConfig")) if section.has("tlsConfig") else None
    section.raw("tlsConfig")
    if section.flag("enableHTTPS", False) and (tls is None or not (tls.ca_file or tls.ca_pem)):
        # As in Kubernetes: without an authority nothing is verified.
        tls = (tls or ExtenderTls())._replace(insecure=True)
    managed = []
    for one in section.optional_sections("managedResources"):
        name = one.text("name")
        if "/" not in name or name in managed:
            raise one.error("name", f"{name!r} must be an extended resource, and given once")
        managed.append(name)
        if one.flag("ignoredByScheduler", False):
            ignored.append(name)
        one.done()
    extender = Extender(
        url=url.rstrip("/"),
        verbs=verbs,
        weight=weight,
        timeout_ns=section.duration("httpTimeout", "0") or TIMEOUT_NS,
        tls=tls,
        node_cache_capable=section.flag("nodeCacheCapable", False),
        managed=tuple(managed),
        ignorable=section.flag("ignorable", False),
    )
    section.done()
    return extender


def _tls(section: Section) -> ExtenderTls:
    found = ExtenderTls(
        insecure=section.flag("insecure", False),
        server_name=section.text("serverName", ""),
        ca_file=section.file("caFile"),
        ca_pem=_decoded(section, "caData"),
        certificate_file=section.file("certFile"),
        key_file=section.file("keyFile"),
        certificate_pem=_decoded(section, "certData"),
        key_pem=_decoded(section, "keyData"),
    )
    section.done()
    return found


def _decoded(section: Section, field: str) -> str:
    try:
        return base64.b64decode(section.text(field, ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise section.error(field, "must be PEM text in base64") from None
