"""Names, label keys and label values: each check returns what is wrong, in Kubernetes' words.

An empty list means the text is good. Source: apimachinery/pkg/util/validation/validation.go at
v0.36.3.
"""

import re
from functools import lru_cache

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_1123_LABEL = re.compile(_LABEL)
_SUBDOMAIN_TEXT = rf"{_LABEL}(\.{_LABEL})*"
_DNS_1123_SUBDOMAIN = re.compile(_SUBDOMAIN_TEXT)
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS_1035_LABEL = re.compile(_DNS_1035)
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED_NAME = re.compile(_QUALIFIED)
_VALUE = f"({_QUALIFIED})?"
_LABEL_VALUE = re.compile(_VALUE)
_CONFIG_KEY = re.compile("[-._a-zA-Z0-9]+")

LABEL_BYTES = 63
SUBDOMAIN_BYTES = 253

_LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    f"used for validation is '{_LABEL}')"
)
_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN_TEXT}')"
)
_DNS_1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
    f"'abc-123', regex used for validation is '{_DNS_1035}')"
)
_QUALIFIED_MESSAGE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', "
    f" or '12345', regex used for validation is '{_VALUE}')"
)
_CONFIG_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
    "'[-._a-zA-Z0-9]+')"
)


@lru_cache(maxsize=4096)
def wrong_with_label(text: str) -> tuple[str, ...]:
    """A DNS label of RFC 1123: names of namespaces, containers, volumes."""
    too_long = _too_long(text, LABEL_BYTES, "must be no more than 63 characters")
    dotted = _DNS_1123_SUBDOMAIN.fullmatch(text) is not None
    message = "must not contain dots" if dotted else _LABEL_MESSAGE
    return too_long + _unless(_DNS_1123_LABEL, text, message)


@lru_cache(maxsize=4096)
def wrong_with_subdomain(text: str) -> tuple[str, ...]:
    """A DNS subdomain of RFC 1123: names of most objects."""
    too_long = _too_long(text, SUBDOMAIN_BYTES, "must be no more than 253 characters")
    return too_long + _unless(_DNS_1123_SUBDOMAIN, text, _SUBDOMAIN_MESSAGE)


@lru_cache(maxsize=4096)
def wrong_with_dns_1035(text: str) -> tuple[str, ...]:
    """A DNS label of RFC 1035: names of services."""
    too_long = _too_long(text, LABEL_BYTES, "must be no more than 63 characters")
    return too_long + _unless(_DNS_1035_LABEL, text, _DNS_1035_MESSAGE)


@lru_cache(maxsize=4096)
def wrong_with_qualified_name(text: str) -> tuple[str, ...]:
    """A name with an optional DNS prefix, ``example.com/MyName``: keys of labels."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return (
            f"a qualified name {_QUALIFIED_MESSAGE} with an optional DNS subdomain prefix and "
            "'/' (e.g. 'example.com/MyName')",
        )
    found: list[str] = []
    if slash and not prefix:
        found.append("prefix part must be non-empty")
    elif slash:
        found += (f"prefix part {wrong}" for wrong in wrong_with_subdomain(prefix))
    if not name:
        found.append("name part must be non-empty")
    found += _too_long(name, LABEL_BYTES, "name part must be no more than 63 bytes")
    found += _unless(_QUALIFIED_NAME, name, f"name part {_QUALIFIED_MESSAGE}")
    return tuple(found)


@lru_cache(maxsize=4096)
def wrong_with_label_value(text: str) -> tuple[str, ...]:
    """The value of a label."""
    too_long = _too_long(text, LABEL_BYTES, "must be no more than 63 bytes")
    return too_long + _unless(_LABEL_VALUE, text, _VALUE_MESSAGE)


@lru_cache(maxsize=4096)
def wrong_with_config_key(text: str) -> tuple[str, ...]:
    """A key of the data of a ConfigMap or Secret."""
    found = _too_long(text, SUBDOMAIN_BYTES, "must be no more than 253 characters")
    found += _unless(_CONFIG_KEY, text, _CONFIG_KEY_MESSAGE)
    if text == ".":
        found += ("must not be '.'",)
    elif text == "..":
        found += ("must not be '..'",)
    elif text.startswith(".."):
        found += ("must not start with '..'",)
    return found


is_label = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?").fullmatch
"""A match when ``wrong_with_label`` finds nothing: for names that come once."""


def _too_long(text: str, bytes_max: int, message: str) -> tuple[str, ...]:
    return (message,) if len(text.encode()) > bytes_max else ()


def _unless(pattern: re.Pattern[str], text: str, message: str) -> tuple[str, ...]:
    return () if pattern.fullmatch(text) else (message,)
