"""Asks a cluster again and again over HTTPS, through whatever happens to its programs."""

import time
from collections.abc import Callable
from http.client import HTTPException

from actors.cluster import ClusterHandle
from api.core import JsonObject
from benchmarks.cluster_client import Client

WAIT_S = 60.0


class PatientClient:
    """A client that takes a server that is away as no answer yet."""

    def __init__(self, cluster: ClusterHandle) -> None:
        self._client = Client(cluster)

    def until(
        self,
        path: str,
        holds: Callable[[JsonObject], bool],
        body: JsonObject | None = None,
    ) -> JsonObject:
        """GET, or POST of ``body``, until the answer holds; the answer. AssertionError after
        WAIT_S, with the last one."""
        deadline = time.monotonic() + WAIT_S
        method = "GET" if body is None else "POST"
        last: object = None
        while time.monotonic() < deadline:
            try:
                answer = self._client.call(method, path, body)
                if holds(answer):
                    return answer
                last = f"{len(answer.get('items', ()))} objects"
            except (HTTPException, OSError, RuntimeError) as error:
                if "already exists" in str(error):
                    return {}
                last = error
            time.sleep(0.2)
        raise AssertionError(f"{method} {path} not as expected after {WAIT_S} s: {last}")

    def run_deployment(self, namespace: str, replicas: int) -> None:
        """A Deployment in a new namespace; return when all its pods are Running."""
        self.until("/api/v1/namespaces", anything, {"metadata": {"name": namespace}})
        labels = {"app": "web"}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        }
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        body = {"metadata": {"name": "web"}, "spec": spec}
        self.until(f"/apis/apps/v1/namespaces/{namespace}/deployments", anything, body)
        self.until(
            f"/api/v1/namespaces/{namespace}/pods",
            lambda answer: (
                [pod["status"].get("phase") for pod in answer["items"]] == ["Running"] * replicas
            ),
        )

    def wait_nodes(self, count: int) -> None:
        """Return when so many nodes exist and all are Ready."""
        self.until("/api/v1/nodes", lambda answer: ready(answer) == count == len(answer["items"]))


def anything(answer: JsonObject) -> bool:
    return True


def ready(nodes: JsonObject) -> int:
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in nodes["items"]
        for condition in node.get("status", {}).get("conditions", ())
    )
