"""A small HTTPS client for the cluster benchmarks: one call, and waiting on a watch."""

import http.client
import json
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from actors.cluster import ClusterHandle
from api.core import JsonObject


class Client:
    """Calls one API server as its administrator; a new connection for each call."""

    def __init__(self, cluster: ClusterHandle) -> None:
        self._context = ssl.create_default_context(cafile=cluster.ca_file)
        url = urlsplit(cluster.server)
        self._host, self._port = url.hostname or "", url.port or 443
        self._headers = {"Authorization": f"Bearer {cluster.token}"}

    def call(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        response = self._open(method, path, body)
        answer: JsonObject = json.loads(response.read())
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {answer.get('message')}")
        return answer

    def _open(
        self, method: str, path: str, body: JsonObject | None = None
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection(
            self._host, self._port, context=self._context, timeout=120
        )
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        return connection.getresponse()

    def wait_all(self, path: str, count: int, holds: Callable[[JsonObject], bool]) -> float:
        """Until ``count`` objects of a collection hold; the monotonic time of the last one."""
        listed = self.call("GET", path)
        good = {item["metadata"]["uid"] for item in listed["items"] if holds(item)}
        version = listed["metadata"]["resourceVersion"]
        if len(good) >= count:
            return time.monotonic()
        stream = self._open("GET", f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=120")
        for line in stream:
            event = json.loads(line)
            item = event["object"]
            if event["type"] == "ERROR":
                raise RuntimeError(f"watch of {path}: {item.get('message')}")
            if event["type"] != "DELETED" and holds(item):
                good.add(item["metadata"]["uid"])
                if len(good) >= count:
                    return time.monotonic()
        raise RuntimeError(f"watch of {path} ended with {len(good)} of {count}")

    def wait_gone(self, path: str) -> float:
        """Until an object is gone; the monotonic time at which it was."""
        collection, name = path.rsplit("/", 1)
        listed = self.call("GET", f"{collection}?fieldSelector=metadata.name={name}")
        if not listed["items"]:
            return time.monotonic()
        version = listed["metadata"]["resourceVersion"]
        query = f"watch=1&resourceVersion={version}&fieldSelector=metadata.name={name}"
        for line in self._open("GET", f"{collection}?{query}&timeoutSeconds=120"):
            if json.loads(line)["type"] == "DELETED":
                return time.monotonic()
        raise RuntimeError(f"{path} is still there")
