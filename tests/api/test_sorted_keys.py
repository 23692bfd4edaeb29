"""Keys in order against a sorted list, across splits and merges of blocks."""

from random import Random

import pytest

from api import sorted_keys
from api.sorted_keys import SortedKeys


def test_like_a_sorted_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_keys, "BLOCK_KEYS", 4)
    monkeypatch.setattr(sorted_keys, "PIECE_KEYS", 3)
    keys, model, random = SortedKeys(), set[bytes](), Random(5)
    for _ in range(3000):
        key = b"%03d" % random.randrange(400)
        if key in model:
            model.remove(key)
            keys.remove(key)
        else:
            model.add(key)
            keys.add(key)
        start, end = b"%03d" % random.randrange(400), b"%03d" % random.randrange(400)
        limit = random.randrange(1, 50)
        ordered = sorted(model)
        assert keys.between(start, end, limit) == [k for k in ordered if start <= k < end][:limit]
        assert keys.between(start, b"", limit) == [k for k in ordered if start <= k][:limit]
        pieces = list(keys.pieces(start, end))
        assert [k for piece in pieces for k in piece] == [k for k in ordered if start <= k < end]
        assert all(pieces)
        assert keys.count(start, end) == sum(start <= k < end for k in ordered)
        assert keys.count(start, b"") == sum(start <= k for k in ordered)
    keys.check()
    assert len(keys) == len(model)


def test_many_keys_at_once_are_as_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some into one block, some apart, some behind all."""
    monkeypatch.setattr(sorted_keys, "BLOCK_KEYS", 4)
    monkeypatch.setattr(sorted_keys, "MERGED_KEYS_MIN", 3)
    keys, model, random = SortedKeys(), set[bytes](), Random(6)
    keys.add_all([])
    for _ in range(400):
        first, last = sorted(random.sample(range(3000), 2))
        chosen = random.sample(range(first, last + 1), min(last - first, random.randrange(1, 40)))
        new = [key for key in [b"%04d" % number for number in chosen] if key not in model]
        model.update(new)
        keys.add_all(new)
        keys.check()
        ordered = sorted(model)
        assert keys.between(b"", b"", len(model) + 1) == ordered
        for key in random.sample(ordered, len(ordered) // 8):
            model.remove(key)
            keys.remove(key)
    assert len(keys) == len(model)
