"""The one namespace of a run on somebody else's cluster: made, known by its label, removed.

A label with the run's own id says which namespace is ours, so an answer that was lost leaves
nothing behind, and what somebody else made under the same name is never touched.
"""

import time
from http import HTTPStatus

import orjson

from loadtest.bodies import collection_path
from loadtest.client import ApiClient
from loadtest.foreign.surroundings import ForeignError

RUN_LABEL = "hollowfleet.dev/run"
ACCOUNT_S = 30
"""How long a controller may take to make the default service account, without which many servers
refuse pods."""
PAUSE_S = 0.5
"""Between two watches of a server that ends them at once."""
REMOVAL_S = 180
"""How long the cluster may take to empty the namespace."""


def make_namespace(client: ApiClient, name: str, run: str) -> bool:
    """Whether it has its default service account. Errors: ServerUnreachable, ForeignError when
    there is a namespace of that name."""
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {RUN_LABEL: run}},
    }
    code, answer = client.request("POST", collection_path("namespaces", ""), orjson.dumps(body))
    if code == HTTPStatus.CONFLICT:
        raise ForeignError(
            f"namespace {name} exists already: the run makes and removes one of its own, so name "
            "one that does not exist"
        )
    if code not in (HTTPStatus.OK, HTTPStatus.CREATED):
        message = answer.get("message", "")
        raise ForeignError(f"namespace {name} cannot be made: {code}: {message}")
    query = f"watch=1&fieldSelector=metadata.name%3Ddefault&timeoutSeconds={ACCOUNT_S}"
    path = f"{collection_path('serviceaccounts', name)}?{query}"
    return any(event["type"] == "ADDED" for event in client.watch(path))


def remove_namespace(client: ApiClient, name: str, run: str) -> None:
    """Until it is gone; nothing where it is not ours. Errors: ServerUnreachable, ForeignError when
    it does not go."""
    path = f"{collection_path('namespaces', '')}/{name}"
    code, found = client.request("GET", path)
    if code == HTTPStatus.NOT_FOUND:
        return
    if code != HTTPStatus.OK:
        raise ForeignError(_left(name, f"asking for it was answered {code}"))
    metadata = found["metadata"]
    if (metadata.get("labels") or {}).get(RUN_LABEL) != run:
        return
    options = {"kind": "DeleteOptions", "apiVersion": "v1"}
    preconditions = {"preconditions": {"uid": metadata["uid"]}}
    code, answer = client.request("DELETE", path, orjson.dumps(options | preconditions))
    if code not in (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
        raise ForeignError(_left(name, f"{code}: {answer.get('message', '')}"))
    _await_gone(client, name, str(metadata["resourceVersion"]))


def _await_gone(client: ApiClient, name: str, version: str) -> None:
    """Follow it from ``version`` until it is gone."""
    deadline = time.monotonic() + REMOVAL_S
    root = collection_path("namespaces", "")
    while (left_s := int(deadline - time.monotonic())) > 0:
        query = (
            f"watch=1&fieldSelector=metadata.name%3D{name}&resourceVersion={version}"
            f"&timeoutSeconds={left_s}"
        )
        for event in client.watch(f"{root}?{query}"):
            if event["type"] == "DELETED":
                return
        code, found = client.request("GET", f"{root}/{name}")
        if code == HTTPStatus.NOT_FOUND:
            return
        version = str(found["metadata"]["resourceVersion"]) if code == HTTPStatus.OK else version
        time.sleep(PAUSE_S)
    raise ForeignError(_left(name, f"it was told to go and is still there after {REMOVAL_S} s"))


def _left(name: str, why: str) -> str:
    return f"namespace {name} may be left ({why}); remove it with: kubectl delete namespace {name}"
