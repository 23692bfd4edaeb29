"""Whether the store has what it acknowledged: every create that was answered 201, looked for in the
logs of the shards after the cluster stopped.

An object counts as kept when a shard has its key, or remembers its deletion. Deletions are
forgotten with the history: if some of it was, what the load asked to delete, or was seen to go, is
left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.disk import LogDirectory
from loadtest.bundle import numbered, read_rows
from store.core import StoreSettings
from store.recovery import recovered_core

NAMED_MAX = 10
CREATED = "201"


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found. ``missing``: names of acknowledged objects, at most NAMED_MAX of them."""

    acknowledged: int
    missing_total: int
    missing: tuple[str, ...]


def audit(bundle: Path, cluster: Path, shards: int) -> Audit:
    """``cluster``: where the shards kept their logs. JournalError, DirectoryError for a log that
    cannot be read."""
    acknowledged = set(_acknowledged(bundle))
    known: set[bytes] = set()
    whole = True
    for shard in range(shards):
        keys, of_all_times = keys_of(cluster / f"store-{shard}", shard)
        known |= keys
        whole = whole and of_all_times
    if not whole:
        acknowledged -= set(_deleted(bundle))
    missing = sorted(key for key in acknowledged if key.encode() not in known)
    return Audit(len(acknowledged), len(missing), tuple(missing[:NAMED_MAX]))


def keys_of(path: Path, shard: int) -> tuple[set[bytes], bool]:
    """Every key that a shard's directory has, deleted ones as long as their history is kept, and
    whether all of it is."""
    directory = LogDirectory.open(str(path), shard)
    try:
        core = recovered_core(StoreSettings(shard), directory.recovered())
    finally:
        directory.close()
    return set(core.keyspace.latest), core.keyspace.kept_after == 0


def _rows(bundle: Path, verb: str) -> Iterator[dict[str, str]]:
    for path in numbered(bundle, "samples-*.csv.gz"):
        for row in read_rows(path):
            if row["verb"] == verb:
                yield row


def _key(row: dict[str, str]) -> str:
    return f"/registry/{row['resource']}/{row['namespace']}/{row['name']}"


def _acknowledged(bundle: Path) -> Iterator[str]:
    return (_key(row) for row in _rows(bundle, "create") if row["code"] == CREATED)


def _deleted(bundle: Path) -> Iterator[str]:
    """Asked for, however it was answered, or seen by the observer."""
    yield from (_key(row) for row in _rows(bundle, "delete"))
    for row in read_rows(bundle / "pods.csv.gz"):
        if row["deleted_ns"] != "0":
            yield _key({"resource": "pods", **row})
