"""The disk of a shard: groups, segments, snapshots, locks, refusals and recovery."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from queue import Queue
from threading import Event

import pytest

from actors.disk import (
    DirectoryError,
    DirectoryInUse,
    JournalFile,
    LogDirectory,
    journal_file,
    next_log,
)
from actors.disk.journal_file import INLINE_BYTES_MAX, DiskEvent
from actors.disk.next_log import NAME, NextLog
from actors.disk.room import ROOM_BYTES_MIN, ROOMY_BYTES_MAX
from actors.disk.snapshot_file import PIECE_BYTES, remove_in_pieces
from actors.plan import Durability
from store.core import StoreCore, StoreSettings
from store.journal import JournalError
from store.messages import (
    OP_PUT,
    Append,
    AppendFailed,
    LogRecord,
    Persisted,
    RequestsArrived,
    SnapshotWritten,
    WriteSnapshot,
)
from store.recovery import recovered_core

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120


def records(first: int, count: int, size: int = 100) -> list[LogRecord]:
    return [
        (64 * number, ((OP_PUT, b"/%d" % number, b"h", bytes(size), 0),))
        for number in range(first, first + count)
    ]


class Disk:
    """An open directory and its journal; reports arrive in a queue."""

    def __init__(self, path: Path, durability: Durability = "fsync") -> None:
        self.directory = LogDirectory.open(str(path), 0)
        try:
            self.found = self.directory.recovered()
            self.log = list(self.found.records)
        except BaseException:
            self.directory.close()
            raise
        self.next_index = self.found.first_index + len(self.log)
        self.reports: Queue[DiskEvent | BaseException] = Queue()
        self.journal = JournalFile(self.directory, durability, self.next_index, self.reports.put)

    def append(self, count: int, size: int = 100) -> None:
        order = Append(self.next_index, records(self.next_index, count, size))
        self.next_index += count
        written = self.journal.append(order)
        if written is not None:
            self.reports.put(written)

    def wait_for(self, index: int) -> None:
        while True:
            report = self.reports.get(timeout=TIMEOUT_S)
            assert isinstance(report, Persisted), report
            if report.index >= index:
                assert report.index == index
                return

    def close(self) -> None:
        self.journal.stop()
        self.journal.stop()
        self.directory.close()


def test_a_swift_disk_is_waited_for_when_nothing_else_is_under_way(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.append(1)
    disk.wait_for(1)
    disk.journal._sync_s = 0.0
    assert disk.journal.append(Append(2, records(2, 1))) is None, "a report is under way"
    disk.wait_for(2)
    disk.journal.delivered(Persisted(0))
    disk.journal.delivered(Persisted(0))
    disk.journal._sync_s = 0.0
    order = Append(3, records(3, 1))
    assert disk.journal.append(order) == Persisted(3, disk.journal.log_bytes)
    large = records(4, 2, INLINE_BYTES_MAX // 2)
    assert disk.journal.append(Append(4, large)) is None
    disk.wait_for(5)
    disk.journal.delivered(Persisted(0))
    disk.journal._sync_s = 1.0
    assert disk.journal.append(Append(6, records(6, 1))) is None
    disk.wait_for(6)
    disk.close()
    again = Disk(tmp_path)
    assert len(again.log) == 6
    again.close()


@pytest.mark.parametrize("durability", ["fsync", "buffered"])
def test_what_was_reported_is_recovered(tmp_path: Path, durability: Durability) -> None:
    disk = Disk(tmp_path, durability)
    for _ in range(20):
        disk.append(3)
    disk.wait_for(60)
    assert disk.journal.appended_records == 60
    assert (disk.journal.syncs > 0) == (durability == "fsync")
    disk.close()
    again = Disk(tmp_path, durability)
    assert again.log == records(1, 60)
    again.append(1)
    again.wait_for(61)
    again.close()


def test_room_behind_the_records_is_there_for_who_syncs_and_gone_at_the_end(
    tmp_path: Path,
) -> None:
    sizes = {}
    for durability in ("fsync", "buffered"):
        disk = Disk(tmp_path / durability, durability)
        disk.append(3)
        disk.wait_for(3)
        records_end = disk.directory.segments[-1].size
        (log,) = (tmp_path / durability).glob("log-*")
        sizes[durability] = log.stat().st_size - records_end
        killed = tmp_path / f"{durability} killed"
        shutil.copytree(tmp_path / durability, killed)
        disk.append(2)
        disk.wait_for(5)
        disk.close()
        assert log.stat().st_size == disk.directory.segments[-1].size > records_end
        again = Disk(killed, durability)
        assert again.log == records(1, 3)
        assert (killed / log.name).stat().st_size == records_end
        again.append(1)
        again.wait_for(4)
        again.close()
    assert sizes == {"fsync": ROOM_BYTES_MIN, "buffered": 0}


def test_a_write_larger_than_its_room_makes_none(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.append(1)
    disk.wait_for(1)
    disk.append(1, ROOMY_BYTES_MAX)
    disk.wait_for(2)
    (log,) = tmp_path.glob("log-*")
    assert log.stat().st_size == disk.directory.segments[-1].size > ROOMY_BYTES_MAX
    disk.append(1)
    disk.wait_for(3)
    assert log.stat().st_size > disk.directory.segments[-1].size + ROOM_BYTES_MIN
    disk.close()
    again = Disk(tmp_path)
    assert again.log == [*records(1, 1), *records(2, 1, ROOMY_BYTES_MAX), *records(3, 1)]
    again.close()


def test_none_keeps_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path, "none")
    disk.append(5)
    disk.wait_for(5)
    disk.close()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_one_owner(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    with pytest.raises(DirectoryInUse, match="is in use by process"):
        LogDirectory.open(str(tmp_path), 0)
    disk.close()
    Disk(tmp_path).close()
    with pytest.raises(DirectoryError, match="cannot use"):
        LogDirectory.open(str(tmp_path / "lock"), 0)


def test_segments_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "SEGMENT_BYTES", 2000)
    disk = Disk(tmp_path)
    for turn in range(1, 11):
        disk.append(10)
        disk.wait_for(10 * turn)
    disk.close()
    files = sorted(tmp_path.glob("log-*"))
    assert len(files) > 4
    again = Disk(tmp_path)
    assert again.log == records(1, 100)
    again.close()
    files[2].unlink()
    with pytest.raises(DirectoryError, match="where the file of record"):
        Disk(tmp_path)


def test_a_log_goes_on_in_the_zeros_that_were_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "SEGMENT_BYTES", 4000)
    disk = Disk(tmp_path / "disk")
    disk.append(10)
    disk.wait_for(10)
    for turn in range(2, 8):
        # Half a file is written: the next one is being made, and is there when it is wanted.
        made = disk.journal._next._thread
        if made is not None:
            made.join(TIMEOUT_S)
        disk.append(10)
        disk.wait_for(10 * turn)
    logs = sorted((tmp_path / "disk").glob("log-*"))
    sizes = [segment.size for segment in disk.directory.segments]
    assert len(logs) == len(sizes) >= 3
    assert [log.stat().st_size for log in logs[1:]] == [disk.journal._next.size] * len(sizes[1:])
    killed = tmp_path / "killed"
    shutil.copytree(tmp_path / "disk", killed)
    (killed / NAME).write_bytes(bytes(100))
    disk.close()
    assert not (tmp_path / "disk" / NAME).exists()
    assert logs[-1].stat().st_size == sizes[-1]
    again = Disk(killed)
    assert again.log == records(1, 70)
    assert not (killed / NAME).exists()
    again.append(1)
    again.wait_for(71)
    again.close()
    sealed = sorted(killed.glob("log-*"))[1]
    with sealed.open("r+b") as file:
        file.seek(sizes[1] - 200)
        file.write(bytes(200))
    with pytest.raises((JournalError, DirectoryError)):
        Disk(killed)


def test_no_log_is_made_beforehand_on_a_disk_that_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = NextLog(tmp_path, 1 << 20)
    made.prepare()
    made.prepare()
    assert made._thread is not None
    made._thread.join(TIMEOUT_S)
    assert made.take() and not made.take() and made.path.read_bytes() == bytes(1 << 20)
    monkeypatch.setattr(next_log, "FREE_TIMES_MIN", 1 << 40)
    for _ in range(2):
        made.prepare()
        assert made._thread is not None
        made._thread.join(TIMEOUT_S)
        assert not made.take() and not made.path.exists()
    made.stop()


def test_torn_end_is_cut_and_damage_is_refused(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.append(5)
    disk.wait_for(5)
    disk.close()
    (log,) = tmp_path.glob("log-*")
    whole = log.read_bytes()
    log.write_bytes(whole + whole[24:90])
    with pytest.raises(JournalError, match="offset"):
        Disk(tmp_path)
    log.write_bytes(whole[:-10])
    again = Disk(tmp_path)
    assert again.log == records(1, 4)
    again.append(1)
    again.wait_for(5)
    again.close()
    assert log.read_bytes() == whole
    log.write_bytes(whole[:100] + b"?" + whole[101:])
    with pytest.raises(JournalError, match=str(log)):
        Disk(tmp_path)
    log.write_bytes(b"")
    emptied = Disk(tmp_path)
    assert emptied.log == []
    emptied.close()


def test_another_shard_is_refused(tmp_path: Path) -> None:
    Disk(tmp_path).close()
    directory = LogDirectory.open(str(tmp_path), 1)
    with pytest.raises(JournalError, match="header says"):
        list(directory.recovered().records)
    directory.close()


def test_snapshot_replaces_the_log_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core with a history, its snapshot through the real files, and the core that comes back."""
    monkeypatch.setattr(journal_file, "SEGMENT_BYTES", 4000)
    disk = Disk(tmp_path)
    core = StoreCore(StoreSettings(shard=0, retain_ns=0))
    now_ns = 10**18

    def step(*events: object) -> None:
        for effect in core.step(events, now_ns):  # type: ignore[arg-type]
            if isinstance(effect, Append):
                written = disk.journal.append(effect)
                if written is not None:
                    disk.reports.put(written)
            elif isinstance(effect, WriteSnapshot):
                disk.journal.write_snapshot(effect)
        core.check()

    step(RequestsArrived((0,), ((("grant", 5, 1000),),)))
    for number in range(100):
        lease = 5 if number == 70 else 0
        request = ("put", b"/%02d" % (number % 80), b"h", b"%100d" % number, -1, lease)
        step(RequestsArrived((number + 1,), ((request,),)))
        step(disk.reports.get(timeout=TIMEOUT_S))
    files_before = len(list(tmp_path.glob("log-*")))
    revision = list(core.keyspace.changes)[59][2]
    step(RequestsArrived((999,), ((("compact", revision),),)))
    step(disk.reports.get(timeout=TIMEOUT_S))
    disk.journal.write_snapshot(core.snapshots.begin())
    while core.snapshots.revision:
        step(disk.reports.get(timeout=TIMEOUT_S))
    assert len(list(tmp_path.glob("log-*"))) < files_before
    disk.close()
    assert not list(tmp_path.glob("gone-*"))

    directory = LogDirectory.open(str(tmp_path), 0)
    again = recovered_core(core.settings, directory.recovered())
    directory.close()
    again.check()
    assert again.keyspace.latest == core.keyspace.latest
    assert again.keyspace.compact_revision == revision
    core.step([], now_ns)
    assert list(again.keyspace.changes) == list(core.keyspace.changes)[-40:]
    assert again.leases.granted[5].keys == {b"/70": None}
    assert again.ledger.next_index == core.ledger.next_index


