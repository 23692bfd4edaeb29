"""A trial: one run of a campaign with some knobs set, known by the hash of all that decides it.

A trial's bundle lies in OUT/trials/KEY. One that came to its end is not run again: sweeps resume
and share what they have in common. In real time an invalid one is tried again.
"""

import copy
import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

from api.core import JsonObject
from loadtest.bundle import BundleError, read_json, read_state
from loadtest.campaign import Campaign, check_real_time, parse_campaign
from loadtest.compiled import Compiled, compile_campaign, document
from loadtest.fields import CampaignError
from loadtest.host import host_facts, versions
from loadtest.overrides import set_value
from loadtest.virtual import check_virtual_time
from sim.campaign.costs import DEFAULT, CostProfile

Shell = Literal["real", "virtual"]
KEY_LETTERS = 16
ROOMS = (
    *("api", "store", "apiserver", "scheduler", "controllers", "hollow_node"),
    *("actors", "sim", "loadtest"),
)
HARDWARE = ("cpu_model", "cores", "cores_usable", "memory_bytes", "machine")
Knobs = tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Base:
    """What all trials of one experiment have in common."""

    document: JsonObject
    """The campaign file with ``--set`` applied."""
    source: str
    """Names it in errors."""
    directory: Path
    """Paths in it are relative to this."""
    shell: Shell


@dataclass(frozen=True, slots=True)
class Trial:
    """One run to be made."""

    base: Base
    knobs: Knobs
    repetition: int
    """From 0; added to the campaign's seed, so that every arm meets the same seeds."""
    costs: CostProfile = DEFAULT
    """In virtual time."""

    def document(self) -> JsonObject:
        """The campaign file of this trial."""
        doc = copy.deepcopy(self.base.document)
        for knob, value in self.knobs:
            set_value(doc, knob, value, f"{self.base.source}: {knob}={value}")
        spec = doc.get("spec")
        if isinstance(spec, dict):
            spec.pop("sweep", None)
            seed = spec.get("seed", 1)
            if isinstance(seed, int) and not isinstance(seed, bool):
                spec["seed"] = seed + self.repetition
        return doc

    def campaign(self) -> Campaign:
        """Errors: CampaignError, which names the knobs."""
        source = self.base.source
        campaign = parse_campaign(self.document(), source + knobs_text(self.knobs, " with "))
        check = check_virtual_time if self.base.shell == "virtual" else check_real_time
        check(campaign, source)
        return campaign

    def compiled(self) -> Compiled:
        return compile_campaign(self.campaign(), self.base.directory)

    def key(self) -> str:
        """Hash of everything that the run's figures follow from."""
        compiled = self.compiled()
        facts: JsonObject = {
            "campaign": document(compiled),
            "nodes": _text_of(compiled.cluster.node_list_csv),
            "scheduler": compiled.cluster.scheduler_configuration,
            "shell": self.base.shell,
            "code": code_digest(),
        }
        if self.base.shell == "virtual":
            facts["costs"] = asdict(self.costs)
        else:
            host, software = host_facts(Path()), versions()
            facts["hardware"] = {name: host[name] for name in HARDWARE}
            facts["software"] = [software["python"], software["packages"]]
        text = json.dumps(facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LETTERS]


def _text_of(path: str) -> str:
    return Path(path).read_text() if path else ""


@cache
def code_digest() -> str:
    """Of this program's source: other code may give other figures."""
    root = Path(__file__).resolve().parent.parent.parent
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def knobs_text(knobs: Knobs, lead: str = "") -> str:
    """For people: "nodes=100, durability=none"; empty without knobs."""
    return lead + ", ".join(f"{knob}={value}" for knob, value in knobs) if knobs else ""


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial with a bundle."""

    trial: Trial
    key: str
    directory: Path
    outcome: str
    """complete, interrupted or failed."""
    summary: JsonObject
    """summary.json; empty where the run was broken off before there was one."""
    error: str = ""

    @property
    def usable(self) -> bool:
        """Its figures may enter a table."""
        return self.outcome == "complete" and self.summary.get("stamp") == "VALID"


def read_finished(trial: Trial, key: str, directory: Path) -> Finished | None:
    """None where there is no bundle that can be read."""
    try:
        state = read_state(directory)
    except BundleError:
        return None
    try:
        summary = cast(JsonObject, read_json(directory, "summary.json"))
    except BundleError:
        summary = {}
    outcome = state.outcome if summary or state.outcome == "interrupted" else "failed"
    return Finished(trial, key, directory, outcome, summary, state.error)


def is_kept(found: Finished) -> bool:
    """Whether a bundle that is there makes another run needless."""
    if found.outcome != "complete":
        return False
    return found.usable or found.trial.base.shell == "virtual"


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Two experiments in one directory would write the same bundles. Errors: CampaignError."""
    (out / "trials").mkdir(parents=True, exist_ok=True)
    with (out / "trials" / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CampaignError(f"{out}: another experiment is running there") from None
        yield
