"""The generator processes of a run, seen from the driver: start, synchronise, follow, stop."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from loadtest.bodies import IMAGE
from loadtest.client import Endpoint
from loadtest.compiled import SCHEDULE_FILE, Compiled
from loadtest.fields import SECOND_NS
from loadtest.generator_config import GeneratorConfig, write_config, write_private

READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0


class GeneratorError(Exception):
    """A generator could not be started; the text is one sentence for the user."""


class _Process:
    """One generator and the thread that reads its status lines."""

    def __init__(self, config: Path, log: Path, news: threading.Event) -> None:
        """``news`` is set after each line and after the end."""
        self.log = log
        self._news = news
        with log.open("wb") as errors:
            # A session of its own: ctrl-C is the driver's to handle, the generator gets SIGTERM.
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "loadtest.generator", str(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                cwd=Path(__file__).resolve().parent.parent,
            )
        self.ready = threading.Event()
        self.requests_s_max = 0.0
        self.status: dict[str, float] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.popen.stdout
        for line in self.popen.stdout:
            if line.startswith(b"{"):
                self.status = json.loads(line)
            elif line.startswith(b"ready "):
                self.requests_s_max = float(line.split()[1])
                self.ready.set()
            self._news.set()
        self.popen.wait()
        self._news.set()

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self.popen.poll()}"

    def close(self) -> None:
        self._thread.join(timeout=5)
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


class GeneratorFleet:
    """All generators of one run.

    ``servers``: all API servers, over which each generator spreads its load; none: the endpoint's.
    ``bundle``: the run directory, which holds the schedule already. ``private``: a directory for
    the token and the configurations.
    """

    def __init__(
        self,
        compiled: Compiled,
        endpoint: Endpoint,
        bundle: Path,
        private: Path,
        servers: Sequence[str] = (),
    ) -> None:
        knobs = compiled.campaign.generator
        token_file = private / "token"
        write_private(token_file, endpoint.token)
        self._news = threading.Event()
        self._processes: list[_Process] = []
        for index in range(knobs.processes):
            config = GeneratorConfig(
                servers=list(servers) or [endpoint.server],
                ca_file=endpoint.ca_file,
                token_file=str(token_file),
                identity_file=endpoint.identity_file,
                schedule=str(bundle / SCHEDULE_FILE),
                index=index,
                processes=knobs.processes,
                in_flight_max=knobs.in_flight_max,
                request_timeout_s=knobs.request_timeout_ns / SECOND_NS,
                image=compiled.target.image if compiled.target else IMAGE,
                seed=compiled.campaign.seed,
                trace_share=compiled.campaign.trace_share,
                spans=str(bundle / f"spans-{index}.jsonl"),
                samples=str(bundle / f"samples-{index}.csv.gz"),
                result=str(bundle / f"generator-{index}.json"),
            )
            path = private / f"generator-{index}.json"
            write_config(config, path)
            self._processes.append(_Process(path, bundle / f"generator-{index}.log", self._news))

    @property
    def pids(self) -> list[int]:
        return [process.popen.pid for process in self._processes if process.popen.poll() is None]

    def wait_ready(self) -> None:
        """Raises GeneratorError."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        for process in self._processes:
            while not process.ready.is_set():
                left_s = deadline - time.monotonic()
                if process.popen.poll() is not None or left_s <= 0:
                    raise GeneratorError(f"a generator did not start: {process.last_words()}")
                self.wait_news(left_s)

    def ceiling(self) -> str:
        """What they said of themselves before the run, for people."""
        each = [process.requests_s_max for process in self._processes]
        many = "s" if len(each) > 1 else ""
        return (
            f"{len(each)} generator{many}: good for about {sum(each):,.0f} small requests/s, "
            f"each with a core of its own"
        )

    def wait_news(self, timeout_s: float) -> None:
        """Return when a generator has said something or ended since the last call."""
        self._news.wait(timeout_s)
        self._news.clear()

    def go(self, start_wall_ns: int) -> None:
        """Let all begin at the same moment."""
        for process in self._processes:
            assert process.popen.stdin
            process.popen.stdin.write(f"{start_wall_ns}\n".encode())
            process.popen.stdin.flush()

    @property
    def running(self) -> bool:
        return any(process.popen.poll() is None for process in self._processes)

    def failures(self) -> list[str]:
        """Generators that ended badly."""
        return [
            f"generator {index} failed: {process.last_words()}"
            for index, process in enumerate(self._processes)
            if process.popen.poll() not in (None, 0)
        ]

    def totals(self) -> dict[str, float]:
        """Sums of the last status lines; of times, the worst."""
        out: dict[str, float] = {}
        for process in self._processes:
            for key, value in process.status.items():
                if key == "t_s" or key.endswith("_ms"):
                    out[key] = max(out.get(key, 0.0), value)
                else:
                    out[key] = out.get(key, 0.0) + value
        return out

    def stop(self) -> None:
        """Ask, wait, kill; leaves no process. Idempotent."""
        for process in self._processes:
            if process.popen.poll() is None:
                process.popen.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in self._processes:
            try:
                process.popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
            process.close()
