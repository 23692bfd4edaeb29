"""The client of extenders against real servers that answer, refuse, babble, hang or are absent."""

import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web

from actors.net.extenders import ExtenderClient
from actors.security import create_security
from scheduler.extender import AskExtender, Extender, ExtenderAnswered, ExtenderTls
from tests.actors.loopback import run

PATIENCE_NS = 60_000_000_000
SHORT_NS = 50_000_000


class Certified(NamedTuple):
    """A server with a certificate, and how it is to be asked."""

    context: ssl.SSLContext
    tls: ExtenderTls


def asked(
    verb: str, timeout_ns: int = PATIENCE_NS, certified: Certified | None = None
) -> ExtenderAnswered:
    answers: list[ExtenderAnswered] = []

    async def keep() -> None:
        answers.append(await ask(verb, timeout_ns, certified))

    run(keep())
    return answers[0]


async def ask(verb: str, timeout_ns: int, certified: Certified | None) -> ExtenderAnswered:
    """One question to a server whose verbs are named after what they do."""
    stopping = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        match request.match_info["verb"]:
            case "echo":
                return web.json_response({"Saw": await request.json()})
            case "refuse":
                return web.Response(status=500)
            case "babble":
                return web.Response(text="<html>")
            case "drip":
                # A byte comes, but never the last one.
                answer = web.StreamResponse()
                await answer.prepare(request)
                await answer.write(b" ")
                await stopping.wait()
                return answer
            case _:
                await stopping.wait()
                return web.Response()

    application = web.Application()
    application.router.add_post("/extender/{verb}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    context, tls = certified or (None, None)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    host, port = runner.addresses[0][:2]
    if verb == "absent":
        await site.stop()
    heard: asyncio.Future[ExtenderAnswered] = asyncio.get_running_loop().create_future()
    url = f"{'https' if certified else 'http'}://{host}:{port}/extender"
    extender = Extender(url, {"filter": verb}, timeout_ns=timeout_ns, tls=tls)
    client = ExtenderClient([extender], heard.set_result)
    client.ask(AskExtender(0, 7, "filter", {"NodeNames": ["n1"]}))
    answer = await heard
    await client.close()
    stopping.set()
    await runner.cleanup()
    return answer


def test_a_question_and_its_answer() -> None:
    answer = asked("echo")
    assert answer == ExtenderAnswered(7, {"Saw": {"NodeNames": ["n1"]}})


def test_a_certificate_must_name_the_host_or_the_server_name(tmp_path: Path) -> None:
    create_security(str(tmp_path), hosts=["extender.example"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    named = ExtenderTls(server_name="extender.example", ca_file=str(tmp_path / "ca.crt"))
    assert asked("echo", certified=Certified(context, named)).body is not None
    for name in ("", "somebody.else"):
        answer = asked("echo", certified=Certified(context, named._replace(server_name=name)))
        assert answer.trouble.startswith("cannot be asked to filter"), answer


@pytest.mark.parametrize(
    ("verb", "trouble"),
    [
        ("refuse", "answers filter with code 500"),
        ("babble", "answers filter with what cannot be read"),
        ("absent", "cannot be asked to filter"),
    ],
)
def test_what_is_no_answer_is_told_as_such(verb: str, trouble: str) -> None:
    answer = asked(verb)
    assert answer.body is None and answer.trouble.startswith(trouble), answer


@pytest.mark.parametrize("verb", ["hang", "drip"])
def test_one_that_hangs_is_given_up_after_its_time(verb: str) -> None:
    answer = asked(verb, SHORT_NS)
    assert answer.trouble == "no answer to filter in 0.05 s"
