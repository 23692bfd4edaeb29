"""The scheduler against our API server and store: pods bound a second, and what one costs.

    python -m benchmarks.bench_scheduler_end_to_end [--nodes 5000] [--pods 10000]
        [--kind plain|spread|apart]

Node objects without kubelets. Nodes and pods are created over HTTPS while another holds the
scheduler's Lease; then the Lease is given up. First bind to last as a watcher over HTTPS sees it;
CPU of API server, two store shards and scheduler from the Lease's release until every pod has its
Scheduled event, which are counted, as are the PodScheduled conditions. fsync on; all nodes scored.
Pods that keep apart by host can be no more than there are nodes.
Beside it stands what kube-scheduler, kube-apiserver and etcd do on two cores of the same kind.
"""

import argparse
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from actors.plan import SchedulerConfig
from actors.processes import cpu_seconds
from actors.security import admin_token
from api.core import JsonObject
from benchmarks.api_stack import Program, Stack, ready, running_stack, started
from benchmarks.bench_scheduler import apart_pod, cluster_node, equal_pod, spread_pod

REAL = {
    "plain": "82/s at 22.8 ms with all nodes scored; 268-333/s at 5-6 ms with 10 %",
    "spread": "111/s at 16.0 ms",
    "apart": "221/s at 8.1 ms",
}
CREATORS = 4
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS, NODES, EVENTS = (
    "/api/v1/namespaces/default/pods",
    "/api/v1/nodes",
    "/api/v1/namespaces/default/events",
)


class Caller:
    """One connection, used again and again."""

    def __init__(self, stack: Stack) -> None:
        self._token = admin_token(stack.security)
        url = urlsplit(stack.server)
        context = ssl.create_default_context(cafile=f"{stack.security.directory}/ca.crt")
        self._connection = http.client.HTTPSConnection(
            url.hostname or "", url.port, context=context, timeout=600
        )

    def open(self, method: str, path: str, body: JsonObject | None) -> http.client.HTTPResponse:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, headers)
        return self._connection.getresponse()

    def call(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        response = self.open(method, path, body)
        answer: JsonObject = json.loads(response.read())
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {answer.get('message')}")
        return answer


@dataclass
class Seen:
    """What the watcher saw of the pods."""

    bound: dict[str, str] = field(default_factory=dict)
    first: float = 0.0
    last: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=10000)
    parser.add_argument("--kind", choices=REAL, default="plain")
    options = parser.parse_args()
    with running_stack("fsync") as stack:
        caller = Caller(stack)
        lease = caller.call("POST", LEASES, _lease_of_another())
        caller.call("POST", ACCOUNTS, {"metadata": {"name": "default"}})
        nodes = [cluster_node(number, False) for number in range(options.nodes)]
        create(stack, NODES, nodes)
        make_ready(stack, nodes)
        config = SchedulerConfig("apiserver-0", (), stack.security, seed=1)
        addresses = {"apiserver-0": stack.api.address}
        leader = ready(started("actors.scheduler", config, addresses))
        try:
            pod_of = {"plain": equal_pod, "spread": spread_pod(0), "apart": apart_pod(0)}
            create(stack, PODS, [pod_of[options.kind](number) for number in range(options.pods)])
            # The server has closed a connection on which nothing was said for so long.
            caller = Caller(stack)
            version = caller.call("GET", f"{PODS}?limit=1")["metadata"]["resourceVersion"]
            seen, watching = Seen(), threading.Event()
            watcher = threading.Thread(
                target=watch_bindings, args=(stack, version, options.pods, seen, watching)
            )
            watcher.start()
            watching.wait()
            before = cpu_of(stack, leader)
            lease["spec"]["holderIdentity"] = ""
            caller.call("PUT", f"{LEASES}/kube-scheduler", lease)
            watcher.join()
            caller = Caller(stack)
            events = await_events(caller, options.pods)
            spent = [now - then for now, then in zip(cpu_of(stack, leader), before, strict=True)]
            report(options.pods, options.kind, seen, spent)
            conditions = sum(map(scheduled, caller.call("GET", PODS)["items"]))
            print(f"Scheduled events {events}, PodScheduled conditions {conditions}")
            assert events == conditions == options.pods
        finally:
            leader.stop()


