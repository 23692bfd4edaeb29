"""Watches that nobody uses cost little and hold nobody up."""

import tracemalloc

from apiserver.messages import HttpArrived, HttpRequest
from apiserver.tasks import Limits
from tests.apiserver.apiserver_rig import ADMIN, Rig

COUNT = 5000
BYTES_MAX = 4096
"""Of one idle watch in the core, its request and answer included."""


def test_five_thousand_idle_watches_are_cheap_and_silent() -> None:
    rig = Rig(limits=Limits(2 * COUNT))
    rig.namespace("x")
    path, query = "/api/v1/namespaces/x/configmaps", "watch=1&fieldSelector=metadata.name=n{}"
    requests = [
        HttpRequest(10**6 + n, ADMIN, "GET", path, query.format(n), b"") for n in range(COUNT)
    ]
    tracemalloc.start()
    rig.step([HttpArrived(requests)])
    rig.run(4)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rig.core.gauges()["watchers"] == COUNT
    assert size / COUNT < BYTES_MAX
    assert rig.call("POST", path, {"metadata": {"name": "n7"}})[0] == 201
    told = [stream for stream, watch in rig.http.items() if watch.data]
    assert told == [10**6 + 7]


def test_watchers_that_are_told_the_same_share_one_chunk() -> None:
    rig = Rig()
    path = "/api/v1/namespaces/default/configmaps"
    alike = [rig.watch(f"{path}?watch=1") for _ in range(3)]
    other = rig.watch(f"{path}?watch=1&labelSelector=app%3Dx")
    for number in range(2):
        rig.call("POST", path, {"metadata": {"name": f"c{number}"}})
        first, *rest = (watch.chunks[-1] for watch in alike)
        assert all(chunk is first for chunk in rest)
    assert [event["metadata"]["name"] for _, event in alike[0].events] == ["c0", "c1"]
    assert other.chunks == []
