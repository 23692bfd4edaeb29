"""What VolumeBinding does between a pod's node and its binding: claims that waited for the pod get
the volume that was found for them, or the order to be provisioned for its node, and the pod waits
until they are bound.

Source: plugins/volumebinding/binder.go (AssumePodVolumes, BindPodVolumes, checkBindings) and
component-helpers/storage/volume/pv_helpers.go (GetBindVolumeToClaim), v1.36.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from api.calls import ApiReply, ApiRequest
from api.core import JsonObject
from scheduler.outgoing import Outgoing
from scheduler.plugins.volume_binding import NAME, Bindings, bindings_on, decides
from scheduler.pod_book import PodBook, PodRecord, Stage
from scheduler.volume_objects import SELECTED_NODE, Claim, Volume
from scheduler.volumes import CLAIMS, VOLUMES, Key

BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
"""On a volume or claim that a user did not bind himself."""
TIME_OUT = "context deadline exceeded"
NOT_LEADING = "the scheduler lost its Lease"


class Write(NamedTuple):
    """One object that has to be read and written."""

    pod: str
    uid: str
    """The pod's."""
    claim: Claim
    volume: Volume | None
    """None: the claim itself is written."""
    reading: bool


class Outcome(NamedTuple):
    """A pod that waits no longer."""

    pod: str
    since_ns: int
    trouble: str
    """Why its volumes were not bound; empty: they were."""


@dataclass(slots=True)
class Work:
    """A pod whose claims are not all bound."""

    uid: str
    node: str
    found: Bindings
    claims: tuple[Claim, ...]
    since_ns: int = 0
    """When it began to wait; 0: it has a node, and waits for others of its gang."""
    trouble: str = ""
    selected: dict[Key, None] = field(default_factory=dict)
    """Claims that were seen with its node."""


