"""client-go informers and a controller of controller-runtime, where a Go is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.programs import Cluster, absent, client_of

SOURCE = Path(__file__).parent / "goinformer"
BUILD_S = 900
"""The first build; afterwards Go's own cache makes it one of seconds."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        absent("Go", "put a Go of 1.26 or newer on PATH")
    to = tmp_path_factory.mktemp("go") / "goinformer"
    command = [str(go), "build", "-mod=readonly", "-trimpath", "-p=2", "-o", str(to), "."]
    done = subprocess.run(
        command, cwd=SOURCE, capture_output=True, text=True, check=False, timeout=BUILD_S
    )
    if done.returncode and "dial tcp" in done.stderr:
        absent("Go modules", done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return to


def test_informers_and_a_controller_in_go(
    cluster: Cluster, namespace: str, program: Path, tmp_path: Path
) -> None:
    run = client_of(program, tmp_path)
    done = run(str(cluster.kubeconfig), namespace)
    assert done.stdout.splitlines() == [
        *("kubeconfig", "informer equals list", "apply a", "apply b"),
        *("manager", "controller", "manager ran", "all marked"),
    ]
