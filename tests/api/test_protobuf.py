"""Protobuf bodies: every recorded vector, the forms that clients send, and any other bytes."""

import base64
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.kinds import kind_of
from api.protobuf import (
    MAX_DEPTH,
    decode_body,
    duration_text,
    read_frame,
    read_message,
)
from api.wire import ProtobufError

GOLDEN = Path(__file__).parents[1] / "golden" / "protobuf" / "vectors.jsonl.gz"


@cache
def vectors() -> dict[str, tuple[bytes, Any]]:
    rows = map(json.loads, gzip.decompress(GOLDEN.read_bytes()).splitlines())
    return {row["name"]: (base64.b64decode(row["pb"]), row["json"]) for row in rows}


def part(number: int, raw: bytes) -> bytes:
    assert len(raw) < 128
    return bytes([number << 3 | 2, len(raw)]) + raw


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    meta = part(1, api_version.encode()) + part(2, kind.encode())
    return b"k8s\0" + part(1, meta) + part(2, raw)


def test_all_vectors() -> None:
    assert len(vectors()) == 185
    for name, (pb, expected) in vectors().items():
        if name == "core.v1.WatchEvent":
            continue
        assert decode_body(pb) == expected, name


def test_a_watch_event_has_no_kind_in_its_frame() -> None:
    pb, expected = vectors()["core.v1.WatchEvent"]
    api_version, kind, raw = read_frame(pb)
    assert (api_version, kind) == ("", "")
    assert read_message("apimachinery.pkg.apis.meta.v1.WatchEvent", raw) == expected
    with pytest.raises(ProtobufError, match=r'^no kind "" is registered for version ""$'):
        decode_body(pb)


def test_keys_come_in_the_order_of_a_server() -> None:
    pb, expected = vectors()["apps.v1.Deployment"]
    assert json.dumps(decode_body(pb)) == json.dumps(expected)


def test_absent_fields_appear_as_from_go() -> None:
    pod = decode_body(body("v1", "Pod", part(1, part(1, b"p1"))))
    assert pod == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p1"},
        "spec": {"containers": None},
        "status": {},
    }
    zero_time = decode_body(body("v1", "Pod", part(1, part(8, b""))))
    assert zero_time["metadata"] == {}
    scale = decode_body(body("autoscaling/v1", "Scale", part(2, b"\x08\x00")))
    assert scale["spec"] == {}
    deployment = decode_body(body("apps/v1", "Deployment", part(2, b"\x08\x00")))
    assert deployment["spec"]["replicas"] == 0, "a pointer keeps its zero"


def test_a_body_without_kind_is_of_the_kind_of_the_path() -> None:
    lease = kind_of("coordination.k8s.io/leases")
    raw = part(1, part(1, b"l1"))
    got = decode_body(b"k8s\0" + part(2, raw), lease)
    assert got["kind"] == "Lease"
    assert got["apiVersion"] == "coordination.k8s.io/v1"
    assert got["metadata"] == {"name": "l1"}


def test_delete_options_belong_to_every_version() -> None:
    for version in ("v1", "apps/v1"):
        got = decode_body(body(version, "DeleteOptions", b"\x08\x00"))
        assert got == {"kind": "DeleteOptions", "apiVersion": version, "gracePeriodSeconds": 0}


def test_negative_numbers() -> None:
    ten = b"\xff" * 9 + b"\x01"
    pod = read_message("api.core.v1.PodSpec", b"\xc8\x01" + ten + b"\x20" + ten)
    assert pod["priority"] == -1
    assert pod["terminationGracePeriodSeconds"] == -1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "provided data does not appear to be a protobuf message"),
        (b"{}", "provided data does not appear to be a protobuf message"),
        (b"k8s\0", 'no kind "" is registered'),
        (b"k8s\0\x0a\x7f", "unexpected EOF"),
        (b"k8s\0\x0a", "unexpected EOF"),
        (b"k8s\0" + b"\xff" * 11, "integer overflow"),
        (b"k8s\0\x08\x01", "wrong wire type 0 in the frame"),
        (b"k8s\0\x0b", "illegal wire type 3"),
        (b"k8s\0\x02\x00", "illegal field number 0"),
        (b"k8s\0" + part(3, b"gzip"), "content encoding 'gzip' is not supported"),
        (body("v1", "Nothing", b""), 'no kind "Nothing" is registered for version "v1"'),
        (body("v1", "Pod", b"\x08\x01"), "wrong wire type 0 for field api.core.v1.Pod.metadata"),
        (body("v1", "Pod", part(1, part(1, b"\xff"))), "a string is not UTF-8"),
    ],
)
def test_bad_bodies(data: bytes, message: str) -> None:
    with pytest.raises(ProtobufError, match=message):
        decode_body(data)


def test_depth_is_bounded() -> None:
    name = "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    raw = b""
    for _ in range(MAX_DEPTH + 1):
        size = len(raw)
        length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
        raw = b"\xe2\x01" + length + raw  # field 28, "not"
    with pytest.raises(ProtobufError, match="nested deeper"):
        read_message(name, raw)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (245_000_000_000, "4m5s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (3_600_000_000_000, "1h0m0s"),
        (-1_500_000_000, "-1.5s"),
    ],
)
def test_durations_are_printed_as_in_go(nanos: int, text: str) -> None:
    assert duration_text(nanos) == text


@given(st.data())
def test_any_mutation_gives_an_object_or_one_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(vectors())))
    raw = bytearray(vectors()[name][0])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 3))
    try:
        assert isinstance(decode_body(bytes(raw[: len(raw) - cut])), dict)
    except ProtobufError:
        pass


@given(st.binary(max_size=300))
def test_any_bytes_give_an_object_or_one_error(data: bytes) -> None:
    try:
        decode_body(b"k8s\0" + data)
    except ProtobufError:
        pass
