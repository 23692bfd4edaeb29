"""The files of ``campaigns``: what a reference experiment says of itself, its positions and sizes.

    kind: ReferenceExperiment
    metadata: {name: R1}
    spec: {title, mechanism, knob, arms: {historic, remedy}, publishedIn: [...], sizes: {ci, small}}

What is run, and judged, is the study of that name. A copy with other sizes or positions is run by
its path. Errors: CampaignError naming file and key.
"""

from collections.abc import Callable
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, get_args

from loadtest.campaign import API_VERSION
from loadtest.experiments.reference.experiment import Arms, Experiment, Finding, Scale, Tell
from loadtest.fields import Section, load_yaml, nearest

KIND: Final = "ReferenceExperiment"
DIRECTORY: Final = Path(__file__).resolve().parents[3] / "campaigns"
SIZE_MAX: Final = 10_000_000
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Study(Generic[S]):
    """What an experiment's file does not say: how it is run and judged."""

    run: Callable[[Arms, S, Tell], Finding]
    sizes: type[S]
    """A dataclass of whole numbers and tuples of them."""
    positions: tuple[str, ...] | range
    """That its knob may have."""

    def of_file(self, sizes: Section) -> Callable[[Arms, Scale, Tell], Finding]:
        """Reads the sizes of both scales."""
        read: dict[Scale, S] = {
            "ci": read_sizes(self.sizes, sizes.section("ci")),
            "small": read_sizes(self.sizes, sizes.section("small")),
        }
        sizes.done()
        return lambda arms, scale, tell: self.run(arms, read[scale], tell)

    def position(self, section: Section, key: str) -> str:
        word = section.text(key)
        known = self.positions
        if isinstance(known, range):
            if not word.isdigit() or int(word) not in known:
                low, high = known[0], known[-1]
                raise section.error(key, f"must be a text with a number from {low} to {high}")
        elif word not in known:
            raise section.error(key, f"unknown position {word!r}{nearest(word, known)}")
        return word


def read_sizes(kind: type[S], section: Section) -> S:
    """Every field of the dataclass is a key: "window_s" is windowSeconds."""
    found: dict[str, object] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        key = _camel(field.name)
        if not section.has(key) and field.default is NO_DEFAULT:
            raise section.error(key, "is required")
        many = bool(get_args(field.type))
        if many:
            found[field.name] = _numbers(section, key)
        else:
            default = 0 if field.default is NO_DEFAULT else field.default
            found[field.name] = section.integer(key, default, 1, SIZE_MAX)
    section.done()
    return kind(**found)


def _numbers(section: Section, key: str) -> tuple[int, ...]:
    values = section.raw(key)
    whole = isinstance(values, list) and all(type(value) is int for value in values)
    if not isinstance(values, list) or not whole or values != sorted(set(values)):
        raise section.error(key, "must be a list of whole numbers, each larger than the last")
    if len(values) < 2 or not 1 <= values[0] <= values[-1] <= SIZE_MAX:
        raise section.error(key, f"must be two numbers at least, from 1 to {SIZE_MAX}")
    return tuple(values)


def _camel(name: str) -> str:
    """window_s -> windowSeconds, cliff_nodes -> cliffNodes."""
    first, *rest = name.split("_")
    words = {"s": "seconds"}
    return first + "".join(words.get(word, word).capitalize() for word in rest)


def read_experiment(path: Path, studies: dict[str, Study[Any]]) -> Experiment:
    top = Section(str(path), "", load_yaml(path))
    top.choice("apiVersion", (API_VERSION,))
    top.choice("kind", (KIND,))
    metadata = top.section("metadata")
    name = metadata.choice("name", list(studies))
    metadata.done()
    spec = top.section("spec")
    top.done()
    arms = spec.section("arms")
    study = studies[name]
    positions = Arms(study.position(arms, "historic"), study.position(arms, "remedy"))
    arms.done()
    sources = spec.raw("publishedIn")
    if not isinstance(sources, list) or not all(isinstance(one, str) for one in sources):
        raise spec.error("publishedIn", "must be a list of texts")
    found = Experiment(
        id=name,
        title=spec.text("title"),
        mechanism=spec.text("mechanism"),
        knob=spec.text("knob"),
        arms=positions,
        sources=tuple(sources),
        run=study.of_file(spec.section("sizes")),
    )
    spec.done()
    return found


def shipped(studies: dict[str, Study[Any]]) -> tuple[Experiment, ...]:
    """Those of DIRECTORY, in the order of their names."""
    return tuple(read_experiment(path, studies) for path in sorted(DIRECTORY.glob("R*.yaml")))
