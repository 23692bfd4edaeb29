"""All reference experiments that there are, and the places of those that are not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from loadtest.experiments.reference import (
    r01_heartbeats,
    r03_list_storm,
    r04_consistent_list,
    r05_fanout,
    r06_single_writer,
    r07_scoring_pool,
    r08_sampling,
    r09_constraints,
)
from loadtest.experiments.reference.experiment import Experiment, Missing
from loadtest.experiments.reference.files import Study, read_experiment, shipped

STUDIES: Final[dict[str, Study[Any]]] = {
    "R1": r01_heartbeats.STUDY,
    "R3": r03_list_storm.STUDY,
    "R4": r04_consistent_list.STUDY,
    "R5": r05_fanout.STUDY,
    "R6": r06_single_writer.STUDY,
    "R7": r07_scoring_pool.STUDY,
    "R8": r08_sampling.STUDY,
    "R9": r09_constraints.STUDY,
}
EXPERIMENTS: Final = shipped(STUDIES)
MISSING: Final = (
    Missing(
        "R2",
        "Endpoints O(P² N) against EndpointSlice",
        "the Endpoints controller and kube-proxy's watch of every node",
    ),
    Missing(
        "R10",
        "kube-proxy programming and first-packet cost",
        "a kube-proxy that programs rules in each mode",
    ),
    Missing(
        "R11",
        "Client QPS bounds controllers; deletion at QPS/2",
        "a token bucket in the clients of controllers, and a collector that asks before it deletes",
    ),
    Missing(
        "R12",
        "Node-failure storm: 0.1/s eviction, 10x cliff at 55 %",
        "nodes that fall silent by plan, in zones",
    ),
)


class UnknownExperiment(ValueError):
    """The text is one sentence for the user."""


def chosen(names: Sequence[str]) -> tuple[Experiment, ...]:
    """Experiments by id, in the order of the catalogue, all for none; then those of files, which
    are paths that end in .yaml. UnknownExperiment, CampaignError."""
    by_id = {one.id: one for one in EXPERIMENTS}
    places = {one.id: one for one in MISSING}
    files = [Path(name) for name in names if name.endswith(".yaml")]
    ids = [name.upper() for name in names if not name.endswith(".yaml")]
    for name in ids:
        if name in places:
            raise UnknownExperiment(f"{name} is not there yet: it needs {places[name].needs}")
        if name not in by_id:
            raise UnknownExperiment(
                f"there is no experiment {name!r}: choose from {', '.join(by_id)}, or give a file"
            )
    wanted = ids if names else list(by_id)
    found = [one for one in EXPERIMENTS if one.id in wanted]
    for path in files:
        found.append(read_experiment(path, STUDIES))
        if [one.id for one in found].count(found[-1].id) > 1:
            raise UnknownExperiment(f"{path}: {found[-1].id} is asked for twice")
    return tuple(found)
