"""One program of each kind is killed amid a small campaign, over a network that cuts lines."""

from pathlib import Path

import pytest

from tests.faults.kill_campaign import KINDS, killed_run

CAMPAIGN = """
apiVersion: hollowfleet.dev/v1alpha1
kind: Campaign
metadata: {name: killed}
spec:
  settle: 180s
  faults: {network: {delay: 1ms, jitter: 1ms, cutEvery: 10s}}
  namespaces: 2
  cluster: {nodes: 100, storeShards: 2, schedulerPartitions: 2, controllerShards: 2}
  phases:
    - name: load
      duration: 12s
      load:
        - {scenario: pods, arrivals: poisson, rate: 20/s}
        - {scenario: deployments, arrivals: constant, rate: 1/s, replicas: 3}
        - {scenario: readers, arrivals: constant, rate: 10/s}
"""


@pytest.mark.cluster
def test_it_recovers_finishes_and_says_so(tmp_path: Path) -> None:
    campaign = tmp_path / "killed.yaml"
    campaign.write_text(CAMPAIGN)
    summary = killed_run(campaign, tmp_path / "runs", seed=1)
    assert sorted(outage["program"].partition("-")[0] for outage in summary["outages"]) == sorted(
        KINDS
    )
