"""The log of a hollow container: what it would be wrong to be silent about, and no more.

Two lines from its start and one from its end, each with the time that the kubelet wrote into the
status; so the options that choose among lines have something to choose from.

Source of the options: ValidatePodLogOptions in pkg/apis/core/validation/validation.go, ReadLogs in
k8s.io/cri-client/pkg/logs/logs.go at v0.36.3.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from api.core import JsonObject
from api.errors import Cause, Invalid
from api.times import TimeError, parse_time, rfc3339
from apiserver.negotiate import boolean, integer

SECOND_NS = 10**9
_NOT_NEGATIVE = "must be greater than or equal to 0"
_POSITIVE = "must be greater than 0"
_STREAMS = ("All", "Stdout", "Stderr")


class LogOptions(NamedTuple):
    """What of a log is wanted."""

    follow: bool
    previous: bool
    timestamps: bool
    tail_lines: int | None
    limit_bytes: int | None
    since_ns: int


def log_options(query: Mapping[str, str], pod_name: str, now_ns: int) -> LogOptions:
    """Invalid, BadRequest."""
    causes: list[Cause] = []
    tail = _integer(query, "tailLines", 0, _NOT_NEGATIVE, causes)
    limit = _integer(query, "limitBytes", 1, _POSITIVE, causes)
    seconds = _integer(query, "sinceSeconds", 1, _POSITIVE, causes)
    since_ns = 0 if seconds is None else now_ns - seconds * SECOND_NS
    time = query.get("sinceTime", "")
    if time and seconds is not None:
        text = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(Cause.forbidden("", text))
    elif time:
        try:
            since_ns = parse_time(time)
        except TimeError as error:
            causes.append(Cause.invalid("sinceTime", time, str(error)))
    stream = query.get("stream", "")
    if stream and stream not in _STREAMS:
        causes.append(Cause.not_supported("stream", stream, _STREAMS))
    elif tail is not None and stream in _STREAMS[1:]:
        text = "`tailLines` and specific `stream` are mutually exclusive for now"
        causes.append(Cause.forbidden("", text))
    if causes:
        raise Invalid("PodLogOptions", pod_name, causes)
    return LogOptions(
        boolean(query, "follow"),
        boolean(query, "previous"),
        boolean(query, "timestamps"),
        *(tail, limit, since_ns),
    )


def log_lines(pod: JsonObject, container: JsonObject, state: JsonObject) -> list[tuple[str, str]]:
    """(time, text) of each line. ``state``: of the container, running or terminated."""
    meta, node = pod["metadata"], pod["spec"].get("nodeName", "")
    ended: JsonObject = state.get("terminated") or {}
    began = str((state.get("running") or ended).get("startedAt") or meta["creationTimestamp"])
    place = f"{meta['namespace']}/{meta['name']}"
    lines = [
        (began, f"hollow: container {container['name']} of pod {place} began on node {node}"),
        (began, f"hollow: image {container.get('image', '')} was not pulled, no process runs"),
    ]
    if ended:
        time = str(ended.get("finishedAt") or began)
        lines.append((time, f"hollow: the container ended with code {ended.get('exitCode', 0)}"))
    return lines


def written(lines: Sequence[tuple[str, str]], options: LogOptions) -> bytes:
    """The chosen lines as bytes."""
    chosen = [line for line in lines if parse_time(line[0]) >= options.since_ns]
    if options.tail_lines is not None:
        chosen = chosen[len(chosen) - min(options.tail_lines, len(chosen)) :]
    text = "".join(
        f"{_stamp(time)} {text}\n" if options.timestamps else f"{text}\n" for time, text in chosen
    )
    return text.encode()[: options.limit_bytes]


def _stamp(time: str) -> str:
    """With nine decimals, as kubelets write it."""
    nanos = parse_time(time)
    return f"{rfc3339(nanos)[:-1]}.{nanos % SECOND_NS:09d}Z"


def _integer(
    query: Mapping[str, str], name: str, least: int, text: str, causes: list[Cause]
) -> int | None:
    given = query.get(name, "")
    if not given:
        return None
    number = integer(given)
    if number < least:
        causes.append(Cause.invalid(name, number, text))
    return number
