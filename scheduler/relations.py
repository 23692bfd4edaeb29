"""What relates a pod to other pods: its labels, what it wants to be near or far from, how it is to
be spread. Pods equal in all of it share one Relations.

Source: pkg/apis/core/v1 PodAffinityTerm and TopologySpreadConstraint; pkg/scheduler/framework/
types.go (newAffinityTerm, getNamespacesFromPodAffinityTerm), v1.36.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import NamedTuple

from api.core import JsonObject
from api.selectors import LabelSelector, Requirement, label_selector_of
from scheduler.migrated_volumes import Attached, attached

RELATIONS_MAX = 32768
"""Remembered, if they were met lately; as many again at most. A forgotten one gets a new number:
only slower."""
HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

Namespaces = Mapping[str, Mapping[str, str]]
"""Labels of the namespaces that exist."""


class PodTerm(NamedTuple):
    """A term of pod affinity or anti-affinity: which pods, and within what domain."""

    topology_key: str
    namespaces: tuple[str, ...]
    namespace_selector: LabelSelector | None
    selector: LabelSelector

    def names(self, pod: "Relations", namespaces: Namespaces) -> bool:
        """Whether it means this placed pod, when the pod to schedule has the term."""
        if not self.selector.matches(pod.labels):
            return False
        if pod.key.namespace in self.namespaces:
            return True
        if self.namespace_selector is None:
            return False
        if self.namespace_selector.empty:
            return True
        known = namespaces.get(pod.key.namespace)
        return known is not None and self.namespace_selector.matches(known)

    def means(self, pod: "Relations", namespaces: Namespaces) -> bool:
        """Whether it means this pod to schedule, when a placed pod has the term: an unknown
        namespace counts as one without labels."""
        if not self.selector.matches(pod.labels):
            return False
        if pod.key.namespace in self.namespaces:
            return True
        chosen = self.namespace_selector
        return chosen is not None and chosen.matches(namespaces.get(pod.key.namespace) or {})


class SpreadConstraint(NamedTuple):
    """A topology spread constraint."""

    topology_key: str
    hard: bool
    """DoNotSchedule."""
    max_skew: int
    min_domains: int
    selector: LabelSelector
    honours_affinity: bool
    """Nodes that the pod's node affinity excludes do not count as domains."""
    honours_taints: bool


class DefaultConstraint(NamedTuple):
    """For pods without constraints of their own, where something selects them."""

    topology_key: str
    max_skew: int
    hard: bool = False


class SpreadDefaults(NamedTuple):
    """PodTopologySpreadArgs. ``everywhere``: as with constraints of its own, only nodes that have
    every topology key count; so it is with a list, not with the system's."""

    constraints: tuple[DefaultConstraint, ...]
    everywhere: bool


SYSTEM_DEFAULTS = SpreadDefaults(
    (DefaultConstraint(HOSTNAME, 3), DefaultConstraint(ZONE, 5)), everywhere=False
)
"""Source: plugins/podtopologyspread/plugin.go, systemDefaultConstraints."""


class Owner(NamedTuple):
    """The controller of a pod."""

    api_version: str
    kind: str
    name: str


class Disk(NamedTuple):
    """A volume in the pod's own spec that may not be mounted twice on a node."""

    kind: str
    identity: tuple[str, ...]
    places: tuple[str, ...]
    """Ceph monitors: one in common is enough. Empty for others."""
    read_only: bool
    """Then others may read it too."""

    def conflicts(self, other: "Disk") -> bool:
        if (self.kind, self.identity) != (other.kind, other.identity):
            return False
        if self.read_only and other.read_only:
            return False
        return not self.places or any(place in other.places for place in self.places)


