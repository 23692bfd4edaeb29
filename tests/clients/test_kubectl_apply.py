"""Server-side apply by an unmodified kubectl: what goes, what is only shown, and taking over."""

import pytest

from tests.clients.conftest import Text
from tests.clients.manifests import DEPLOYMENT
from tests.clients.programs import Client

pytestmark = pytest.mark.kubectl
APPLY = ("apply", "--server-side", "-f", "-")
SCALED = DEPLOYMENT.replace("replicas: 2", "replicas: 3")
WITHOUT_SIDECAR = DEPLOYMENT.replace('      - {name: side, image: "sidecar:1"}\n', "")
NAMES = "jsonpath={.spec.template.spec.containers[*].name}"


def test_what_is_no_longer_applied_goes(here: Client, said: Text) -> None:
    here(*APPLY, stdin=DEPLOYMENT)
    here(*APPLY, stdin=WITHOUT_SIDECAR)
    assert said("get", "deployment", "web", "-o", NAMES) == "web"


def test_server_side_dry_run_and_diff(here: Client, said: Text) -> None:
    made = said(*APPLY, "--dry-run=server", stdin=DEPLOYMENT)
    assert made == "deployment.apps/web serverside-applied (server dry run)\n"
    assert "NotFound" in here("get", "deployment", "web", check=False).stderr
    here(*APPLY, stdin=DEPLOYMENT)
    changed = here("diff", "--server-side", "-f", "-", stdin=SCALED, check=False)
    assert "+  replicas: 3" in changed.stdout


def test_from_client_side_to_server_side(here: Client, said: Text) -> None:
    here("apply", "-f", "-", stdin=DEPLOYMENT)
    assert said(*APPLY, stdin=SCALED) == "deployment.apps/web serverside-applied\n"
    here(*APPLY, stdin=WITHOUT_SIDECAR)
    assert said("get", "deployment", "web", "-o", NAMES) == "web"


def test_unknown_fields_and_kinds_are_refused(here: Client) -> None:
    refused = here(*APPLY, stdin=DEPLOYMENT.replace("replicas:", "replica:"), check=False)
    assert ".spec.replica: field not declared in schema" in refused.stderr
    unknown = here("get", "unicorns", check=False)
    assert 'the server doesn\'t have a resource type "unicorns"' in unknown.stderr
