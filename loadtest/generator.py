"""The process that sends the load: ``python -m loadtest.generator CONFIG.json``.

Open loop: the main greenlet follows the schedule and gives each arrival to a user of Locust's who
is free, whether or not earlier ones have been answered; and the requests of each user of a closed
loop to one, who waits for the answers.
It talks to its parent by lines: "ready" and its own ceiling in requests/s on stdout, then the
parent writes the start as wall clock ns, then a JSON status line each second, last "done". SIGTERM
ends it early with what it has. Imports Locust, which patches the process.
"""

# Locust patches sockets and ssl on import, so it comes first.
from locust.env import Environment  # isort: skip

import gc
import gzip
import json
import os
import signal
import sys
import time
from collections import deque
from functools import partial
from pathlib import Path

import gevent
from gevent.pool import Pool

from loadtest.compiled import parse_schedule
from loadtest.generator_config import GeneratorConfig, read_config
from loadtest.recorder import NO_ANSWER, Recorder
from loadtest.requests import request_of
from loadtest.sampled import RequestLog, Sampling, annotations
from loadtest.schedule import Arrival, open_and_closed
from loadtest.users.ceiling import requests_s_max
from loadtest.users.http import Crew, Sender, Target
from loadtest.users.watchers import WatchUser
from loadtest.users.wire import Answer
from loadtest.window import LatencyWindow

STATUS_PERIOD_S = 1.0
WATCH_TIMEOUT_S = 3600.0
SILENCE = Answer(NO_ANSWER, 0)
GIVEN_AT_ONCE = 64
"""Arrivals that are due are given away without a look at what came, so many at most."""


