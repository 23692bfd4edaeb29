"""Streams of chance: the same numbers for ever, and independent of each other."""

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from api.streams import SUFFIX_ALPHABET, Stream

NUMBERS = [13990260767228000259, 18182145263845507521, 1824241892914645093]
UUID = "c227640b-51b5-4803-bc53-f4c8ca1001c1"
SUFFIX = "j9mgl"


def test_the_numbers_of_a_seed_and_name_never_change() -> None:
    stream = Stream(7, "store.uid")
    assert [stream.next_u64() for _ in range(3)] == NUMBERS
    assert Stream(7, "store.uid").uuid() == UUID
    assert Stream(7, "store.uid").suffix() == SUFFIX


@given(st.integers(0, 2**40), st.text(max_size=10))
def test_streams_are_repeatable_and_apart(seed: int, name: str) -> None:
    one, two = Stream(seed, name), Stream(seed, name)
    other, later = Stream(seed, name + "x"), Stream(seed + 1, name)
    numbers = [one.next_u64() for _ in range(4)]
    assert numbers == [two.next_u64() for _ in range(4)]
    assert len({*numbers, other.next_u64(), later.next_u64()}) == 6


@given(st.integers(1, 2**31), st.integers(0, 99))
def test_ranges(bound: int, seed: int) -> None:
    stream = Stream(seed, "ranges")
    assert 0 <= stream.below(bound) < bound
    assert 0.0 <= stream.fraction() < 1.0
    one, many = Stream(seed, "many"), Stream(seed, "many")
    drawn = [one.below(bound) for _ in range(4)]
    assert drawn == [*many.many_below(bound, 3), many.below(bound)]


def test_draws_are_even() -> None:
    stream = Stream(1, "even")
    seen = Counter(stream.below(8) for _ in range(8000))
    assert len(seen) == 8
    assert all(850 < count < 1150 for count in seen.values())


def test_suffixes_and_uuids_have_their_forms() -> None:
    stream = Stream(3, "names")
    for length in (5, 10):
        text = stream.suffix(length)
        assert len(text) == length
        assert set(text) <= set(SUFFIX_ALPHABET)
    form = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(form, stream.uuid()) for _ in range(50))
