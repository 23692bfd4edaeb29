"""Campaigns that virtual time cannot run, and files that nobody can: one sentence each, code 2."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest.cli import cli
from tests.simcampaign.campaigns import document, write

ROOT = Path(__file__).resolve().parent.parent.parent
OPENB = str(ROOT / "examples" / "openb.yaml")
QUICKSTART = str(ROOT / "examples" / "quickstart.yaml")
NODES = "sn,cpu_milli,memory_mib,gpu,model\nn0,1000,1024,0,\n"


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(words))
    assert "Traceback" not in result.output
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sim", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["sim", OPENB, "--seeds", "1..2"], "a campaign takes --seed, --set, --profile"),
        (["sim", OPENB, "--trace", "store-0"], "a campaign takes --seed, --set, --profile"),
        (["sim", OPENB, "--seed", "x"], "'x' is not a valid integer"),
        (["sim", OPENB, "--out", "/dev/null"], "cannot write to /dev/null"),
        (
            ["sim", OPENB, "--set", "cluster.heartbeats=maybe"],
            "spec.cluster.heartbeats: must be on or off, not 'maybe'",
        ),
        (["sim", OPENB, "--set", "cluster.heartbeats=0"], "must be on or off, not 0"),
        (["sim", OPENB, "--set", "cluster.heartbeat=off"], "did you mean 'heartbeats'?"),
        (["sim", OPENB, "--set", "cluster.leasePeriod=1ms"], "leasePeriod: must be at least 100ms"),
        (["sim", OPENB, "--set", "phases.0.duration=9601h"], "at most 9600h (400 days)"),
        (
            ["sim", QUICKSTART, "--set", "cluster.nodeTransport=https"],
            "spec.cluster.nodeTransport: https needs real time: use `hollowfleet run`",
        ),
        (
            ["sim", QUICKSTART, "--set", "cluster.storeEngine=etcd"],
            "spec.cluster.storeEngine: etcd needs real time",
        ),
        (
            ["sim", QUICKSTART, "--set", "placement=apiserver"],
            "spec.cluster.storePlacement: apiserver needs real time",
        ),
        (
            ["sim", QUICKSTART, "--set", "watch_cache=hash"],
            "spec.cluster.watchCacheIndex: hash needs real time",
        ),
        (["sim", QUICKSTART, "--set", "faults.kills=[scheduler]"], "spec.faults.kills needs real"),
        (
            ["sim", QUICKSTART, "--set", "faults.network={delay: 1ms}"],
            "spec.faults.network needs real time",
        ),
        (
            ["sim", QUICKSTART, "--set", "tracing.sample=0.1"],
            "spec.tracing.sample above 0 needs real time: use `hollowfleet run`",
        ),
        (["run", OPENB], "spec.cluster.heartbeats: off is for virtual time; use `hollowfleet sim`"),
        (["run", OPENB, "--set", "cluster.heartbeats=on"], "must be at most 24h in real time"),
    ],
)
def test_bad_input_is_one_clear_error(words: list[str], message: str) -> None:
    code, output = invoke(*words)
    assert code == 2
    assert message in output
    assert "Cluster " not in output


def campaign(tmp_path: Path, trace: str, nodes: str) -> str:
    (tmp_path / "pods.csv").write_text(trace)
    (tmp_path / "nodes.csv").write_text(nodes)
    load = [{"scenario": "pods", "arrivals": "trace", "trace": "pods.csv"}]
    return str(write(tmp_path / "c.yaml", document({"nodeList": "nodes.csv"}, load)))


@pytest.mark.parametrize(
    ("trace", "nodes", "messages"),
    [
        (
            "name,cpu_milli,memory_mib\na,1,1\n",
            NODES,
            ("spec.phases[0].load[0].trace", "column 'created_s' is missing", "creation_time"),
        ),
        (
            "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time\na,x,1,0,0,1,2\n",
            NODES,
            ("spec.phases[0].load[0].trace", "line 2 is not a pod"),
        ),
        (
            "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time\n",
            "sn,cpu_milli\nn0,1\n",
            ("spec.cluster.nodeList", "column 'memory_mib' is missing; needed:"),
        ),
        (
            "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time\n",
            NODES + "n1,many,1,0,\n",
            ("spec.cluster.nodeList", "row 3: cpu_milli is 'many', not a whole number"),
        ),
    ],
)
def test_bad_traces_name_field_and_remedy(
    tmp_path: Path, trace: str, nodes: str, messages: tuple[str, ...]
) -> None:
    code, output = invoke("sim", campaign(tmp_path, trace, nodes), "--out", str(tmp_path))
    assert code == 2
    for message in messages:
        assert message in output
