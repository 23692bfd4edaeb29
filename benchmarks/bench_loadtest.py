"""What the load half costs, and where its own ceiling is.

Run: ``python -m benchmarks.bench_loadtest [--rates 500 1000 1500] [--processes 1]``. The target is
a trivial HTTPS server in another process on the same machine, so a generator's ceiling here is a
lower bound of what it can do against a server elsewhere. What a request costs is CPU time, which a
busy machine raises a little; what is not sent on one says what the machine had left.
"""

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop

from actors.processes import cpu_seconds
from actors.security import create_security
from loadtest.campaign import parse_campaign
from loadtest.client import Endpoint
from loadtest.compiled import compile_campaign, write_schedule
from loadtest.fleet import GeneratorFleet
from loadtest.measure import read_generators

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 5
BODY = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"n"}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Trivial(asyncio.Protocol):
    """Answers every request with the same small object."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport of TLS is no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(ANSWER)


async def serve(directory: Path) -> None:
    home = Path(create_security(str(directory / "security")).directory)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(home / "apiserver.crt", home / "apiserver.key")
    server = await asyncio.get_running_loop().create_server(Trivial, "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def campaign(rate: int, processes: int, scenario: str) -> dict[str, object]:
    load: dict[str, object] = {"scenario": scenario, "rate": rate, "arrivals": "poisson"}
    if scenario == "readers":
        load["mix"] = {"get": 1}
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "bench"},
        "spec": {
            "generator": {"processes": processes, "inFlightMax": 512},
            "phases": [{"name": "a", "duration": f"{SECONDS}s", "load": [load]}],
        },
    }


def offer(rate: int, processes: int, scenario: str, target: tuple[Endpoint, int]) -> None:
    """One row: offer a rate for a few seconds."""
    endpoint, server = target
    compiled = compile_campaign(
        parse_campaign(campaign(rate, processes, scenario), "bench"), Path()
    )
    with tempfile.TemporaryDirectory() as place:
        bundle, private = Path(place, "b"), Path(place, "p")
        bundle.mkdir()
        private.mkdir()
        write_schedule(compiled.arrivals, bundle)
        fleet = GeneratorFleet(compiled, endpoint, bundle, private)
        try:
            fleet.wait_ready()
            print(fleet.ceiling())
            before = cpu_seconds(server)
            fleet.go(time.time_ns() + 300_000_000)
            while fleet.running:
                time.sleep(0.05)
        finally:
            fleet.stop()
        used = cpu_seconds(server) - before
        facts, latency, _ = read_generators(bundle)
        results = [json.loads(path.read_text()) for path in bundle.glob("generator-*.json")]
    spent = sum(result["cpu_s"] for result in results)
    sent = sum(f.sent for f in facts)
    overflow = sum(f.overflow for f in facts)
    worst = max(q.p99 for q in latency.values())
    cores = max(f.cpu_cores_max for f in facts)
    late = max(f.lateness_p99_s for f in facts)
    print(
        f"{scenario:<9} {rate:>6}/s {processes:>2} proc  sent {sent:>6}  not sent {overflow:>5}  "
        f"CPU ms a request: generator {spent / max(1, sent) * 1e3:.3f} "
        f"(busiest {cores:.2f} cores), server {used / max(1, sent) * 1e3:.3f}; two cores carry "
        f"{2 * sent / max(spent + used, 1e-9):,.0f}/s  "
        f"lateness p99 {late * 1e3:7.1f} ms  latency p99 {worst * 1e3:7.1f} ms"
    )


def compile_cost() -> None:
    began = time.perf_counter()
    compiled = compile_campaign(parse_campaign(campaign(5_000, 1, "readers"), "bench"), Path())
    spent = time.perf_counter() - began
    count = len(compiled.arrivals)
    print(f"schedule: {count} arrivals in {spent:.2f} s, {spent / count * 1e6:.1f} us each")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rates", type=int, nargs="+", default=[250, 500, 1000, 1500])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--serve", type=Path)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve))
        return 0
    compile_cost()
    with tempfile.TemporaryDirectory() as place:
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bench_loadtest", "--serve", place],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        try:
            assert server.stdout
            url = f"https://127.0.0.1:{server.stdout.readline().strip()}"
            endpoint = Endpoint(url, str(Path(place, "security", "ca.crt")), "token")
            for rate in options.rates:
                offer(rate, options.processes, "readers", (endpoint, server.pid))
            offer(options.rates[0], options.processes, "pods", (endpoint, server.pid))
        finally:
            server.kill()
            server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
