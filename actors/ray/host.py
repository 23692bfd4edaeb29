"""The Ray actor that hosts one program: it starts it, tells its address, and watches it.

The program runs on an event loop of its own in a thread of the actor's process, so that Ray's
calls and the program never wait for each other. A program that fails ends the process; Ray starts
it again in a new one, and its peers find the new address by its name. A program has failed when a
callback of its loop raises (a turn that was left half-way), or when it cannot start again.
"""

import asyncio
import os
import threading
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import ray
import uvloop

from actors.blueprint import MODULES, Part, ProgramConfig, start_part
from actors.clock import settle_table_gc
from actors.hold import Hold
from actors.lives import Pulse
from actors.net.fault_proxy import FaultyNames
from actors.plan import ApiServerConfig, ProcessSample, StoreConfig
from actors.processes import cpu_seconds, pss_bytes
from actors.program import Resolve, Running, cut_off
from actors.ray.machine import actor_name

RESOLVE_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
MACHINE_TRIES = 120
MACHINE_PAUSE_S = 0.5
MOVED = "~"
"""Between the name of a program and the number of its move, in the name of an actor."""
FAILED = 70
"""Exit code of a program's process that ended by its own failure (EX_SOFTWARE)."""


class ProgramHost:
    """Wrapped by ``ray.remote`` in cluster.py; max_concurrency lets its calls overlap.

    It has no coroutine methods: with a single one Ray would run all its calls on one loop.
    """

    def __init__(self, part: Part, namespace: str, log_path: str) -> None:
        self._name = part.name
        if part.config.security.encrypted:
            part = _settled(part, namespace)
        self._pulse = Pulse(part.config.security.cluster_id, part.name)
        restarted = ray.get_runtime_context().was_current_actor_reconstructed
        if restarted:
            part = replace(part, config=_begun(part.config))
        self._thread = ProgramThread(part, Names(namespace), Path(log_path), restarted)
        self._thread.started.add_done_callback(self._started)
        import_module(MODULES[type(part.config)])
        if restarted:
            self._thread.start()

    def _started(self, started: Future[Running]) -> None:
        if started.exception() is None:
            self._pulse.up()

    def begin(self) -> None:
        """Start the program. Ray's own restart of this actor begins by itself."""
        self._thread.start()

    def address(self) -> str:
        """Frame address, once the program has started; raises what its start raised."""
        return self._thread.started.result().address

    def address_now(self) -> str:
        """The same without waiting: empty while the program has not started."""
        started = self._thread.started
        if not started.done() or started.exception() is not None:
            return ""
        return started.result().address

    def https_port(self) -> int:
        """Port of the HTTPS API; 0 for a program that has none."""
        return int(getattr(self._thread.started.result(), "https_port", 0))

    def gauges(self) -> dict[str, float]:
        return self._thread.gauges()

    def slow(self, service_s: float) -> bool:
        """See actors.hold. False: the program does not run now."""
        return self._thread.slow(service_s)

    def disconnect(self, off: bool) -> bool:
        """See actors.cluster.ClusterHandle. False: the program does not run now."""
        return self._thread.disconnect(off)

    def samples(self) -> list[ProcessSample]:
        """Of the program, and of what works for it in a process of its own."""
        names = {os.getpid(): self._name}
        if self._thread.started.done() and self._thread.started.exception() is None:
            names |= getattr(self._thread.started.result(), "children", {})
        found = []
        for pid, name in names.items():
            with suppress(FileNotFoundError, ProcessLookupError):
                found.append(ProcessSample(name, pid, cpu_seconds(pid), pss_bytes(pid)))
        return found

    def stop(self) -> int:
        """Stop the program in good order; the process stays for Ray to end. Its pid."""
        self._thread.stop()
        return os.getpid()


def _begun(config: ProgramConfig) -> ProgramConfig:
    """Of a program that has run before: its shards have logs."""
    if isinstance(config, StoreConfig):
        return replace(config, begun=True)
    if isinstance(config, ApiServerConfig):
        return replace(config, embedded=tuple(replace(one, begun=True) for one in config.embedded))
    return config


def _settled(part: Part, namespace: str) -> Part:
    """A part of a cluster over several machines, as it is on this one: its ports are where the
    others can reach them. Waits until the machine has been made ready for the cluster."""
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    for _ in range(MACHINE_TRIES):
        try:
            machine: Any = ray.get_actor(actor_name(address), namespace=namespace)
            ray.get(machine.ready.remote())
            break
        except ValueError:
            # It has only just joined.
            time.sleep(MACHINE_PAUSE_S)
    else:
        raise ConnectionError(f"machine {address} was not made ready for {part.name}")
    config: Any = part.config
    return replace(part, config=replace(config, host=address)) if hasattr(config, "host") else part


