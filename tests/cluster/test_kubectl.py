"""What a user types into an unmodified kubectl at a cluster of ``hollowfleet up``; what else it
does is in tests/clients."""

import pytest

from tests.cluster.commands import NODES, PATIENT, Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kubectl]


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_nodes_and_a_deployment_that_is_created_scaled_and_deleted(kubectl: Kubectl) -> None:
    table = rows(kubectl("get", "nodes").stdout)
    assert table[0] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert len(table) == NODES + 1
    assert {row[1] for row in table[1:]} == {"Ready"}
    kubectl("create", "namespace", "typed")
    here = ("-n", "typed")
    made = kubectl("create", "deployment", "web", "--image=nginx", "--replicas=50", *here)
    assert made.stdout == "deployment.apps/web created\n"
    done = kubectl("rollout", "status", "deployment/web", PATIENT, *here)
    assert 'deployment "web" successfully rolled out' in done.stdout
    table = rows(kubectl("get", "pods", "-A", "-o", "wide", "-l", "app=web").stdout)
    assert table[0][:4] == ["NAMESPACE", "NAME", "READY", "STATUS"]
    assert len(table) == 51
    assert {row[3] for row in table[1:]} == {"Running"}
    kubectl("scale", "deployment/web", "--replicas=5", *here)
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.replicas}=5", PATIENT, *here)
    kubectl("delete", "deployment", "web", "--cascade=foreground", PATIENT, *here)
    assert "No resources found" in kubectl("get", "pods", *here).stderr
    kubectl("delete", "namespace", "typed", PATIENT)
