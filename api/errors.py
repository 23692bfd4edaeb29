"""Failures of the API, each one a v1 Status, with Kubernetes' codes, reasons and texts.

    ApiError
      BadRequest 400            Unauthorized 401         Forbidden 403
      NotFound 404              MethodNotAllowed 405     NotAcceptable 406
      AlreadyExists 409         Conflict 409             Expired 410
      RequestEntityTooLarge 413 UnsupportedMediaType 415 Invalid 422
      TooManyRequests 429       InternalError 500        PlainError 500
      NotImplemented501 501     ServiceUnavailable 503   Timeout 504

Resources are named by key ("apps/deployments"), kinds with their group ("Deployment.apps").
Source: apimachinery/pkg/api/errors/errors.go, util/validation/field/errors.go at v0.36.3; texts as
recorded in tests/golden/api/errors.jsonl.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import orjson

from api.core import JsonObject
from api.kinds import has_resource

_GENERIC = {
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    422: "the server rejected our request due to an error in our request",
}
MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


class Cause(NamedTuple):
    """One thing wrong with one field."""

    field: str
    reason: str
    message: str
    """Without the field's path."""

    @classmethod
    def invalid(cls, field: str, value: object, detail: str) -> "Cause":
        """``value`` is none that the field takes; it is shown as JSON, a text in quotes."""
        return cls(field, "FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}")

    @classmethod
    def required(cls, field: str, detail: str = "") -> "Cause":
        """The field must be set."""
        text = f"Required value: {detail}" if detail else "Required value"
        return cls(field, "FieldValueRequired", text)

    @classmethod
    def forbidden(cls, field: str, detail: str) -> "Cause":
        """The field must not be set, or not so. What it holds is not shown."""
        return cls(field, "FieldValueForbidden", f"Forbidden: {detail}")

    @classmethod
    def duplicate(cls, field: str, value: object) -> "Cause":
        """``value`` is there before, in a list whose values differ."""
        return cls(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")

    @classmethod
    def not_found(cls, field: str, value: object) -> "Cause":
        """``value`` names what is not there."""
        return cls(field, "FieldValueNotFound", f"Not found: {shown(value)}")

    @classmethod
    def not_supported(cls, field: str, value: object, supported: Sequence[str]) -> "Cause":
        """``value`` is none of the words that the field knows."""
        text = f"Unsupported value: {shown(value)}"
        if supported:
            text += f": supported values: {', '.join(map(shown, supported))}"
        return cls(field, "FieldValueNotSupported", text)

    @classmethod
    def too_long(cls, field: str, bytes_max: int) -> "Cause":
        """The text at the field has more bytes than it may."""
        return cls(field, "FieldValueTooLong", f"Too long: may not be more than {bytes_max} bytes")

    @classmethod
    def too_many(cls, field: str, count: int, count_max: int) -> "Cause":
        """The list at the field has ``count`` items, and may have ``count_max``."""
        text = f"Too many: {count}: must have at most {count_max} items"
        return cls(field, "FieldValueTooMany", text)

    @property
    def text(self) -> str:
        """With the field's path, as it stands in the message of the whole."""
        return f"{self.field}: {self.message}" if self.field else self.message


def shown(value: object) -> str:
    """A value as Kubernetes prints it in messages: text quoted, null, the rest as JSON, in which
    Go escapes what HTML would read."""
    if isinstance(value, str):
        return quoted(value)
    text = orjson.dumps(value).decode()
    if "<" in text or ">" in text or "&" in text:
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text


_ESCAPED = {
    letter: f"\\{name}" for letter, name in zip('"\\\a\b\f\n\r\t\v', '"\\abfnrtv', strict=True)
}


def quoted(text: str) -> str:
    """Text as Go's ``%q`` prints it. Source: strconv.Quote."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_quoted_letter, text))}"'


def _quoted_letter(letter: str) -> str:
    if letter in _ESCAPED:
        return _ESCAPED[letter]
    if letter.isprintable():
        return letter
    number = ord(letter)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def aggregate(texts: Iterable[str]) -> str:
    """Several messages as one: each once, in brackets when there are more than one."""
    once = list(dict.fromkeys(texts))
    return once[0] if len(once) == 1 else f"[{', '.join(once)}]"


@cache
def qualified_resource(resource: str) -> str:
    """``"apps/deployments"`` is ``"deployments.apps"`` in messages; ``"pods/binding"``, a
    subresource of the core group, stays as it is."""
    group, slash, plural = resource.partition("/")
    return f"{plural}.{group}" if slash and not has_resource(group) else resource


class ApiError(Exception):
    """A request that failed. Raise a leaf."""

    code = 0
    reason = ""

    def __init__(
        self,
        message: str,
        details: JsonObject | None = None,
        retry_after_s: int = 0,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s
        """Seconds for the header Retry-After; 0: no such header."""
        self.continue_token = continue_token

    def __str__(self) -> str:
        return self.message

    def status(self) -> JsonObject:
        """The v1 Status of the answer."""
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        status: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        details = self.details
        if self.retry_after_s:
            details = {**(details or {}), "retryAfterSeconds": self.retry_after_s}
        if details is not None:
            status["details"] = details
        status["code"] = self.code
        return status


def _resource_details(resource: str, name: str) -> JsonObject:
    plural, _, group = qualified_resource(resource).partition(".")
    return _details(name, group, plural)


def _details(name: str, group: str, kind: str) -> JsonObject:
    pairs = (("name", name), ("group", group), ("kind", kind))
    return {key: value for key, value in pairs if value}


def _cause(cause: Cause) -> JsonObject:
    pairs = (("reason", cause.reason), ("message", cause.message), ("field", cause.field))
    return {key: value for key, value in pairs if value}


class BadRequest(ApiError):
    """The request cannot be understood. ``BadRequest(message)``."""

    code = 400
    reason = "BadRequest"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class Unauthorized(ApiError):
    """401: the request has no credentials, or none that the server knows."""

    code = 401
    reason = "Unauthorized"

    def __init__(self, message: str = "Unauthorized") -> None:
        super().__init__(message)


class Forbidden(ApiError):
    """The caller, or the state of the cluster, does not allow it."""

    code = 403
    reason = "Forbidden"

    def __init__(
        self, resource: str, name: str, why: str, causes: Sequence[Cause] | None = None
    ) -> None:
        subject = qualified_resource(resource)
        if name:
            subject += f" {shown(name)}"
        details = _resource_details(resource, name)
        if causes:
            details["causes"] = [_cause(cause) for cause in causes]
        super().__init__(f"{subject} is forbidden: {why}", details)


class NotFound(ApiError):
    """No such object; without arguments, no such path."""

    code = 404
    reason = "NotFound"

    def __init__(self, resource: str = "", name: str = "") -> None:
        if not resource:
            super().__init__(_GENERIC[404], {})
        else:
            text = f"{qualified_resource(resource)} {shown(name)} not found"
            super().__init__(text, _resource_details(resource, name))

    @classmethod
    def not_served(cls, why: str) -> "NotFound":
        """A path that the real server has and this one has not."""
        error = cls()
        error.message = why
        return error


class MethodNotAllowed(ApiError):
    """The path exists, the method does not."""

    code = 405
    reason = "MethodNotAllowed"

    def __init__(self) -> None:
        super().__init__(_GENERIC[405], {})

    @classmethod
    def while_terminating(cls, resource: str, verb: str) -> "MethodNotAllowed":
        """The definition of the resource is being deleted."""
        error = cls()
        error.message = f"{verb} not allowed while custom resource definition is terminating"
        error.details = _resource_details(resource, "")
        return error


class NotAcceptable(ApiError):
    """None of the wanted media types can be written."""

    code = 406
    reason = "NotAcceptable"

    def __init__(self, available: Sequence[str]) -> None:
        text = f"406: Not Acceptable\n\nAvailable representations: {', '.join(available)}"
        super().__init__(text, {})


class WrongShape(ApiError):
    """The wanted form is one of lists, and there is one object, or the reverse."""

    code = 406
    reason = "NotAcceptable"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class AlreadyExists(ApiError):
    """409: an object of that name exists."""

    code = 409
    reason = "AlreadyExists"

    def __init__(self, resource: str, name: str, deleting: bool = False) -> None:
        text = f"{qualified_resource(resource)} {shown(name)} already exists"
        if deleting:
            text = f"object is being deleted: {text}"
        super().__init__(text, _resource_details(resource, name))

    @classmethod
    def generated(cls, resource: str, name: str) -> "AlreadyExists":
        """No free name was found for a generateName."""
        error = cls(resource, name)
        error.message += ", the server was not able to generate a unique name for the object"
        error.retry_after_s = 1
        return error


class Conflict(ApiError):
    """The object is not in the state that the request supposes."""

    code = 409
    reason = "Conflict"

    def __init__(self, resource: str, name: str, why: str = MODIFIED) -> None:
        text = f"Operation cannot be fulfilled on {qualified_resource(resource)} {shown(name)}"
        super().__init__(f"{text}: {why}", _resource_details(resource, name))

    @classmethod
    def of_apply(cls, message: str, causes: Sequence[Cause]) -> "Conflict":
        """Server-side apply met other managers; the caller words the message."""
        error = cls("", "")
        error.message = message
        error.details = {"causes": [_cause(cause) for cause in causes]}
        return error


class Expired(ApiError):
    """The revision asked for is compacted away. ``Expired(message)``."""

    code = 410
    reason = "Expired"

    def __init__(self, message: str, continue_token: str = "") -> None:
        super().__init__(message, continue_token=continue_token)


class RequestEntityTooLarge(ApiError):
    """The body is over the limit, in bytes."""

    code = 413
    reason = "RequestEntityTooLarge"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Request entity too large: limit is {limit}")


class UnsupportedMediaType(ApiError):
    """The body is in a format that is not read here."""

    code = 415
    reason = "UnsupportedMediaType"

    def __init__(self, accepted: Sequence[str]) -> None:
        super().__init__(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(accepted)
        )

    @classmethod
    def of_patch(cls) -> "UnsupportedMediaType":
        """A PATCH whose type no path accepts."""
        error = cls(())
        error.message, error.details = "415: Unsupported Media Type", {}
        return error


class Invalid(ApiError):
    """The object is understood and wrong. ``kind`` with its group: ``"Deployment.apps"``."""

    code = 422
    reason = "Invalid"

    def __init__(self, kind: str, name: str, causes: Sequence[Cause]) -> None:
        assert causes, "an object is invalid for a cause"
        text = aggregate(cause.text for cause in causes)
        bare, _, group = kind.partition(".")
        details = _details(name, group, bare)
        details["causes"] = [_cause(cause) for cause in causes]
        super().__init__(f"{kind} {shown(name)} is invalid: {text}", details)

    @classmethod
    def generic(cls) -> "Invalid":
        """A patch that cannot be carried out, without a word why, as Kubernetes answers it."""
        error = cls("", "", (Cause("", "", ""),))
        error.message, error.details = _GENERIC[422], {}
        return error


class TooManyRequests(ApiError):
    """Come back later."""

    code = 429
    reason = "TooManyRequests"

    def __init__(
        self, message: str, retry_after_s: int = 1, causes: Sequence[Cause] | None = None
    ) -> None:
        details = {"causes": [_cause(cause) for cause in causes]} if causes else None
        super().__init__(message, details, retry_after_s)


class InternalError(ApiError):
    """The server failed; the cause is told."""

    code = 500
    reason = "InternalError"

    def __init__(self, cause: str) -> None:
        super().__init__(f"Internal error occurred: {cause}", {"causes": [{"message": cause}]})


class PlainError(ApiError):
    """A failure to which Kubernetes gives code 500 and no reason, by its text alone."""

    code = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)


class NotImplemented501(ApiError):
    """A part of Kubernetes that is not emulated. The reason is our own."""

    code = 501
    reason = "NotImplemented"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not implemented by this server")


class ServiceUnavailable(ApiError):
    """The server cannot answer now."""

    code = 503
    reason = "ServiceUnavailable"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message, None, retry_after_s)


class Timeout(ApiError):
    """The answer did not come in time; the outcome of a write is unknown."""

    code = 504
    reason = "Timeout"

    def __init__(
        self, message: str, retry_after_s: int = 1, causes: Sequence[Cause] | None = None
    ) -> None:
        details = {"causes": [_cause(cause) for cause in causes]} if causes else None
        super().__init__(f"Timeout: {message}", details, retry_after_s)

    @classmethod
    def too_large_revision(cls, wanted: int, current: int) -> "Timeout":
        """The revision asked for lies ahead of the server."""
        cause = Cause("", "ResourceVersionTooLarge", "Too large resource version")
        return cls(f"Too large resource version: {wanted}, current: {current}", causes=(cause,))
