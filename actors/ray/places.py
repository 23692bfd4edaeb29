"""Placement groups of a cluster: one bundle for each program, on this machine or over many."""

from collections.abc import Mapping, Sequence
from typing import Any

from actors.blueprint import Part
from actors.placement import Group

BUNDLE_CPUS = 0.001
"""CPU share that a program asks of Ray: placement is by bundles, not by cores."""
NODE_LABEL = "ray.io/node-id"
"""Ray labels every node so. Source: docs.ray.io, "Use labels to control scheduling"."""
PLACE_S = 60.0


class NoPlace(Exception):
    """Ray did not place programs; the text is one sentence for the user."""


class Places:
    """Every program has a bundle once it is placed. All calls block."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._groups: list[Any] = []
        self._bundles: dict[str, tuple[Any, int]] = {}

    def here(self, parts: Sequence[Part]) -> None:
        """All on this machine, over the Ray nodes that it has: frames stay on loopback."""
        node = f"node:{self._ray.util.get_node_ip_address()}"
        bundle = {"CPU": BUNDLE_CPUS, node: BUNDLE_CPUS}
        self._place([part.name for part in parts], bundle, {}, "SPREAD")

    def apart(self, group: Group, excluded: Sequence[str]) -> None:
        """A group over the nodes that are not ``excluded`` (their ids). NoPlace."""
        selector = f"!in({', '.join(excluded)})"
        if group.beside:
            selector = self.node_of(group.beside)
        made = self._place(
            group.programs, {"CPU": BUNDLE_CPUS}, {NODE_LABEL: selector}, group.strategy
        )
        try:
            self._ray.get(made.ready(), timeout=PLACE_S)
        except self._ray.exceptions.GetTimeoutError:
            raise NoPlace(
                f"Ray found no machines for {', '.join(group.programs)} in {PLACE_S:g} s: "
                "see `ray status`"
            ) from None

    def _place(
        self,
        names: Sequence[str],
        bundle: Mapping[str, float],
        labels: Mapping[str, str],
        strategy: str,
    ) -> Any:
        wishes = {"bundle_label_selector": [dict(labels)] * len(names)} if labels else {}
        made = self._ray.util.placement_group(
            [dict(bundle)] * len(names), strategy=strategy, **wishes
        )
        self._groups.append(made)
        self._bundles.update({name: (made, index) for index, name in enumerate(names)})
        return made

    def strategy_of(self, name: str) -> Any:
        """For the options of a program's actor."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        group, index = self._bundles[name]
        return PlacementGroupSchedulingStrategy(
            placement_group=group, placement_group_bundle_index=index
        )

    def node_of(self, name: str) -> str:
        """Id of the Ray node of a program that is placed."""
        group, index = self._bundles[name]
        table = self._ray.util.placement_group_table(group)
        return str(table["bundles_to_node_id"][index])

    def remove(self) -> None:
        for group in self._groups:
            self._ray.util.remove_placement_group(group)
        self._groups.clear()
