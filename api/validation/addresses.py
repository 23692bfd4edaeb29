"""Validation of what a pod says of names and addresses: DNS, host aliases, host network.

Source: validatePodDNSConfig, ValidateHostAliases and validatePodHostNetworkDeps in
pkg/apis/core/validation/validation.go.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_subdomain

BAD_ADDRESS: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
BAD_CIDR: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_SERVERS_MAX: Final = 3
_SEARCHES_MAX: Final = 32
_SEARCH_LETTERS_MAX: Final = 2048
_LOCAL_MULTICAST: Final = {4: ip_network("224.0.0.0/24"), 6: ip_network("ff02::/16")}
_LABEL: Final = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = re.compile(rf"_?{_LABEL}(\._?{_LABEL})*")
_SUBDOMAIN_MESSAGE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-', '_' "
    "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
)


_ZEROS: Final = re.compile(r"(?<![0-9a-fA-F.])0+(?=[0-9]+\.)|(?<=\.)0+(?=[0-9])")
"""Zeros in front of a part of an IPv4 address, which were once let in."""
_MAPPED: Final = "IPv4-mapped IPv6 address"


def wrong_with_ip(text: str) -> tuple[str, ...]:
    """What is wrong with a new address. Source: IsValidIPForLegacyField of apimachinery
    util/validation/ip.go at v1.36, with StrictIPCIDRValidation on."""
    address = _read_address(_ZEROS.sub("", text))
    if address is None:
        return (BAD_ADDRESS,)
    wrong = ["must not have leading 0s"] if _ZEROS.search(text) else []
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        wrong.append(f"must not be an {_MAPPED}")
    return tuple(wrong)


def wrong_with_cidr(text: str) -> tuple[str, ...]:
    """What is wrong with a new range of addresses. Source: IsValidCIDRForLegacyField, as above."""
    place, _, length = text.partition("/")
    address = _read_address(_ZEROS.sub("", place))
    if address is None or not (length.isascii() and length.isdigit()):
        return (BAD_CIDR,)
    if int(length) > address.max_prefixlen:
        return (BAD_CIDR,)
    if _ZEROS.search(place) or length != str(int(length)):
        return ("must not have leading 0s in IP or prefix length",)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return (f"must not have an {_MAPPED}",)
    if ip_interface(text).network.network_address != address:
        return ("must not have bits set beyond the prefix length",)
    return ()


def _read_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def check_cidr(causes: list[Cause], text: str, field: str) -> None:
    """A new range of addresses."""
    for wrong in wrong_with_cidr(text):
        causes.append(Cause.invalid(field, text, wrong))


def is_address(text: str) -> bool:
    """Of either family, without a zone."""
    return _read_address(text) is not None


def is_cidr(text: str) -> bool:
    """An IPv4 or IPv6 network with its length."""
    if "/" not in text:
        return False
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def check_address(causes: list[Cause], text: str, field: str) -> None:
    """A new address."""
    for wrong in wrong_with_ip(text):
        causes.append(Cause.invalid(field, text, wrong))


def check_reachable(causes: list[Cause], text: str, field: str) -> None:
    """An address that other machines can mean: ValidateNonSpecialIP there."""
    address = _read_address(_ZEROS.sub("", text))
    if address is None:
        causes.append(Cause.invalid(field, text, "must be a valid IP address"))
        return
    multicast = address in _LOCAL_MULTICAST[address.version]
    for special, why in (
        (address.is_unspecified, f"may not be unspecified ({text})"),
        (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (address.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    ):
        if special:
            causes.append(Cause.invalid(field, text, why))


def check_dns(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """``dnsConfig``, which the policy None needs. ``field``: of the configuration."""
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            text = "must provide `dnsConfig` when `dnsPolicy` is None"
            causes.append(Cause.required(field, text))
            return
        if not config.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            causes.append(Cause.required(f"{field}.nameservers", text))
            return
    if config is None:
        return
    servers = config.get("nameservers", ())
    if len(servers) > _SERVERS_MAX:
        text = f"must not have more than {_SERVERS_MAX} nameservers"
        causes.append(Cause.invalid(f"{field}.nameservers", servers, text))
    for index, server in enumerate(servers):
        check_address(causes, server, f"{field}.nameservers[{index}]")
    _check_searches(causes, config.get("searches", ()), f"{field}.searches")
    for index, option in enumerate(config.get("options", ())):
        if not option.get("name"):
            causes.append(Cause.required(f"{field}.options[{index}]", "must not be empty"))


def _check_searches(causes: list[Cause], searches: Sequence[str], field: str) -> None:
    if len(searches) > _SEARCHES_MAX:
        text = f"must not have more than {_SEARCHES_MAX} search paths"
        causes.append(Cause.invalid(field, searches, text))
    if len(" ".join(searches)) > _SEARCH_LETTERS_MAX:
        text = f"must not have more than {_SEARCH_LETTERS_MAX} characters (including spaces) in "
        causes.append(Cause.invalid(field, searches, f"{text}the search list"))
    for index, search in enumerate(searches):
        name = search.removesuffix(".")
        if search != "." and not _SUBDOMAIN.fullmatch(name):
            causes.append(Cause.invalid(f"{field}[{index}]", name, _SUBDOMAIN_MESSAGE))


def check_host_aliases(causes: list[Cause], aliases: Sequence[JsonObject], field: str) -> None:
    """Lines of /etc/hosts, in a pod at ``field``."""
    for index, alias in enumerate(aliases):
        check_address(causes, alias.get("ip", ""), f"{field}[{index}].ip")
        for place, name in enumerate(alias.get("hostnames", ())):
            for text in wrong_with_subdomain(name):
                causes.append(Cause.invalid(f"{field}[{index}].hostnames[{place}]", name, text))


def check_host_network(causes: list[Cause], spec: JsonObject, field: str) -> None:
    """On the host's network a container's ports are the host's. In a template the host's may
    still be missing."""
    if not spec.get("hostNetwork"):
        return
    is_pod = field == "spec"
    for i, container in enumerate(spec["containers"] or ()):
        for j, port in enumerate(container.get("ports", ())):
            host = port.get("hostPort", 0)
            if (is_pod or host) and host != port["containerPort"]:
                text = "must match `containerPort` when `hostNetwork` is true"
                place = f"{field}.containers[{i}].ports[{j}].hostPort"
                causes.append(Cause.invalid(place, host, text))