def test_a_snapshot_that_was_cut_off_is_ignored(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.append(3)
    disk.wait_for(3)
    row = (b"/1", 64, 64, 1, b"", b"", 0)
    disk.journal.write_snapshot(WriteSnapshot(64, [row], (), True, False))
    assert isinstance(disk.reports.get(timeout=TIMEOUT_S), SnapshotWritten)
    disk.directory.close()
    again = Disk(tmp_path)
    assert again.log == records(1, 3) and again.found.snapshot_revision == 0
    again.close()
    disk.journal.stop()


FULL = """
import resource, sys
from pathlib import Path
from test_disk_journal import Disk, TIMEOUT_S
from store.messages import AppendFailed, Persisted
disk = Disk(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
disk.append(10)
disk.wait_for(10)
disk.append(40)
disk.append(1)
report = disk.reports.get(timeout=TIMEOUT_S)
assert report == AppendFailed(11, "File too large (27)"), report
disk.next_index = 11
disk.append(1)
disk.wait_for(11)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
disk.append(40)
disk.wait_for(51)
disk.close()
print("done")
"""


def test_full_disk_refuses_and_goes_on(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert run.stdout == "done\n", run.stderr
    disk = Disk(tmp_path)
    assert disk.log == records(1, 51)
    disk.close()


def test_a_failed_sync_refuses_everything_from_then_on(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.append(1)
    disk.wait_for(1)
    # It refuses for another reason than that it is full, like a dead disk.
    dead = os.open(os.devnull, os.O_RDONLY)
    os.dup2(dead, disk.journal._file)
    disk.append(1)
    report = disk.reports.get(timeout=TIMEOUT_S)
    assert isinstance(report, AppendFailed) and "cannot be synced" in report.message
    disk.next_index = 2
    disk.append(1)
    assert isinstance(disk.reports.get(timeout=TIMEOUT_S), AppendFailed)
    disk.close()
    os.close(dead)


def test_what_a_snapshot_covers_is_removed_in_pieces_and_after_a_crash(tmp_path: Path) -> None:
    large, hurried = tmp_path / "large", tmp_path / "gone-log-00000000000000000001"
    for path in (large, hurried):
        with path.open("wb") as file:
            file.truncate(2 * PIECE_BYTES + 1)
    hurry = Event()
    remove_in_pieces(large, hurry)
    hurry.set()
    remove_in_pieces(hurried, hurry)
    assert not large.exists() and hurried.stat().st_size == PIECE_BYTES + 1
    Disk(tmp_path).close()
    assert not hurried.exists()
