"""Deaths and returns of processes, as their supervisor hears of them."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from actors.lives import Life, Lives
from actors.outages import RESTARTS_MAX, Outage, gone, outages_of, serving, stranded

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
PROGRAM = """
import sys
from actors.lives import Pulse
pulse = Pulse(sys.argv[1], sys.argv[2])
if sys.argv[3] == "up":
    pulse.up()
sys.stdin.read()
"""


def begin(cluster: str, program: str, how: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", PROGRAM, cluster, program, how]
    return subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT)


def test_a_kill_is_heard_and_so_is_the_return() -> None:
    cluster = f"test-{os.getpid()}-lives"
    lives = Lives(cluster)
    first = begin(cluster, "store-0", "up")
    stuck = begin(cluster, "store-1", "starting")
    try:
        assert lives.wait(lambda all_: serving(all_) == {"store-0": first.pid}, PATIENCE_S)
        assert lives.wait(lambda all_: len(all_) == 2, PATIENCE_S)
        first.send_signal(signal.SIGKILL)
        assert lives.wait(lambda all_: not serving(all_), PATIENCE_S)
        (away,) = outages_of(lives.all())
        assert (away.program, away.back_ns, away.pids) == ("store-0", 0, (first.pid,))
        second = begin(cluster, "store-0", "up")
        try:
            assert lives.wait(lambda all_: serving(all_) == {"store-0": second.pid}, PATIENCE_S)
            (back,) = outages_of(lives.all())
            assert back.died_ns == away.died_ns < back.back_ns
        finally:
            second.communicate()
        assert not lives.wait(lambda all_: len(all_) == 9, 0.0)
    finally:
        for process in (first, stuck):
            process.kill()
            process.communicate()
        lives.close()
        lives.close()


def test_a_process_that_dies_before_it_serves_prolongs_the_outage() -> None:
    lives = [
        Life("a", 1, 10, up_ns=20, ended_ns=30),
        Life("b", 2, 10, up_ns=20),
        Life("a", 3, 40, ended_ns=50),
        Life("a", 4, 60, up_ns=70, ended_ns=80),
    ]
    assert outages_of(lives) == [Outage("a", 30, 70, (1, 3)), Outage("a", 80, 0, (4,))]
    assert serving(lives) == {"b": 2}


def test_a_program_is_gone_when_it_died_once_more_than_it_is_started_again() -> None:
    lives = [Life("a", 1, 10, up_ns=20), Life("b", 2, 10, up_ns=20, ended_ns=30)]
    for number in range(RESTARTS_MAX):
        assert gone(lives) == []
        lives.append(Life("b", 3 + number, 40 + number))
        assert gone(lives) == []
        lives[-1] = replace(lives[-1], ended_ns=50 + number)
    assert gone(lives) == ["b"]


def test_what_another_machine_tells_is_heard_by_our_clock() -> None:
    lives = Lives(f"test-{os.getpid()}-told")
    try:
        # Its clock is far behind; what it says of the order holds, what it says of the time not.
        lives.told("node-1", "10.0.0.2", [Life("hollow-0", 7, 1)])
        (seen,) = lives.all()
        assert (seen.machine, seen.up_ns, seen.ended_ns) == ("10.0.0.2", 0, 0)
        lives.told("node-1", "10.0.0.2", [Life("hollow-0", 7, 1, 2)])
        (up,) = lives.all()
        assert up.began_ns == seen.began_ns > 1_000_000_000
        assert up.up_ns >= up.began_ns
        assert serving(lives.all()) == {"hollow-0": 7}
        lives.told("node-1", "10.0.0.2", [Life("hollow-0", 7, 1, 2, 3), Life("hollow-0", 8, 4, 5)])
        first, second = lives.all()
        assert (first.up_ns, second.ended_ns) == (up.up_ns, 0)
        assert not first.lost
        assert stranded(lives.all()) == []
    finally:
        lives.close()


def test_a_lost_machine_takes_its_lives_with_it_and_another_may_have_its_address() -> None:
    lives = Lives(f"test-{os.getpid()}-lost")
    try:
        lives.told("node-1", "10.0.0.2", [Life("store-0", 7, 1, 2), Life("hollow-0", 8, 1, 2)])
        lives.told("node-2", "10.0.0.3", [Life("scheduler", 7, 1, 2)])
        lives.told("node-1", "10.0.0.2", [])
        assert serving(lives.all()) == {"scheduler": 7}
        assert sorted(stranded(lives.all())) == ["hollow-0 (10.0.0.2)", "store-0 (10.0.0.2)"]
        lives.told("node-3", "10.0.0.2", [Life("hollow-0", 9, 1, 2)])
        assert stranded(lives.all()) == ["store-0 (10.0.0.2)"]
        assert serving(lives.all()) == {"scheduler": 7, "hollow-0": 9}
        assert lives.wait(lambda all_: len(all_) == 4, PATIENCE_S)
    finally:
        lives.close()
