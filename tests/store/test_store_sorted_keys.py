"""Keys in order against a sorted list, across splits and merges of blocks."""

from random import Random

import pytest

from store import sorted_keys
from store.sorted_keys import SortedKeys


def test_like_a_sorted_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_keys, "BLOCK_KEYS", 4)
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
        assert keys.count(start, end) == sum(start <= k < end for k in ordered)
        assert keys.count(start, b"") == sum(start <= k for k in ordered)
    keys.check()
    assert len(keys) == len(model)
