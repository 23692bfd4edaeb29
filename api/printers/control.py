"""Rows of what steers the API server, of certificates and of devices.

Source: pkg/printers/internalversion/printers.go.
"""

from collections.abc import Callable
from typing import Any

from api.core import JsonObject
from api.printers.ages import NONE, UNSET, age, human_duration


def flow_schema_cells(schema: JsonObject, now_ns: int) -> list[Any]:
    """Name, level, precedence, what tells flows apart, age, whether the level is missing."""
    metadata, spec = schema["metadata"], schema["spec"]
    method = spec.get("distinguisherMethod") or {}
    conditions = schema.get("status", {}).get("conditions") or ()
    dangling = [one.get("status") for one in conditions if one.get("type") == "Dangling"]
    return [
        metadata["name"],
        spec["priorityLevelConfiguration"].get("name", ""),
        spec.get("matchingPrecedence", 0),
        method.get("type") or NONE,
        age(metadata.get("creationTimestamp"), now_ns),
        dangling[0] if dangling else "?",
    ]


def priority_level_cells(level: JsonObject, now_ns: int) -> list[Any]:
    """Name, type, shares, queues, hand, length of a queue, age."""
    metadata, spec = level["metadata"], level["spec"]
    limited = spec.get("limited") or {}
    queuing = limited.get("limitResponse", {}).get("queuing") or {}
    names = ("queues", "handSize", "queueLengthLimit")
    return [
        metadata["name"],
        spec.get("type", ""),
        limited.get("nominalConcurrencyShares", NONE),
        *(queuing.get(name, NONE) for name in names),
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def webhook_cells(configuration: JsonObject, now_ns: int) -> list[Any]:
    """Name, number of webhooks, age."""
    metadata = configuration["metadata"]
    count = len(configuration.get("webhooks") or ())
    return [metadata["name"], count, age(metadata.get("creationTimestamp"), now_ns)]


def policy_cells(field: str) -> Callable[[JsonObject, int], list[Any]]:
    """Of an admission policy: name, number of ``field``, kind of its parameters, age."""

    def cells(policy: JsonObject, now_ns: int) -> list[Any]:
        metadata, spec = policy["metadata"], policy["spec"]
        kind = spec.get("paramKind")
        shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET
        return [
            metadata["name"],
            len(spec.get(field) or ()),
            shown,
            age(metadata.get("creationTimestamp"), now_ns),
        ]

    return cells


def policy_binding_cells(binding: JsonObject, now_ns: int) -> list[Any]:
    """Name, policy, parameters, age."""
    metadata, spec = binding["metadata"], binding["spec"]
    reference = spec.get("paramRef")
    shown = UNSET
    if reference:
        namespace, name = reference.get("namespace"), reference.get("name", "")
        shown = f"{namespace}/{name}" if namespace else name or "<multiple>"
    return [
        metadata["name"],
        spec.get("policyName", ""),
        shown,
        age(metadata.get("creationTimestamp"), now_ns),
    ]


def certificate_request_cells(request: JsonObject, now_ns: int) -> list[Any]:
    """Name, age, signer, who asked, for how long, state."""
    metadata, spec = request["metadata"], request["spec"]
    seconds = spec.get("expirationSeconds")
    return [
        metadata["name"],
        age(metadata.get("creationTimestamp"), now_ns),
        spec.get("signerName") or NONE,
        spec.get("username", ""),
        NONE if seconds is None else human_duration(seconds * 1_000_000_000),
        _certificate_state(request.get("status", {})),
    ]


def _certificate_state(status: JsonObject) -> str:
    types = [one.get("type") for one in status.get("conditions") or ()]
    words = [word for word in ("Denied", "Approved") if word in types][:1] or ["Pending"]
    if "Failed" in types:
        words.append("Failed")
    if status.get("certificate"):
        words.append("Issued")
    return ",".join(words)


def resource_claim_cells(claim: JsonObject, now_ns: int) -> list[Any]:
    """Name, state, age."""
    metadata, status = claim["metadata"], claim.get("status", {})
    words = []
    if "deletionTimestamp" in metadata:
        words.append("deleted")
    if status.get("allocation") is not None:
        words.append("allocated")
    if status.get("reservedFor"):
        words.append("reserved")
    if status.get("allocation") is None and not words:
        words.append("pending")
    return [metadata["name"], ",".join(words), age(metadata.get("creationTimestamp"), now_ns)]


def resource_slice_cells(resource_slice: JsonObject, now_ns: int) -> list[Any]:
    """Name, node, driver, pool, age."""
    metadata, spec = resource_slice["metadata"], resource_slice["spec"]
    return [
        metadata["name"],
        spec.get("nodeName") or UNSET,
        spec.get("driver", ""),
        spec["pool"].get("name", ""),
        age(metadata.get("creationTimestamp"), now_ns),
    ]
