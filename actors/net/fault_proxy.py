"""A bad network between programs, on real sockets: delay, loss, bandwidth, cuts, partitions.

    names = FaultyNames(faults, seed, "scheduler", resolve)
    FrameClient(..., names.resolve, ...)          # connects through a proxy of its own
    await names.close()

A program that resolves names through FaultyNames gets the address of a proxy on its own loop, which
connects to the program of that name and passes bytes on when their time has come. Bytes of a TCP
stream are never reordered and never missing: a lost segment comes a retransmission time-out later
and holds back what follows; what is lost for good is the connection, which a cut resets. A
partition holds everything back until it ends. What is held is bounded: then the sender waits.
"""

import asyncio
import contextlib
from typing import Final

from actors.net.link import split_address
from actors.plan import NetworkFaults
from actors.program import Resolve
from api.streams import Stream

SEGMENT_BYTES: Final = 1448
"""Payload of a TCP segment on Ethernet."""
RETRANSMIT_S: Final = 0.2
"""Linux' least retransmission time-out, TCP_RTO_MIN; it doubles with each loss of the same."""
RETRANSMITS_MAX: Final = 8
READ_BYTES: Final = 1 << 16
HELD_MAX: Final = 64
"""Reads of one direction that wait for their time: 4 MiB at most."""
HOST: Final = "127.0.0.1"
THERE: Final = "there"
BACK: Final = "back"
DIRECTIONS: Final = (THERE, BACK)
"""From who connects, and to him."""