class Generator:
    """One run of one part of a schedule."""

    def __init__(self, config: GeneratorConfig) -> None:
        data = gzip.decompress(Path(config.schedule).read_bytes())
        mine = [a for a in parse_schedule(data) if a.group % config.processes == config.index]
        self.arrivals = mine
        self._config = config
        self.recorder = Recorder(Path(config.samples))
        self._window = LatencyWindow()
        self._sampling = Sampling(config.seed, config.trace_share)
        self._spans = RequestLog(Path(config.spans))
        environment = Environment(host=config.servers[0])
        token = Path(config.token_file).read_text().strip()
        self._timed, self._lanes = open_and_closed(mine)
        watches = sum(1 for a in mine if a.verb == "watch")

        def target(server: str, timeout_s: float) -> Target:
            return Target(server, config.ca_file, token, config.identity_file, timeout_s)

        self._senders = [Sender(target(s, config.request_timeout_s)) for s in config.servers]
        self._watchers = [
            WatchUser(environment, target(s, WATCH_TIMEOUT_S), max(1, watches))
            for s in config.servers
        ]
        self._crew = Crew(environment)
        self._told = environment.stats.total
        """What Locust has heard of."""
        self._open = 0
        """Requests of open loops under way."""
        self._watches = Pool(max(1, watches))
        self._start_ns = 0
        """Wall clock of the start; intervals are read from the monotonic clock."""
        self._start_mono_ns = 0
        self._cpu_at_start_s = 0.0
        self._series: list[dict[str, float]] = []
        self._interrupted = False
        self._main: gevent.Greenlet | None = None

    def run(self, start_wall_ns: int) -> None:
        """Follow the schedule, then wait for what is in flight. Returns when all is written."""
        self._start_ns = start_wall_ns
        self._start_mono_ns = time.monotonic_ns() + start_wall_ns - time.time_ns()
        self._cpu_at_start_s = time.process_time()
        gc.collect()
        gc.freeze()
        status = gevent.spawn(self._report)
        self._main = gevent.spawn(self._dispatch)
        self._main.join()
        if not self._interrupted:
            patience_s = self._config.request_timeout_s + 5
            # The schedule's last time may lie before the end of a closed loop.
            until_us = max((a.until_ns for a in self.arrivals), default=0) // 1000
            rest_s = max(0, until_us - self._since_start_us()) / 1e6
            self._crew.join(rest_s + patience_s)
        self._crew.kill(5)
        self._watches.kill(timeout=5)
        status.kill()
        self._status_line()
        self.recorder.close()
        self._spans.close()
        self._write_result()

    def interrupt(self) -> None:
        self._interrupted = True
        if self._main:
            self._main.kill(block=False)

    def _server_of(self, arrival: Arrival) -> int:
        """The same for all that is done to one object."""
        return arrival.group // self._config.processes % len(self._senders)

    def _since_start_us(self) -> int:
        return (time.monotonic_ns() - self._start_mono_ns) // 1000

    def _dispatch(self) -> None:
        given = 0
        for place in self._timed:
            arrival = self.arrivals[place]
            wait_us = arrival.at_ns // 1000 - self._since_start_us()
            given += 1
            if wait_us > 0 or given == GIVEN_AT_ONCE:
                gevent.sleep(max(0, wait_us) / 1e6)
                given = 0
            if arrival.until_ns:
                self._crew.give(partial(self._loop, self._lanes[arrival.lane]))
            elif arrival.verb == "watch":
                self.recorder.counts["sent"] += 1
                self._watches.spawn(self._watch, arrival)
            elif self._open == self._config.in_flight_max:
                self.recorder.overflow(arrival, self._since_start_us())
            else:
                self.recorder.counts["sent"] += 1
                self._open += 1
                self._crew.give(partial(self._open_request, arrival))

    def _open_request(self, arrival: Arrival) -> bool:
        """Whether the run goes on."""
        try:
            return self._request(arrival)
        finally:
            self._open -= 1

    def _loop(self, mine: deque[int]) -> bool:
        """A user of a closed loop. A request is intended for when it is sent: nobody is late."""
        while mine:
            now_us = self._since_start_us()
            arrival = self.arrivals[mine[0]]
            if now_us >= arrival.until_ns // 1000:
                self.recorder.counts["unreached"] += len(mine)
                return True
            mine.popleft()
            self.recorder.counts["sent"] += 1
            if not self._request(arrival._replace(at_ns=now_us * 1000)):
                return False
        return True

    def _request(self, arrival: Arrival) -> bool:
        """Whether the run goes on."""
        goes_on = True
        context = self._sampling.context(arrival)
        request = request_of(arrival, self._config.image, annotations(context))
        intended_us = arrival.at_ns // 1000
        began_us = intended_us if arrival.until_ns else self._since_start_us()
        try:
            sender = self._senders[self._server_of(arrival)]
            answer = sender.send(request, context.traceparent() if context else "") or SILENCE
        except gevent.GreenletExit:
            answer, goes_on = SILENCE, False
        ended_us = self._since_start_us()
        code, size = answer
        rest = (ended_us - intended_us, ended_us - began_us, size, time.time_ns())
        late_us = max(0, began_us - intended_us)
        sample = self.recorder.sample(arrival, code, late_us, rest)
        self.recorder.record(sample, closed=bool(arrival.until_ns))
        if context is not None:
            due_ns, sent_ns, answered_ns = (
                self._start_ns + us * 1000 for us in (intended_us, began_us, ended_us)
            )
            self._spans.sent(context, arrival, (due_ns, sent_ns, answered_ns), code)
        self._window.add(arrival.verb, code, ended_us - intended_us)
        self._crew.tell(arrival, answer, ended_us - began_us)
        return goes_on

    def _watch(self, arrival: Arrival) -> None:
        began_us = self._since_start_us()

        def opened(code: int) -> None:
            ended_us = self._since_start_us()
            intended_us = arrival.at_ns // 1000
            rest = (ended_us - intended_us, ended_us - began_us, 0, time.time_ns())
            late_us = max(0, began_us - intended_us)
            self.recorder.record(self.recorder.sample(arrival, code, late_us, rest))

        def count(what: str, number: int) -> None:
            self.recorder.counts[what] += number

        self._watchers[self._server_of(arrival)].hold(arrival, opened, count)

    def _report(self) -> None:
        while True:
            gevent.sleep(STATUS_PERIOD_S)
            self._status_line()
            self.recorder.flush()

    def _status_line(self) -> None:
        counts = self.recorder.counts
        row = {
            "t_s": round(self._since_start_us() / 1e6, 3),
            "cpu_s": round(time.process_time() - self._cpu_at_start_s, 4),
            "sent": counts["sent"],
            "done": counts["done"],
            "in_flight": self._crew.busy,
            "watches": len(self._watches),
            "overflow": counts["overflow"],
            "watch_events": counts["watch_events"],
            "lateness_p99_ms": self.recorder.lateness.get_value_at_percentile(99) / 1000,
        }
        self._series.append(row)
        print(json.dumps(row | self._window.take()), flush=True)

    def _write_result(self) -> None:
        result = self.recorder.result()
        told = {"requests": self._told.num_requests, "failures": self._told.num_failures}
        result["locust"] = told
        result["interrupted"] = self._interrupted
        result["start_wall_ns"] = self._start_ns
        result["scheduled"] = len(self.arrivals)
        result["series"] = self._series
        result["cpu_s"] = round(time.process_time() - self._cpu_at_start_s, 4)
        place = Path(self._config.result)
        temporary = place.with_suffix(".tmp")
        temporary.write_text(json.dumps(result))
        temporary.replace(place)


def _end_with_parent(generator: Generator) -> None:
    """End early when the parent is gone, however it went: its end of our input closes."""
    gevent.os.tp_read(0, 1)
    generator.interrupt()


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        print("usage: python -m loadtest.generator CONFIG.json", file=sys.stderr)
        return 2
    config = read_config(Path(argv[1]))
    at_most = requests_s_max(config, Generator)
    generator = Generator(config)
    gevent.signal_handler(signal.SIGTERM, generator.interrupt)
    print(f"ready {at_most:.0f}", flush=True)
    line = gevent.os.tp_read(0, 64)
    if not line.strip():
        return 1
    gevent.spawn(_end_with_parent, generator)
    generator.run(int(line))
    print("done", flush=True)
    return 0


if __name__ == "__main__":
    code = main(sys.argv)
    sys.stdout.flush()
    # Locust's and gevent's exit hooks wait for threads of the pool that hold no data of ours.
    os._exit(code)
