"""The Ray actor that hosts one program: it starts it, tells its address, and watches it.

The program runs on an event loop of its own in a thread of the actor's process, so that Ray's
calls and the program never wait for each other. A program that fails ends the process; Ray starts
it again in a new one, and its peers find the new address by its name.
"""

import asyncio
import os
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import ray
import uvloop

from actors.blueprint import MODULES, ProgramConfig, start_part
from actors.plan import ProcessSample
from actors.processes import cpu_seconds, pss_bytes
from actors.program import Running

RESOLVE_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0

T = TypeVar("T")


class ProgramHost:
    """Wrapped by ``ray.remote`` in cluster.py; max_concurrency lets calls overlap."""

    def __init__(self, name: str, namespace: str, config: ProgramConfig, log_path: str) -> None:
        self._name = name
        self._namespace = namespace
        self._log_path = Path(log_path)
        self._resolver = ThreadPoolExecutor(4, thread_name_prefix="resolve")
        self._started: Future[Running] = Future()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(config,), name=name, daemon=True)
        import_module(MODULES[type(config)])
        if ray.get_runtime_context().was_current_actor_reconstructed:
            self._thread.start()

    def begin(self) -> None:
        """Start the program. Ray's own restart of this actor begins by itself."""
        self._thread.start()

    def _run(self, config: ProgramConfig) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._report)
        try:
            running = self._loop.run_until_complete(start_part(config, self._resolve))
        # The supervisor's edge: whatever a program raises is logged, and its start has failed.
        except Exception as error:
            self._log(traceback.format_exc())
            self._started.set_exception(error)
            return
        self._started.set_result(running)
        self._loop.run_forever()

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        lines = [str(context.get("message", "")), repr(context.get("future", ""))]
        if isinstance(error, BaseException):
            lines += traceback.format_exception(error)
        self._log("\n".join(lines))

    def _log(self, text: str) -> None:
        with self._log_path.open("a", encoding="utf-8") as log:
            log.write(f"{self._name} pid={os.getpid()}: {text}\n")

    async def _resolve(self, name: str) -> str:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._resolver, self._ask_address, name)

    def _ask_address(self, name: str) -> str:
        try:
            actor = ray.get_actor(name, namespace=self._namespace)
            address: str = ray.get(actor.address.remote(), timeout=RESOLVE_TIMEOUT_S)
        except (ValueError, ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError) as error:
            raise ConnectionError(f"{name} has no address now: {error}") from error
        return address

    def address(self) -> str:
        """Frame address, once the program has started; raises what its start raised."""
        return self._started.result().address

    def https_port(self) -> int:
        """Port of the HTTPS API; 0 for a program that has none."""
        return int(getattr(self._started.result(), "https_port", 0))

    def gauges(self) -> dict[str, float]:
        if not self._started.done() or self._started.exception() is not None:
            return {}
        running = self._started.result()
        return self._on_loop(lambda: _value(dict(running.gauges())))

    def sample(self) -> ProcessSample:
        pid = os.getpid()
        return ProcessSample(self._name, pid, cpu_seconds(pid), pss_bytes(pid))

    def stop(self) -> None:
        """Stop the program in good order; the process stays for Ray to end."""
        if self._started.done() and self._started.exception() is None:
            self._on_loop(self._started.result().stop)

    def _on_loop(self, call: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(STOP_TIMEOUT_S)


async def _value(value: T) -> T:
    return value
