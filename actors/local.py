"""A whole cluster on one event loop, without Ray: for tests, and for a look at small scale."""

import asyncio
from types import TracebackType
from typing import Self

from actors.blueprint import Part, parts_of, start_part
from actors.net.fault_proxy import FaultyNames
from actors.plan import ClusterPlan
from actors.program import Resolve, Running
from actors.security import create_security, write_kubeconfig


class LocalCluster:
    """``async with LocalCluster(plan) as c`` starts all programs and stops them in reverse."""

    def __init__(self, plan: ClusterPlan) -> None:
        self.plan = plan
        self.security = create_security(f"{plan.run_directory}/security")
        self.running: dict[str, Running] = {}
        self.networks: dict[str, FaultyNames] = {}
        self.kubeconfig = f"{plan.run_directory}/kubeconfig"
        self.server = ""
        self.servers: list[str] = []

    async def __aenter__(self) -> Self:
        parts = parts_of(self.plan, self.security)
        for stage in sorted({part.stage for part in parts}):
            await asyncio.gather(*(self.start(part) for part in parts if part.stage == stage))
            if stage == 1:
                self.servers = [
                    f"https://127.0.0.1:{running.https_port}"  # type: ignore[attr-defined]
                    for name, running in self.running.items()
                    if name.startswith("apiserver-")
                ]
                self.server = self.servers[0]
                write_kubeconfig(self.security, self.server, self.kubeconfig)
        return self

    async def start(self, part: Part) -> None:
        """Start one program; also after it was stopped, as a restart would."""
        resolve: Resolve = self.resolve
        if part.network.active:
            names = FaultyNames(part.network, part.seed, part.name, self.resolve)
            self.networks[part.name] = names
            resolve = names.resolve
        self.running[part.name] = await start_part(part.config, resolve)

    async def resolve(self, name: str) -> str:
        return self.running[name].address

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in reversed(list(self.running)):
            await self.running.pop(name).stop()
        for names in self.networks.values():
            await names.close()
