"""The request that an arrival stands for, as a black-box client sends it."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from loadtest.bodies import collection_path, deployment_body, object_path, pod_body
from loadtest.schedule import Arrival

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class Request(NamedTuple):
    """``target``: path and query. An empty body: none."""

    method: str
    target: str
    body: str = ""
    content_type: str = ""


def request_of(arrival: Arrival, image: str, annotations: Mapping[str, str]) -> Request:
    """Of anything but a watch. ``image`` and ``annotations`` are for pods that it makes."""
    place = arrival.resource, arrival.namespace
    match arrival.verb:
        case "create":
            body = pod_body if arrival.resource == "pods" else deployment_body
            return Request("POST", collection_path(*place), body(arrival, image, annotations), JSON)
        case "scale":
            # As kubectl does it.
            patch = json.dumps({"spec": {"replicas": dict(arrival.value)["replicas"]}})
            return Request(
                "PATCH", f"{object_path(*place, arrival.name)}/scale", patch, MERGE_PATCH
            )
        case "delete":
            query = "" if arrival.resource == "pods" else "?propagationPolicy=Background"
            return Request("DELETE", object_path(*place, arrival.name) + query)
        case "get":
            return Request("GET", object_path(*place, arrival.name))
        case verb:
            assert verb == "list", arrival
            limit = dict(arrival.value)["limit"]
            return Request("GET", f"{collection_path(*place)}?limit={limit}")
