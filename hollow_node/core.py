"""Thousands of kubelets as rows of one object.

Each node registers, renews its Lease every period, reports its status every five minutes, and takes
the pods bound to it through the stage table. Nodes and pods never see each other's rows; they share
only batches, because what costs is the number of messages.

Pods follow KWOK's way (one status patch to Running, one delete with grace period 0).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from api.calls import (
    Calls,
    CallsDone,
    ComponentEvent,
    ObjectsSeen,
    WatchReset,
    WatchSpec,
    WatchSynced,
)
from api.streams import Stream
from hollow_node.fleet import QUANTUM_NS, Fleet, Heartbeats
from hollow_node.node_list import NodeShape
from hollow_node.node_rows import DEREGISTERED, READY
from hollow_node.outbox import Outbox
from hollow_node.pod_life import PodLife
from hollow_node.stages import Stage


class HollowNodes:
    """A component core (api.calls.Component) that plays the kubelets of its nodes."""

    def __init__(
        self,
        shapes: Sequence[NodeShape],
        stages: Sequence[Stage],
        seed: int,
        beats: Heartbeats,
        quantum_ns: int = QUANTUM_NS,
    ) -> None:
        stream = Stream(seed, "hollow_node")
        self._outbox = Outbox()
        self.fleet = Fleet(shapes, self._outbox, stream, beats, quantum_ns)
        self.life = PodLife(self.fleet.rows, stages, self._outbox, stream)

    @property
    def watches(self) -> Sequence[WatchSpec]:
        return (
            WatchSpec("pods", "pods", field_selector="spec.nodeName!="),
            WatchSpec("nodes", "nodes"),
        )

    def step(self, events: Sequence[ComponentEvent], now_ns: int) -> Sequence[Calls]:
        for event in events:
            match event:
                case ObjectsSeen(watch="nodes"):
                    for kind, node in zip(event.types, event.objects, strict=True):
                        self.fleet.seen(kind, node, now_ns)
                case ObjectsSeen():
                    for kind, pod in zip(event.types, event.objects, strict=True):
                        self.life.seen(kind, pod, now_ns)
                case CallsDone():
                    self.fleet.answered(event.replies, now_ns)
                case WatchReset(watch="pods"):
                    self.life.relist()
                case WatchSynced(watch="pods"):
                    self.life.listed()
                case WatchReset() | WatchSynced():
                    # What is known of nodes is only what they said of themselves.
                    pass
        self.life.fire(now_ns)
        self.fleet.fire(now_ns)
        return self._outbox.take()

    def next_wakeup_ns(self) -> int | None:
        wakes = (self.fleet.rows.next_due_ns(), self.life.next_due_ns())
        return min((wake for wake in wakes if wake is not None), default=None)

    def check(self) -> None:
        self.fleet.rows.check()
        self.life.check()

    def gauges(self) -> Mapping[str, float]:
        """Nodes by state and pods, for the supervisor."""
        counts = np.bincount(self.fleet.rows.state, minlength=DEREGISTERED + 1)
        return {
            "nodes": float(len(self.fleet.rows.names)),
            "nodes_ready": float(counts[READY]),
            "pods": float(len(self.life.pods)),
            "calls_open": float(len(self._outbox)),
        }
