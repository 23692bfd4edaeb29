"""Frames that leave their machine: encrypted, and both sides show that they are of the cluster."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.net import CallTimeout, FrameClient, FrameServer
from actors.plan import Security
from actors.security import client_certificate, create_security, spread
from tests.actors.loopback import Echo, run

SECRET = "between-two-programs"
LATER_S = 120.0


def cluster(directory: Path) -> Security:
    return spread(create_security(str(directory)), ["10.0.0.1"])


def impostor(directory: Path, cluster: Security) -> Security:
    """Who has learnt the cluster's name and token, and has a certificate of another cluster."""
    other = spread(create_security(str(directory)), [])
    return Security(cluster.cluster_id, cluster.frame_token, other.directory, encrypted=True)


def user(directory: Path, cluster: Security) -> Security:
    """Who is a user of the cluster, and shows that certificate in place of a program's."""
    directory.mkdir()
    certificate, key = client_certificate(cluster, "frames.hollowfleet")
    (directory / "frames.crt").write_bytes(certificate)
    (directory / "frames.key").write_bytes(key)
    (directory / "ca.crt").write_bytes((Path(cluster.directory) / "ca.crt").read_bytes())
    return Security(cluster.cluster_id, cluster.frame_token, str(directory), encrypted=True)


async def asked(server: Security, client: Security, heard: Callable[[bytes], None]) -> object:
    """The answer to one call over a wire on which all is heard. CallTimeout."""
    listener = await FrameServer.start("127.0.0.1", 0, server, Echo())
    failed = asyncio.Event()

    async def tap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", listener.port)

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(1 << 16):
                    heard(data)
                    sink.write(data)
            except ConnectionResetError:
                pass
            sink.close()

        await asyncio.gather(pass_on(reader, before), pass_on(behind, writer))
        failed.set()

    wire = await asyncio.start_server(tap, "127.0.0.1", 0)
    port = wire.sockets[0].getsockname()[1]

    async def resolve(name: str) -> str:
        return f"127.0.0.1:{port}"

    caller = FrameClient("echo", client, resolve, "tester")
    answer = asyncio.ensure_future(caller.call(SECRET, LATER_S))
    try:
        ended = asyncio.ensure_future(failed.wait())
        await asyncio.wait((answer, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not answer.done():
            raise CallTimeout("the first connection ended without an answer")
        return answer.result()
    finally:
        answer.cancel()
        await caller.close()
        wire.close()
        await listener.stop()


def test_a_call_crosses_and_nobody_on_the_wire_reads_it(tmp_path: Path) -> None:
    made = cluster(tmp_path / "a")
    heard: list[bytes] = []

    async def scenario() -> None:
        assert await asked(made, made, heard.append) == SECRET

    run(scenario())
    wire = b"".join(heard)
    assert len(wire) > len(SECRET)
    assert SECRET.encode() not in wire
    assert made.frame_token.encode() not in wire


# A user's certificate is of the same authority: as a client it is the token that keeps him out.
@pytest.mark.parametrize(
    ("who", "side"), [(impostor, "server"), (impostor, "client"), (user, "server")]
)
def test_who_has_the_token_and_no_certificate_of_a_program_is_not_heard(
    tmp_path: Path, who: Callable[[Path, Security], Security], side: str
) -> None:
    made = cluster(tmp_path / "a")
    stranger = who(tmp_path / "b", made)
    pair = (stranger, made) if side == "server" else (made, stranger)
    heard: list[bytes] = []

    async def scenario() -> None:
        with pytest.raises(CallTimeout):
            await asked(*pair, heard.append)

    run(scenario())
    assert made.frame_token.encode() not in b"".join(heard)
