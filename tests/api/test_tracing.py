"""Traces: which words are a sampled one, and where they are found."""

import orjson
import pytest

from api.tracing import (
    ANNOTATION,
    CLIENT,
    Context,
    Span,
    context_in,
    context_of,
    context_on,
    span_of,
)

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WORDS = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    ("words", "sampled"),
    [
        (WORDS, True),
        (f"00-{TRACE}-{PARENT}-03", True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}", False),
        ("", False),
    ],
)
def test_only_what_is_whole_and_sampled_is_a_trace(words: str, sampled: bool) -> None:
    found = context_of(words)
    assert found == (Context(TRACE, PARENT) if sampled else None)
    item = {"metadata": {"name": "a", "annotations": {"x": "y", ANNOTATION: words}}}
    assert context_on(item) == found
    assert context_in(orjson.dumps(item)) == found


def test_objects_without_annotations_have_none() -> None:
    for metadata in ({}, {"annotations": None}, {"annotations": {"a": "b"}}):
        assert context_on({"metadata": metadata}) is None
        assert context_in(orjson.dumps({"metadata": metadata})) is None


def test_a_span_comes_back_from_its_line_and_knows_its_parent() -> None:
    context = Context(TRACE, PARENT)
    child = Span(context, "00f067aa0ba902b7", "persist", CLIENT, 5, 9, {"a": "b", "n": 3})
    root = child._replace(id=PARENT)
    assert [span_of(span.line()) for span in (child, root)] == [child, root]
    assert (child.parent, root.parent) == (PARENT, "")
    assert context.traceparent() == WORDS
