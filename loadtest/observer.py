"""Watches pods and nodes over HTTPS, as an informer does, and keeps their timelines.

Two threads of the driver process, one connection each: list, watch from its resourceVersion,
resume after a lost connection, list again when the version has expired (410).
"""

import threading
import time
from collections.abc import Callable

from api.core import JsonObject
from loadtest.client import ApiClient, Endpoint, ServerUnreachable
from loadtest.timeline import NodeTimeline, PodTimeline

LIST_LIMIT = 500
RETRY_PAUSE_S = 0.5
WATCH_TIMEOUT_S = 600


class Follower:
    """One collection, followed on a thread of its own."""

    def __init__(
        self,
        endpoint: Endpoint,
        path: str,
        listed: Callable[[list[JsonObject], int], None],
        changed: Callable[[str, JsonObject, int], None],
    ) -> None:
        self._endpoint = endpoint
        self._path = path
        self._listed = listed
        self._changed = changed
        self._stopping = threading.Event()
        self._client: ApiClient | None = None
        self._thread = threading.Thread(target=self._run, name=f"observe {path}", daemon=True)
        self.relists = 0
        self.reconnects = 0
        self.synced = threading.Event()
        self.refused = False
        """The server does not let us: waiting does not help."""
        self.problem = ""
        """The last reason for a lost connection, for the user."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, in at most a few seconds."""
        self._stopping.set()
        if self._client:
            self._client.abort()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        version = ""
        while not self._stopping.is_set():
            self._client = ApiClient(self._endpoint, 60.0)
            try:
                if not version:
                    version = self._list(self._client)
                    self.synced.set()
                version = self._watch(self._client, version)
            except ServerUnreachable as error:
                self.problem = str(error)
            finally:
                self._client.close()
            if not self._stopping.is_set():
                self.reconnects += 1
                self._stopping.wait(RETRY_PAUSE_S)

    def _list(self, client: ApiClient) -> str:
        self.relists += 1
        objects: list[JsonObject] = []
        token = ""
        while True:
            query = f"limit={LIST_LIMIT}" + (f"&continue={token}" if token else "")
            code, answer = client.request("GET", f"{self._path}?{query}")
            if code != 200:
                message = answer.get("message", "")
                self.refused = code in (401, 403)
                raise ServerUnreachable(f"list {self._path} was answered {code}: {message}")
            objects += answer.get("items") or []
            token = answer["metadata"].get("continue") or ""
            if not token:
                self._listed(objects, time.time_ns())
                return str(answer["metadata"]["resourceVersion"])

    def _watch(self, client: ApiClient, version: str) -> str:
        """The version to resume from; empty when a list is needed."""
        query = (
            f"watch=1&allowWatchBookmarks=true&resourceVersion={version}"
            f"&timeoutSeconds={WATCH_TIMEOUT_S}"
        )
        for event in client.watch(f"{self._path}?{query}"):
            now_ns = time.time_ns()
            body = event["object"]
            if event["type"] == "ERROR":
                return "" if body.get("code") == 410 else version
            version = body["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._changed(event["type"], body, now_ns)
        return version


class NodeFollower(Follower):
    """Which nodes are Ready."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.nodes = NodeTimeline()
        super().__init__(endpoint, "/api/v1/nodes", self._see_list, self._see)

    def _see_list(self, items: list[JsonObject], now_ns: int) -> None:
        self.nodes.see_all(items)

    def _see(self, event_type: str, item: JsonObject, now_ns: int) -> None:
        self.nodes.see(event_type, item)


class Observer:
    """Pods and nodes of one cluster. ``pods_path``: of the pods to follow, empty for none;
    ``with_nodes``: whether nodes are followed."""

    def __init__(
        self, endpoint: Endpoint, pods_path: str = "/api/v1/pods", with_nodes: bool = True
    ) -> None:
        self.pods = PodTimeline()
        node_follower = NodeFollower(endpoint)
        self.nodes = node_follower.nodes
        self._followers: list[Follower] = [node_follower] if with_nodes else []
        if pods_path:
            pods = Follower(endpoint, pods_path, self.pods.see_all, self.pods.see)
            self._followers.append(pods)

    def start(self) -> None:
        for follower in self._followers:
            follower.start()

    def stop(self) -> None:
        for follower in self._followers:
            follower.stop()

    @property
    def synced(self) -> bool:
        return all(follower.synced.is_set() for follower in self._followers)

    @property
    def problem(self) -> str:
        return next((f.problem for f in self._followers if f.problem), "")

    @property
    def refused(self) -> bool:
        return any(follower.refused for follower in self._followers)

    @property
    def gaps(self) -> dict[str, int]:
        """Reconnects and relists beyond the first: times seen are late by these gaps."""
        return {
            "reconnects": sum(f.reconnects for f in self._followers),
            "relists": sum(max(0, f.relists - 1) for f in self._followers),
        }
