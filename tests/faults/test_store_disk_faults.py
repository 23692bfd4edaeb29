"""A log that was damaged while the store was down, and a disk that fills up while it runs."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.etcd.client import EtcdClient
from store.etcd.errors import NO_SPACE_TEXT, RESOURCE_EXHAUSTED, EtcdError
from store.journal import (
    HEAD_BYTES,
    HEADER_BYTES,
    SECTOR,
    JournalRecord,
    decoded_records,
    encoded_record,
)
from tests.faults.etcd_process import PATIENCE_S, EtcdProcess, refusal

VALUES = {b"/k/%02d" % number: bytes([65 + number]) * 300 for number in range(12)}


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, PATIENCE_S))


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[EtcdProcess, EtcdClient]]:
    """Killed at the end."""
    with EtcdProcess(directory) as process:
        client = EtcdClient(await asyncio.to_thread(lambda: process.address))
        try:
            yield process, client
        finally:
            await client.close()


async def put(client: EtcdClient, key: bytes, value: bytes) -> None:
    await client.call("KV", "Put", {"key": key, "value": value})


async def values(client: EtcdClient) -> dict[bytes, bytes]:
    answer = await client.call("KV", "Range", {"key": b"/", "range_end": b"0"})
    return {kv["key"]: kv.get("value", b"") for kv in answer["kvs"]}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a store that was killed after it acknowledged VALUES."""
    directory = tmp_path_factory.mktemp("written")

    async def scenario() -> None:
        async with serving(directory) as (_, client):
            for key, value in VALUES.items():
                await put(client, key, value)

    run(scenario())
    return directory


@pytest.fixture
def log(written: Path, tmp_path: Path) -> Path:
    """The log of a copy of it, without the zeros behind its records."""
    shutil.copytree(written, tmp_path / "data")
    (found,) = (tmp_path / "data").glob("**/log-*")
    os.truncate(found, records_end(found))
    return found


def records_end(log: Path) -> int:
    return [r.end for r in decoded_records(str(log), log.read_bytes(), 1, newest=True)][-1]


def records(log: Path) -> list[JournalRecord]:
    return list(decoded_records(str(log), log.read_bytes(), 1, newest=False))


def test_a_write_that_was_cut_off_is_cut_away_and_nothing_else(log: Path, tmp_path: Path) -> None:
    whole = log.read_bytes()
    last = records(log)[-1]
    torn = encoded_record(last.log_index + 1, last.revision + 1, last.payload)[: HEAD_BYTES + 20]
    log.write_bytes(whole + torn)

    async def scenario() -> None:
        async with serving(tmp_path / "data") as (_, client):
            assert await values(client) == VALUES
            assert log.read_bytes().startswith(whole)
            await put(client, b"/k/after", b"cut")
        async with serving(tmp_path / "data") as (_, client):
            assert await values(client) == VALUES | {b"/k/after": b"cut"}

    run(scenario())


@pytest.mark.parametrize("sectors", [0, 1, 2])
def test_a_write_that_was_cut_off_in_the_room_behind_the_records(
    log: Path, tmp_path: Path, sectors: int
) -> None:
    whole = log.read_bytes()
    written_bytes = -len(whole) % SECTOR + sectors * SECTOR if sectors else 0
    last = records(log)[-1]
    torn = encoded_record(last.log_index + 1, last.revision + 1, bytes(last.payload) * 8)
    assert written_bytes < len(torn)
    log.write_bytes(whole + torn[:written_bytes] + bytes(5000))

    async def scenario() -> None:
        async with serving(tmp_path / "data") as (_, client):
            assert await values(client) == VALUES

    run(scenario())


def test_what_lies_in_the_room_and_is_no_record_is_refused(log: Path, tmp_path: Path) -> None:
    end = log.stat().st_size
    data = log.read_bytes() + bytes(3000) + b"#" + bytes(3000)
    log.write_bytes(data)
    said = refusal(tmp_path / "data")
    assert said.startswith(f"Error: {log}: offset {end}: damaged record head"), said
    assert log.read_bytes() == data


@pytest.mark.parametrize("place", ["first value", "a length in the middle", "last byte"])
def test_a_flipped_byte_is_refused_by_file_and_offset(
    log: Path, tmp_path: Path, place: str
) -> None:
    data = bytearray(log.read_bytes())
    begins = [HEADER_BYTES, *(record.end for record in records(log)[:-1])]
    middle = begins[len(begins) // 2]
    record, at = {
        "first value": (begins[0], begins[0] + HEAD_BYTES + 5),
        "a length in the middle": (middle, middle + 21),
        "last byte": (begins[-1], len(data) - 1),
    }[place]
    data[at] ^= 0x10
    log.write_bytes(data)
    said = refusal(tmp_path / "data")
    assert said.startswith(f"Error: {log}: offset {record}: damaged "), said
    assert log.read_bytes() == data, "a log that is refused stays as it is"


def test_a_log_that_was_cut_in_its_header_or_lost_is_refused(log: Path, tmp_path: Path) -> None:
    data = log.read_bytes()
    log.write_bytes(b"#" + data[1:])
    assert refusal(tmp_path / "data").startswith(f"Error: {log}: offset 0: "), "not ours"
    log.write_bytes(data)
    log.rename(log.with_name(f"log-{2:020d}"))
    assert "is the first log file, and there is no snapshot" in refusal(tmp_path / "data")


def test_a_disk_that_fills_up_refuses_writes_until_it_has_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        kept: dict[bytes, bytes] = {}
        async with serving(tmp_path / "data") as (process, client):
            await put(client, b"/before", b"full")
            kept[b"/before"] = b"full"
            (log,) = (tmp_path / "data").glob("**/log-*")
            process.limit_files(records_end(log) + 20_000)
            refused = 0
            for number in range(30):
                key, value = b"/k/%02d" % number, os.urandom(1000)
                try:
                    await put(client, key, value)
                    kept[key] = value
                except EtcdError as error:
                    assert (error.code, error.message) == (RESOURCE_EXHAUSTED, NO_SPACE_TEXT)
                    refused += 1
            assert 15 <= len(kept) <= 21 and refused == 31 - len(kept)
            assert await values(client) == kept
            process.limit_files(-1)
            await put(client, b"/after", b"room again")
            kept[b"/after"] = b"room again"
        async with serving(tmp_path / "data") as (_, client):
            assert await values(client) == kept

    run(scenario())
