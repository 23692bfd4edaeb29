"""Quantities: Kubernetes' grammar, rounding and canonical text."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.quantity import QuantityError, canonical, milli_value, parse, text_of, whole_value

# text, canonical text, thousandths, whole units
CASES = [
    ("0", "0", 0, 0),
    ("0.000", "0", 0, 0),
    ("1", "1", 1000, 1),
    ("+1", "1", 1000, 1),
    ("0.5", "500m", 500, 1),
    (".5", "500m", 500, 1),
    ("5.", "5", 5000, 5),
    ("1000m", "1", 1000, 1),
    ("1500m", "1500m", 1500, 2),
    ("100m", "100m", 100, 1),
    ("1000", "1k", 1_000_000, 1000),
    ("1001", "1001", 1_001_000, 1001),
    ("1e3", "1e3", 1_000_000, 1000),
    ("1E3", "1e3", 1_000_000, 1000),
    ("1e1", "10", 10_000, 10),
    ("100e-3", "100e-3", 100, 1),
    ("12e6", "12e6", 12_000_000_000, 12_000_000),
    ("1n", "1n", 1, 1),
    ("0.1n", "1n", 1, 1),
    ("1.5u", "1500n", 1, 1),
    ("1024Mi", "1Gi", 1 << 30, 1 << 30),
    ("1Gi", "1Gi", 1 << 30, 1 << 30),
    ("1.5Gi", "1536Mi", 3 << 29, 3 << 29),
    ("0.5Gi", "512Mi", 1 << 29, 1 << 29),
    ("1000Mi", "1000Mi", 1000 << 20, 1000 << 20),
    ("1Ki", "1Ki", 1024, 1024),
    ("0.5Ki", "512", 512, 512),
    ("1.1Ki", "1126400m", Fraction(11264, 10), 1127),
    ("1k", "1k", 1_000_000, 1000),
    ("1000k", "1M", 10**9, 10**6),
    ("1E", "1E", 10**21, 10**18),
    ("8000E", "8000E", 8 * 10**24, 8 * 10**21),
    ("16Ei", "9223372036854775807", 2**63 - 1, 2**63 - 1),
    ("-1", "-1", -1000, -1),
    ("-1500m", "-1500m", -1500, -2),
    ("-0.1n", "-1n", -1, -1),
    ("m", "0", 0, 0),
]


@pytest.mark.parametrize(("text", "short", "milli", "whole"), CASES)
def test_values(text: str, short: str, milli: int, whole: int) -> None:
    assert canonical(text) == short
    assert whole_value(text) == whole
    if text.endswith("i"):
        milli = milli * 1000
    assert milli_value(text) == milli


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "1 ", " 1", "1x", "1Ki-x", "٣"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(QuantityError) as caught:
        canonical(text)
    assert str(caught.value) == (
        "quantities must match the regular expression "
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )


@pytest.mark.parametrize("text", ["1e", "1e+", "1-", "--1", "1KM", "1m5", "1ee5", "1i", "1mi"])
def test_unknown_suffixes(text: str) -> None:
    with pytest.raises(QuantityError, match=r"^unable to parse quantity's suffix$"):
        milli_value(text)


def test_bounds_of_our_own() -> None:
    with pytest.raises(QuantityError, match="more than 128 characters"):
        canonical("9" * 5000)
    with pytest.raises(QuantityError, match="exponent of more than 300"):
        canonical("1e301")
    assert canonical("1e-9999") == "1e-9"


@given(
    st.integers(-(10**15), 10**15),
    st.sampled_from(["", "n", "u", "m", "k", "M", "Ki", "Mi", "Gi", "e3", "e-2"]),
)
def test_canonical_text_is_exact_and_stable(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    short = canonical(text)
    assert parse(short)[0] == parse(text)[0]
    assert canonical(short) == short
    assert text_of(*parse(text)) == short


@given(st.text(alphabet="0123456789.+-eEinumkKMGTP", max_size=12))
def test_any_text_is_a_quantity_or_one_error(text: str) -> None:
    try:
        assert parse(canonical(text))[0] == parse(text)[0]
    except QuantityError:
        pass
