"""Acknowledged creates are looked for in real logs of shards."""

import asyncio
import gzip
from pathlib import Path

import pytest

from actors.shard import open_shard
from loadtest.audit import NAMED_MAX, audit
from loadtest.bundle import write_rows
from loadtest.recorder import COLUMNS
from loadtest.timeline import POD_COLUMNS
from store.core import StoreSettings
from store.journal import JournalError


def samples(bundle: Path, rows: list[tuple[str, str, int]]) -> None:
    """(verb, name, code) of pods in the namespace "load-0"."""
    with gzip.open(bundle / "samples-0.csv.gz", "wt") as file:
        file.write(",".join(COLUMNS) + "\n")
        for verb, name, code in rows:
            known = {"verb": verb, "resource": "pods", "namespace": "load-0", "name": name}
            row = dict.fromkeys(COLUMNS, "0") | known | {"code": str(code)}
            file.write(",".join(row[column] for column in COLUMNS) + "\n")
    write_rows(bundle / "pods.csv.gz", POD_COLUMNS, [])


def written(cluster: Path, requests: list[tuple[object, ...]]) -> None:
    async def main() -> None:
        shard = await open_shard(str(cluster / "store-0"), StoreSettings(0))
        for request in requests:
            assert (await shard.ask(request))[0] == 0
        await shard.stop()

    asyncio.run(main())


def put(name: str) -> tuple[object, ...]:
    return ("put", b"/registry/pods/load-0/" + name.encode(), b"", b"{}", -1, 0)


def test_what_was_acknowledged_and_is_not_there_is_named(tmp_path: Path) -> None:
    rows = [("create", f"p{number}", 201) for number in range(30)]
    rows += [("create", "refused", 409), ("create", "unknown", 0), ("delete", "p0", 200)]
    samples(tmp_path, rows)
    written(tmp_path, [put(f"p{number}") for number in range(30)])
    written(tmp_path, [("del", b"/registry/pods/load-0/p0", -1)])
    assert audit(tmp_path, tmp_path, 1).missing_total == 0
    assert audit(tmp_path, tmp_path, 1).acknowledged == 30, "one that was deleted since, too"
    samples(tmp_path, [*rows, *(("create", f"lost{n}", 201) for n in range(NAMED_MAX + 5))])
    found = audit(tmp_path, tmp_path, 1)
    assert (found.acknowledged, found.missing_total) == (45, 15)
    assert found.missing[0] == "/registry/pods/load-0/lost0" and len(found.missing) == NAMED_MAX


def test_a_log_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    samples(tmp_path, [])
    written(tmp_path, [put("a"), put("b")])
    (log,) = (tmp_path / "store-0").glob("log-*")
    data = bytearray(log.read_bytes())
    data[-1] ^= 1
    log.write_bytes(data)
    with pytest.raises(JournalError, match="offset"):
        audit(tmp_path, tmp_path, 1)
