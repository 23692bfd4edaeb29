"""Ports, port names and numbers or percentages, wherever they stand.

Source: apimachinery/pkg/util/validation/validation.go, util/intstr/intstr.go.
"""

import re
from functools import lru_cache

from api.errors import Cause

PORT_MAX = 65535
PROTOCOLS = ("SCTP", "TCP", "UDP")
PORT_RANGE = f"must be between 1 and {PORT_MAX}, inclusive"
NONNEGATIVE = "must be greater than or equal to 0"

_PORT_NAME = re.compile(r"[-a-z0-9]+")
_LETTER = re.compile(r"[a-z]")
_PERCENT = re.compile(r"[0-9]+%")


@lru_cache(maxsize=4096)
def wrong_with_port_name(name: str) -> tuple[str, ...]:
    """An IANA service name: at most 15 of a-z, 0-9 and single inner hyphens, one letter."""
    found = []
    if len(name) > 15:
        found.append("must be no more than 15 characters")
    if not _PORT_NAME.fullmatch(name):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _LETTER.search(name):
        found.append("must contain at least one letter (a-z)")
    if "--" in name:
        found.append("must not contain consecutive hyphens")
    if name and (name[0] == "-" or name[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return tuple(found)


def check_port_number(causes: list[Cause], port: int, field: str) -> None:
    """A port that can be listened on."""
    if not 1 <= port <= PORT_MAX:
        causes.append(Cause.invalid(field, port, PORT_RANGE))


def check_port_or_name(causes: list[Cause], port: int | str, field: str) -> None:
    """The number of a port, or the name of a container's port."""
    if isinstance(port, int):
        check_port_number(causes, port, field)
    else:
        for text in wrong_with_port_name(port):
            causes.append(Cause.invalid(field, port, text))


def check_int_or_percent(causes: list[Cause], value: int | str, field: str) -> None:
    """A number from 0, or a percentage."""
    if isinstance(value, int):
        if value < 0:
            causes.append(Cause.invalid(field, value, NONNEGATIVE))
    elif not _PERCENT.fullmatch(value):
        causes.append(
            Cause.invalid(
                field,
                value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. "
                "'1%',  or '93%', regex used for validation is '[0-9]+%')",
            )
        )


def number_of(value: int | str) -> int:
    """The number of an int or percentage; 0 for any other text."""
    if isinstance(value, int):
        return value
    return int(value[:-1]) if _PERCENT.fullmatch(value) else 0


def is_over_100_percent(value: int | str) -> bool:
    """A percentage above 100; never true of a number."""
    return isinstance(value, str) and number_of(value) > 100
