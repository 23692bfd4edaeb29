"""Server-side apply by an unmodified kubectl: managers, conflicts, force, taking over."""

import json

import pytest

from tests.cluster.commands import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kubectl]

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: blue}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "nginx:1", ports: [{containerPort: 80}]}
      - {name: side, image: "sidecar:1"}
"""
SCALED = MANIFEST.replace("replicas: 2", "replicas: 3")
WITHOUT_SIDECAR = MANIFEST.replace('      - {name: side, image: "sidecar:1"}\n', "")


@pytest.fixture
def here(kubectl: Kubectl, request: pytest.FixtureRequest) -> tuple[str, str]:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40]
    kubectl("create", "namespace", name)
    request.addfinalizer(lambda: kubectl("delete", "namespace", name, "--wait=false"))
    return ("-n", name)


def apply(kubectl: Kubectl, text: str, *arguments: str, check: bool = True) -> str:
    done = kubectl("apply", "--server-side", "-f", "-", *arguments, stdin=text, check=check)
    return done.stdout if check else done.stderr


def deployment(kubectl: Kubectl, here: tuple[str, str]) -> dict[str, object]:
    text = kubectl("get", "deployment", "web", "-o", "json", "--show-managed-fields", *here).stdout
    found: dict[str, object] = json.loads(text)
    return found


def test_server_side_apply_conflict_and_force(kubectl: Kubectl, here: tuple[str, str]) -> None:
    assert apply(kubectl, MANIFEST, *here) == "deployment.apps/web serverside-applied\n"
    assert apply(kubectl, MANIFEST, *here) == "deployment.apps/web serverside-applied\n"
    other = ("--field-manager=other", *here)
    refused = apply(kubectl, SCALED, *other, check=False)
    assert 'conflict with "kubectl": .spec.replicas' in refused
    assert "--force-conflicts" in refused
    apply(kubectl, SCALED, "--force-conflicts", *other)
    after = json.dumps(deployment(kubectl, here)["spec"])
    assert '"replicas": 3' in after
    again = apply(kubectl, MANIFEST, *here, check=False)
    assert 'conflict with "other": .spec.replicas' in again


def test_what_is_no_longer_applied_goes(kubectl: Kubectl, here: tuple[str, str]) -> None:
    apply(kubectl, MANIFEST, *here)
    apply(kubectl, WITHOUT_SIDECAR, *here)
    names = kubectl(
        "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}", *here
    )
    assert names.stdout == "web"


def test_server_side_dry_run_and_diff(kubectl: Kubectl, here: tuple[str, str]) -> None:
    made = apply(kubectl, MANIFEST, "--dry-run=server", *here)
    assert made == "deployment.apps/web serverside-applied (server dry run)\n"
    assert "NotFound" in kubectl("get", "deployment", "web", *here, check=False).stderr
    apply(kubectl, MANIFEST, *here)
    changed = kubectl("diff", "--server-side", "-f", "-", *here, stdin=SCALED, check=False)
    assert "+  replicas: 3" in changed.stdout


def test_from_client_side_to_server_side(kubectl: Kubectl, here: tuple[str, str]) -> None:
    kubectl("apply", "-f", "-", *here, stdin=MANIFEST)
    assert apply(kubectl, SCALED, *here) == "deployment.apps/web serverside-applied\n"
    apply(kubectl, WITHOUT_SIDECAR, *here)
    images = kubectl(
        "get",
        "deployment",
        "web",
        "-o",
        "jsonpath={.spec.template.spec.containers[*].image}",
        *here,
    )
    assert images.stdout == "nginx:1"


def test_unknown_fields_are_refused(kubectl: Kubectl, here: tuple[str, str]) -> None:
    refused = apply(kubectl, MANIFEST.replace("replicas:", "replica:"), *here, check=False)
    assert ".spec.replica: field not declared in schema" in refused
