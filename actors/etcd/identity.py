"""What a data directory is, for good: written when it is made, checked when it is opened again."""

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from actors.disk import DirectoryError

NAME: Final = "cluster.json"


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    cluster_id: int
    member_id: int
    created_ns: int
    """Epoch of hybrid revisions."""
    shards: int


def cluster_identity(directory: Path, shards: int) -> ClusterIdentity:
    """Read it, or make it in a new directory. DirectoryError when it is of another number of
    shards, or unreadable."""
    path = directory / NAME
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            found = ClusterIdentity(**json.loads(path.read_bytes()))
        else:
            found = new_identity(directory, shards, time.time_ns())
    except (OSError, ValueError, TypeError) as error:
        raise DirectoryError(f"cannot use {path}: {error}") from error
    if found.shards != shards:
        raise DirectoryError(
            f"{directory} was made for {found.shards} shards and cannot be opened with {shards}: "
            "its keys and revisions are bound to them"
        )
    return found


def new_identity(directory: Path, shards: int, created_ns: int) -> ClusterIdentity:
    """Make a directory that of a new cluster. OSError."""
    ids = secrets.randbits(63), secrets.randbits(63)
    found = ClusterIdentity(*ids, created_ns, shards)
    _write(directory / NAME, found)
    return found


def _write(path: Path, identity: ClusterIdentity) -> None:
    fresh = path.with_suffix(".tmp")
    with open(fresh, "w", encoding="ascii") as file:
        json.dump(asdict(identity), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
