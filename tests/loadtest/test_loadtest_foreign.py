"""The load half against a cluster that is there: our own, as if somebody else had started it.

Everything that lies in the cluster is listed before and after. Leases and nodes beat meanwhile, so
of them only names and uids count.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from actors.kubeconfig import KubeAccess, read_kubeconfig
from actors.security import client_certificate
from loadtest.bundle import read_rows
from loadtest.campaign import parse_campaign
from loadtest.cli import cli
from loadtest.client import ApiClient
from loadtest.entry import entered
from loadtest.fields import CampaignError
from loadtest.foreign.aim import aimed, check_foreign
from loadtest.foreign.guard import Guard
from loadtest.foreign.namespace import make_namespace, remove_namespace
from loadtest.foreign.surroundings import Surroundings
from tests.clients.programs import PATIENCE_S, ROOT, Cluster, running_cluster
from tests.clients.serve import ALICE_TOKEN, NODES

MINE = "mine-for-an-hour"
BEATING = ("leases", "nodes")
Things = dict[tuple[str, str, str], tuple[str, str]]
"""(resource, namespace, name) -> (uid, resourceVersion or nothing)."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("foreign")) as started:
        # What controllers make at its start, and somebody else's work.
        await_objects(started, "/api/v1/serviceaccounts", 4)
        await_objects(started, "/apis/coordination.k8s.io/v1/leases", NODES + 3)
        with started.http() as http:
            body = {"metadata": {"name": "theirs"}, "data": {"key": "value"}}
            made = http.post("/api/v1/namespaces/default/configmaps", json=body)
            assert made.status_code == 201, made.text
        yield started


def await_objects(cluster: Cluster, path: str, count: int) -> None:
    """Until so many were told of by a watch."""
    query = {"watch": "1", "timeoutSeconds": str(PATIENCE_S)}
    names: set[str] = set()
    with cluster.http() as http, http.stream("GET", path, params=query) as reply:
        for line in reply.iter_lines():
            metadata = json.loads(line)["object"]["metadata"]
            names.add(f"{metadata.get('namespace')}/{metadata['name']}")
            if len(names) >= count:
                return
    raise AssertionError(f"{path}: {names}")


def everything(cluster: Cluster) -> Things:
    found: Things = {}
    with cluster.http() as http:
        groups = [g["preferredVersion"]["groupVersion"] for g in http.get("/apis").json()["groups"]]
        for root in ("/api/v1", *(f"/apis/{group}" for group in groups)):
            for kind in http.get(root).json()["resources"]:
                if "list" not in kind["verbs"]:
                    continue
                for item in http.get(f"{root}/{kind['name']}").json()["items"]:
                    meta = item["metadata"]
                    version = "" if kind["name"] in BEATING else meta["resourceVersion"]
                    key = (kind["name"], meta.get("namespace", ""), meta["name"])
                    found[key] = (meta["uid"], version)
    return found


def write_campaign(path: Path, duration: str = "1s", rate: int = 20) -> Path:
    load = [
        {"scenario": "pods", "rate": rate},
        {"scenario": "readers", "rate": 40, "arrivals": "constant"},
        {"scenario": "watchers", "count": 2, "scope": "namespace"},
        {"scenario": "deployments", "rate": 5, "replicas": 2, "arrivals": "constant"},
    ]
    spec = {
        "settle": f"{PATIENCE_S}s",
        "generator": {"latenessMax": "300s", "inFlightMax": 10_000},
        "phases": [{"name": "mix", "duration": duration, "load": load}],
    }
    header = {"apiVersion": "hollowfleet.dev/v1alpha1", "kind": "Campaign"}
    path.write_text(yaml.safe_dump({**header, "metadata": {"name": "foreign"}, "spec": spec}))
    return path


def invoke(tmp_path: Path, *arguments: str) -> Result:
    file = write_campaign(tmp_path / "foreign.yaml")
    out = str(tmp_path / "runs")
    return CliRunner().invoke(cli, ("run", str(file), "--out", out, *arguments))


def summary_of(tmp_path: Path) -> dict:
    (bundle,) = (tmp_path / "runs").iterdir()
    found: dict = json.loads((bundle / "summary.json").read_text())
    return found


