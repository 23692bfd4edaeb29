"""What a shard of the store costs, and what a real etcd costs for the same, row by row in turns.

    python -m benchmarks.bench_store [--seconds 1.5] [--full]

Key 48 bytes, value 1,024. Servers have processes of their own and keep their data under the current
directory. Ours is loaded over frames by this process, a Python client; etcd (Debian's, from PATH)
and our own gRPC door by etcdload/, a Go program with the official client. A row is one kind of
request with so many in flight over so many connections. Server and loader: microseconds of CPU an
operation (an event, for watches); cores: both together, and a rate only means the server's while
they are below 1.7. ``--full`` adds 1,000,000 keys: fill, memory, restart, ranges.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

from benchmarks.bench_store_disk import RECORD_BYTES, log_alone
from benchmarks.bench_store_floor import ARMS, put_floor
from benchmarks.bench_store_load import (
    KEY_BYTES,
    PREFIX,
    Case,
    Result,
    build_tool,
    fill_by_frames,
    grpc_arguments,
    load_by_frames,
    load_by_grpc,
)
from benchmarks.bench_store_servers import (
    ETCD,
    Server,
    Shards,
    door,
    real_etcd,
    resident_bytes,
)

PUTS = (
    Case("put", "put", 1, 1, bar_us=72, rate_times=1.3),
    Case("put", "put", 100, 10, bar_us=13, p99_ms=inf),
    Case("put", "put", 1000, 100, bar_us=13, p99_ms=inf),
)
CASES = (
    *PUTS,
    Case("create (CAS)", "create", 100, 10),
    Case("lease update", "put", 1000, 1, keys=1000, value_bytes=300),
    Case("get", "get", 100, 10),
    Case("range 10,000", "range", 1, 1),
    Case("watch, events", "watch", 4, 100, p99_ms=50),
)
KEYS = 50_000
FULL_KEYS = 1_000_000
CORES_MAX = 1.7
TURNS = 5
TWO_SHARDS_MAX = 1.15
FLAT = 1.25
RESIDENT_GB_MAX = 1.5
RESTART_S_MAX = 6.0
FILL_TIMES = 3.0
HEAD = (
    f"{'request':<15}{'in flight':>9}  {'server':<22}{'per s':>9}{'p50 ms':>9}{'p99 ms':>9}"
    f"{'server µs':>10}{'loader µs':>10}{'cores':>6}"
)


class Bench:
    """The servers under test, by name, and how long each row runs."""

    def __init__(self, directory: Path, seconds: float, tool: str | None) -> None:
        self._seconds = seconds
        self._tool = tool
        self._created = 10_000_000
        self.fsync = Shards(directory, "fsync")
        self.buffered = Shards(directory, "buffered")
        self.none = Shards(directory, "none")
        self.two = Shards(directory, "fsync", count=2)
        self.small = Shards(directory / "small", "fsync")
        """Beside the one with FULL_KEYS."""
        self.etcd = real_etcd(directory) if tool and ETCD else None
        self.door = door(directory) if tool else None

    def row(self, name: str, server: Server, case: Case) -> Result:
        self._created += 1_000_000
        if isinstance(server, Shards):
            result = load_by_frames(server, case, self._seconds, self._created)
        else:
            assert self._tool is not None
            words = grpc_arguments(case, self._seconds, self._created)
            result = load_by_grpc(self._tool, server, case.mode, words)
        show(name, case, result)
        return result

    def fill(self, server: Server, keys: int) -> float:
        """Seconds for putting keys 0 to ``keys``."""
        if isinstance(server, Shards):
            return fill_by_frames(server, keys, 1024)
        assert self._tool is not None
        case = Case("fill", "fill", 1000, 100, keys=keys)
        return load_by_grpc(self._tool, server, "fill", grpc_arguments(case, 0, 0)).seconds

    def beside(self, cases: Sequence[Case]) -> None:
        """Ours and etcd in turns, with fsync."""
        for server in (self.fsync, self.etcd):
            if server is not None:
                server.start()
                self.fill(server, KEYS)
        for case in cases:
            ours = self.row("ours, fsync", self.fsync, case)
            if self.etcd is not None:
                theirs = self.row("etcd, fsync", self.etcd, case)
                verdict(case, ours, theirs)
        for server in (self.fsync, self.etcd):
            if server is not None:
                server.stop()

    def others(self) -> None:
        """Arms without a multiple: weaker durability, our gRPC door."""
        arms: tuple[tuple[str, Server | None, Sequence[Case]], ...] = (
            ("ours, buffered", self.buffered, PUTS),
            ("ours, none", self.none, PUTS),
            ("ours, gRPC door, fsync", self.door, CASES),
        )
        for name, server, cases in arms:
            if server is None:
                continue
            server.start()
            self.fill(server, KEYS)
            for case in cases:
                self.row(name, server, case)
            server.stop()

    def two_beside_one(self) -> None:
        """Two shards and one in turns, with the same number in flight at each shard, in rounds: a
        put costs less the more share its step and its sync. The least of each counts: whatever else
        the machine does can only add."""
        arms = (("ours, fsync", self.fsync), ("ours, fsync, 2 shards", self.two))
        costs: dict[str, list[float]] = {name: [] for name, _ in arms}
        shares: list[str] = []
        for _, server in arms:
            server.start()
            self.fill(server, KEYS)
        for name, server in arms * TURNS:
            flying = PUTS[1].in_flight * server.count
            case = replace(PUTS[1], in_flight=flying, connections=server.count, together=True)
            syncs = server.gauges()["fsyncs"]
            result = self.row(name, server, case)
            costs[name].append(result.server_us)
            shares.append(f"{result.count / (server.gauges()['fsyncs'] - syncs):.0f}")
        one, two = map(min, costs.values())
        held = two <= one * TWO_SHARDS_MAX
        print(
            f"{'':<26}two shards: {two:.1f} µs a put, one: {one:.1f} (least of {TURNS}); at most"
            f" {TWO_SHARDS_MAX} times: {'yes' if held else 'NO'}; puts a sync, in turns:"
            f" {' '.join(shares)}"
        )
        for _, server in arms:
            server.stop()

    def full(self) -> None:
        """1,000,000 keys of 1 KiB: fill, memory, a range, restart to the first read."""
        ranged = replace(CASES[6], keys=FULL_KEYS)
        assert ranged.mode == "range"
        rates: list[float] = []
        for name, server in (("ours, fsync", self.fsync), ("etcd, fsync", self.etcd)):
            if server is None:
                continue
            server.start()
            print(f"{name}: {FULL_KEYS:,} keys are put", file=sys.stderr, flush=True)
            rate = FULL_KEYS / self.fill(server, FULL_KEYS)
            rates.append(rate)
            self.row(name, server, ranged)
            if server is self.fsync:
                self.ranges_in_turns(ranged)
            resident = resident_bytes(server.pids) / 1e9
            own = resident_bytes(server.pids, "RssAnon") / 1e9
            server.stop()
            begun = time.perf_counter()
            server.start()
            self.first_read(server)
            restart_s = time.perf_counter() - begun
            after = resident_bytes(server.pids) / 1e9
            print(
                f"{FULL_KEYS:,} keys, {name}: fill {rate:,.0f}/s; resident {resident:.2f} GB"
                f" ({own:.2f} without mapped files), {after:.2f} after restart; start to first"
                f" read {restart_s:.1f} s",
                flush=True,
            )
            if server is self.fsync:
                claim("resident; wanted at most 1.5 GB", max(resident, after) <= RESIDENT_GB_MAX)
                claim("start to first read; wanted at most 6 s", restart_s <= RESTART_S_MAX)
            server.stop()
        if len(rates) == 2:
            times = rates[0] / rates[1]
            claim(
                f"{times:.1f} times the rate of etcd's fill; wanted {FILL_TIMES:.0f}",
                times >= FILL_TIMES,
            )

    def ranges_in_turns(self, ranged: Case) -> None:
        """The same range out of all keys and out of KEYS, in turns; the least of each counts."""
        self.small.start()
        self.fill(self.small, KEYS)
        arms = (("ours, fsync", self.fsync), (f"ours, {KEYS:,} keys", self.small))
        costs: dict[str, list[float]] = {name: [] for name, _ in arms}
        for name, server in arms * TURNS:
            costs[name].append(self.row(name, server, ranged).server_us)
        self.small.stop()
        of_all, of_few = map(min, costs.values())
        claim(
            f"{of_all / of_few:.2f} times the CPU of the same range of {KEYS:,} keys; wanted at"
            f" most {FLAT}",
            of_all <= of_few * FLAT,
        )

    def first_read(self, server: Server) -> None:
        case = Case("get", "get", 1, 1)
        if isinstance(server, Shards):
            load_by_frames(server, case, 0, 0)
        else:
            assert self._tool is not None
            load_by_grpc(self._tool, server, "get", grpc_arguments(case, 0.001, 0))


def show(name: str, case: Case, result: Result) -> None:
    cores = (result.server_cpu_s + result.loader_cpu_s) / result.seconds
    print(
        f"{case.name:<15}{case.in_flight:>9}  {name:<22}{result.count / result.seconds:>9,.0f}"
        f"{result.p50_s * 1e3:>9.2f}{result.p99_s * 1e3:>9.2f}"
        f"{result.server_us:>10.1f}{result.loader_us:>10.1f}{cores:>6.2f}"
        f"{'' if cores < CORES_MAX else '  (no rate: the machine is full)'}",
        flush=True,
    )


def verdict(case: Case, ours: Result, theirs: Result) -> None:
    """What is wanted of a row, and whether it is so."""
    multiple = theirs.server_us / ours.server_us
    held = ours.server_us <= case.bar_us if case.bar_us else multiple >= 4
    wanted = f"{case.bar_us:.0f} µs" if case.bar_us else "4 times less"
    claim(f"{multiple:.1f} times less CPU; wanted {wanted}", held)
    if case.rate_times:
        times = ours.count / ours.seconds / (theirs.count / theirs.seconds)
        claim(f"{times:.1f} times the rate; wanted {case.rate_times}", times >= case.rate_times)
    if case.p99_ms:
        bar_ms = theirs.p99_s * 1e3 if case.p99_ms == inf else case.p99_ms
        name = "no worse than etcd's" if case.p99_ms == inf else f"under {case.p99_ms:.0f} ms"
        claim(f"p99 {ours.p99_s * 1e3:.1f} ms; wanted {name}", ours.p99_s * 1e3 <= bar_ms)


def claim(words: str, held: bool) -> None:
    print(f"{'':<26}{words}: {'yes' if held else 'NO'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", choices=("beside", "two", "others"), help="a part of the table")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        directory = Path(name)
        tool = build_tool(directory)
        if tool is None:
            print("NO GO: the rows of etcd and of the gRPC door are SKIPPED", file=sys.stderr)
        elif ETCD is None:
            print("NO ETCD (etcd-server): its rows are SKIPPED", file=sys.stderr)
        bench = Bench(directory, chosen.seconds, tool)
        floor = log_alone(directory, RECORD_BYTES, chosen.seconds)
        echo_s = put_floor(directory, ARMS[0], chosen.seconds)
        print(
            f"keys of {KEY_BYTES} bytes under {PREFIX.decode()}, values of 1,024; to append such a"
            f" record and sync takes a process that does nothing else {floor.p50_s * 1e3:.2f} ms"
            f" (median) and {floor.cpu_s / floor.count * 1e6:.0f} µs of CPU here; one that only"
            f" echoes, with such a sync for each request, {echo_s * 1e6:.0f}\n{HEAD}"
        )
        if chosen.only in (None, "beside"):
            bench.beside(CASES)
        if chosen.only in (None, "two"):
            bench.two_beside_one()
        if chosen.only in (None, "others"):
            bench.others()
        if chosen.full:
            for used in ("fsync-1-0", "etcd"):
                shutil.rmtree(directory / used, ignore_errors=True)
            bench.full()


if __name__ == "__main__":
    main()
