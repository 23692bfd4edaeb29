"""Who limits a campaign, confirmed by relieving him.

The suspect is the component that is fullest. Then the same campaign is run again with the suspect
relieved, and once more with the next one relieved: what waited in the whole cluster must become
less for the suspect, and less than for the next. In virtual time relieving is to halve service
times; in real time it is to halve what the campaign does to it by intent (``spec.faults.slow``,
bandwidth, ``readRate``), or else to double a knob, where there is one.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from api.core import JsonObject
from loadtest.campaign import Campaign
from loadtest.components import BUSY, LINK, WATCHERS
from loadtest.experiments.runner import Runner
from loadtest.experiments.trials import Base, Finished, Knobs, Trial
from loadtest.faults import kind_of
from loadtest.loads import WatchLoad
from sim.campaign.costs import DISK, CostProfile

RELIEF_PERCENT = 50
GAIN_MIN = 0.1
"""By which share the waiting work must become less, at least, to confirm."""
SUSPECTS = 2
KNOBS = {
    "store": "storeShards",
    "apiserver": "apiServers",
    "partition": "schedulerPartitions",
    "controllers": "controllerShards",
    "hollow": "hollowActors",
}
"""What spreads a component in real time, below spec.cluster."""


class CulpritError(Exception):
    """A run that says nothing; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Relief:
    """A campaign run again with one component relieved."""

    component: str
    utilisation: float
    how: str
    """Empty: it cannot be relieved."""
    waiting: float | None
    """Work that waited, of the median repetition."""
    gain: float | None
    """By which share that is less than without."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """The verdict."""

    waiting: float
    components: list[JsonObject]
    """Of the first repetition, the fullest first."""
    reliefs: list[Relief]
    """Of the suspects, the fullest first."""
    awaited: float | None = None
    """Share of the load in which something waited for a core of the machine."""

    @property
    def name(self) -> str:
        return str(self.components[0]["name"])

    @property
    def near(self) -> bool:
        """Whether the fullest is near its limit."""
        return float(self.components[0]["busiest"]) >= BUSY

    @property
    def confirmed(self) -> bool | None:
        """None: the suspect could not be relieved."""
        gains = [relief.gain for relief in self.reliefs]
        if gains[0] is None:
            return None
        others = [gain for gain in gains[1:] if gain is not None]
        return gains[0] >= GAIN_MIN and gains[0] >= max(others, default=0.0)

    def text(self) -> str:
        """The verdict in two sentences."""
        first, *rest = self.components
        word = "Limited by" if self.near else "Nothing is near its limit; fullest is"
        text = f"{word} {first['name']} at {first['busiest']:.0%} utilisation"
        if rest:
            text += f", next would be {rest[0]['name']} at {rest[0]['busiest']:.0%}"
        relief = self.reliefs[0]
        if relief.gain is None:
            return text + ". Not confirmed: no knob spreads it."
        effect = f"{relief.how}: {self.waiting:.3g} waiting becomes {relief.waiting:.3g}"
        if not self.near:
            if self.awaited is not None and self.awaited >= BUSY:
                text += f"; something waited for a core in {self.awaited:.0%} of the load"
            return f"{text}. {effect[0].upper()}{effect[1:]}."
        mark = "Confirmed" if self.confirmed else "Not confirmed"
        return f"{text}. {mark} by {effect}."


def find_culprit(
    base: Base, costs: CostProfile, repetitions: int, runner: Runner, tell: Callable[[str], None]
) -> Culprit:
    """Errors: CampaignError, CulpritError."""
    before = _runs(base, (), costs, repetitions, runner)
    components: list[JsonObject] = before[0].summary["components"]
    if not components:
        raise CulpritError("no component was sampled: the load is too short")
    waiting = waiting_of(before)
    tell(f"as it is: {waiting:.3g} waiting, fullest {components[0]['name']}")
    reliefs = []
    for component in components[:SUSPECTS]:
        name, busiest = str(component["name"]), float(component["busiest"])
        how, knobs, relieved = relief_of(base, costs, name)
        if not how:
            reliefs.append(Relief(name, busiest, "", None, None))
            continue
        after = waiting_of(_runs(base, knobs, relieved, repetitions, runner))
        gain = 1 - after / waiting if waiting else 0.0
        tell(f"{how}: {after:.3g} waiting")
        reliefs.append(Relief(name, busiest, how, after, round(gain, 4)))
    awaited: float | None = before[0].summary["cores_awaited"]
    return Culprit(waiting, components, reliefs, awaited)


def relief_of(base: Base, costs: CostProfile, name: str) -> tuple[str, Knobs, CostProfile]:
    """What is done, in words, in knobs and in service times; no words: nothing can be done."""
    campaign = Trial(base, (), 0).campaign()
    if planted := _fault_relieved(campaign, name):
        how, key, value = planted
        return how, ((key, value),), costs
    if base.shell == "virtual":
        return f"{name} twice as fast", (), costs.scaled({name: RELIEF_PERCENT})
    knob = KNOBS.get(name.partition("-")[0])
    if knob is None or name.endswith((DISK, LINK, WATCHERS)):
        return "", (), costs
    now = getattr(campaign.cluster, _field(knob))
    return f"{knob} {now} -> {2 * now}", ((f"cluster.{knob}", 2 * now),), costs


def _fault_relieved(campaign: Campaign, name: str) -> tuple[str, str, str | int] | None:
    """Half of what a campaign does to a component by intent: in words, as a knob, and its value.
    None: it does nothing to this one."""
    for place, slow in enumerate(campaign.faults.slow):
        if "/" not in name and slow.component in (name, kind_of(name)):
            before, after = slow.per_operation_ns, slow.per_operation_ns // 2
            words = f"{name} held for {before / 1e6:g} -> {after / 1e6:g} ms an operation"
            return words, f"faults.slow.{place}.perOperation", f"{after}ns"
    width = campaign.faults.network.bandwidth_bytes_s
    if name.endswith(LINK) and width:
        return f"bandwidth {width} -> {2 * width} bytes/s", "faults.network.bandwidth", 2 * width
    if name.endswith(WATCHERS):
        for phase, one in enumerate(campaign.phases):
            for place, load in enumerate(one.load):
                if isinstance(load, WatchLoad) and (rate := load.read_bytes_s):
                    key = f"phases.{phase}.load.{place}.readRate"
                    return f"readRate {rate} -> {2 * rate} bytes/s", key, 2 * rate
    return None


def _field(knob: str) -> str:
    """storeShards -> store_shards."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in knob)


