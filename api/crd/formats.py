"""The formats of strings that a schema may ask for. An unknown one fits everything.

Source: apiextensions-apiserver/pkg/apiserver/validation/formats.go, kube-openapi/pkg/validation/
strfmt/default.go.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit

from api.times import TimeError, parse_time

_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_MAC = re.compile(
    r"(?i)[0-9a-f]{2}([:-])([0-9a-f]{2}\1){4}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}"
)
_LABEL = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)


def fits_format(name: str, text: str) -> bool:
    """Whether a text has a format."""
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(text)


def _is(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parse(text)
        except (TimeError, AddressValueError, ValueError):
            return False
        return True

    return fits


def _like(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _network(text: str) -> None:
    if "/" not in text:
        raise ValueError(text)
    ip_network(text, strict=False)


def _uri(text: str) -> None:
    parts = urlsplit(text)
    if not parts.scheme and not text.startswith("/"):
        raise ValueError(text)


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "datetime": _is(parse_time),
    "date": _like(_DATE),
    "duration": _like(_DURATION),
    "ipv4": _is(IPv4Address),
    "ipv6": _is(IPv6Address),
    "cidr": _is(_network),
    "mac": _like(_MAC),
    "uuid": _like(_UUID),
    "uri": _is(_uri),
    "hostname": _like(_HOST),
    "email": _like(_EMAIL),
    "byte": _is(lambda text: b64decode(text, validate=True)),
}