class VolumeCycle:
    """Of all pods of the book."""

    def __init__(self, book: PodBook, outgoing: Outgoing) -> None:
        self._book = book
        self._catalog = book.table.volumes
        self._outgoing = outgoing
        self._works: dict[str, Work] = {}
        self._writes: dict[int, Write] = {}
        """Without an answer, by request."""
        self._waiting: dict[Key, dict[str, None]] = {}
        """Claim to the pods that wait for it."""
        self._look: dict[str, None] = {}
        """Pods that may be through."""
        self._deadlines: list[tuple[int, str, str]] = []
        """(when, pod, uid); some of them may be through by now."""

    def __len__(self) -> int:
        return len(self._works)

    def reserve(self, pod: str, record: PodRecord) -> None:
        """It was assumed on its node: no other may take the volumes found for it."""
        if not decides(record.shape):
            return
        table = self._book.table
        found = bindings_on(record.shape, table, table.row_of[record.node])
        claims = (*(claim for claim, _ in found.matched), *found.provisioned)
        if not claims:
            return
        self._works[pod] = Work(record.reference.uid, record.node, found, claims)
        for claim, volume in found.matched:
            self._catalog.held[volume.name] = (claim.namespace, claim.name, claim.uid)
        for claim in found.provisioned:
            self._catalog.heading[claim.namespace, claim.name] = record.node

    def begin(self, pod: str, record: PodRecord, now_ns: int) -> bool:
        """Order what was found; False when the pod has nothing to wait for."""
        work = self._works.get(pod)
        if work is None or work.uid != record.reference.uid:
            return False
        work.since_ns = now_ns
        limit_ns = now_ns + record.shape.profile.volume_timeout_ns
        heappush(self._deadlines, (limit_ns, pod, work.uid))
        for claim in work.claims:
            self._waiting.setdefault((claim.namespace, claim.name), {})[pod] = None
        for claim, volume in work.found.matched:
            self._read(Write(pod, work.uid, claim, volume, reading=True))
        for claim in work.found.provisioned:
            self._read(Write(pod, work.uid, claim, None, reading=True))
        return True

    def drop(self, pod: str) -> None:
        """It went, or gave its node back before it began."""
        work = self._works.pop(pod, None)
        if work is None:
            return
        self._look.pop(pod, None)
        for claim, volume in work.found.matched:
            if self._catalog.held.get(volume.name) == (claim.namespace, claim.name, claim.uid):
                del self._catalog.held[volume.name]
        for claim in work.claims:
            key = (claim.namespace, claim.name)
            waiting = self._waiting.get(key, {})
            waiting.pop(pod, None)
            if not waiting:
                self._waiting.pop(key, None)
                self._catalog.heading.pop(key, None)

    def seen(self, watch: str, key: str, gone: bool) -> None:
        """A watch told of an object."""
        if watch == CLAIMS:
            namespace, _, name = key.partition("/")
            self._look.update(self._waiting.get((namespace, name), {}))
        elif gone and self._works:
            # A volume, a node or the pod itself.
            self._look.update(dict.fromkeys(self._works))

    def answered(self, reply: ApiReply) -> None:
        """To a read or a write of ours."""
        write = self._writes.pop(reply.id)
        work = self._works.get(write.pod)
        if work is None or work.uid != write.uid or work.trouble:
            return
        if not 200 <= reply.code < 300:
            work.trouble = _words_of(reply)
        elif write.reading:
            item: JsonObject = json.loads(reply.body)
            work.trouble = _taken(write, item)
            if not work.trouble:
                changed = _bound(write, item) if write.volume else _selected(item, work.node)
                self._send(write._replace(reading=False), "update", changed)
        self._look[write.pod] = None

    def finished(self, now_ns: int, leading: bool) -> Iterator[Outcome]:
        """Pods whose claims are bound, and those that give up. Take what follows at once."""
        while self._deadlines and self._deadlines[0][0] <= now_ns:
            _, pod, uid = heappop(self._deadlines)
            work = self._works.get(pod)
            if work is not None and work.uid == uid:
                work.trouble = work.trouble or TIME_OUT
                self._look[pod] = None
        if not leading:
            self._look.update(dict.fromkeys(self._works))
        look, self._look = self._look, {}
        for pod in look:
            work = self._works.get(pod)
            if work is None:
                continue
            record = self._book.records.get(pod)
            here = record is not None and record.reference.uid == work.uid
            if record is None or not here or record.stage is not Stage.ASSUMED:
                self.drop(pod)
                continue
            if not work.since_ns:
                continue
            trouble = work.trouble or ("" if leading else NOT_LEADING) or self._trouble(work)
            if trouble or all(self._is_bound(claim) for claim in work.claims):
                self.drop(pod)
                said = trouble and f'running PreBind plugin "{NAME}": binding volumes: {trouble}'
                yield Outcome(pod, work.since_ns, said)

    def next_wakeup_ns(self) -> int | None:
        return self._deadlines[0][0] if self._deadlines and self._works else None

    def _is_bound(self, claim: Claim) -> bool:
        found = self._catalog.claims.get((claim.namespace, claim.name))
        return found is not None and found.bound

    def _trouble(self, work: Work) -> str:
        """Why it is of no use to wait any longer."""
        if work.node not in self._book.table.row_of:
            return f'node "{work.node}" not found'
        for claim in work.claims:
            found = self._catalog.claims.get((claim.namespace, claim.name))
            if found is None or found.uid != claim.uid:
                return f'persistentvolumeclaim "{claim.name}" not found'
            key = (claim.namespace, claim.name)
            if found.selected_node == work.node:
                work.selected[key] = None
            elif key in work.selected and not found.bound:
                return f'provisioning failed for PVC "{claim.name}"'
        for _, volume in work.found.matched:
            if volume.name not in self._catalog.volumes:
                return f'persistentvolume "{volume.name}" not found'
        return ""

    def _read(self, write: Write) -> None:
        self._send(write, "get", None)

    def _send(self, write: Write, verb: str, body: JsonObject | None) -> None:
        number = self._outgoing.number("volume", write.pod)
        self._writes[number] = write
        resource, namespace, name = VOLUMES, "", write.volume.name if write.volume else ""
        if write.volume is None:
            resource, namespace, name = CLAIMS, write.claim.namespace, write.claim.name
        self._outgoing.send(ApiRequest(number, verb, resource, namespace, name, body=body))


def _taken(write: Write, item: JsonObject) -> str:
    """Why what was read is not to be written; empty when it is."""
    claim = write.claim
    if write.volume is None:
        same = item["metadata"]["uid"] == claim.uid
        return "" if same else f'persistentvolumeclaim "{claim.name}" not found'
    reference = item["spec"].get("claimRef")
    whose = (claim.namespace, claim.name)
    if reference and (reference.get("namespace"), reference.get("name")) != whose:
        return f'persistentvolume "{write.volume.name}" is bound to another claim'
    return ""


def _bound(write: Write, item: JsonObject) -> JsonObject:
    """The volume with its claim."""
    claim, meta, spec = write.claim, item["metadata"], item["spec"]
    reference = {
        **(spec.get("claimRef") or {}),
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": claim.namespace,
        "name": claim.name,
        "uid": claim.uid,
    }
    if not spec.get("claimRef"):
        notes = {**(meta.get("annotations") or {}), BOUND_BY_CONTROLLER: "yes"}
        meta = {**meta, "annotations": notes}
    return {**item, "metadata": meta, "spec": {**spec, "claimRef": reference}}


def _selected(item: JsonObject, node: str) -> JsonObject:
    """The claim with the node that it is to be provisioned for."""
    meta = item["metadata"]
    notes = {**(meta.get("annotations") or {}), SELECTED_NODE: node}
    return {**item, "metadata": {**meta, "annotations": notes}}


def _words_of(reply: ApiReply) -> str:
    if not reply.code or not reply.body:
        return f"no answer of the API server (code {reply.code})"
    message = json.loads(reply.body).get("message", "")
    return f"{message}" or f"code {reply.code}"
