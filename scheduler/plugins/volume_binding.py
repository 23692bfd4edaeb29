"""VolumeBinding: the pod's volumes are reached from the node, and claims that wait for a pod find a
volume or can be provisioned there.
Source: plugins/volumebinding/volume_binding.go, binder.go; component-helpers/storage/volume/
pv_helpers.go (FindMatchingVolume), v1.36. Storage capacity scoring is off, as by default."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.framework import Filter, Reason
from scheduler.node_selector import matches_any
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.pod_shape import Shape
from scheduler.volume_objects import Claim, StorageClass, Volume
from scheduler.volume_reach import Terms

NAME = "VolumeBinding"
NO_AFFINITY = "node(s) didn't match PersistentVolume's node affinity"
NOT_FOUND = "node(s) didn't find available persistent volumes to bind"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
NO_SPACE = "node(s) did not have enough free storage"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


@dataclass(frozen=True, slots=True)
class Bindings:
    """What one node means for the claims of a pod that wait."""

    matched: tuple[tuple[Claim, Volume], ...] = ()
    provisioned: tuple[Claim, ...] = ()
    reason: str = ""


def has_claims(shape: Shape, _table: NodeTable) -> bool:
    return bool(shape.relations.key.claims)


def stops(shape: Shape, table: NodeTable) -> str:
    """What holds the pod back whatever the node."""
    key, catalog = shape.relations.key, table.volumes
    for name, ephemeral in key.claims:
        claim = catalog.claims.get((key.namespace, name))
        if claim is None:
            if ephemeral:
                waiting = "waiting for ephemeral volume controller to create the"
                return f'{waiting} persistentvolumeclaim "{name}"'
            return f'persistentvolumeclaim "{name}" not found'
        if claim.lost:
            gone = f'bound to non-existent persistentvolume "{claim.volume}"'
            return f'persistentvolumeclaim "{name}" {gone}'
        if claim.deleting:
            return f'persistentvolumeclaim "{name}" is being deleted'
    bound, waiting_claims = claims_of(shape, table)
    return UNBOUND if len(bound) + len(waiting_claims) < len(key.claims) else ""


def claims_of(shape: Shape, table: NodeTable) -> tuple[list[Claim], list[Claim]]:
    """Bound ones, and those that wait for the pod."""
    key, catalog = shape.relations.key, table.volumes
    claims = [catalog.claim((key.namespace, name)) for name, _ in key.claims]
    known = [claim for claim in claims if claim is not None]
    bound = [claim for claim in known if claim.bound]
    return bound, [c for c in known if not c.bound and not c.volume and catalog.waits(c)]


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    """Rows without a node are not looked at."""
    result = table.alive[rows].copy()
    present = np.flatnonzero(result)
    every = np.arange(len(table.alive))[rows]
    for reason in reasons(shape, table, every[present]):
        result[present[reason.rows]] = False
    return result


def reasons(shape: Shape, table: NodeTable, rows: IntArray) -> Sequence[Reason]:
    """Every one of them for each row. Empty where the node would do."""
    bound, waiting = claims_of(shape, table)
    masks = {
        text: np.zeros(len(rows), np.bool_)
        for text in (NO_AFFINITY, NOT_FOUND, NO_SPACE, NO_VOLUME)
    }
    # One by one, until a row is known to be out of reach.
    near = np.ones(len(rows), np.bool_)
    for claim in bound:
        volume = table.volumes.volumes.get(claim.volume)
        if volume is None:
            masks[NO_VOLUME] = near.copy()
            break
        near &= _reached(volume, table, rows)
    masks[NO_AFFINITY] = ~near
    if waiting:
        choices = _Choices(table, waiting, rows)
        for at, row in enumerate(rows.tolist()):
            reason = choices.bind(at, row).reason
            if reason:
                masks[reason][at] = True
    everywhere = np.ones(len(rows), np.bool_)
    return [Reason(text, mask, everywhere) for text, mask in masks.items() if mask.any()]


def _reached(volume: Volume, table: NodeTable, rows: IntArray) -> Mask:
    """A bound volume: where its plugin became a driver, zones are labels of that driver."""
    found = _within(volume.terms, table, rows)
    if volume.migrated_terms != volume.terms:
        migrated = table.volumes.migrated
        names = (table.names[row] for row in rows.tolist())
        there = np.array([volume.plugin in migrated.get(name, ()) for name in names], np.bool_)
        found = np.where(there, _within(volume.migrated_terms, table, rows), found)
    return found


def _within(terms: Terms, table: NodeTable, rows: IntArray) -> Mask:
    return np.ones(len(rows), np.bool_) if terms is None else matches_any(table, rows, terms)


def decides(shape: Shape) -> bool:
    """The profile runs it, and there are claims."""
    named = bool(shape.relations.key.claims)
    return named and any(plugin.name == NAME for plugin in shape.profile.filters)


def bindings_on(shape: Shape, table: NodeTable, row: int) -> Bindings:
    """What becomes of the pod's waiting claims when it goes to this node."""
    _, waiting = claims_of(shape, table)
    rows = np.array([row], np.int64)
    return _Choices(table, waiting, rows).bind(0, row) if waiting else Bindings()


