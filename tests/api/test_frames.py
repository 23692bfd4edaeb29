"""The frame codec: round trips under any cut, and one clear error for anything else."""

import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.frames import (
    CALL,
    FRAME_VERSION,
    KIND_NAMES,
    PONG,
    Frame,
    FrameDecoder,
    FrameError,
    encode,
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
FRAMES = st.builds(
    Frame, st.integers(0, PONG), COUNTS, BODIES, COUNTS, st.none() | st.binary(), COUNTS, COUNTS
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
    frame = Frame(CALL, 7, ["api", b"x" * 300], deadline_ns=5, trace=b"t", epoch=2, credit=9)
    decoder = FrameDecoder()
    got = [part for byte in encode(frame) for part in decoder.feed(bytes([byte]))]
    assert got == [frame]


def test_kinds_are_numbered_as_named() -> None:
    assert KIND_NAMES[CALL] == "CALL"
    assert KIND_NAMES[PONG] == "PONG"
    assert len(KIND_NAMES) == PONG + 1


def test_oversized_is_refused_from_its_length_alone() -> None:
    decoder = FrameDecoder(max_bytes=100)
    assert decoder.feed(b"\x00\x00") == []
    with pytest.raises(FrameError, match="65535 bytes is over the limit of 100"):
        decoder.feed(b"\xff\xff")
    with pytest.raises(FrameError, match="65535 bytes"):
        decoder.feed(encode(Frame(CALL, 1)))
    with pytest.raises(FrameError, match="over the limit of 10"):
        encode(Frame(CALL, 1, b"x" * 20), max_bytes=10)


def test_truncated_is_told_when_the_peer_closes() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(encode(Frame(CALL, 1, "body"))[:-1]) == []
    with pytest.raises(FrameError, match="truncated frame"):
        decoder.finish()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "not an array of 8"),
        ([1, 2, 3], "not an array of 8"),
        ([FRAME_VERSION + 1, CALL, 1, 0, None, 0, 0, None], "version 2 is not spoken"),
        ([1, len(KIND_NAMES), 1, 0, None, 0, 0, None], "unknown kind"),
        ([1, CALL, -1, 0, None, 0, 0, None], "-1 is no count"),
        ([1, CALL, 2**63, 0, None, 0, 0, None], "is no count"),
        ([1, CALL, True, 0, None, 0, 0, None], "True is no count"),
        ([1, "call", 1, 0, None, 0, 0, None], "'call' is no count"),
        ([1, CALL, 1, 0, 5, 0, 0, None], "trace id"),
        ([1, CALL, 1, 0, None, 0, 0, {1: 2}], "malformed frame"),
    ],
)
def test_malformed(fields: object, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        FrameDecoder().feed(on_wire(fields))


def test_nesting_without_end_is_malformed() -> None:
    packed = b"\x98\x01\x03\x01\x00\xc0\x00\x00" + b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(FrameError, match="malformed frame"):
        FrameDecoder().feed(struct.pack(">I", len(packed)) + packed)


def test_what_cannot_be_packed() -> None:
    with pytest.raises(FrameError, match="cannot be packed"):
        encode(Frame(CALL, 1, object()))
    with pytest.raises(FrameError, match="cannot be packed"):
        encode(Frame(CALL, 1, 2**70))
    assert FrameDecoder().feed(encode(Frame(CALL, 1, "after"))) == [Frame(CALL, 1, "after")]


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
