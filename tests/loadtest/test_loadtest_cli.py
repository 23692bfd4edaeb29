"""The command line: help, dry run, errors, exit codes. No cluster is started here."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from actors.processes import alive, start_ticks
from loadtest.__main__ import refusal
from loadtest.cli import Commands, cli
from loadtest.cli.verdict import exit_code
from loadtest.standing import (
    Standing,
    check_kubeconfig,
    read_standing,
    state_directory,
    stop_standing,
    write_standing,
)

ROOT = Path(__file__).resolve().parent.parent.parent
QUICKSTART = str(ROOT / "examples" / "quickstart.yaml")


def invoke(*arguments: str, state: Path | None = None) -> Result:
    environment = {"HOLLOWFLEET_STATE": str(state)} if state else {}
    return CliRunner().invoke(cli, arguments, env=environment)


@pytest.mark.parametrize("command", [(), ("run",), ("report",), ("up",), ("down",)])
def test_help_at_each_level(command: tuple[str, ...]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    "address", ["127.0.0.1:65536", "127.0.0.1:²", ":2379", "127.0.0.1", "9" * 5000]
)
@pytest.mark.parametrize("option", ["--listen", "--metrics-listen"])
def test_an_address_of_etcd_that_cannot_be(tmp_path: Path, option: str, address: str) -> None:
    result = invoke("etcd", "--data", str(tmp_path / "data"), option, address)
    assert result.exit_code == 2
    assert f"{option} {address!r} is not HOST:PORT, with a port of 0 to 65535" in result.output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--listen", "127.0.0.1:{taken}"), "Address already in use"),
        (("--listen", "192.0.2.1:0"), "Cannot assign requested address"),
        (("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:{taken}"), "Address already"),
    ],
)
def test_where_etcd_cannot_listen_is_one_sentence(
    tmp_path: Path, options: tuple[str, ...], why: str
) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        words = [option.format(taken=taken) for option in options]
        done = subprocess.run(
            [sys.executable, "-m", "loadtest", "etcd", "--data", str(tmp_path / "data"), *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: cannot listen on {words[-1]}: {why}")
    assert done.stderr.count("\n") == 1 and not done.stdout


SMALL = """
apiVersion: hollowfleet.dev/v1alpha1
kind: Campaign
metadata: {name: small}
spec:
  cluster: {nodes: 2}
  phases:
  - {name: a, duration: 1s, load: [{scenario: pods, arrivals: constant, rate: 1/s}]}
