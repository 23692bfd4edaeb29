"""What many watches are to be told lingers, and goes out together with what happens meanwhile."""

from apiserver.streams import LINGER_NS, WIDE
from tests.apiserver.apiserver_rig import HttpStream, Rig

MAPS = "/api/v1/namespaces/default/configmaps"


def opened(rig: Rig, count: int) -> list[HttpStream]:
    streams = [rig.watch(f"{MAPS}?watch=1") for _ in range(count)]
    for stream in streams:
        stream.chunks.clear()
    return streams


def write(rig: Rig, name: str) -> None:
    """It is acknowledged at once, however many watch."""
    request = rig.start("POST", MAPS, {"metadata": {"name": name}})
    assert rig.answers.pop(request).code == 201


def names(stream: HttpStream) -> list[str]:
    return [found["metadata"]["name"] for _, found in stream.events]


def test_changes_of_a_moment_leave_in_one_piece() -> None:
    rig = Rig()
    streams = opened(rig, WIDE)
    components = rig.frame_watch("configmaps")
    components.bodies.clear()
    write(rig, "a")
    begun_ns = rig.now_ns
    assert [body[0] for body in components.bodies] == ["items"], "components are told at once"
    rig.now_ns += LINGER_NS - 1
    write(rig, "b")
    assert not any(stream.chunks for stream in streams)
    rig.run(0.01)
    assert rig.now_ns > begun_ns + LINGER_NS
    assert all(len(stream.chunks) == 1 and names(stream) == ["a", "b"] for stream in streams)
    write(rig, "c")
    assert rig.core.next_wakeup_ns() == rig.now_ns + LINGER_NS, "each moment begins anew"


def test_few_watches_are_told_at_once() -> None:
    rig = Rig()
    streams = opened(rig, WIDE - 1)
    write(rig, "a")
    assert all(names(stream) == ["a"] for stream in streams)


def test_what_lingers_is_told_before_a_watch_ends() -> None:
    rig = Rig()
    streams = [rig.watch(f"{MAPS}?watch=1&timeoutSeconds=1") for _ in range(WIDE)]
    rig.run(1 - LINGER_NS / 2e9)
    write(rig, "a")
    rig.run(1)
    assert all(names(stream)[-1] == "a" and stream.ended is not None for stream in streams)
