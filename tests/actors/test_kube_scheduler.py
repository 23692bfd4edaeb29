"""``hollowfleet scheduler`` as a process beside an API server that has no scheduler, over HTTPS
with the client certificate of a kubeconfig and the rights of kube-scheduler."""

import asyncio
import signal
import sys
from base64 import b64encode
from pathlib import Path

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from actors.apiserver import ApiServer
from actors.net import FrameClient
from actors.security import client_certificate, write_kubeconfig
from api.core import JsonObject
from tests.actors.following import Followed
from tests.actors.loopback import run
from tests.actors.test_scheduler_programs import SERVICE_ACCOUNT, Programs, create, node, pod

PATIENCE_S = 120.0
"""It turns a hang into a failure."""


def kubeconfig_of_scheduler(programs: Programs, path: Path) -> None:
    """With a certificate instead of a token."""
    server = programs.running["apiserver-0"]
    assert isinstance(server, ApiServer)
    write_kubeconfig(programs.security, f"https://127.0.0.1:{server.https_port}", str(path))
    document = yaml.safe_load(path.read_text())
    certificate, key = client_certificate(programs.security, "system:kube-scheduler")
    document["users"][0]["user"] = {
        "client-certificate-data": b64encode(certificate).decode(),
        "client-key-data": b64encode(key).decode(),
    }
    path.write_text(yaml.safe_dump(document))


async def page(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as answer:
        return answer.status, await answer.text()


def condition(item: JsonObject) -> JsonObject:
    found = [one for one in item["status"].get("conditions", ()) if one["type"] == "PodScheduled"]
    return found[0] if found else {}


def test_it_schedules_for_any_api_server(tmp_path: Path) -> None:
    async def main() -> None:
        programs = Programs(tmp_path)
        for name in ("store-0", "apiserver-0"):
            await programs.start(name)
        client = FrameClient("apiserver-0", programs.security, programs.resolve, "tester")
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig_of_scheduler(programs, kubeconfig)
        arguments = ("--kubeconfig", str(kubeconfig), "--secure-port", "0")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtest", "scheduler", *arguments),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await create(client, "serviceaccounts", SERVICE_ACCOUNT)
            for number in range(2):
                await create(client, "nodes", node(f"n{number}"))
            for number in range(6):
                await create(client, "pods", pod(f"p{number}", "1"))
            await create(client, "pods", pod("large", "5"))
            await watch_it(client, process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await client.close()
            await programs.stop()

    run(main(), PATIENCE_S)


async def watch_it(client: FrameClient, process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    base = line.split("; ")[1].strip().removesuffix("/metrics")
    pods, events = Followed(client, "pods"), Followed(client, "events")
    leases = Followed(client, "coordination.k8s.io/leases")
    await pods.until(
        lambda found: (
            sum(bool(one["spec"].get("nodeName")) for one in found.values()) == 6
            and condition(found.get("large", {"status": {}})).get("reason") == "Unschedulable"
        ),
        PATIENCE_S,
    )
    homes = [one["spec"].get("nodeName") for one in pods.objects.values()]
    assert homes.count("n0") == homes.count("n1") == 3
    assert "2 Insufficient cpu" in condition(pods.objects["large"])["message"]
    await events.until(lambda found: len(found) >= 7, PATIENCE_S)
    reasons = [one["reason"] for one in events.objects.values()]
    assert (reasons.count("Scheduled"), reasons.count("FailedScheduling")) == (6, 1)
    await leases.until(
        lambda found: bool(found["kube-scheduler"]["spec"]["holderIdentity"]), PATIENCE_S
    )
    assert await page(f"{base}/healthz") == (200, "ok")
    status, text = await page(f"{base}/metrics")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    profile = "default-scheduler"
    assert status == 200
    assert found["scheduler_schedule_attempts_total", profile, "scheduled"] == 6
    assert found["scheduler_scheduling_attempt_duration_seconds_count", "scheduled", profile] == 6
    assert found["scheduler_pod_scheduling_sli_duration_seconds_count", "1"] == 6
    assert found["scheduler_scheduling_algorithm_duration_seconds_sum",] > 0
    point = "scheduler_framework_extension_point_duration_seconds_sum"
    assert found[point, "Filter", "Success", profile] > 0
    assert found[point, "Score", "Success", profile] > 0
    assert found[point.replace("_sum", "_count"), "PostFilter", "Unschedulable", profile] == 1
    evaluated = "scheduler_plugin_evaluation_total"
    assert found[evaluated, "NodeResourcesFit", "Filter", profile] >= 4
    assert found[evaluated, "NodeResourcesFit", "Score", profile] >= 2
    assert found["leader_election_master_status", "kube-scheduler"] == 1
    assert ("scheduler_pending_pods", "unschedulable") in found
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    await leases.until(
        lambda found: not found["kube-scheduler"]["spec"].get("holderIdentity"), PATIENCE_S
    )
    for followed in (pods, events, leases):
        followed.close()
