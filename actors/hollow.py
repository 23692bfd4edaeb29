"""The program that hosts hollow nodes: thousands of kubelets in one process."""

import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from actors.component import ComponentRunner, FrameTransport, RunnerOptions, run_component
from actors.net import FrameClient
from actors.plan import ClusterPlan, HollowNodesConfig
from actors.program import Resolve
from actors.span_points import PodSpans
from actors.spans import span_log
from hollow_node.core import HollowNodes
from hollow_node.fleet import heartbeats
from hollow_node.node_list import NodeShape, numbered, read_node_list
from hollow_node.stages import general_stages

if TYPE_CHECKING:
    from actors.net.https_transport import HttpsTransport


class RunningHollowNodes:
    """Started hollow nodes; see actors.program.Running."""

    address = ""

    def __init__(
        self, core: HollowNodes, runner: ComponentRunner, line: "FrameClient | HttpsTransport"
    ) -> None:
        self._core = core
        self.runner = runner
        self.hold = runner.hold
        self.lines = [line] if isinstance(line, FrameClient) else []
        self._line = line

    def gauges(self) -> Mapping[str, float]:
        return {**self._core.gauges(), **self.runner.gauges()}

    async def stop(self) -> None:
        await self.runner.stop()
        await self._line.close()


async def start(config: HollowNodesConfig, resolve: Resolve) -> RunningHollowNodes:
    """Start kubelets for this actor's share of the nodes."""
    stages = general_stages(round(config.pod_delay_s * 1000))
    beats = heartbeats(round(config.lease_period_s * 1e9), config.heartbeat)
    core = HollowNodes(node_shapes(config), stages, config.seed, beats)
    log = span_log(config.spans, time.time_ns)
    options = RunnerOptions(spans=PodSpans(log, "syncPod") if log else None)
    if config.kubeconfig:
        https = _https_transport(config.kubeconfig)
        return RunningHollowNodes(
            core, await run_component(core, https, time.time_ns, options), https
        )
    agent = f"kubelet/{config.name}"
    client = FrameClient(config.api_server, config.security, resolve, agent)
    runner = await run_component(core, FrameTransport(client), time.time_ns, options)
    return RunningHollowNodes(core, runner, client)


def _https_transport(kubeconfig: str) -> "HttpsTransport":
    # Imported here: an HTTP client and YAML cost 0.4 s of CPU that frames do not need.
    from actors.kubeconfig import read_kubeconfig
    from actors.net.https_transport import HttpsTransport

    access = read_kubeconfig(kubeconfig)
    return HttpsTransport(
        access.server, access.authority_pem, access.token, identity_pem=access.identity_pem
    )


def node_shapes(config: HollowNodesConfig) -> list[NodeShape]:
    """The nodes of the plan that fall to this actor: every ``actors``-th from ``index``."""
    return all_shapes(config)[config.index :: config.actors]


def all_shapes(plan: HollowNodesConfig | ClusterPlan) -> list[NodeShape]:
    """All nodes of a plan, those of its list first."""
    listed: list[NodeShape] = []
    if plan.node_list_csv:
        text = Path(plan.node_list_csv).read_text(encoding="utf-8")
        listed = read_node_list(text, plan.node_list_rows_max)
    written = chain.from_iterable(
        numbered(spec.count, spec.prefix, spec.capacity, spec.labels) for spec in plan.nodes
    )
    return [*listed, *written]