def no_worse(summary: dict) -> bool:
    """The machine of a test may be busy: only the generator's share of it may spoil the run."""
    return summary["failed"] == 0 and all("cores" in reason for reason in summary["reasons"])


def test_reads_only_by_client_certificate(cluster: Cluster, tmp_path: Path) -> None:
    certificate, key = client_certificate(cluster.security, "owner", ["system:masters"])
    (tmp_path / "owner.crt").write_bytes(certificate)
    (tmp_path / "owner.key").write_bytes(key)
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    files = {"client-certificate": "owner.crt", "client-key": "owner.key"}
    document["users"][0]["user"] = files
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    before = everything(cluster)
    result = invoke(tmp_path, "--kubeconfig", str(kubeconfig), "--set", "slos.listP99=300s")
    assert everything(cluster) == before
    summary = summary_of(tmp_path)
    assert no_worse(summary), (result.output, summary["reasons"])
    assert "reads only" in result.output
    verbs = {key.split(" ")[0] for key in summary["latency_s"]}
    assert verbs == {"get", "list", "watch"}
    assert summary["requests"] >= 42


def test_writes_stay_in_a_namespace_that_is_gone_afterwards(
    cluster: Cluster, tmp_path: Path
) -> None:
    before = everything(cluster)
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--writes-in-namespace", MINE)
    result = invoke(tmp_path, *arguments)
    assert everything(cluster) == before
    summary = summary_of(tmp_path)
    assert no_worse(summary), (result.output, summary["reasons"])
    assert summary["pods"]["running"] == summary["pods"]["created"] > 10
    (bundle,) = (tmp_path / "runs").iterdir()
    assert {row["namespace"] for row in read_rows(bundle / "pods.csv.gz")} == {MINE}
    owners = {row["owner"] for row in read_rows(bundle / "pods.csv.gz")}
    assert owners == {"", "ReplicaSet"}
    page = (bundle / "report.html").read_text()
    assert f"in namespace {MINE}, which the run made and removed" in page
    token = read_kubeconfig(str(cluster.kubeconfig)).token
    for path in bundle.iterdir():
        assert token.encode() not in path.read_bytes(), path


def test_ctrl_c_removes_the_namespace(cluster: Cluster, tmp_path: Path) -> None:
    before = everything(cluster)
    file = write_campaign(tmp_path / "long.yaml", "600s")
    command = [sys.executable, "-m", "loadtest", "run", str(file), "--out", str(tmp_path / "runs")]
    command += ["--kubeconfig", str(cluster.kubeconfig), "--writes-in-namespace", MINE]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        await_objects(cluster, "/api/v1/pods", 10)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, said
    assert everything(cluster) == before
    assert summary_of(tmp_path)["stamp"] == "PARTIAL"


def test_a_killed_run_is_cleaned_up_after(cluster: Cluster) -> None:
    before = everything(cluster)
    private = Path(tempfile.mkdtemp(prefix="hf-"))
    with entered(read_kubeconfig(str(cluster.kubeconfig))) as endpoint:
        client = ApiClient(endpoint)
        guard = Guard(endpoint, private, MINE, "run-1")
        make_namespace(client, MINE, "run-1")
        assert len(everything(cluster)) > len(before)
        # As the kernel does with the pipes of who is killed.
        assert guard._process.stdin
        guard._process.stdin.close()
        guard._process.wait(PATIENCE_S)
        client.close()
    assert everything(cluster) == before
    assert not private.exists()


def test_what_others_made_under_the_name_is_never_touched(cluster: Cluster, tmp_path: Path) -> None:
    before = everything(cluster)
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--writes-in-namespace", "default")
    result = invoke(tmp_path, *arguments)
    assert result.exit_code == 1
    assert "namespace default exists already" in result.output
    with entered(read_kubeconfig(str(cluster.kubeconfig))) as endpoint:
        client = ApiClient(endpoint)
        remove_namespace(client, "default", "run-1")
        client.close()
    assert everything(cluster) == before


