"""Every recorded failure can be made again, byte for byte, by one of the leaves."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Cause,
    Conflict,
    Expired,
    Forbidden,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    NotImplemented501,
    PlainError,
    RequestEntityTooLarge,
    ServiceUnavailable,
    Timeout,
    TooManyRequests,
    Unauthorized,
    UnsupportedMediaType,
    qualified_resource,
    shown,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "api"


def statuses(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("kind") == "Status" and node.get("status") == "Failure":
            yield node
        else:
            for value in node.values():
                yield from statuses(value)
    elif isinstance(node, list):
        for value in node:
            yield from statuses(value)


def recorded() -> list[dict[str, Any]]:
    found = []
    for name in ("errors", "patches", "watch", "tables", "defaults"):
        for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines():
            found += statuses(json.loads(line))
    return found


def causes_of(details: dict[str, Any]) -> list[Cause]:
    return [
        Cause(cause.get("field", ""), cause.get("reason", ""), cause.get("message", ""))
        for cause in details.get("causes", ())
    ]


def again(status: dict[str, Any]) -> ApiError:
    """The leaf that makes a recorded Status, from the facts that a server would have."""
    message, details = status["message"], status.get("details") or {}
    name, kind, group = (details.get(word, "") for word in ("name", "kind", "group"))
    resource = f"{group}/{kind}" if group else kind
    causes = causes_of(details)
    match status.get("reason"):
        case "BadRequest":
            return BadRequest(message)
        case "Unauthorized":
            return Unauthorized()
        case "Forbidden":
            return Forbidden(resource, name, message.split(" is forbidden: ", 1)[1])
        case "NotFound":
            return NotFound(resource, name)
        case "MethodNotAllowed":
            return MethodNotAllowed()
        case "NotAcceptable":
            return NotAcceptable(message.split("representations: ")[1].split(", "))
        case "AlreadyExists":
            return AlreadyExists(resource, name, deleting=message.startswith("object is being"))
        case "Conflict" if not name:
            return Conflict.of_apply(message, causes)
        case "Conflict":
            return Conflict(resource, name, message.split(f'"{name}": ', 1)[1])
        case "Expired":
            return Expired(message, status["metadata"].get("continue", ""))
        case "RequestEntityTooLarge":
            return RequestEntityTooLarge(int(message.rpartition(" ")[2]))
        case "UnsupportedMediaType" if message.startswith("415"):
            return UnsupportedMediaType.of_patch()
        case "UnsupportedMediaType":
            return UnsupportedMediaType(message.split("include: ")[1].split(", "))
        case "Invalid" if not causes:
            return Invalid.generic()
        case "Invalid":
            return Invalid(f"{kind}.{group}" if group else kind, name, causes)
        case "Timeout":
            wanted = int(message.split(": ")[2].split(",")[0])
            return Timeout.too_large_revision(wanted, 77)
        case "InternalError":
            return InternalError(causes[0].message)
        case None:
            return PlainError(message)
    raise AssertionError(f"no leaf for {status}")


def test_every_recorded_failure() -> None:
    seen: Counter[str] = Counter()
    for status in recorded():
        made = json.dumps(again(status).status()).replace("current: 77", "current: <rv>")
        assert made == json.dumps(status)
        seen[status.get("reason", "")] += 1
    assert len(seen) == 15
    assert seen.total() > 150


def test_causes_are_worded_as_recorded() -> None:
    texts = {
        (cause.field, cause.message)
        for status in recorded()
        for cause in causes_of(status.get("details") or {})
    }
    for cause in (
        Cause.invalid("spec.replicas", -1, "must be greater than or equal to 0"),
        Cause.invalid("spec.selector", {}, "empty selector is invalid for deployment"),
        Cause.required("spec.containers"),
        Cause.required("metadata.name", "name or generateName is required"),
        Cause.forbidden("data", "field is immutable when `immutable` is set"),
        Cause.duplicate("spec.containers[1].name", "c"),
        Cause.not_found("spec.containers[0].volumeMounts[0].name", "nope"),
        Cause.too_long("[]", 1048576),
        Cause.not_supported("fieldValidation", "Foo", ["", "Ignore", "Strict", "Warn"]),
        Cause.not_supported("dryRun", ["Some"], ["All"]),
    ):
        assert (cause.field, cause.message) in texts, cause


def test_several_causes_are_bracketed_and_told_once() -> None:
    one, two = Cause.required("a"), Cause.required("b")
    assert Invalid("Pod", "p", [one]).message == 'Pod "p" is invalid: a: Required value'
    assert Invalid("Pod", "p", [one, two]).message == (
        'Pod "p" is invalid: [a: Required value, b: Required value]'
    )
    twice = Invalid("Pod", "p", [one, one])
    assert twice.message == 'Pod "p" is invalid: a: Required value'
    assert len(twice.status()["details"]["causes"]) == 2


@pytest.mark.parametrize(
    ("error", "code", "reason", "details"),
    [
        (TooManyRequests("slow down", 5), 429, "TooManyRequests", {"retryAfterSeconds": 5}),
        (
            TooManyRequests("no", 10, [Cause("", "DisruptionBudget", "The budget is spent")]),
            429,
            "TooManyRequests",
            {
                "causes": [{"reason": "DisruptionBudget", "message": "The budget is spent"}],
                "retryAfterSeconds": 10,
            },
        ),
        (InternalError("disk"), 500, "InternalError", {"causes": [{"message": "disk"}]}),
        (NotImplemented501("exec"), 501, "NotImplemented", None),
        (ServiceUnavailable("starting"), 503, "ServiceUnavailable", {"retryAfterSeconds": 1}),
        (Timeout("store"), 504, "Timeout", {"retryAfterSeconds": 1}),
        (
            AlreadyExists.generated("pods", "web-x"),
            409,
            "AlreadyExists",
            {"name": "web-x", "kind": "pods", "retryAfterSeconds": 1},
        ),
        (
            Forbidden(
                "pods", "p", "no", [Cause("metadata.namespace", "NamespaceTerminating", "x")]
            ),
            403,
            "Forbidden",
            {
                "name": "p",
                "kind": "pods",
                "causes": [
                    {
                        "reason": "NamespaceTerminating",
                        "message": "x",
                        "field": "metadata.namespace",
                    }
                ],
            },
        ),
    ],
)
def test_what_was_not_recorded(
    error: ApiError, code: int, reason: str, details: dict[str, Any] | None
) -> None:
    status = error.status()
    assert (status["code"], status["reason"], status.get("details")) == (code, reason, details)
    assert status["message"] == str(error)
    wait = (details or {}).get("retryAfterSeconds", 0)
    assert error.retry_after_s == wait


def test_values_are_shown_as_go_prints_them() -> None:
    assert shown('a"b\\\n\x01\x7f\u00a0é<&') == '"a\\"b\\\\\\n\\x01\\x7f\\u00a0é<&"'
    assert shown({"a": "<&>", "b": [1, True, None]}) == (
        '{"a":"\\u003c\\u0026\\u003e","b":[1,true,null]}'
    )


def test_resources_in_messages() -> None:
    assert qualified_resource("pods") == "pods"
    assert qualified_resource("apps/deployments") == "deployments.apps"
    assert qualified_resource("pods/binding") == "pods/binding"
    assert qualified_resource("example.com/widgets") == "widgets.example.com"