class _Choices:
    """Volumes and classes for some claims over some rows."""

    def __init__(self, table: NodeTable, claims: Sequence[Claim], rows: IntArray) -> None:
        self._table = table
        self._heading = [claim for claim in claims if claim.selected_node]
        """To be provisioned for a node that was chosen before."""
        self._claims = sorted(
            (claim for claim in claims if not claim.selected_node), key=lambda claim: claim.size
        )
        volumes = list(table.volumes.all_volumes())
        self._candidates = {
            claim.name: [
                (volume, _within(volume.terms, table, rows))
                for volume in volumes
                if volume.storage_class == claim.storage_class and _suits(volume, claim)
            ]
            for claim in self._claims
        }

    def bind(self, at: int, row: int) -> Bindings:
        """``at``: the row's position among the rows."""
        node = self._table.names[row]
        matched: list[tuple[Claim, Volume]] = []
        if any(claim.selected_node != node for claim in self._heading):
            return Bindings(reason=NOT_FOUND)
        rest = list(self._heading)
        for claim in self._claims:
            taken = [volume.name for _, volume in matched]
            found = self._smallest(claim, at, taken)
            if found is None:
                rest.append(claim)
            else:
                matched.append((claim, found))
        reason = ""
        for claim in rest:
            reason = self._why_not(claim, row)
            if reason:
                break
        return Bindings(tuple(matched), tuple(rest), reason)

    def _smallest(self, claim: Claim, at: int, taken: Sequence[str]) -> Volume | None:
        best: Volume | None = None
        for volume, reach in self._candidates[claim.name]:
            if volume.name in taken:
                continue
            if volume.claim is not None:
                # Meant for this claim: it or none.
                return volume if reach[at] else None
            if reach[at] and (best is None or volume.size < best.size):
                best = volume
        return best

    def _why_not(self, claim: Claim, row: int) -> str:
        """Why a claim cannot be provisioned for a node; empty when it can."""
        catalog, table = self._table.volumes, self._table
        storage = catalog.classes[claim.storage_class]
        if storage.provisioner in ("", NO_PROVISIONER):
            return NOT_FOUND
        labels = table.facts(row).labels
        if storage.topologies and not any(
            term and all(labels.get(key) in values for key, values in term)
            for term in storage.topologies
        ):
            return NOT_FOUND
        return "" if self._has_space(storage, claim, row) else NO_SPACE

    def _has_space(self, storage: StorageClass, claim: Claim, row: int) -> bool:
        catalog, labels = self._table.volumes, self._table.facts(row).labels
        if not catalog.drivers.get(storage.provisioner):
            return True
        return any(
            capacity.storage_class == storage.name
            and capacity.largest >= claim.size
            and capacity.topology is not None
            and capacity.topology.matches(labels)
            for capacity in catalog.capacities.values()
        )


def _suits(volume: Volume, claim: Claim) -> bool:
    """All but the node."""
    if volume.size < claim.size or volume.block != claim.block or volume.deleting:
        return False
    if volume.attributes != claim.attributes:
        return False
    if volume.claim is not None:
        namespace, name, uid = volume.claim
        return (namespace, name) == (claim.namespace, claim.name) and uid in ("", claim.uid)
    if claim.selector is not None and not claim.selector.matches(volume.labels):
        return False
    return volume.available and all(mode in volume.modes for mode in claim.modes)


FILTER = Filter(
    name=NAME,
    static=False,
    coupled=True,
    applies=has_claims,
    passes=passes,
    reasons=reasons,
    stops=stops,
)
