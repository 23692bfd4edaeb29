"""The words between the store core and its shell: events are facts, effects are orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.storage import StoreReply, StoreRequest

Record = tuple[bytes, int, int, int, bytes, bytes, int]
"""One version of one key: (key, create_revision, mod_revision, version, header, value, lease).
Version 0 is a tombstone: create_revision 0, empty header and value, no lease."""
KEY: Final = 0
CREATE: Final = 1
MOD: Final = 2
VERSION: Final = 3
HEADER: Final = 4
VALUE: Final = 5
LEASE: Final = 6

OP_PUT: Final = 0
OP_DELETE: Final = 1
OP_GRANT: Final = 2
OP_REVOKE: Final = 3
OP_CLOCK: Final = 4
OP_COMPACT: Final = 5
OP_ALARM: Final = 6
Op = tuple[Any, ...]
"""What a log record does: (OP_PUT, key, header, value, lease), (OP_DELETE, key),
(OP_GRANT, lease, ttl_s), (OP_REVOKE, lease), (OP_CLOCK,), (OP_COMPACT, revision),
(OP_ALARM, raised)."""

LogRecord = tuple[int, Sequence[Op]]
"""(revision, ops): all ops of a record happen at once, at that revision. Revisions ascend, but for
those of OP_CLOCK, which is no change: its revision is a ceiling, see store/revisions.py."""

WatchEvent = tuple[int, bytes, int, int, int, bytes, bytes, tuple[object, ...] | None]
"""As on the wire: see api/storage.py."""


# Events.


@dataclass(frozen=True, slots=True)
class RequestsArrived:
    """Calls of one turn, as two columns. A call is a batch of requests that is answered as one."""

    calls: Sequence[int]
    """Numbers chosen by the shell, unique among the open calls."""
    batches: Sequence[Sequence[StoreRequest]]


@dataclass(frozen=True, slots=True)
class Persisted:
    """Every log record up to ``index`` is as durable as the shard was told to make it."""

    index: int
    log_bytes: int = 0
    """Size of the log that a recovery would read."""


@dataclass(frozen=True, slots=True)
class AppendFailed:
    """The disk refused the records from ``index`` on, and none of them is in the log."""

    index: int
    message: str


@dataclass(frozen=True, slots=True)
class WatchOpened:
    """A reader wants the changes under ``prefix`` after ``start_revision`` (0: from now on)."""

    watcher: int
    prefix: bytes
    start_revision: int
    want_previous: bool
    end: bytes | None = None
    """Not None: the changes of the keys in [prefix, end) instead; empty: no upper bound."""
    raw: bool = False
    """Events as pairs (record, what it replaced or None), for a reader in the same process."""


@dataclass(frozen=True, slots=True)
class WatchClosed:
    """The reader is gone."""

    watcher: int


@dataclass(frozen=True, slots=True)
class WatchFellBehind:
    """The reader's buffer is full; the last frames for it were not sent."""

    watcher: int


@dataclass(frozen=True, slots=True)
class SnapshotWritten:
    """The last chunk of the snapshot is written; after the last one, old log files are gone."""

    revision: int
    log_bytes: int


@dataclass(frozen=True, slots=True)
class SnapshotFailed:
    """The disk refused a chunk of the snapshot; what was written of it is gone."""

    revision: int


StoreEvent = (
    RequestsArrived
    | Persisted
    | AppendFailed
    | WatchOpened
    | WatchClosed
    | WatchFellBehind
    | SnapshotWritten
    | SnapshotFailed
)


# Effects.


@dataclass(frozen=True, slots=True)
class Append:
    """Add these records to the log: record ``i`` of them has index ``first_index + i``."""

    first_index: int
    records: Sequence[LogRecord]


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer these calls: two columns, the replies of a call in the order of its requests."""

    calls: Sequence[int]
    replies: Sequence[Sequence[StoreReply]]


@dataclass(frozen=True, slots=True)
class SendWatchFrames:
    """Send one body to these watchers: then they have all of their events up to ``watermark``."""

    watchers: Sequence[int]
    events: Sequence[WatchEvent] | Sequence[tuple[Record, Record | None]]
    watermark: int


@dataclass(frozen=True, slots=True)
class EndWatch:
    """An order: tell the client that its watch is over, and why. Nothing follows on it."""

    watcher: int
    reason: str


@dataclass(frozen=True, slots=True)
class LeasesEnded:
    """These leases are revoked or over, and so are the keys that hung on them here. Whoever lets
    keys of other shards hang on them has those deleted now."""

    leases: Sequence[int]


@dataclass(frozen=True, slots=True)
class WriteSnapshot:
    """Write the next chunk of the snapshot at ``revision``; with ``last`` make it valid and drop
    the log files that hold nothing newer. Answered by SnapshotWritten before the next chunk."""

    revision: int
    rows: Sequence[Record]
    leases: Sequence[tuple[int, int]]
    """(lease, ttl_s), in the first chunk only."""
    first: bool
    last: bool
    alarm: bool = False
    """Whether the quota's alarm is raised, in the first chunk only."""


StoreEffect = Append | Reply | SendWatchFrames | EndWatch | LeasesEnded | WriteSnapshot
