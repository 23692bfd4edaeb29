"""What becomes of a run when a machine is lost, cut off, or joins, over real Ray machines.

    python -m tests.hosts.losses [CASE...]

A soak: Ray takes its time to give a machine up. One line for each case, AssertionError if it does
not hold. Machines are namespaces that this makes (tests/hosts/rig.py); it needs root.
"""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from actors.processes import await_exit, start_ticks
from tests.hosts.launched import CLONE, WAIT_S, Launched, launched, page_commands
from tests.hosts.rig import Machine, missing

CAMPAIGN = """
apiVersion: hollowfleet.dev/v1alpha1
kind: Campaign
metadata: {name: losses}
spec:
  seed: 1
  settle: 300s
  generator: {latenessMax: 300s, inFlightMax: 10000, requestTimeout: 60s}
  slos: {mutatingP99: 300s, getP99: 300s, listP99: 300s, podStartP99: 300s}
  faults: {%s}
  cluster:
    {machines: 3, nodes: 20, storeShards: %d, schedulerPartitions: 1, controllerShards: 1,
     hollowActors: 2}
  phases:
    - name: load
      duration: 60s
      load:
        - {scenario: deployments, arrivals: constant, rate: 1/s, replicas: 2}
        - {scenario: readers, arrivals: constant, rate: 10/s}
"""
JOB = "losses"
LOADED = "load: nodes Ready 20/20"
PROGRAM = "ray::ProgramHost"
MACHINE = "ray::Machine"


class Run:
    """A run that is under load, and what it says."""

    def __init__(
        self, cluster: Launched, shards: int, faults: str = "", until: str = LOADED
    ) -> None:
        self.cluster = cluster
        cluster.desk.write(f"{CLONE}/examples/losses.yaml", CAMPAIGN % (faults, shards))
        submit = page_commands()[2].replace("many-machines.yaml", "losses.yaml")
        self.job = cluster.type(submit.replace("submit", f"submit --submission-id={JOB}"))
        self.said = ""
        self.until(until)

    def until(self, word: str) -> None:
        assert self.job.stdout
        for line in self.job.stdout:
            self.said += line
            if word in line:
                return
        raise AssertionError(f"{word!r} was not said: {self.said}")

    def end(self) -> dict[str, Any]:
        """Its state, once it has ended and its bundle has come back."""
        rest, _ = self.job.communicate(timeout=WAIT_S)
        self.said += rest
        self.cluster.typed(page_commands()[3])
        with tempfile.TemporaryDirectory() as directory:
            run = self.cluster.bundle(self.said, Path(directory))
            assert (run / "report.html").stat().st_size > 10_000
            assert (run / "samples-0.csv.gz").stat().st_size > 100
            state: dict[str, Any] = json.loads((run / "state.json").read_text())
            state["summary"] = json.loads((run / "summary.json").read_text())
        return state

    def machine_with(self, shard: bool) -> Machine:
        """A worker that has a shard, or has programs and no shard."""
        for machine in self.cluster.workers:
            for programs in re.findall(rf"^{machine.address}: (.*)\.$", self.said, re.MULTILINE):
                if ("store-" in programs) == shard:
                    return machine
        raise AssertionError(self.said)


def of(machine: Machine, word: str) -> dict[int, str]:
    return {pid: line for pid, line in machine.processes().items() if word in line}


def without_a_shard(cluster: Launched) -> str:
    """A machine joins; then one without a shard is lost: the run goes on, with the gap shown."""
    run = Run(cluster, shards=1)
    spare = cluster.rig.add("worker-2")
    cluster.join_by_hand(spare)
    run.until(f"Machine {spare.address} joined")
    lost = run.machine_with(shard=False)
    lost.lose()
    run.until(f"Machine {lost.address} was lost.")
    state = run.end()
    assert (state["outcome"], state["error"]) == ("complete", ""), state
    assert state["outages"]
    assert all(outage["back_ns"] for outage in state["outages"]), state["outages"]
    assert not any("store-" in str(outage["program"]) for outage in state["outages"])
    assert f"Machine {lost.address} was lost." in state["placement"]
    assert state["summary"]["stamp"] == "INVALID", "it was not planned"
    assert state["audit"]["missing_total"] == 0
    assert state["audit"]["acknowledged"] > 0
    away = max(outage["back_ns"] - outage["died_ns"] for outage in state["outages"]) / 1e9
    return f"{len(state['outages'])} programs were away for up to {away:.1f} s and came back"


def with_a_shard(cluster: Launched) -> str:
    """One with a shard is lost: the run ends, its data are kept and stamped, no process stays."""
    run = Run(cluster, shards=2)
    lost = run.machine_with(shard=True)
    began = time.monotonic()
    lost.lose()
    state = run.end()
    took_s = time.monotonic() - began
    assert state["outcome"] == "failed"
    assert "a machine with a shard was lost" in state["error"], state["error"]
    assert state["summary"]["stamp"] == "PARTIAL"
    assert state["summary"]["requests"] > 0
    for machine in (cluster.head, *cluster.workers):
        if machine is not lost:
            await_none(machine)
    return f"ended and reported {took_s:.1f} s later"


