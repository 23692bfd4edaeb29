"""Scheduler and partitions as programs, over real frames, against the real store and API server."""

from pathlib import Path
from typing import Any

import orjson

from actors import apiserver, controllers, partition, scheduler, store
from actors.net import FrameClient, PeerError
from actors.plan import (
    ApiServerConfig,
    ControllersConfig,
    PartitionConfig,
    SchedulerConfig,
    Security,
    StoreConfig,
)
from actors.program import Running
from actors.security import create_security
from controllers.hollow_provisioner import PROVISIONER
from tests.actors.following import Followed
from tests.actors.loopback import PATIENCE_S, run


class Programs:
    """Started programs by name; the order of their end is the reverse."""

    def __init__(self, directory: Path, configuration: str = "") -> None:
        self.configuration = configuration
        self.security: Security = create_security(str(directory / "security"))
        self.directory = directory
        self.running: dict[str, Running] = {}

    async def resolve(self, name: str) -> str:
        return self.running[name].address

    async def start(self, name: str) -> None:
        config: Any
        if name == "store-0":
            config = StoreConfig(0, str(self.directory / name), self.security, "none")
            self.running[name] = await store.start(config, self.resolve)
        elif name == "apiserver-0":
            config = ApiServerConfig(name, ("store-0",), self.security, 1)
            self.running[name] = await apiserver.start(config, self.resolve)
        elif name == "controllers-0":
            config = ControllersConfig(name, "apiserver-0", 1, self.security, 1)
            self.running[name] = await controllers.start(config, self.resolve)
        elif name == "scheduler":
            names = ("partition-0", "partition-1")
            config = SchedulerConfig(
                "apiserver-0", names, self.security, 1, configuration=self.configuration
            )
            self.running[name] = await scheduler.start(config, self.resolve)
        else:
            config = PartitionConfig(name, self.security, configuration=self.configuration)
            self.running[name] = await partition.start(config, self.resolve)

    async def stop(self) -> None:
        for name in reversed(list(self.running)):
            await self.running.pop(name).stop()


async def create(client: FrameClient, resource: str, body: dict[str, Any]) -> None:
    namespace = body["metadata"].get("namespace", "")
    row = ["create", resource, namespace, "", "", "", orjson.dumps(body), "", False]
    ((code, _, answer),) = await client.call(["api", [row]])
    assert code == 201, answer


SERVICE_ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "default", "namespace": "default"},
}
"""Without it admission refuses pods; the controller that makes it does not run here."""


def pod(name: str, cpu: str) -> dict[str, Any]:
    container = {"name": "c", "image": "app:1", "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        # New nodes are tainted not-ready, and nobody here makes them ready.
        "spec": {"containers": [container], "tolerations": [{"operator": "Exists"}]},
    }


def node(name: str) -> dict[str, Any]:
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"capacity": amounts, "allocatable": amounts},
    }


async def until_bound(client: FrameClient, count: int) -> dict[str, str]:
    pods = Followed(client, "pods", "default")

    def placed() -> dict[str, str]:
        return {name: pod["spec"].get("nodeName", "") for name, pod in pods.objects.items()}

    await pods.until(lambda objects: len(objects) == count and all(placed().values()), PATIENCE_S)
    pods.close()
    return placed()


def test_pods_are_bound_through_the_pool_and_without_it(tmp_path: Path) -> None:
    async def main() -> None:
        programs = Programs(tmp_path)
        for name in ("store-0", "partition-0", "partition-1", "apiserver-0"):
            await programs.start(name)
        client = FrameClient("apiserver-0", programs.security, programs.resolve, "tester")
        try:
            await create(client, "serviceaccounts", SERVICE_ACCOUNT)
            for number in range(4):
                await create(client, "nodes", node(f"n{number}"))
            # It hears of nodes and of pods by watches of their own, and either may be ahead.
            await programs.start("scheduler")
            for number in range(20):
                await create(client, "pods", pod(f"p{number}", f"{100 + number}m"))
            placed = await until_bound(client, 20)
            assert {list(placed.values()).count(f"n{n}") for n in range(4)} <= {4, 5, 6}
            asked = [programs.running[f"partition-{n}"].gauges() for n in range(2)]
            assert all(gauges["pods_scored_total"] > 0 for gauges in asked), asked
            await programs.running.pop("partition-0").stop()
            for number in range(20, 24):
                await create(client, "pods", pod(f"p{number}", f"{100 + number}m"))
            await until_bound(client, 24)
            gauges = programs.running["scheduler"].gauges()
            assert gauges["decided"] == 24 and gauges["component_failed"] == 0
        finally:
            await client.close()
            await programs.stop()

    run(main())


def test_a_partition_refuses_what_is_no_question(tmp_path: Path) -> None:
    async def main() -> None:
        programs = Programs(tmp_path)
        await programs.start("partition-0")
        client = FrameClient("partition-0", programs.security, programs.resolve, "tester")
        try:
            await client.call(["score", 1, 2])
        except PeerError as error:
            assert "not a scoring request" in str(error)
        else:
            raise AssertionError("it answered")
        finally:
            await client.close()
            await programs.stop()

    run(main())


def test_a_claim_that_waits_for_its_pod_gets_a_hollow_volume_on_the_pods_node(
    tmp_path: Path,
) -> None:
    """Scheduler and controllers meet in the objects alone."""
    storage = {
        "metadata": {"name": "disks"},
        "provisioner": PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    claim = {
        "metadata": {"name": "c", "namespace": "default"},
        "spec": {
            "storageClassName": "disks",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    user = pod("p", "1")
    user["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]

    async def main() -> None:
        programs = Programs(tmp_path)
        names = ("store-0", "partition-0", "partition-1", "apiserver-0", "controllers-0")
        for name in names:
            await programs.start(name)
        client = FrameClient("apiserver-0", programs.security, programs.resolve, "tester")
        try:
            await create(client, "nodes", node("n0"))
            await create(client, "storage.k8s.io/storageclasses", storage)
            await create(client, "persistentvolumeclaims", claim)
            accounts = Followed(client, "serviceaccounts", "default")
            await accounts.until(lambda found: "default" in found, PATIENCE_S)
            accounts.close()
            await create(client, "pods", user)
            await programs.start("scheduler")
            assert await until_bound(client, 1) == {"p": "n0"}
            claims = Followed(client, "persistentvolumeclaims", "default")
            await claims.until(
                lambda found: found["c"]["status"].get("phase") == "Bound" if found else False,
                PATIENCE_S,
            )
            notes = claims.objects["c"]["metadata"]["annotations"]
            assert notes["volume.kubernetes.io/selected-node"] == "n0"
            claims.close()
        finally:
            await client.close()
            await programs.stop()

    run(main())
