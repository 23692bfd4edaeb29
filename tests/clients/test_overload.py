"""A client that is sent away with 429 and Retry-After comes again by itself."""

import asyncio
import json
from pathlib import Path

import uvloop

from actors.http_front import send_answer
from actors.net.exchange import Exchange
from actors.net.https import serve_https
from actors.security import admin_token, create_security, server_ssl_context
from api.discovery import VERSION
from apiserver.tasks import TOO_MANY
from tests.clients.programs import client_of

REFUSALS = 1


def test_kubectl_comes_again_after_429(kubectl_program: Path, tmp_path: Path) -> None:
    """60"""
    security = create_security(f"{tmp_path}/security")
    asked: list[bytes] = []

    def busy(exchange: Exchange) -> None:
        asked.append(exchange.target)
        if len(asked) <= REFUSALS:
            send_answer(exchange, TOO_MANY)
        else:
            body = json.dumps(VERSION).encode()
            exchange.answer(200, b"content-type: application/json\r\n", body)

    async def scenario() -> str:
        server = await serve_https(busy, "127.0.0.1", 0, server_ssl_context(security))
        try:
            url = f"https://127.0.0.1:{server.port}"
            fixed = ("--server", url, "--certificate-authority", f"{security.directory}/ca.crt")
            kubectl = client_of(kubectl_program, tmp_path, *fixed, "--token", admin_token(security))
            done = await asyncio.to_thread(kubectl, "get", "--raw", "/version")
        finally:
            await server.stop()
        return done.stdout

    assert json.loads(uvloop.run(scenario()))["minor"] == "36"
    assert asked == [b"/version"] * (REFUSALS + 1)
