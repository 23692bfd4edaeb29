"""Memory that large bodies took goes back to the system."""

from pathlib import Path

from actors.freed import give_back_freed

PIECE_BYTES = 20_000
PIECES = 2_000


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_what_is_free_between_what_is_kept_goes_back() -> None:
    pieces = [b"%d" % number + bytes(PIECE_BYTES) for number in range(PIECES)]
    kept = pieces[::50]
    del pieces
    before = resident_kib()
    give_back_freed()
    assert before - resident_kib() > PIECES * PIECE_BYTES // 1024 // 2
    assert len(kept) == PIECES // 50
