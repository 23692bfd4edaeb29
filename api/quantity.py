"""Quantities such as ``500m``, ``1Gi`` or ``1e3``: exact values and Kubernetes' canonical text.

Inside, a quantity is an int of nano units, so nothing is ever rounded but by rule: values finer
than a nano are rounded away from zero, as Kubernetes does. Source:
apimachinery/pkg/api/resource/quantity.go.
"""

import re
from functools import lru_cache

_MESSAGE = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_SUFFIX_MESSAGE = "unable to parse quantity's suffix"

_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*)([-+]?[0-9]*)", re.ASCII)
_NANO_DIGITS = 9
_NANO = 10**_NANO_DIGITS
_BINARY_LIMIT = (2**63 - 1) * _NANO
_MAX_CHARACTERS = 128
_MAX_EXPONENT = 300
"""Bounds of our own, which Kubernetes does not have: they keep the arithmetic cheap."""

_DECIMAL_EXPONENTS = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_DECIMAL_SUFFIXES = {exponent: suffix for suffix, exponent in _DECIMAL_EXPONENTS.items()}
_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_BINARY_SHIFTS = {suffix: 10 * i for i, suffix in enumerate(_BINARY_SUFFIXES) if suffix}

DECIMAL_SI, BINARY_SI, DECIMAL_EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"


class QuantityError(ValueError):
    """The text is no quantity. Worded as Kubernetes words it."""


@lru_cache(maxsize=16384)
def milli_value(text: str) -> int:
    """The quantity in thousandths, rounded away from zero: ``"0.5"`` is 500. QuantityError."""
    return _divide_up(_parsed(text)[0], 1_000_000)


@lru_cache(maxsize=16384)
def whole_value(text: str) -> int:
    """The quantity in whole units, rounded away from zero: ``"1500m"`` is 2. QuantityError."""
    return _divide_up(_parsed(text)[0], _NANO)


@lru_cache(maxsize=16384)
def canonical(text: str) -> str:
    """The text in which a server writes it: ``"1024Mi"`` is ``"1Gi"``, ``"0.5"`` is ``"500m"``.

    The family of the suffix stays, no digit is lost, the suffix is as large as it can be without
    a fraction. QuantityError.
    """
    nanos, form = _parsed(text)
    return text_of(nanos, form)


def text_of(nanos: int, form: str = DECIMAL_SI) -> str:
    """The canonical text of a number of nano units in a family of suffixes."""
    if nanos == 0:
        return "0"
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    if form == BINARY_SI:
        if nanos >= 1024 * _NANO and nanos % _NANO == 0:
            whole, power = nanos // _NANO, 0
            while whole % 1024 == 0 and power < len(_BINARY_SUFFIXES) - 1:
                whole, power = whole // 1024, power + 1
            return f"{sign}{whole}{_BINARY_SUFFIXES[power]}"
        # Too small for a binary suffix, or not whole: Kubernetes falls back to decimal ones.
        form = DECIMAL_SI
    exponent = -_NANO_DIGITS
    while nanos % 1000 == 0 and (form == DECIMAL_EXPONENT or exponent < 18):
        nanos, exponent = nanos // 1000, exponent + 3
    if form == DECIMAL_EXPONENT:
        return f"{sign}{nanos}e{exponent}" if exponent else f"{sign}{nanos}"
    return f"{sign}{nanos}{_DECIMAL_SUFFIXES[exponent]}"


@lru_cache(maxsize=16384)
def parse(text: str) -> tuple[int, str]:
    """Nano units and family of suffix of a quantity. QuantityError. Cost: 1.5 µs, 0.1 µs again."""
    return _parsed(text)


def _parsed(text: str) -> tuple[int, str]:
    """For those who remember what they make of it."""
    match = _FORM.fullmatch(text)
    if match is None or not text:
        raise QuantityError(_MESSAGE)
    if len(text) > _MAX_CHARACTERS:
        raise QuantityError(f"a quantity of more than {_MAX_CHARACTERS} characters")
    sign, whole, fraction, suffix, tail = match.groups("")
    exponent10, shift, form = _scale(suffix, tail)
    number = int(f"0{whole}{fraction}") << shift
    power = exponent10 - len(fraction) + _NANO_DIGITS
    nanos = number * 10**power if power >= 0 else _divide_up(number, 10**-power)
    if form == BINARY_SI:
        nanos = min(nanos, _BINARY_LIMIT)
    return (-nanos if sign == "-" else nanos), form


def _scale(suffix: str, tail: str) -> tuple[int, int, str]:
    """Power of ten, power of two, and family of a suffix with what follows it."""
    if not tail:
        if suffix in _BINARY_SHIFTS:
            return 0, _BINARY_SHIFTS[suffix], BINARY_SI
        if suffix in _DECIMAL_EXPONENTS:
            return _DECIMAL_EXPONENTS[suffix], 0, DECIMAL_SI
    elif suffix in ("e", "E") and tail not in ("+", "-"):
        exponent = int(tail)
        if exponent > _MAX_EXPONENT:
            raise QuantityError(f"a quantity with an exponent of more than {_MAX_EXPONENT}")
        return max(exponent, -_MAX_EXPONENT), 0, DECIMAL_EXPONENT
    raise QuantityError(_SUFFIX_MESSAGE)


def _divide_up(number: int, by: int) -> int:
    """The quotient, rounded away from zero."""
    return -(-number // by) if number >= 0 else number // by