def changed(cluster: Cluster, path: Path, place: str, **fields: str) -> Path:
    """A kubeconfig with other words in its ``cluster`` or ``user``."""
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    document[f"{place}s"][0][place].update(fields)
    path.write_text(yaml.safe_dump(document))
    return path


def test_who_may_not_is_told_what(cluster: Cluster, tmp_path: Path) -> None:
    alice = str(changed(cluster, tmp_path / "alice", "user", token=ALICE_TOKEN))
    before = everything(cluster)
    result = invoke(tmp_path, "--kubeconfig", alice)
    assert result.exit_code == 1
    assert "the kubeconfig's user may not " in result.output
    assert "nor get namespaces cluster-wide" in result.output
    result = invoke(tmp_path, "--kubeconfig", alice, "--writes-in-namespace", MINE)
    assert f"nor create deployments of apps in namespace {MINE}" in result.output
    stranger = str(changed(cluster, tmp_path / "stranger", "user", token="none"))
    result = invoke(tmp_path, "--kubeconfig", stranger)
    assert (result.exit_code, "(401)" in result.output) == (1, True)
    assert everything(cluster) == before


def test_one_clear_error(cluster: Cluster, tmp_path: Path) -> None:
    result = invoke(tmp_path, "--kubeconfig", str(tmp_path / "gone"))
    assert result.exit_code == 2
    assert result.output.endswith("gone: no such file; give the path of a kubeconfig\n")
    # Nobody listens on port 1 of loopback without being root.
    away = changed(cluster, tmp_path / "away", "cluster", server="https://127.0.0.1:1")
    result = invoke(tmp_path, "--kubeconfig", str(away))
    assert result.exit_code == 1
    assert "cannot reach https://127.0.0.1:1: " in result.output
    result = invoke(tmp_path, "--writes-in-namespace", MINE)
    assert result.exit_code == 2
    assert "goes with --kubeconfig" in result.output
    assert not (tmp_path / "runs").exists()


def document(load: list[dict], **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "x"},
        "spec": {"phases": [{"name": "a", "duration": "2s", "load": load}], **spec},
    }


def test_reads_are_spread_over_what_is_there(tmp_path: Path) -> None:
    found = Surroundings("v1.36.0", 2, ("one", "two"), (("one", "a"), ("two", "b")))
    mix = {"get": 1, "namespaceList": 1}
    load = [{"scenario": "pods", "rate": 50}, {"scenario": "readers", "rate": 50, "mix": mix}]
    campaign = parse_campaign(document(load), "x")
    reads = aimed(campaign, tmp_path, "https://x", found, "")
    places = {(a.verb, a.namespace, a.name) for a in reads.arrivals}
    lists = {("list", "one", ""), ("list", "two", "")}
    assert places == {("get", "one", "a"), ("get", "two", "b"), *lists}
    writes = aimed(campaign, tmp_path, "https://x", found, MINE)
    assert {a.namespace for a in writes.arrivals if a.resource == "pods"} == {MINE}
    assert reads.target and writes.target
    assert reads.target.left_out > 50 and writes.target.left_out == 0


def test_what_cannot_be_aimed_is_refused(tmp_path: Path) -> None:
    found = Surroundings("v1.36.0", 2, ("one",), ())
    only_writes = parse_campaign(document([{"scenario": "pods", "rate": 50}]), "x")
    with pytest.raises(CampaignError, match="--writes-in-namespace NAME allows them"):
        aimed(only_writes, tmp_path, "https://x", found, "")
    faults = {"kills": ["store-0"]}
    campaign = parse_campaign(document([], faults=faults), "x")
    with pytest.raises(CampaignError, match=r"spec\.faults needs a cluster of the run's own"):
        check_foreign(campaign, "x")


def test_secrets_of_the_way_in_are_private_and_go(tmp_path: Path) -> None:
    access = KubeAccess("https://x", "authority", "token", "identity")
    with entered(access) as endpoint:
        place = Path(endpoint.ca_file).parent
        assert place.stat().st_mode & 0o077 == 0
        assert Path(endpoint.identity_file).stat().st_mode & 0o077 == 0
    assert not place.exists()
