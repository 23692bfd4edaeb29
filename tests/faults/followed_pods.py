"""A Deployment, and the fate of its pods as a watch tells it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import uvloop

from actors.net import FrameClient
from actors.net.transport import FrameTransport
from api.calls import DELETED, WatchSpec
from api.core import JsonObject

PATIENCE_S = 240.0
REPLICAS = 30
DEPLOYMENT = {
    "spec": {
        "replicas": REPLICAS,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        },
    },
}


def run(coroutine: Any) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(coroutine, PATIENCE_S)

    uvloop.run(bounded())


async def deploy(client: FrameClient, name: str) -> None:
    """Until it is there: an answer that was lost on the way is none."""
    body = orjson.dumps({**DEPLOYMENT, "metadata": {"name": name}})
    row = ["create", "apps/deployments", "default", "", "", "", body, "", False]
    code = 503
    while code == 503:
        ((code, _, answer),) = await client.call(["api", [row]])
    assert code in (201, 409), answer


class Pods:
    """Follows all pods; to which nodes each was ever bound. A controller that did not hear of its
    create makes another pod and deletes what is too much, as in Kubernetes."""

    def __init__(self, client: FrameClient) -> None:
        self.nodes: dict[str, set[str]] = {}
        self.phases: dict[str, str] = {}
        """Of those that exist."""
        self._news = asyncio.Event()
        self._transport = FrameTransport(client)
        self._open()

    def _open(self) -> None:
        self.phases.clear()
        self._watch = self._transport.watch(WatchSpec("pods", "pods"), 0, self)

    def items(self, types: Any, revisions: Any, objects: Sequence[JsonObject]) -> None:
        for kind, item in zip(types, objects, strict=True):
            name = item["metadata"]["name"]
            self.nodes.setdefault(name, set()).add(item["spec"].get("nodeName", ""))
            self.phases[name] = item["status"]["phase"]
            if kind == DELETED:
                del self.phases[name]
        self._news.set()

    def synced(self, revision: int) -> None: ...

    def bookmark(self, revision: int) -> None: ...

    def ended(self, reason: str) -> None:
        # The API server's own connections may be cut: then it cannot serve the list just now.
        assert reason == "unavailable", f"the watch ended: {reason}"
        asyncio.get_running_loop().call_soon(self._open)

    async def until_pending(self, count: int) -> None:
        """So many are there, and none has a node."""
        await self._until(lambda: len(self.phases) == count)
        assert all(self.nodes[name] == {""} for name in self.phases)

    async def until_bound(self, count: int) -> None:
        """So many are there, and each has a node."""
        await self._until(
            lambda: len(self.phases) == count and all(self.nodes[one] - {""} for one in self.phases)
        )

    async def until_running(self, count: int) -> None:
        """So many, and no others."""
        await self._until(lambda: list(self.phases.values()) == ["Running"] * count)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._news.clear()
            await self._news.wait()
