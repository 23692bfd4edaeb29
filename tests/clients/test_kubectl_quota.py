"""Quotas and limits by an unmodified kubectl: made, described, and felt."""

import pytest

from tests.clients.conftest import Text
from tests.clients.programs import PATIENT, Client

pytestmark = pytest.mark.kubectl
FULL = (
    'Error from server (Forbidden): pods "two" is forbidden: exceeded quota: q, '
    "requested: pods=1, used: pods=1, limited: pods=1"
)


def test_a_quota_is_counted_described_and_refuses(here: Client, said: Text) -> None:
    here("create", "quota", "q", "--hard=pods=1,count/deployments.apps=2,requests.memory=1Gi")
    here("wait", "quota/q", "--for=jsonpath={.status.used.pods}=0", PATIENT)
    container = '{"name":"c","image":"i","resources":{"requests":{"memory":"64Mi"}}}'
    spec = f'{{"spec":{{"containers":[{container}]}}}}'
    here("run", "one", "--image=i", f"--overrides={spec}")
    refused = here("run", "two", "--image=i", f"--overrides={spec}", check=False)
    assert refused.returncode == 1 and FULL in refused.stderr
    bare = here("run", "three", "--image=i", check=False)
    assert "failed quota: q: must specify requests.memory for: three" in bare.stderr
    rows = [line.split() for line in said("describe", "quota", "q").splitlines()]
    assert ["pods", "1", "1"] in rows
    assert ["requests.memory", "64Mi", "1Gi"] in rows
    assert ["count/deployments.apps", "0", "2"] in rows
    here("delete", "pod", "one", "--now")
    here("wait", "quota/q", "--for=jsonpath={.status.used.pods}=0", PATIENT)
    here("run", "two", "--image=i", f"--overrides={spec}")
