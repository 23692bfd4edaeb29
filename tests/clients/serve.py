"""``python -m tests.clients.serve DIRECTORY``: a whole small cluster without Ray.

Store, API server, controllers, scheduler and hollow nodes as programs of one process. It prints its
address when it is ready, and ends when its standard input does.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from actors.local import LocalCluster
from actors.plan import ClusterPlan, NodeSpec

NODES = 4
ALICE_TOKEN = "token-of-alice"
"""Of a user without any rights but everybody's."""


async def serve(directory: str) -> None:
    cluster = LocalCluster(ClusterPlan(directory, nodes=(NodeSpec(NODES),), durability="none"))
    tokens = Path(cluster.security.directory) / "tokens.csv"
    tokens.write_text(f"{tokens.read_text()}{ALICE_TOKEN},alice,u-alice,dev\n")
    async with cluster:
        print(cluster.server, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
