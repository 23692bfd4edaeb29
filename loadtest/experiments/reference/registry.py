"""All reference experiments that there are, and the places of those that are not."""

from collections.abc import Sequence
from typing import Final

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

EXPERIMENTS: Final[tuple[Experiment, ...]] = (
    r01_heartbeats.EXPERIMENT,
    r03_list_storm.EXPERIMENT,
    r04_consistent_list.EXPERIMENT,
    r05_fanout.EXPERIMENT,
    r06_single_writer.EXPERIMENT,
    r07_scoring_pool.EXPERIMENT,
    r08_sampling.EXPERIMENT,
    r09_constraints.EXPERIMENT,
)
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
    """Experiments by id, in the order of the catalogue; all for none. UnknownExperiment."""
    by_id = {one.id: one for one in EXPERIMENTS}
    places = {one.id: one for one in MISSING}
    for name in names:
        if name.upper() in places:
            raise UnknownExperiment(
                f"{name.upper()} is not there yet: it needs {places[name.upper()].needs}"
            )
        if name.upper() not in by_id:
            raise UnknownExperiment(
                f"there is no experiment {name!r}: choose from {', '.join(by_id)}"
            )
    wanted = {name.upper() for name in names} or by_id.keys()
    return tuple(one for one in EXPERIMENTS if one.id in wanted)