def _runs(
    base: Base, knobs: Knobs, costs: CostProfile, repetitions: int, runner: Runner
) -> list[Finished]:
    trials = [Trial(base, knobs, repetition, costs) for repetition in range(repetitions)]
    done = sorted(runner.run(trials), key=lambda one: one.trial.repetition)
    for finished in done:
        if finished.outcome != "complete":
            raise CulpritError(finished.error or f"a run was {finished.outcome}")
    return done


def waiting_of(done: Sequence[Finished]) -> float:
    return median(waiting_work(finished.summary) for finished in done)


def waiting_work(summary: JsonObject) -> float:
    """Work in the cluster that waits or is under way, on average over the load: requests, pods that
    do not run yet, and what stands in front of each program."""
    queues = sum(component["queue_mean"] or 0.0 for component in summary["components"])
    return float(summary["under_way"]["requests"] + summary["under_way"]["pods"] + queues)


def culprit_document(base: Base, found: Culprit) -> JsonObject:
    return {
        "version": 1,
        "simulated": base.shell == "virtual",
        "culprit": found.name,
        "confirmed": found.confirmed,
        "verdict": found.text(),
        "waiting": found.waiting,
        "components": found.components,
        "reliefs": [
            {
                "component": relief.component,
                "utilisation": relief.utilisation,
                "how": relief.how,
                "waiting": relief.waiting,
                "gain": relief.gain,
            }
            for relief in found.reliefs
        ],
    }


def culprit_directory(base: Base, out: Path) -> Path:
    text = json.dumps([base.document, base.shell], sort_keys=True)
    name = Trial(base, (), 0).campaign().name
    return out / f"culprit-{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
