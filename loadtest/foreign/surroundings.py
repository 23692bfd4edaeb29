"""What is there before a run: the server's version, names to read, and what we may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

import orjson

from api.core import JsonObject
from loadtest.client import ApiClient

NAMES_MAX = 500
"""Of pods and of namespaces that reads are spread over."""
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class ForeignError(Exception):
    """A server or an account that cannot be used; the text is one sentence for the user."""


class Right(NamedTuple):
    """Something that a run needs to be allowed. An empty namespace is all of them."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        if self.group:
            what += f" of {self.group}"
        where = f"in namespace {self.namespace}" if self.namespace else "cluster-wide"
        return f"{self.verb} {what} {where}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A cluster as it was found."""

    version: str
    nodes: int | None
    """None: we may not list them."""
    namespaces: tuple[str, ...]
    """At least one."""
    pods: tuple[tuple[str, str], ...]
    """(namespace, name) of some, in the server's order; none where we may not list them."""


def look_around(client: ApiClient) -> Surroundings:
    """Four reads. Errors: ServerUnreachable, ForeignError when we are not let in at all."""
    code, answer = client.request("GET", "/version")
    if code == HTTPStatus.UNAUTHORIZED:
        raise ForeignError("the server does not know us (401): token or certificate is not valid")
    version = str(answer.get("gitVersion", "")) if code == HTTPStatus.OK else ""
    nodes, left = _listed(client, "/api/v1/nodes", 1)
    spaces, _ = _listed(client, "/api/v1/namespaces", NAMES_MAX)
    pods, _ = _listed(client, "/api/v1/pods", NAMES_MAX)
    names = tuple(item["metadata"]["name"] for item in spaces or ())
    return Surroundings(
        version=version,
        nodes=None if nodes is None else len(nodes) + left,
        namespaces=names or ("default",),
        pods=tuple((p["metadata"]["namespace"], p["metadata"]["name"]) for p in pods or ()),
    )


def _listed(client: ApiClient, path: str, limit: int) -> tuple[list[JsonObject] | None, int]:
    """The first page, and how many there are beyond it; None where we may not."""
    code, answer = client.request("GET", f"{path}?limit={limit}")
    if code == HTTPStatus.UNAUTHORIZED:
        raise ForeignError("the server does not know us (401): token or certificate is not valid")
    if code == HTTPStatus.FORBIDDEN:
        return None, 0
    if code != HTTPStatus.OK:
        raise ForeignError(f"list {path} was answered {code}: {answer.get('message', '')}")
    left = answer["metadata"].get("remainingItemCount") or 0
    return answer.get("items") or [], int(left)


def check_rights(client: ApiClient, rights: Iterable[Right]) -> None:
    """Ask the server for each, writing nothing. Errors: ServerUnreachable, ForeignError that names
    all that are missing."""
    missing = [str(right) for right in dict.fromkeys(rights) if not _may(client, right)]
    if missing:
        raise ForeignError("the kubeconfig's user may not " + ", nor ".join(missing))


def _may(client: ApiClient, right: Right) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": right._asdict()},
    }
    code, answer = client.request("POST", REVIEWS, orjson.dumps(review))
    if code not in (HTTPStatus.OK, HTTPStatus.CREATED):
        message = answer.get("message", "")
        raise ForeignError(f"what we may do cannot be asked: {code}: {message}")
    return bool(answer["status"].get("allowed"))
