"""The frame codec: round trips under any cut, and one clear error for anything else."""

import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.frames import (
    BATCHES,
    CALL,
    FRAME_VERSION,
    ITEMS,
    KIND_NAMES,
    OPEN,
    PING,
    REPLY,
    Frame,
    FrameDecoder,
    FrameError,
    encode,
    encode_calls,
    encode_items,
    packed_body,
)

BODIES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
COUNTS = st.integers(0, 2**63 - 1)
NUMBERS = st.lists(COUNTS, max_size=4)
TAILS = (COUNTS, st.none() | st.binary(), COUNTS, COUNTS)
SINGLE = st.sampled_from([kind for kind in range(len(KIND_NAMES)) if kind not in BATCHES])
FRAMES = (
    st.builds(Frame, SINGLE, COUNTS, BODIES, *TAILS)
    | st.builds(Frame, st.just(CALL), COUNTS, st.lists(BODIES, max_size=4), *TAILS)
    | st.builds(Frame, st.just(ITEMS), COUNTS, st.builds(list, st.tuples(NUMBERS, BODIES)), *TAILS)
    | st.builds(Frame, st.just(REPLY), COUNTS, NUMBERS.map(lambda some: [some, some]), *TAILS)
)


def on_wire(fields: object) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return struct.pack(">I", len(packed)) + packed


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 200), max_size=6))
def test_round_trip_however_the_bytes_are_cut(frames: list[Frame], cuts: list[int]) -> None:
    wire = b"".join(encode(frame) for frame in frames)
    decoder = FrameDecoder()
    got = []
    at = 0
    for cut in [*cuts, len(wire)]:
        got += decoder.feed(wire[at : at + cut])
        at += cut
    assert got == frames
    decoder.finish()
    assert decoder.buffered_bytes == 0


def test_one_byte_at_a_time() -> None:
    frame = Frame(OPEN, 7, ["api", b"x" * 300], deadline_ns=5, trace=b"t", epoch=2, credit=9)
    decoder = FrameDecoder()
    got = [part for byte in encode(frame) for part in decoder.feed(bytes([byte]))]
    assert got == [frame]


def test_kinds_are_numbered_as_named() -> None:
    assert KIND_NAMES[CALL] == "CALL"
    assert KIND_NAMES[ITEMS] == "ITEMS"
    assert len(KIND_NAMES) == ITEMS + 1


def test_calls_and_items_that_were_packed_apart_are_a_frame() -> None:
    bodies = [["put", b"k", 1], None, {"a": []}]
    wire = encode_calls(70_000, [packed_body(body) for body in bodies], 2**40)
    wire += encode_items([1, 2**40], packed_body(bodies))
    assert FrameDecoder().feed(wire) == [
        Frame(CALL, 70_000, bodies, 2**40),
        Frame(ITEMS, 0, [[1, 2**40], bodies]),
    ]


def test_a_body_that_leaves_no_room_for_its_frame_is_too_large() -> None:
    largest = packed_body(bytes(949), max_bytes=1000)
    assert FrameDecoder(1000).feed(encode_calls(2**62, [largest], 2**62))
    with pytest.raises(FrameError, match="over the limit of 1000"):
        packed_body(bytes(950), max_bytes=1000)


def test_oversized_is_refused_from_its_length_alone() -> None:
    decoder = FrameDecoder(max_bytes=100)
    assert decoder.feed(b"\x00\x00") == []
    with pytest.raises(FrameError, match="65535 bytes is over the limit of 100"):
        decoder.feed(b"\xff\xff")
    with pytest.raises(FrameError, match="65535 bytes"):
        decoder.feed(encode(Frame(PING, 1)))
    with pytest.raises(FrameError, match="over the limit of 10"):
        encode(Frame(OPEN, 1, b"x" * 20), max_bytes=10)


def test_truncated_is_told_when_the_peer_closes() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(encode(Frame(OPEN, 1, "body"))[:-1]) == []
    with pytest.raises(FrameError, match="truncated frame"):
        decoder.finish()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "not an array of 8"),
        ([1, 2, 3], "not an array of 8"),
        ([FRAME_VERSION + 1, CALL, 1, 0, None, 0, 0, None], "version 3 is not spoken"),
        ([FRAME_VERSION, len(KIND_NAMES), 1, 0, None, 0, 0, None], "unknown kind"),
        ([FRAME_VERSION, CALL, -1, 0, None, 0, 0, None], "-1 is no count"),
        ([FRAME_VERSION, CALL, 2**63, 0, None, 0, 0, None], "is no count"),
        ([FRAME_VERSION, CALL, True, 0, None, 0, 0, None], "True is no count"),
        ([FRAME_VERSION, "call", 1, 0, None, 0, 0, None], "'call' is no count"),
        ([FRAME_VERSION, CALL, 1, 0, 5, 0, 0, None], "trace id"),
        ([FRAME_VERSION, CALL, 1, 0, None, 0, 0, {1: 2}], "malformed frame"),
        ([FRAME_VERSION, CALL, 1, 0, None, 0, 0, None], "not the body of CALL"),
        ([FRAME_VERSION, ITEMS, 0, 0, None, 0, 0, [[1]]], "not the body of ITEMS"),
        ([FRAME_VERSION, ITEMS, 0, 0, None, 0, 0, [[[1]], 1]], "not the body of ITEMS"),
        ([FRAME_VERSION, REPLY, 0, 0, None, 0, 0, [[1], []]], "not the body of REPLY"),
    ],
)
def test_malformed(fields: object, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        FrameDecoder().feed(on_wire(fields))


def test_nesting_without_end_is_malformed() -> None:
    packed = b"\x98\x02\x03\x01\x00\xc0\x00\x00" + b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(FrameError, match="malformed frame"):
        FrameDecoder().feed(struct.pack(">I", len(packed)) + packed)


def test_what_cannot_be_packed() -> None:
    with pytest.raises(FrameError, match="cannot be packed"):
        encode(Frame(OPEN, 1, object()))
    with pytest.raises(FrameError, match="cannot be packed"):
        encode(Frame(OPEN, 1, 2**70))
    assert FrameDecoder().feed(encode(Frame(OPEN, 1, "after"))) == [Frame(OPEN, 1, "after")]


@given(st.binary(max_size=200))
def test_any_bytes_give_frames_or_one_error(data: bytes) -> None:
    decoder = FrameDecoder(max_bytes=1000)
    try:
        for frame in decoder.feed(data):
            assert isinstance(frame, Frame)
    except FrameError:
        pass


@given(FRAMES, st.integers(0, 10_000), st.integers(0, 255))
def test_any_mutated_frame_gives_frames_or_one_error(frame: Frame, at: int, byte: int) -> None:
    wire = bytearray(encode(frame))
    wire[4 + at % (len(wire) - 4)] = byte
    try:
        FrameDecoder().feed(bytes(wire))
    except FrameError:
        pass
