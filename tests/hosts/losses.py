"""What becomes of a run when a machine is lost, cut off, or joins, over four real Ray machines.

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
LOADED = "load: nodes Ready 20/20"
PROGRAM = "ray::ProgramHost"
MACHINE = "ray::Machine"


class Run:
    """A run that is under load, and what it says."""

    def __init__(self, cluster: Launched, shards: int) -> None:
        self.cluster = cluster
        cluster.desk.write(f"{CLONE}/examples/losses.yaml", CAMPAIGN % shards)
        submit = page_commands()[2].replace("many-machines.yaml", "losses.yaml")
        self.job = cluster.type(submit)
        self.said = ""
        self.until(LOADED)

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


def await_none(machine: Machine) -> None:
    """Until no process of the cluster is on a machine. AssertionError when some stay."""
    for word in (PROGRAM, MACHINE, "actors.ray.reaper"):
        running = {}
        for pid in of(machine, word):
            with suppress(FileNotFoundError, ProcessLookupError):
                running[pid] = start_ticks(pid)
        assert not await_exit(running, WAIT_S), (machine.name, of(machine, word))


CASES: dict[str, Callable[[Launched], str]] = {
    "without-a-shard": without_a_shard,
    "with-a-shard": with_a_shard,
    "cut-off": cut_off,
}


def main(names: list[str]) -> None:
    why = missing()
    if why:
        raise SystemExit(f"losses of machines SKIPPED: {why}")
    for name in names or CASES:
        with launched(workers=2, spare=1) as cluster:
            print(f"{name}: {CASES[name](cluster)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
