"""Answers to writes: the object as stored, in the form that was asked for."""

from collections.abc import Sequence

import orjson

from api.core import JsonObject
from apiserver.answers import warning_headers
from apiserver.forms import shaped
from apiserver.messages import Answer
from apiserver.registry import Request


def answer_of_write(
    request: Request,
    code: int,
    value: bytes,
    offset: int,
    revision: int,
    now_ns: int,
    warnings: Sequence[str],
) -> Answer:
    """``value``, ``offset``: as ``records.encode`` made them. ``revision`` 0: it was not stored,
    the answer has no resourceVersion."""
    headers = warning_headers(warnings) if warnings else ()
    if request.quiet:
        return Answer(code, b"", revision, headers=headers)
    if revision and request.form.kind == "object":
        body = b"%b%d%b" % (value[:offset], revision, value[offset:])
        return Answer(code, body, revision, headers=headers)
    obj: JsonObject = orjson.loads(value)
    if revision:
        obj["metadata"]["resourceVersion"] = str(revision)
    else:
        del obj["metadata"]["resourceVersion"]
    include = request.options.get("includeObject", "")
    document = shaped(request.kind, obj, request.form, include, now_ns)
    return Answer(code, orjson.dumps(document), revision, headers=headers)
