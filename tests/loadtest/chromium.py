"""An unmodified Chromium without a window, spoken to by its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

PATIENCE_S = 120
NAMES = ("chromium", "chromium-browser", "google-chrome")


def program() -> str:
    """Its path; the test is skipped by name where there is none."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip("WARNING: chromium is absent, its tests are SKIPPED: apt-get install chromium")
    return found


class Page:
    """One open page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._socket = socket
        self._session = session
        self._count = 0
        self._events: list[str] = []

    async def go(self, url: str) -> None:
        """Until it has been loaded."""
        await self.call("Page.enable")
        await self.call("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            answer = json.loads(await self._socket.receive_str(timeout=PATIENCE_S))
            self._events.append(answer.get("method", ""))

    async def call(self, method: str, **params: object) -> dict:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        await self._socket.send_json(message)
        while True:
            answer = json.loads(await self._socket.receive_str(timeout=PATIENCE_S))
            if "method" in answer:
                self._events.append(answer["method"])
            elif answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]

    async def evaluate(self, script: str) -> object:
        """The value of an expression, or what its promise resolves to."""
        found = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, condition: str) -> None:
        """Until an expression of the page is true; asked again after each change of the page."""
        await self.evaluate(
            "new Promise(done => { const ask = () => { if (" + condition + ") { "
            "watcher.disconnect(); done(true); } }; const watcher = new MutationObserver(ask); "
            "watcher.observe(document, {subtree: true, childList: true, characterData: true, "
            "attributes: true}); ask(); })"
        )

    async def screenshot(self, path: Path) -> None:
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Page]:
    """A page on which everything has been loaded; the browser ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program(),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
            *("--window-size=1160,900", "--remote-debugging-port=0", f"--user-data-dir={profile}"),
            "about:blank",
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr
        try:
            async with asyncio.timeout(PATIENCE_S):
                while b"DevTools listening on " not in (line := await process.stderr.readline()):
                    assert line, "chromium did not start"
            address = line.decode().split("listening on ")[1].strip()
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0) as socket,
            ):
                browser = Page(socket, "")
                target = await browser.call("Target.createTarget", url="about:blank")
                attached = await browser.call(
                    "Target.attachToTarget", targetId=target["targetId"], flatten=True
                )
                page = Page(socket, attached["sessionId"])
                await page.go(url)
                yield page
        finally:
            process.kill()
            await process.communicate()