"""


def test_a_disk_that_is_full_is_one_sentence(tmp_path: Path) -> None:
    file, out = tmp_path / "small.yaml", tmp_path / "runs"
    file.write_text(SMALL)
    limited = "import resource, signal, loadtest.__main__ as program; " + (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); program.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "sim", str(file), "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "Error: cannot write: File too large; make room, or write elsewhere\n"


def test_dry_run_prints_the_plan_and_starts_nothing(tmp_path: Path) -> None:
    result = invoke("run", QUICKSTART, "--dry-run", "--out", str(tmp_path / "runs"))
    assert result.exit_code == 0
    assert "1523 nodes" in result.output
    assert "create pods" in result.output
    assert not (tmp_path / "runs").exists()


def test_the_plan_is_the_same_under_any_hash_seed() -> None:
    outputs = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "loadtest", "run", QUICKSTART, "--dry-run", "--seed", "7"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert b"seed 7" in outputs.pop()


def test_overrides_change_the_plan() -> None:
    result = invoke("run", QUICKSTART, "--dry-run", "--set", "nodes=3000", "--set", "shards=4")
    assert "3000 nodes" in result.output
    assert "4 store shards" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "Error: nowhere.yaml: no such file"),
        (["run", QUICKSTART, "--set", "nods=3"], "did you mean 'nodes'?"),
        (["run", QUICKSTART, "--set", "cluster.nodez=3"], "did you mean 'nodes'?"),
        (["run", QUICKSTART, "--set", "phases[0].rate=5"], "did you mean 'phases.0.rate'?"),
        (["run", QUICKSTART, "--seed", "x"], "Invalid value for '--seed'"),
        (["run"], "Missing argument 'FILE'"),
        (["rnu"], "No such command 'rnu'"),
        (["up"], "Missing option '--kubeconfig'"),
        (["up", "--kubeconfig", "k", "--node-list", "no.csv"], "no.csv: cannot read the node list"),
        (["report", "nowhere"], "nowhere: no such run directory"),
        (["run", QUICKSTART, "--out", "/dev/null"], "cannot write to /dev/null"),
        (["run", QUICKSTART, "--set", "phases.0.duration=30h"], "at most 24h"),
    ],
)
def test_usage_errors_exit_with_2_and_one_sentence(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_the_plan_is_not_printed_when_nothing_can_be_written() -> None:
    assert "Cluster" not in invoke("run", QUICKSTART, "--out", "/dev/null").output


@pytest.mark.parametrize("ending", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_ends_any_command_with_130_and_a_line(ending: type[BaseException]) -> None:
    @click.command()
    def broken_off() -> None:
        raise ending

    result = CliRunner().invoke(Commands("any", {"broken-off": broken_off}), ["broken-off"])
    assert result.exit_code == 130
    assert result.output == "Interrupted.\n"


def test_report_of_something_else(tmp_path: Path) -> None:
    result = invoke("report", str(tmp_path))
    assert result.exit_code == 2
    assert "not a run" in result.output


def test_down_without_a_cluster(tmp_path: Path) -> None:
    result = invoke("down", state=tmp_path)
    assert result.exit_code == 1
    assert "no cluster is up" in result.output


def standing(pid: int, ticks: int) -> Standing:
    return Standing(pid, ticks, "ready", "https://127.0.0.1:6443", "k", "log", 3)


def test_down_does_not_touch_a_recycled_pid(tmp_path: Path) -> None:
    ours = os.getpid()
    write_standing(tmp_path, standing(ours, start_ticks(ours) + 1))
    result = invoke("down", state=tmp_path)
    assert "no cluster is up" in result.output
    assert read_standing(tmp_path) is None


def test_up_refuses_a_second_cluster(tmp_path: Path) -> None:
    write_standing(tmp_path, standing(os.getpid(), start_ticks(os.getpid())))
    result = invoke("up", "--kubeconfig", str(tmp_path / "k"), state=tmp_path)
    assert result.exit_code == 1
    assert "a cluster is up already" in result.output


def test_up_refuses_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        where = ["--kubeconfig", str(tmp_path / "k"), "--https-port", port]
        result = invoke("up", *where, state=tmp_path / "s")
    assert result.exit_code == 1
    assert f"port {port} cannot be used: Address already in use" in result.output


def test_up_refuses_a_kubeconfig_it_would_destroy(tmp_path: Path) -> None:
    foreign = tmp_path / "config"
    foreign.write_text("current-context: production\n")
    for path, message in (
        (foreign, "was not written by hollowfleet"),
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "config", "does not exist"),
        (Path("/proc/kubeconfig"), "cannot write the kubeconfig to /proc/kubeconfig"),
    ):
        result = invoke("up", "--kubeconfig", str(path), state=tmp_path / "s")
        assert result.exit_code == 2
        assert message in result.output
    assert foreign.read_text() == "current-context: production\n"
    check_kubeconfig(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_stopping_waits_for_the_whole_family() -> None:
    wait = "import signal; signal.pause()"
    code = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', sys.argv[1]]);"
    code += f"print(p.pid, flush=True); {wait}"
    command = [sys.executable, "-c", code, wait]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    ticks = start_ticks(child)

    def tell(pid: int) -> None:
        os.kill(child, 15)
        os.kill(pid, 15)

    assert stop_standing(standing(parent.pid, start_ticks(parent.pid)), tell) == []
    parent.wait()
    parent.stdout.close()
    assert not alive(child, ticks)


def test_where_the_state_lies() -> None:
    assert state_directory({"HOLLOWFLEET_STATE": "/a"}) == Path("/a")
    assert state_directory({"XDG_STATE_HOME": "/b"}) == Path("/b/hollowfleet")
    assert state_directory({}) == Path.home() / ".local/state/hollowfleet"


def test_unfit_pythons_get_a_sentence() -> None:
    assert refusal((3, 11)) == refusal((3, 14)) == ""
    for version in ((3, 10), (3, 15), (2, 7), (4, 0)):
        assert "needs Python 3.11 to 3.14" in refusal(version)
        assert "make its environment with one of python3.11" in refusal(version)


class _State:
    def __init__(self, outcome: str) -> None:
        self.outcome = outcome


class _Run:
    """The parts of a Summary that decide the exit code."""

    def __init__(self, outcome: str, stamp: str, slo_failed: bool) -> None:
        self.state = _State(outcome)
        self.stamp = stamp
        self.slo_failed = slo_failed


@pytest.mark.parametrize(
    ("outcome", "stamp", "failed", "code"),
    [
        ("complete", "VALID", False, 0),
        ("complete", "VALID", True, 3),
        ("complete", "INVALID", True, 4),
        ("failed", "PARTIAL", False, 1),
        ("interrupted", "PARTIAL", True, 130),
    ],
)
def test_exit_codes(outcome: str, stamp: str, failed: bool, code: int) -> None:
    assert exit_code(_Run(outcome, stamp, failed)) == code  # type: ignore[arg-type]
