"""The scheduler as a program of its own beside any kube-apiserver: kube-scheduler's place.

It speaks HTTPS with what a kubeconfig says, schedules while it holds kube-scheduler's Lease, and
serves /healthz, /livez, /readyz and /metrics.
"""

import asyncio
import socket
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from actors.clock import WallClock
from actors.component import ComponentRunner, RunnerOptions, run_component
from actors.kubeconfig import KubeAccess
from actors.net.exchange import Exchange
from actors.net.https import HttpsServer, serve_https
from actors.net.https_transport import HttpsTransport
from actors.plugin_times import PluginTimes
from actors.scheduler import PooledCore, resign
from actors.security import create_security, server_ssl_context
from scheduler.configuration import Configuration
from scheduler.election import ElectedScheduler
from scheduler.leader import SchedulerCore
from scheduler.metrics import CONTENT_TYPE, metrics_text

CONNECTIONS_MAX = 64
"""To the API server, besides one for each watch."""


@dataclass(frozen=True, slots=True)
class KubeSchedulerOptions:
    access: KubeAccess
    configuration: Configuration
    seed: int = 1
    host: str = "127.0.0.1"
    port: int = 10259
    """Of health and metrics; 0: any free one. Source: --secure-port of kube-scheduler."""


class KubeScheduler:
    """A running one."""

    def __init__(
        self, pooled: PooledCore, runner: ComponentRunner, transport: HttpsTransport
    ) -> None:
        self.runner = runner
        self._pooled = pooled
        self._transport = transport
        self._server: HttpsServer | None = None

    @property
    def port(self) -> int:
        return self._server.port if self._server else 0

    async def listen(self, host: str, port: int) -> None:
        """PortInUse, NetError."""
        with tempfile.TemporaryDirectory() as directory:
            # Signed by itself, as kube-scheduler's is when it is given none.
            context = server_ssl_context(create_security(f"{directory}/tls"))
        self._server = await serve_https(self._handle, host, port, context)

    async def stop(self) -> None:
        """Give the Lease back, then end."""
        await self.runner.stop()
        await resign(self._pooled.core, self._transport)
        await self._pooled.stop()
        await self._transport.close()
        if self._server is not None:
            await self._server.stop()

    def _handle(self, exchange: Exchange) -> None:
        path = exchange.target.partition(b"?")[0]
        if exchange.method != b"GET":
            exchange.answer(405, b"", b"")
        elif path == b"/metrics":
            text = metrics_text(self._pooled.core).encode()
            exchange.answer(200, f"content-type: {CONTENT_TYPE}\r\n".encode(), text)
        elif path in (b"/healthz", b"/livez", b"/readyz"):
            healthy = self.runner.failure is None
            text = b"ok" if healthy else b"the scheduler has failed"
            exchange.answer(200 if healthy else 500, b"content-type: text/plain\r\n", text)
        else:
            exchange.answer(404, b"", b"")


async def start(options: KubeSchedulerOptions) -> KubeScheduler:
    """The API server may come up later. PortInUse, NetError, ssl.SSLError."""
    access = options.access
    transport = HttpsTransport(
        access.server, access.authority_pem, access.token, CONNECTIONS_MAX, access.identity_pem
    )
    holder = f"{socket.gethostname()}_{uuid.uuid4()}"
    times = PluginTimes()
    inner = SchedulerCore(options.seed, 0, times.timed(options.configuration))
    core = ElectedScheduler(inner, holder, first=True)
    pooled = PooledCore(core, (), options.configuration.extenders, times)
    failed = RunnerOptions(on_failure=lambda _: None)
    runner = await run_component(pooled, transport, WallClock(), failed)
    pooled.runner = runner
    running = KubeScheduler(pooled, runner, transport)
    try:
        await running.listen(options.host, options.port)
    except BaseException:
        await running.stop()
        raise
    return running


async def serve(
    options: KubeSchedulerOptions, stopping: asyncio.Event, say: Callable[[str], None]
) -> BaseException | None:
    """Schedule until told to stop, or until the scheduler fails: why it did."""
    running = await start(options)
    say(f"scheduling for {options.access.server}; https://{options.host}:{running.port}/metrics")
    waits = [asyncio.ensure_future(event.wait()) for event in (stopping, running.runner.failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await running.stop()
    return running.runner.failure