class Names:
    """Finds the address of a program by its name, through Ray."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="resolve")

    async def resolve(self, name: str) -> str:
        """Raises ConnectionError while the program has no address."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, name)

    def _ask(self, name: str) -> str:
        try:
            actor: Any = self._actor(name)
            address = ray.get(actor.address.remote(), timeout=RESOLVE_TIMEOUT_S)
        except (ValueError, ray.exceptions.RayError, ray.exceptions.GetTimeoutError) as error:
            raise ConnectionError(f"{name} has no address now: {error}") from error
        return str(address)

    def _actor(self, name: str) -> Any:
        """The actor that has the program: the latest that it moved to and that serves, or that of
        its own name."""
        moved = [one for one in ray.util.list_named_actors() if one.startswith(name + MOVED)]
        for one in sorted(moved, key=lambda found: -int(found.rpartition(MOVED)[2])):
            actor: Any = ray.get_actor(one, namespace=self._namespace)
            if ray.get(actor.address_now.remote(), timeout=RESOLVE_TIMEOUT_S):
                return actor
        return ray.get_actor(name, namespace=self._namespace)


class ProgramThread(threading.Thread):
    """A program on its own uvloop loop. ``started`` has its Running, or the error of its start.

    ``restarted``: nobody asked for this start, so its failure ends the process, and Ray tries again
    as often as it may.
    """

    def __init__(self, part: Part, names: Names, log: Path, restarted: bool) -> None:
        super().__init__(name=part.name, daemon=True)
        self.started: Future[Running] = Future()
        self._names = names
        self._part = part
        self._log_path = log
        self._restarted = restarted
        self._loop = uvloop.new_event_loop()
        self._network: FaultyNames | None = None

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._report)
        try:
            start = start_part(self._part.config, self._resolve())
            running = self._loop.run_until_complete(start)
        # The supervisor's edge: whatever a program raises is logged, and its start has failed.
        except Exception as error:
            self.log(traceback.format_exc())
            if self._restarted:
                os._exit(FAILED)
            self.started.set_exception(error)
            return
        if isinstance(self._part.config, StoreConfig):
            settle_table_gc()
        self.started.set_result(running)
        self._loop.run_forever()

    def _resolve(self) -> Resolve:
        """What connects: over a network of the plan's faults, if it has any."""
        part = self._part
        if not part.network.active:
            return self._names.resolve
        self._network = FaultyNames(part.network, part.seed, part.name, self._names.resolve)
        return self._network.resolve

    def gauges(self) -> dict[str, float]:
        if not self._runs():
            return {}
        answer: Future[dict[str, float]] = Future()
        running = self.started.result()
        network = self._network

        def ask() -> None:
            answer.set_result({**running.gauges(), **(network.gauges() if network else {})})

        self._loop.call_soon_threadsafe(ask)
        return answer.result(STOP_TIMEOUT_S)

    def slow(self, service_s: float) -> bool:
        """Every operation takes so long from now on; 0: it is slow no more."""
        if not self._runs():
            return False
        hold: Hold = self.started.result().hold  # type: ignore[attr-defined]
        self._loop.call_soon_threadsafe(hold.slow, service_s)
        return True

    def disconnect(self, off: bool) -> bool:
        """Let no frame come or go from now on, or all again."""
        if not self._runs():
            return False
        self._loop.call_soon_threadsafe(cut_off, self.started.result(), off)
        return True

    def stop(self) -> None:
        if self._runs():
            stop = self.started.result().stop()
            asyncio.run_coroutine_threadsafe(stop, self._loop).result(STOP_TIMEOUT_S)

    def _runs(self) -> bool:
        return self.started.done() and self.started.exception() is None

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        lines = [str(context.get("message", "")), repr(context.get("future", ""))]
        if isinstance(error, BaseException):
            lines += traceback.format_exception(error)
        self.log("\n".join(lines))
        if "handle" in context:
            os._exit(FAILED)

    def log(self, text: str) -> None:
        """A line of programs.log: what is not as it should be."""
        with self._log_path.open("a", encoding="utf-8") as log:
            log.write(f"{self.name} pid={os.getpid()}: {text}\n")