class RelationsKey(NamedTuple):
    """The content; two equal ones are one Relations."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    terminating: bool
    owner: Owner | None
    spread: tuple[SpreadConstraint, ...]
    required: tuple[PodTerm, ...]
    anti: tuple[PodTerm, ...]
    preferred: tuple[tuple[int, PodTerm], ...]
    """(weight, term); the weight of anti-affinity is negative."""
    claims: tuple[tuple[str, bool], ...]
    """(name, made for the pod's ephemeral volume) of its volume claims."""
    disks: tuple[Disk, ...]
    attached: tuple[Attached, ...]
    """Volumes in its own spec that count as ones of a CSI driver."""


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """What a pod has to do with other pods and with volumes. Equal ones are one object."""

    number: int
    key: RelationsKey
    labels: Mapping[str, str]
    plain: bool
    """It asks for nothing itself: no terms, constraints or volumes."""

    @property
    def has_terms(self) -> bool:
        return bool(self.key.required or self.key.anti or self.key.preferred)


class RelationsIndex:
    """Gives pods that are equal in this the same Relations."""

    def __init__(self) -> None:
        self._known: dict[RelationsKey, Relations] = {}
        self._before: dict[RelationsKey, Relations] = {}
        """Those that were known when there were too many; a list in order would weigh twice as
        much."""
        self._next = 0

    def of_key(self, key: RelationsKey) -> Relations:
        relations = self._known.get(key)
        if relations is None:
            relations = self._before.get(key)
            if relations is None:
                self._next += 1
                relations = Relations(self._next, key, dict(key.labels), _is_plain(key))
            if len(self._known) >= RELATIONS_MAX:
                self._before, self._known = self._known, {}
            self._known[key] = relations
        return relations


def _is_plain(key: RelationsKey) -> bool:
    terms = key.spread or key.required or key.anti or key.preferred
    return not (terms or key.claims or key.disks or key.attached)


NOBODY = RelationsKey("", (), False, None, (), (), (), (), (), (), ())


def relations_key(pod: JsonObject) -> RelationsKey:
    """Raises SelectorError. Cost: 2 µs for a pod with two labels and nothing else."""
    meta, spec = pod.get("metadata") or {}, pod["spec"]
    namespace, labels = meta.get("namespace", ""), meta.get("labels") or {}
    spread = spec.get("topologySpreadConstraints")
    affinity = spec.get("affinity")
    required: tuple[PodTerm, ...] = ()
    anti, preferred = required, []
    if affinity:
        near, far = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
        required, anti = _required(near, namespace), _required(far, namespace)
        preferred = [*_preferred(near, namespace, 1), *_preferred(far, namespace, -1)]
    owners, volumes = meta.get("ownerReferences"), spec.get("volumes") or ()
    return RelationsKey(
        namespace=namespace,
        labels=tuple(sorted((intern(name), value) for name, value in labels.items())),
        terminating="deletionTimestamp" in meta,
        owner=_controller(owners) if owners else None,
        spread=tuple(_constraint(one, labels) for one in spread) if spread else (),
        required=required,
        anti=anti,
        preferred=tuple(preferred),
        claims=_claims(volumes, meta.get("name", "")) if volumes else (),
        disks=_disks(volumes) if volumes else (),
        attached=_attached(volumes) if volumes else (),
    )


def _controller(owners: list[JsonObject]) -> Owner | None:
    for owner in owners:
        if owner.get("controller"):
            return Owner(owner.get("apiVersion", ""), owner.get("kind", ""), owner["name"])
    return None


def _constraint(constraint: JsonObject, labels: Mapping[str, str]) -> SpreadConstraint:
    selector = label_selector_of(constraint.get("labelSelector"))
    extra = [
        Requirement(key, "in", (labels[key],))
        for key in constraint.get("matchLabelKeys") or ()
        if key in labels
    ]
    extra = [one for one in extra if one not in selector.requirements]
    if extra and constraint.get("labelSelector") is not None:
        selector = LabelSelector([*selector.requirements, *extra])
    return SpreadConstraint(
        topology_key=constraint["topologyKey"],
        hard=constraint.get("whenUnsatisfiable") == "DoNotSchedule",
        max_skew=int(constraint["maxSkew"]),
        min_domains=int(constraint.get("minDomains") or 1),
        selector=selector,
        honours_affinity=constraint.get("nodeAffinityPolicy", "Honor") == "Honor",
        honours_taints=constraint.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def _claims(volumes: Sequence[JsonObject], pod: str) -> tuple[tuple[str, bool], ...]:
    found = []
    for volume in volumes:
        if "persistentVolumeClaim" in volume:
            found.append((volume["persistentVolumeClaim"]["claimName"], False))
        elif "ephemeral" in volume:
            found.append((f"{pod}-{volume['name']}", True))
    return tuple(found)


def _attached(volumes: Sequence[JsonObject]) -> tuple[Attached, ...]:
    found = (attached(volume, {}) for volume in volumes)
    return tuple(one for one in found if one is not None)


def _disks(volumes: Sequence[JsonObject]) -> tuple[Disk, ...]:
    """Source: plugins/volumerestrictions/volume_restrictions.go, isVolumeConflict."""
    found = []
    for volume in volumes:
        if disk := volume.get("gcePersistentDisk"):
            found.append(Disk("gce", (disk["pdName"],), (), bool(disk.get("readOnly"))))
        if disk := volume.get("awsElasticBlockStore"):
            found.append(Disk("aws", (disk["volumeID"],), (), False))
        if disk := volume.get("iscsi"):
            found.append(Disk("iscsi", (disk["iqn"],), (), bool(disk.get("readOnly"))))
        if disk := volume.get("rbd"):
            identity = (disk.get("pool", "rbd"), disk["image"])
            monitors = tuple(disk.get("monitors") or ())
            found.append(Disk("rbd", identity, monitors, bool(disk.get("readOnly"))))
    return tuple(found)


def _required(affinity: JsonObject, namespace: str) -> tuple[PodTerm, ...]:
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(_term(term, namespace) for term in terms)


def _preferred(affinity: JsonObject, namespace: str, sign: int) -> list[tuple[int, PodTerm]]:
    terms = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return [(sign * int(t["weight"]), _term(t["podAffinityTerm"], namespace)) for t in terms]


def _term(term: JsonObject, namespace: str) -> PodTerm:
    chosen = term.get("namespaceSelector")
    namespaces = tuple(term.get("namespaces") or ())
    if not namespaces and chosen is None:
        namespaces = (namespace,)
    return PodTerm(
        topology_key=term["topologyKey"],
        namespaces=namespaces,
        namespace_selector=None if chosen is None else label_selector_of(chosen),
        selector=label_selector_of(term.get("labelSelector")),
    )
