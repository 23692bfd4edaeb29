"""Answers in bytes, and errors as answers."""

from collections.abc import Sequence

import orjson

from api.core import JsonObject
from api.errors import ApiError
from apiserver.messages import Answer

WARNINGS_LETTERS_MAX = 4096
WARNING_LETTERS_MAX = 256
TEXT = "text/plain; charset=utf-8"


def answer_of_error(error: ApiError) -> Answer:
    """The Status of an error. Overload and time-outs tell the client when to come back."""
    status = error.status()
    seconds = (status.get("details") or {}).get("retryAfterSeconds")
    headers = (("Retry-After", str(seconds)),) if seconds else ()
    return Answer(error.code, orjson.dumps(status), headers=headers)


def answer_of_object(code: int, obj: JsonObject, revision: int = 0) -> Answer:
    """JSON; ``revision``: of the write or of what was read, 0 where there is neither."""
    return Answer(code, orjson.dumps(obj), revision)


def warning_headers(warnings: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Warnings as kubectl prints them, each once; all are cut short when there are too many.

    Source: RFC 9111 5.5, apimachinery/pkg/util/net/http.go; apiserver/pkg/endpoints/filters/
    warning.go for the bounds."""
    once = dict.fromkeys(warnings)
    if sum(map(len, once)) > WARNINGS_LETTERS_MAX:
        cut, left = [], WARNINGS_LETTERS_MAX
        for text in once:
            left -= min(len(text), WARNING_LETTERS_MAX)
            if left < 0:
                break
            cut.append(text[:WARNING_LETTERS_MAX])
        once = dict.fromkeys(cut)
    return tuple(("Warning", f"299 - {orjson.dumps(text).decode()}") for text in once)


def plain(code: int, text: str) -> Answer:
    """Text for people, without a Status."""
    return Answer(code, text.encode(), content_type=TEXT)


def success_status(code: int | None, details: JsonObject | None) -> JsonObject:
    """A Status of success, as DELETE and binding answer."""
    status: JsonObject = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
    }
    if details is not None:
        status["details"] = details
    if code is not None:
        status["code"] = code
    return status
