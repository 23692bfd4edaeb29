"""What a shell follows, and objects that come as text."""

from api.calls import Texts, WatchSpec, followed

PODS, NODES, LEASES = (WatchSpec(name, name) for name in ("pods", "nodes", "leases"))


def test_only_what_changed_is_closed_and_opened() -> None:
    assert followed(["pods", "nodes"], [NODES, LEASES]) == (["pods"], [LEASES])
    assert followed(["pods"], [PODS]) == ([], [])
    assert followed([], [PODS, NODES]) == ([], [PODS, NODES])
    assert followed(["pods", "nodes"], []) == (["pods", "nodes"], [])


def test_texts_are_parsed_when_they_are_asked_for() -> None:
    texts = Texts([b'{"a": 1}', b"no JSON", b'{"a": 3}'])
    assert len(texts) == 3 and texts[-1] == {"a": 3}
    assert texts[0] is not texts[0], "nothing is kept of it"
    assert list(texts[::2]) == [{"a": 1}, {"a": 3}]
