"""A scoring pool over real frames: each partition is a process of its own, the leader is this one.

    python -m benchmarks.bench_scheduler_frames [--partitions 2] [--nodes 5000] [--pods 6400]

All pods are different, all nodes scored. As in the leader's core, partitions are asked about the
next batch before the last one is decided. The first batch, in which partitions learn the nodes, is
not counted. Prints decisions a second by the clock, and CPU a decision of the leader and of each
partition, frames included. By the clock a machine with fewer free cores than processes says little;
what its CPU would allow for is one over the most that any of the processes needs.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import uvloop

from actors import partition
from actors.net import FrameClient
from actors.plan import PartitionConfig, Security
from actors.security import create_security
from api.streams import Stream
from benchmarks.bench_scheduler import KERNEL, SEED, cluster_node, different_pod
from scheduler.engine import Engine
from scheduler.kernel import kernel_named
from scheduler.leader import BATCH_MAX
from scheduler.node_facts import node_facts
from scheduler.node_table import NodeTable
from scheduler.pod_shape import Shape
from scheduler.pool import ScoringPool
from scheduler.shapes import Shapes

Question = tuple[int, Shape, int]


def serve(name: str, security: Security, pipe: Connection) -> None:
    """A partition's process: says its address; then, whenever it is asked, its CPU seconds; ends
    when told so."""

    async def main() -> None:
        running = await partition.start(PartitionConfig(name, security), _nowhere)
        told = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), told.set)
        pipe.send(running.address)
        while True:
            await told.wait()
            told.clear()
            if not pipe.recv():
                break
            pipe.send(time.process_time())
        await running.stop()

    uvloop.run(main())


async def _nowhere(name: str) -> str:
    raise LookupError(name)


class FramedPool:
    """The leader's side, without queue and bindings."""

    def __init__(self, nodes: int, clients: Sequence[FrameClient]) -> None:
        self._clients = clients
        self._table = NodeTable()
        for number in range(nodes):
            self._table.put_node(node_facts(cluster_node(number, False)))
        self.pool = ScoringPool(self._table, Engine(self._table, kernel=KERNEL), len(clients))
        self._decided = 0

    async def round(self, questions: Sequence[Question], before: Sequence[Question]) -> None:
        """Ask about the first while the others are decided."""
        calls = [
            (number, self._clients[number].send(body))
            for number, body in self.pool.ask(questions, len(before), 0)
        ]
        # Questions leave before the work begins.
        await asyncio.sleep(0)
        for number, shape, salt in before:
            row = self.pool.choose(number, shape, salt)
            self._table.add_pod(f"default/p{self._decided}", self._table.names[row], shape)
            self._decided += 1
        for number, call in calls:
            self.pool.answered(number, await call, 0)
        self.pool.close()


async def measure(
    nodes: int, pods: int, clients: Sequence[FrameClient], pipes: Sequence[Connection]
) -> None:
    for client in clients:
        await client.connect()
    framed, shapes, ties = FramedPool(nodes, clients), Shapes(), Stream(SEED, "ties")
    wanted = [shapes.of_pod(different_pod(number)) for number in range(BATCH_MAX + pods)]
    asked = [(n % BATCH_MAX, s, max(ties.next_u64(), 1)) for n, s in enumerate(wanted)]
    before = asked[:BATCH_MAX]
    await framed.round(before, ())
    begun, spent = time.perf_counter(), [time.process_time(), *_cpu(pipes)]
    for first in range(BATCH_MAX, len(asked), BATCH_MAX):
        await framed.round(asked[first : first + BATCH_MAX], before)
        before = asked[first : first + BATCH_MAX]
    took = time.perf_counter() - begun
    used = [b - a for a, b in zip(spent, [time.process_time(), *_cpu(pipes)], strict=True)]
    assert framed.pool.fallbacks == 0
    each = [seconds / pods * 1e6 for seconds in used]
    print(f"by the clock           {pods / took:9,.0f} decisions/s")
    print(f"the leader             {each[0]:9.1f} us of CPU a decision")
    for number, micros in enumerate(each[1:]):
        print(f"partition {number}            {micros:9.1f}")
    print(f"all together           {sum(each):9.1f}")
    print(f"a core for each allows {1e6 / max(each):9,.0f} decisions/s")
    for client in clients:
        await client.close()


def _cpu(pipes: Sequence[Connection]) -> list[float]:
    for pipe in pipes:
        pipe.send(True)
    return [pipe.recv() for pipe in pipes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=6400)
    chosen = parser.parse_args()
    print(
        f"{chosen.nodes:,} unequal nodes, all scored; {chosen.pods} pods, all different; "
        f"{chosen.partitions} partitions in processes of their own; {kernel_named(KERNEL)}"
    )
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        security = create_security(directory)
        pipes, processes, addresses = [], [], {}
        for number in range(chosen.partitions):
            name, (ours, theirs) = f"partition-{number}", spawn.Pipe()
            process = spawn.Process(target=serve, args=(name, security, theirs))
            process.start()
            addresses[name] = ours.recv()
            pipes.append(ours)
            processes.append(process)

        async def resolve(name: str) -> str:
            return str(addresses[name])

        async def run() -> None:
            clients = [FrameClient(name, security, resolve, "scheduler") for name in addresses]
            await measure(chosen.nodes, chosen.pods, clients, pipes)

        uvloop.run(run())
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.send(False)
            process.join()


if __name__ == "__main__":
    main()
