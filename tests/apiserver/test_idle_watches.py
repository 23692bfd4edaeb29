"""Watches that nobody uses cost little and hold nobody up."""

import tracemalloc

from apiserver_rig import ADMIN, Rig

from apiserver.messages import HttpArrived, HttpRequest
from apiserver.tasks import Limits

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
