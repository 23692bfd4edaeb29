"""A sweep: every combination of some knobs, repeated with seeds, the arms interleaved.

    spec:
      sweep:
        knobs:                               # as --set has them; every combination is an arm
          nodes: [100, 200, 400]
          durability: [fsync, none]
        repetitions: 3

Repetition r of every arm has the seed of the campaign plus r. Within a repetition the arms run in
an order drawn from the campaign's seed, so that what changes slowly on a machine meets all arms.
"""

import hashlib
import itertools
import json
from dataclasses import asdict, dataclass

from api.streams import Stream
from loadtest.experiments.trials import Base, Knobs, Trial
from loadtest.fields import Section, shown
from sim.campaign.costs import DEFAULT, CostProfile

TRIALS_MAX = 10_000
REPETITIONS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep, checked: every arm is a campaign."""

    name: str
    seed: int
    knobs: tuple[tuple[str, tuple[object, ...]], ...]
    repetitions: int
    base: Base
    costs: CostProfile = DEFAULT

    @property
    def arms(self) -> list[Knobs]:
        names = [name for name, _ in self.knobs]
        grid = itertools.product(*(values for _, values in self.knobs))
        return [tuple(zip(names, values, strict=True)) for values in grid]

    def trials(self) -> list[Trial]:
        """In the order in which they are run."""
        out = []
        for repetition in range(self.repetitions):
            arms = self.arms
            stream = Stream(self.seed, f"sweep/order/{repetition}")
            for last in range(len(arms) - 1, 0, -1):
                other = stream.below(last + 1)
                arms[last], arms[other] = arms[other], arms[last]
            out += [Trial(self.base, arm, repetition, self.costs) for arm in arms]
        return out

    def key(self) -> str:
        """Names the sweep's directory: the same for the same file and overrides."""
        doc = [self.base.document, self.base.shell, self.knobs, self.repetitions]
        doc.append(asdict(self.costs))
        return hashlib.sha256(json.dumps(doc, sort_keys=True).encode()).hexdigest()[:12]


def parse_sweep(base: Base, costs: CostProfile = DEFAULT) -> Sweep:
    """The sweep of a campaign file. Errors: CampaignError, also of an arm that is no campaign."""
    top = base.document.get("spec")
    spec = Section(base.source, "spec", top if isinstance(top, dict) else {})
    section = spec.section("sweep")
    knobs = _knobs(section)
    repetitions = section.integer("repetitions", 1, 1, REPETITIONS_MAX)
    section.done()
    first = Trial(base, tuple((name, values[0]) for name, values in knobs), 0).campaign()
    sweep = Sweep(first.name, first.seed, knobs, repetitions, base, costs)
    count = repetitions
    for _, values in knobs:
        count *= len(values)
    if count > TRIALS_MAX:
        raise section.error("knobs", f"makes {count} runs, of at most {TRIALS_MAX}")
    for arm in sweep.arms:
        Trial(base, arm, 0).campaign()
    return sweep


def _knobs(section: Section) -> tuple[tuple[str, tuple[object, ...]], ...]:
    given = section.raw("knobs")
    if not isinstance(given, dict) or not given:
        raise section.error("knobs", "must map knobs to lists, for example {nodes: [100, 200]}")
    out = []
    for name, values in given.items():
        if not isinstance(values, list) or not values:
            raise section.error(f"knobs.{name}", f"must be a list of values, not {shown(values)}")
        if len({json.dumps(value, sort_keys=True, default=str) for value in values}) < len(values):
            raise section.error(f"knobs.{name}", "has a value twice")
        if name in ("seed", "spec.seed", "name", "metadata.name"):
            raise section.error(f"knobs.{name}", "is not a knob; use repetitions for seeds")
        out.append((str(name), tuple(values)))
    return tuple(out)


def describe_sweep(sweep: Sweep) -> str:
    """For --dry-run: the same text for the same file."""
    arms = len(sweep.arms)
    lines = [f"Sweep    {sweep.name}, seeds {sweep.seed} to {sweep.seed + sweep.repetitions - 1}"]
    lines += [
        f"Knob     {name}: " + ", ".join(str(value) for value in values)
        for name, values in sweep.knobs
    ]
    total = arms * sweep.repetitions
    where = "in virtual time" if sweep.base.shell == "virtual" else "in real time"
    lines.append(f"Runs     {arms} arms x {sweep.repetitions} repetitions = {total}, {where}")
    return "\n".join(lines)