def cut_off(cluster: Launched) -> str:
    """One is cut off: it kills its own programs and removes their files. It is not believed when
    it is back."""
    run = Run(cluster, shards=1)
    cut = run.machine_with(shard=False)
    programs = {pid: start_ticks(pid) for pid in of(cut, PROGRAM)}
    assert programs
    began = time.monotonic()
    cut.cut()
    assert not await_exit(programs, WAIT_S), "it did not fence itself"
    fenced_s = time.monotonic() - began
    await_none(cut)
    assert not cut.run("sh", "-c", "ls -A /root/runs/*/cluster || true", timeout_s=WAIT_S).count(
        "security"
    )
    run.until(f"Machine {cut.address} was lost.")
    cut.mend()
    state = run.end()
    assert (state["outcome"], state["error"]) == ("complete", ""), state
    assert all(outage["back_ns"] for outage in state["outages"]), state["outages"]
    await_none(cut)
    return f"fenced {fenced_s:.1f} s after its cable was pulled"


def stopped(cluster: Launched) -> str:
    """The job is stopped, then the Ray cluster: nothing stays on any machine."""
    run = Run(cluster, shards=2)
    cluster.typed(f"RAY_AUTH_MODE=token ray job stop --address http://10.0.0.11:8265 {JOB}")
    run.job.communicate(timeout=WAIT_S)
    for machine in (cluster.head, *cluster.workers):
        await_none(machine)
        left = machine.run("sh", "-c", "find /root/runs -name security", timeout_s=WAIT_S)
        assert "/security" not in left, left
    cluster.typed("RAY_UP_enable_autoscaler_v2=0 ray down -y cluster.yaml")
    began = time.monotonic()
    for machine in cluster.workers:
        await_none(machine, "raylet/raylet")
    return f"workers left {time.monotonic() - began:.1f} s after ray down"


def bad_network(cluster: Launched) -> str:
    """Delay and loss on every connection between programs: slower, and nothing is lost."""
    state = Run(cluster, shards=2, faults="network: {delay: 20ms, jitter: 10ms, loss: 0.02}").end()
    assert (state["outcome"], state["error"], state["outages"]) == ("complete", "", []), state
    assert state["summary"]["failed"] == 0
    (p99_s,) = (
        latency["p99"]
        for key, latency in state["summary"]["latency_s"].items()
        if key.startswith("create ")
    )
    assert p99_s >= 2 * 0.02, "there and back"
    return f"p99 of creates {p99_s * 1e3:.0f} ms"


def killed(cluster: Launched) -> str:
    """The campaign kills programs on other machines: each comes back, and nothing is lost."""
    state = Run(cluster, shards=2, faults="kills: [store-0, hollow, scheduler]").end()
    assert (state["outcome"], state["error"]) == ("complete", ""), state
    assert len(state["outages"]) == 3
    assert all(outage["planned"] and outage["back_ns"] for outage in state["outages"])
    assert state["audit"]["missing_total"] == 0
    assert state["audit"]["acknowledged"] > 0
    return "3 programs came back, nothing acknowledged was lost"


def unreachable(cluster: Launched) -> str:
    """A worker cannot be reached: the run says who is there, and ends."""
    run = Run(cluster, shards=1, until="waiting for 3 machines")
    rest, _ = run.job.communicate(timeout=WAIT_S)
    there = ", ".join(one.address for one in (cluster.head, cluster.workers[1]))
    said = f"only 2 of 3 machines are in the Ray cluster after 300 s ({there})"
    assert said in rest, rest
    return said


def await_none(machine: Machine, *words: str) -> None:
    """Until no process of the cluster, or with these words, is on a machine. AssertionError when
    some stay."""
    for word in words or (PROGRAM, MACHINE, "actors.ray.reaper"):
        running = {}
        for pid in of(machine, word):
            with suppress(FileNotFoundError, ProcessLookupError):
                running[pid] = start_ticks(pid)
        assert not await_exit(running, WAIT_S), (machine.name, of(machine, word))


CASES: dict[str, Callable[[Launched], str]] = {
    "without-a-shard": without_a_shard,
    "with-a-shard": with_a_shard,
    "cut-off": cut_off,
    "stopped": stopped,
    "bad-network": bad_network,
    "killed": killed,
    "unreachable": unreachable,
}


def main(names: list[str]) -> None:
    why = missing()
    if why:
        raise SystemExit(f"losses of machines SKIPPED: {why}")
    for name in names or CASES:
        unplugged = int(name == "unreachable")
        with launched(workers=2, spare=1, unplugged=unplugged) as cluster:
            print(f"{name}: {CASES[name](cluster)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
