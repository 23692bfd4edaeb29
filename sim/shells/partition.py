"""One scoring partition: see actors/partition.py. Bodies take their wire form, as they would."""

from collections.abc import Callable
from typing import Any

import msgpack

from scheduler.partition import PartitionCore
from scheduler.partition_wire import answer_body, request_from
from sim.connection import Client, Handler, Reply, ServerStream
from sim.cost import PARTITION
from sim.kernel import Kernel
from sim.turns import Turns


class PartitionShell:
    """A process of a partition: one call, one step, one answer."""

    def __init__(self, kernel: Kernel, name: str, core: PartitionCore) -> None:
        self.core = core
        self.clients: list[Client] = []
        self.turns: Turns | None = None
        self._kernel = kernel
        self._name = name

    def start(self, listen: Callable[[Handler], None]) -> None:
        listen(self)

    def on_call(self, reply: Reply, body: Any) -> None:
        kernel = self._kernel
        changed, request = request_from(msgpack.unpackb(msgpack.packb(body)))
        now_ns = kernel.agenda.now_ns
        (answer,) = self.core.step([changed, request], now_ns)
        self.core.check()
        kernel.steps += 1
        kernel.messages += 1
        took_ns = PARTITION.of(len(request.pods)) * kernel.pace_percent // 100
        kernel.sending_ns = now_ns + took_ns
        packed = msgpack.packb(answer_body(answer))
        kernel.digest.add(now_ns, self._name, "scores", (packed,))
        reply(packed)

    def on_open(self, stream: ServerStream, body: Any) -> None:
        raise AssertionError("a partition has no streams")

    def on_closed(self, stream: ServerStream) -> None:
        raise AssertionError("a partition has no streams")