def create(stack: Stack, path: str, objects: Sequence[JsonObject]) -> None:
    _over_few_connections(stack, objects, lambda caller, body: caller.call("POST", path, body))


def make_ready(stack: Stack, nodes: Sequence[JsonObject]) -> None:
    """Without the taint that admission puts on a new node until its conditions say it is ready."""

    def untaint(caller: Caller, body: JsonObject) -> None:
        path = f"{NODES}/{body['metadata']['name']}"
        node = caller.call("GET", path)
        node["spec"]["taints"] = body["spec"].get("taints") or []
        caller.call("PUT", path, node)

    _over_few_connections(stack, nodes, untaint)


def _over_few_connections(
    stack: Stack, objects: Sequence[JsonObject], act: Callable[[Caller, JsonObject], object]
) -> None:
    def some(first: int) -> None:
        caller = Caller(stack)
        for body in objects[first::CREATORS]:
            act(caller, body)

    with ThreadPoolExecutor(CREATORS) as threads:
        list(threads.map(some, range(CREATORS)))


def watch_bindings(
    stack: Stack, version: str, pods: int, seen: Seen, watching: threading.Event
) -> None:
    """Until so many pods have a node."""
    path = f"{PODS}?watch=1&resourceVersion={version}&timeoutSeconds=600"
    stream = Caller(stack).open("GET", path, None)
    watching.set()
    for line in stream:
        event = json.loads(line)
        item = event["object"]
        node = item["spec"].get("nodeName") if event["type"] == "MODIFIED" else None
        if node and item["metadata"]["name"] not in seen.bound:
            seen.last = time.monotonic()
            seen.first = seen.first or seen.last
            seen.bound[item["metadata"]["name"]] = node
            if len(seen.bound) == pods:
                return
    raise RuntimeError(f"the watch ended with {len(seen.bound)} of {pods} bound")


def await_events(caller: Caller, pods: int) -> int:
    """Those of reason Scheduled, once there are as many as pods."""
    path = f"{EVENTS}?fieldSelector=reason%3DScheduled"
    for _ in range(100):
        listed = caller.call("GET", path)
        if len(listed["items"]) >= pods:
            return len(listed["items"])
        time.sleep(0.2)
    return len(listed["items"])


def scheduled(pod: JsonObject) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(c["type"] == "PodScheduled" and c["status"] == "True" for c in conditions)


def cpu_of(stack: Stack, leader: Program) -> tuple[float, float, float]:
    """Seconds so far: scheduler, API server, store."""
    api, stores = stack.cpu_s()
    return cpu_seconds(leader.process.pid), api, stores


def report(pods: int, kind: str, seen: Seen, spent: Sequence[float]) -> None:
    rate = pods / (seen.last - seen.first)
    each = [seconds / pods * 1000 for seconds in spent]
    print(
        f"{kind}: {rate:,.0f} pods/s, first bind to last; on {len(set(seen.bound.values()))} nodes"
    )
    print(
        f"CPU ms a pod {sum(each):.3f}: scheduler {each[0]:.3f}, API server {each[1]:.3f}, "
        f"store {each[2]:.3f}; both cores busy with it would do {2000 / sum(each):,.0f} pods/s"
    )
    print(f"kube-scheduler, kube-apiserver and etcd: {REAL[kind]}")


def _lease_of_another() -> JsonObject:
    return {
        "metadata": {"name": "kube-scheduler", "namespace": "kube-system"},
        "spec": {
            "holderIdentity": "benchmark",
            "leaseDurationSeconds": 3600,
            "leaseTransitions": 0,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "2026-01-01T00:00:00.000000Z",
        },
    }


if __name__ == "__main__":
    main()
