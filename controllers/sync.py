"""How a reconciler talks: a sync is a generator that yields batches of calls and gets answers.

    def sync(self, key: str, now_ns: int) -> Sync:
        answers = yield [create(PODS, namespace, body)]
        return DONE if answers[0].code < 300 else FAILED

It reads like the procedure that it is, does nothing but compute between two yields, and holds no
state but its locals: whoever drops it loses no work, because the next sync starts from what is.
The calls of one batch run side by side; the answers come in the order of the calls.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import orjson

from api.calls import MERGE_PATCH, STRATEGIC_PATCH, ApiReply, ApiRequest
from api.core import JsonObject


class Verdict(NamedTuple):
    """How a sync ended."""

    failed: bool = False
    """Try again after the key's back-off."""
    again_at_ns: int = 0
    """Look again at this time; 0: no need."""


DONE = Verdict()
FAILED = Verdict(failed=True)

Sync = Generator[Sequence[ApiRequest], Sequence[ApiReply], Verdict]
Writing = Generator[Sequence[ApiRequest], Sequence[ApiReply], JsonObject | None]
"""A part of a sync that writes one object: the object afterwards, or None when it failed."""
Trying = Generator[Sequence[ApiRequest], Sequence[ApiReply], bool]
"""A part of a sync that may fail: False when it did."""


def again(at_ns: int) -> Verdict:
    return Verdict(again_at_ns=at_ns)


def ok(reply: ApiReply) -> bool:
    return 200 <= reply.code < 300


def body_of(reply: ApiReply) -> JsonObject:
    """The object or Status of an answer; empty when there is none."""
    if not reply.body:
        return {}
    found: JsonObject = orjson.loads(reply.body)
    return found


def create(resource: str, namespace: str, body: JsonObject) -> ApiRequest:
    return ApiRequest(0, "create", resource, namespace, "", "", "", body)


def update(resource: str, item: JsonObject, subresource: str = "") -> ApiRequest:
    """Write the whole object (or its subresource) at the version that it carries."""
    meta = item["metadata"]
    namespace = meta.get("namespace", "")
    return ApiRequest(0, "update", resource, namespace, meta["name"], subresource, "", item)


def merge_patch(resource: str, namespace: str, name: str, body: JsonObject) -> ApiRequest:
    return ApiRequest(0, "patch", resource, namespace, name, "", "", body, MERGE_PATCH)


def strategic_patch(
    resource: str, namespace: str, name: str, body: JsonObject, subresource: str = ""
) -> ApiRequest:
    return ApiRequest(0, "patch", resource, namespace, name, subresource, "", body, STRATEGIC_PATCH)


def delete(
    resource: str, namespace: str, name: str, options: JsonObject | None = None
) -> ApiRequest:
    body = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if options:
        body = {**body, **options}
    return ApiRequest(0, "delete", resource, namespace, name, "", "", body, "", True)


def get(resource: str, namespace: str, name: str) -> ApiRequest:
    return ApiRequest(0, "get", resource, namespace, name)
