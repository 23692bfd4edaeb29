"""The program that runs the controllers: kube-controller-manager's role."""

import time
from collections.abc import Mapping

from actors.component import ComponentRunner, FrameTransport, RunnerOptions, run_component
from actors.net.client import FrameClient
from actors.plan import ControllersConfig
from actors.program import Resolve
from actors.span_points import OwnerSpans
from actors.spans import span_log
from controllers.core import ControllersCore
from controllers.limits import limits_of


class RunningControllers:
    """Started controllers; see actors.program.Running."""

    address = ""

    def __init__(self, core: ControllersCore, runner: ComponentRunner, client: FrameClient) -> None:
        self._core = core
        self.runner = runner
        self.hold = runner.hold
        self._client = client
        self.lines = (client,)

    def gauges(self) -> Mapping[str, float]:
        return {**self._core.gauges(), **self.runner.gauges()}

    async def stop(self) -> None:
        await self.runner.stop()
        await self._client.close()


async def start(config: ControllersConfig, resolve: Resolve) -> RunningControllers:
    """Start the controllers; they act for the shards whose Leases they get."""
    core = ControllersCore(config.name, config.shards, limits_of(config.profile))
    agent = f"kube-controller-manager/{config.name}"
    client = FrameClient(config.api_server, config.security, resolve, agent)
    log = span_log(config.spans, time.time_ns)
    options = RunnerOptions(spans=OwnerSpans(log) if log else None)
    runner = await run_component(core, FrameTransport(client), time.time_ns, options)
    return RunningControllers(core, runner, client)
