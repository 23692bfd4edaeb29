"""Several API servers over the shards of one store, in virtual time."""

from pathlib import Path

import numpy as np

from tests.simcampaign.campaigns import document, simulated

LOAD = [
    {"scenario": "pods", "rate": 20, "arrivals": "constant", "lifetime": "1s"},
    {"scenario": "readers", "rate": 10},
    {"scenario": "watchers", "count": 4},
]
SERVERS = 3
CLUSTER = {
    "nodes": 12,
    "apiServers": SERVERS,
    "storeShards": 2,
    "shardBy": "hash",
    "controllerShards": 2,
    "hollowActors": 3,
    "schedulerPartitions": 1,
}
CUT_S = (2.0, 3.0)


def test_each_has_its_share_and_none_needs_another(tmp_path: Path) -> None:
    """The last is cut off for a second: what is asked of it waits, and what is asked of the others
    does not."""
    doc = document(CLUSTER, LOAD, seconds=5)
    last = f"apiserver-{SERVERS - 1}"
    doc["spec"]["faults"] = {"disconnect": [{"component": last, "at": "2s", "for": "1s"}]}
    _, state, summary = simulated(doc, tmp_path)
    assert summary.stamp == "VALID", summary.reasons
    assert not np.isnan(summary.pods.running_s).any() and len(summary.pods.running_s) == 100
    names = [f"apiserver-{number}" for number in range(SERVERS)]
    busy = {one.name: one.mean for one in summary.components}
    assert all(busy[name] > 0 for name in names), busy
    assert state.asked["create pods"] == 100
    requests = summary.requests
    amid = (requests.intended_s > CUT_S[0]) & (requests.intended_s < CUT_S[1] - 0.1)
    waited = requests.latency_s[amid & (requests.verb == "create")] > 0.05
    assert 0.2 < waited.mean() < 0.5, "a third of what was created meanwhile"
