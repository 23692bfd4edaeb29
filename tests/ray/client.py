"""Follows a cluster over HTTPS, through whatever happens to its programs. Nothing here sleeps: news
come by a watch, and a server that is away is waited for by the lives of its programs."""

import json
import time
from collections.abc import Callable
from typing import Any

from actors.lives import Life
from actors.ray.cluster import RayCluster
from api.core import JsonObject
from loadtest.client import ApiClient, Endpoint, ServerUnreachable

WAIT_S = 180.0
RETRIES_MAX = 1000
Collection = dict[str, JsonObject]
"""Objects of a collection by name."""


class PatientClient:
    """A client that takes a server that is away as no answer yet."""

    def __init__(self, cluster: RayCluster) -> None:
        self._cluster = cluster
        self._endpoint = Endpoint(cluster.server, cluster.ca_file, cluster.token)
        self._client = ApiClient(self._endpoint, WAIT_S)

    def get(self, path: str) -> JsonObject:
        return self._answered(lambda: self._once("GET", path))

    def create(self, path: str, body: JsonObject) -> None:
        """Also when it exists: the answer to an earlier try may have been lost."""
        self._answered(lambda: self._once("POST", path, body, (409,)))

    def until(self, path: str, holds: Callable[[Collection], bool]) -> Collection:
        """Follow a collection until it is so. AssertionError after WAIT_S, with what it was."""
        deadline = time.monotonic() + WAIT_S
        return self._answered(lambda: self._followed(path, holds, deadline))

    def run_deployment(self, namespace: str, replicas: int) -> None:
        """A Deployment in a new namespace; return when all its pods are Running."""
        self.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        labels = {"app": "web"}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        }
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        body = {"metadata": {"name": "web"}, "spec": spec}
        self.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
        self.until(
            f"/api/v1/namespaces/{namespace}/pods",
            lambda pods: (
                [pod["status"].get("phase") for pod in pods.values()] == ["Running"] * replicas
            ),
        )

    def wait_nodes(self, count: int) -> None:
        """Return when so many nodes exist and all are Ready."""
        self.until("/api/v1/nodes", lambda nodes: ready(nodes) == count == len(nodes))

    def _answered(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer: after each failure when all programs serve again."""
        last: Exception | None = None
        for _ in range(RETRIES_MAX):
            try:
                return ask()
            except (ServerUnreachable, Unavailable) as error:
                last = error
            assert self._cluster.await_lives(all_serve, WAIT_S), (last, self._cluster.lives())
        raise AssertionError(f"no answer in {RETRIES_MAX} tries: {last}")

    def _once(
        self, method: str, path: str, body: JsonObject | None = None, fine: tuple[int, ...] = ()
    ) -> JsonObject:
        text = b"" if body is None else json.dumps(body).encode()
        code, answer = self._client.request(method, path, text)
        if code == 503:
            raise Unavailable(f"{method} {path}: {answer.get('message')}")
        assert code < 400 or code in fine, f"{method} {path}: {code} {answer.get('message')}"
        return answer

    def _followed(
        self, path: str, holds: Callable[[Collection], bool], deadline: float
    ) -> Collection:
        """List and watch; when the watch breaks, Unavailable."""
        listed = self._once("GET", path)
        found = {item["metadata"]["name"]: item for item in listed["items"]}
        left_s = int(deadline - time.monotonic())
        assert holds(found) or left_s > 0, f"{path} not as expected: {len(found)} objects"
        if holds(found):
            return found
        version = listed["metadata"]["resourceVersion"]
        watch = f"{path}?watch=1&resourceVersion={version}&timeoutSeconds={left_s}"
        with_client = ApiClient(self._endpoint, left_s + 1.0)
        try:
            for event in with_client.watch(watch):
                item = event["object"]
                if event["type"] == "ERROR":
                    raise Unavailable(f"{path}: {item}")
                if event["type"] == "DELETED":
                    found.pop(item["metadata"]["name"], None)
                else:
                    found[item["metadata"]["name"]] = item
                if holds(found):
                    return found
        finally:
            with_client.close()
        raise Unavailable(f"the watch of {path} ended")


class Unavailable(Exception):
    """The server answers, and cannot do it now."""


def all_serve(lives: list[Life]) -> bool:
    """The newest process of each program has begun to serve and lives."""
    newest = {life.program: life for life in lives}
    return all(life.up_ns and not life.ended_ns for life in newest.values())


def ready(nodes: Collection) -> int:
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in nodes.values()
        for condition in node.get("status", {}).get("conditions", ())
    )
