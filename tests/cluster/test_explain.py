"""``hollowfleet explain`` on a running cluster."""

from pathlib import Path

import pytest

from tests.cluster.commands import NODES, PATIENT, Kubectl, run

pytestmark = pytest.mark.cluster


def pod(name: str, spec: str) -> str:
    return (
        f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, "
        f"spec: {{containers: [{{name: c, image: nginx}}], {spec}}}}}\n"
    )


def test_a_pending_pod_and_a_bound_one(kubectl: Kubectl, kubeconfig: Path, state: Path) -> None:
    kubectl("create", "-f", "-", stdin=pod("picky", "nodeSelector: {disk: none}"))
    kubectl("create", "-f", "-", stdin=pod("easy", "priority: 0"))
    kubectl("wait", "pod/easy", "--for=condition=Ready", PATIENT)
    where = ("--kubeconfig", str(kubeconfig))
    told = run("explain", "picky", *where, state=state)
    assert f"not bound; 0 of {NODES} nodes are feasible now" in told
    assert f"0/{NODES} nodes are available: {NODES} node(s) didn't match Pod's node" in told
    assert f"NodeAffinity{'':<20} {NODES:>6}" in told
    told = run("explain", "easy", "--top", "3", *where, state=state)
    assert f"; {NODES} of {NODES} nodes are feasible now" in told
    best = told.partition("BEST NODES")[2].splitlines()[1:]
    assert len(best) == 3 and all("NodeResourcesFit" in line for line in best)
    kubectl("delete", "pod", "picky", "easy", "--now")