class Line:
    """One direction of a connection: when bytes that enter it leave it. Times in s of one clock."""

    def __init__(self, faults: NetworkFaults, stream: Stream, partitions: "Partitions") -> None:
        self._faults = faults
        self._stream = stream
        self._partitions = partitions
        self._free_s = self._last_s = self._sending_s = 0.0

    def due_s(self, now_s: float, size: int) -> float:
        """When the last of ``size`` bytes that came at ``now_s`` arrive. Never decreases."""
        faults = self._faults
        self._free_s = max(now_s, self._free_s)
        if faults.bandwidth_bytes_s:
            self._free_s += size / faults.bandwidth_bytes_s
            self._sending_s += size / faults.bandwidth_bytes_s
        due = self._free_s + faults.delay_s + faults.jitter_s * self._stream.fraction()
        if faults.loss:
            due += self._retransmission_s(size)
        self._last_s = self._partitions.end_s(max(due, self._last_s))
        return self._last_s

    def waiting_s(self, now_s: float) -> float:
        """How long what has entered and not been sent will take the wire."""
        return max(0.0, self._free_s - now_s) if self._sending_s else 0.0

    def busy_s(self, now_s: float) -> float:
        """How long the wire has been sending so far, for want of bandwidth."""
        return self._sending_s - self.waiting_s(now_s)

    def _retransmission_s(self, size: int) -> float:
        """Of the worst segment: they are sent again side by side."""
        worst = 0.0
        for _ in range(-(-size // SEGMENT_BYTES)):
            wait, time_out = 0.0, RETRANSMIT_S
            for _ in range(RETRANSMITS_MAX):
                if self._stream.fraction() >= self._faults.loss:
                    break
                wait += time_out
                time_out *= 2
            worst = max(worst, wait)
        return worst


class Partitions:
    """When two programs cannot hear each other. Each direction has one, from the same stream, so
    both are cut off at the same times."""

    def __init__(self, faults: NetworkFaults, stream: Stream, begin_s: float) -> None:
        self._faults = faults
        self._stream = stream
        self._start_s = self._next_s(begin_s)

    def _next_s(self, after_s: float) -> float:
        every_s = self._faults.stall_every_s
        return after_s + 2 * every_s * self._stream.fraction() if every_s else float("inf")

    def end_s(self, at_s: float) -> float:
        """``at_s``, or the end of the partition that it falls into. Never asked for the past."""
        while at_s >= self._start_s:
            end = self._start_s + self._faults.stall_s
            if at_s < end:
                return end
            self._start_s = self._next_s(end)
        return at_s


class FaultyNames:
    """Resolves names to proxies. All methods on one loop."""

    def __init__(self, faults: NetworkFaults, seed: int, program: str, resolve: Resolve) -> None:
        self._faults = faults
        self._seed = seed
        self._program = program
        self._resolve = resolve
        self._proxies: dict[str, _Proxy] = {}

    async def resolve(self, name: str) -> str:
        """Raises what ``resolve`` raises while the program has no address."""
        if self._faults.near and name not in (self._faults.near, self._faults.far):
            return await self._resolve(name)
        await self._resolve(name)
        proxy = self._proxies.get(name)
        if proxy is None:
            label = f"network/{self._program}/{name}"
            proxy = self._proxies[name] = _Proxy(self._faults, self._seed, label)
            proxy.listen(name, self._resolve)
        return await proxy.address()

    def gauges(self) -> dict[str, float]:
        proxies = self._proxies.values()
        return {
            "network_connections_total": sum(proxy.connections for proxy in proxies),
            "network_cuts_total": sum(proxy.cuts for proxy in proxies),
            "network_held_s_total": sum(proxy.held_s for proxy in proxies),
            **self._wires(),
        }

    def _wires(self) -> dict[str, float]:
        """Of each direction of each way, where bandwidth is limited: see loadtest.components."""
        width = self._faults.bandwidth_bytes_s
        if not width:
            return {}
        found = {}
        for name, proxy in self._proxies.items():
            for direction in DIRECTIONS:
                busy_s, waiting_s = proxy.wire(direction)
                found[f"link {direction} {name} busy_s"] = busy_s
                found[f"link {direction} {name} kib"] = waiting_s * width / 1024
        return found

    async def close(self) -> None:
        """Reset all connections and close the ports. Idempotent."""
        for proxy in self._proxies.values():
            await proxy.close()


class _Proxy:
    """The port that stands for one program, and its connections."""

    def __init__(self, faults: NetworkFaults, seed: int, label: str) -> None:
        self._faults = faults
        self._seed = seed
        self._label = label
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._listening: asyncio.Task[asyncio.Server] | None = None
        self._served: dict[asyncio.Task[None], None] = {}
        self.connections = self.cuts = 0
        self.held_s = 0.0
        self._lines: dict[Line, str] = {}
        """Those of present connections, and their direction."""
        self._past_s = dict.fromkeys(DIRECTIONS, 0.0)
        """How long those of past ones were busy."""

    def listen(self, name: str, resolve: Resolve) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # The far side is away, or went away amid: our caller hears a reset.
            try:
                with contextlib.suppress(OSError, LookupError):
                    await self._pass(reader, writer, split_address(await resolve(name)))
            finally:
                writer.transport.abort()

        def arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(serve(reader, writer))
            self._served[task] = None
            task.add_done_callback(self._served.pop)

        self._listening = self._loop.create_task(asyncio.start_server(arrived, HOST, 0))

    def wire(self, direction: str) -> tuple[float, float]:
        """How long it was busy so far, and how long what waits will take; in s."""
        now_s = self._loop.time()
        mine = [line for line, where in self._lines.items() if where == direction]
        busy_s = self._past_s[direction] + sum(line.busy_s(now_s) for line in mine)
        return busy_s, sum(line.waiting_s(now_s) for line in mine)

    async def address(self) -> str:
        assert self._listening is not None
        server = await asyncio.shield(self._listening)
        return f"{HOST}:{server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._listening is not None:
            (await self._listening).close()
            self._listening = None
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)

    async def _pass(
        self, near: asyncio.StreamReader, back: asyncio.StreamWriter, far: tuple[str, int]
    ) -> None:
        """Both directions of one connection, until one ends or it is cut."""
        reader, writer = await asyncio.open_connection(*far)
        self.connections += 1
        try:
            async with asyncio.timeout(self._life_s()):
                there = self._loop.create_task(self._pump(near, writer, THERE))
                again = self._loop.create_task(self._pump(reader, back, BACK))
                try:
                    await asyncio.wait((there, again), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    there.cancel()
                    again.cancel()
                    await asyncio.gather(there, again, return_exceptions=True)
        except TimeoutError:
            self.cuts += 1
        finally:
            writer.transport.abort()

    def _life_s(self) -> float | None:
        """Of this connection, drawn with the mean of the plan."""
        every_s = self._faults.cut_every_s
        return 2 * every_s * self._stream("life").fraction() if every_s else None

    def _stream(self, use: str) -> Stream:
        return Stream(self._seed, f"{self._label}/{self.connections}/{use}")

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str
    ) -> None:
        """Pass on what comes, each piece at its time, until the end of the stream."""
        partitions = Partitions(
            self._faults, Stream(self._seed, f"{self._label}/partitions"), self._began_s
        )
        line = Line(self._faults, self._stream(direction), partitions)
        self._lines[line] = direction
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD_MAX)

        async def release() -> None:
            while True:
                due_s, data = await held.get()
                wait_s = due_s - self._loop.time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                if not data:
                    return
                writer.write(data)
                await writer.drain()

        releasing = self._loop.create_task(release())
        try:
            while data := await reader.read(READ_BYTES):
                now_s = self._loop.time()
                due_s = line.due_s(now_s, len(data))
                self.held_s += due_s - now_s
                await held.put((due_s, data))
            await held.put((line.due_s(self._loop.time(), 0), b""))
            await releasing
        finally:
            releasing.cancel()
            del self._lines[line]
            self._past_s[direction] += line.busy_s(self._loop.time())
