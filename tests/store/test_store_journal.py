"""The file format: what is read back, what is cut off, what is refused."""

import pytest

from store.journal import (
    HEAD_BYTES,
    HEADER_BYTES,
    LOG_MAGIC,
    SECTOR,
    SNAPSHOT_MAGIC,
    JournalError,
    decoded_header,
    decoded_ops,
    decoded_records,
    encoded_header,
    encoded_log,
)
from store.messages import OP_DELETE, OP_PUT, LogRecord

RECORDS: list[LogRecord] = [
    (64, ((OP_PUT, b"/a", b"h", b"value", 0),)),
    (128, ((OP_PUT, b"/b", b"", b"x" * 40, 9), (OP_DELETE, b"/a"))),
    (192, ((OP_DELETE, b"/b"),)),
]
LOG = encoded_header(LOG_MAGIC, 5, 10) + encoded_log(10, RECORDS)


def read(data: bytes, newest: bool = True) -> list[LogRecord]:
    found = list(decoded_records("log", data, 10, newest))
    assert [record.log_index for record in found] == list(range(10, 10 + len(found)))
    return [(record.revision, decoded_ops(record.payload)) for record in found]


def ends() -> list[int]:
    return [record.end for record in decoded_records("log", LOG, 10, True)]


def test_what_is_written_is_read() -> None:
    assert decoded_header("log", LOG, LOG_MAGIC) == (5, 10)
    assert read(LOG) == RECORDS and ends()[-1] == len(LOG)


def test_cut_at_every_offset_leaves_the_whole_records_before_it() -> None:
    for length in range(HEADER_BYTES, len(LOG)):
        whole = sum(1 for end in ends() if end <= length)
        assert read(LOG[:length]) == RECORDS[:whole]
        # What is left of a record may be the zeros it begins with: then only the next file tells.
        begun = max(end for end in (HEADER_BYTES, *ends()) if end <= length)
        if any(LOG[begun:length]):
            with pytest.raises(JournalError, match="cut record"):
                read(LOG[:length], newest=False)
    for length in range(HEADER_BYTES):
        assert decoded_header("log", LOG[:length], LOG_MAGIC) is None


def test_every_flipped_bit_is_refused_with_name_and_offset() -> None:
    starts = [HEADER_BYTES, *ends()]
    for position in range(HEADER_BYTES, len(LOG)):
        damaged = bytearray(LOG)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(JournalError) as caught:
            read(bytes(damaged))
        assert caught.value.offset == max(start for start in starts if start <= position)
        assert str(caught.value).startswith("log: offset ")


def test_every_flipped_bit_of_the_header_is_refused() -> None:
    for position in range(HEADER_BYTES):
        damaged = bytearray(LOG)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(JournalError):
            decoded_header("log", bytes(damaged), LOG_MAGIC)


def test_blocks_that_were_never_written_are_a_torn_end() -> None:
    big: list[LogRecord] = [(256, ((OP_PUT, b"/c", b"", b"y" * 4096, 0),))]
    log = LOG + encoded_log(13, big)
    hole = -(-(len(LOG) + HEAD_BYTES) // SECTOR) * SECTOR
    torn = log[:hole] + bytes(SECTOR) + log[hole + SECTOR :]
    assert read(torn) == RECORDS
    assert read(LOG + bytes(700)) == RECORDS
    with pytest.raises(JournalError):
        read(torn, newest=False)


@pytest.mark.parametrize("room", [1, HEAD_BYTES, 200_000])
def test_room_that_a_sealed_file_has_left_is_no_record(room: int) -> None:
    assert read(LOG + bytes(room), newest=False) == RECORDS
    with pytest.raises(JournalError, match="damaged record head"):
        read(LOG + bytes(room) + b"#" + bytes(HEAD_BYTES), newest=False)


def test_the_last_sector_of_a_file_may_be_short_and_never_written() -> None:
    records: list[LogRecord] = [
        (64, ((OP_PUT, b"/a", b"h", b"x" * size, 0),)) for size in (1, 250, 400)
    ]
    log = encoded_header(LOG_MAGIC, 5, 10) + encoded_log(10, records)
    assert SECTOR < len(log) < 2 * SECTOR
    torn = log[:SECTOR] + bytes(len(log) - SECTOR)
    assert read(torn) == records[:2]
    with pytest.raises(JournalError, match="cut record"):
        read(torn, newest=False)


def test_records_of_another_place_are_refused() -> None:
    with pytest.raises(JournalError, match="record 12 of term 0 where record 13"):
        read(LOG + encoded_log(12, RECORDS[:1]))
    with pytest.raises(JournalError, match="not a file of this kind"):
        decoded_header("log", LOG, SNAPSHOT_MAGIC)
