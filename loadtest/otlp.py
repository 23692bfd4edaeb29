"""Spans of a run as OTLP JSON, and back: what any OpenTelemetry collector takes.

One line a program, each an ExportTraceServiceRequest: ids in hexadecimal, enumerations as numbers,
64-bit numbers as strings.

Source: opentelemetry-specification, protocol/file-exporter.md and protocol/otlp.md (JSON Protobuf
encoding); opentelemetry-proto, trace.proto.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from api.core import JsonObject
from api.tracing import Context, Span, span_of

TRACES_FILE = "traces.jsonl"
SCOPE = "hollowfleet"
ERROR = 2
"""Source: trace.proto, Status.StatusCode."""


def otlp_line(program: str, spans: Sequence[Span]) -> str:
    """All spans of one program ("store-0")."""
    role = program.partition("-")[0]
    about = {"service.name": role, "service.instance.id": program, "service.namespace": SCOPE}
    document = {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(about)},
                "scopeSpans": [
                    {"scope": {"name": SCOPE}, "spans": [_document(span) for span in spans]}
                ],
            }
        ]
    }
    return json.dumps(document, separators=(",", ":")) + "\n"


def _document(span: Span) -> JsonObject:
    code = span.attributes.get("http.response.status_code", 200)
    failed = isinstance(code, int) and not 200 <= code < 300
    return {
        "traceId": span.context.trace,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "status": {"code": ERROR} if failed else {},
    }


def _attributes(facts: Mapping[str, str | int]) -> list[JsonObject]:
    return [
        {
            "key": key,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for key, value in facts.items()
    ]


def write_traces(directory: Path, spans: Mapping[str, Sequence[Span]]) -> None:
    """``spans``: by program. Nothing was sampled: no file."""
    lines = [otlp_line(program, found) for program, found in sorted(spans.items()) if found]
    if lines:
        (directory / TRACES_FILE).write_text("".join(lines))


def read_traces(directory: Path) -> Iterator[tuple[str, Span]]:
    """(program, span) of a bundle; none where it has no traces."""
    path = directory / TRACES_FILE
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            for resource in json.loads(line)["resourceSpans"]:
                program = str(_facts(resource["resource"])["service.instance.id"])
                for scope in resource["scopeSpans"]:
                    for found in scope["spans"]:
                        yield program, _span(found)


def _span(found: JsonObject) -> Span:
    return Span(
        Context(found["traceId"], str(found.get("parentSpanId", found["spanId"]))),
        found["spanId"],
        found["name"],
        found["kind"],
        int(found["startTimeUnixNano"]),
        int(found["endTimeUnixNano"]),
        _facts(found),
    )


def _facts(found: JsonObject) -> dict[str, str | int]:
    out: dict[str, str | int] = {}
    for pair in found["attributes"]:
        value = pair["value"]
        whole = "intValue" in value
        out[pair["key"]] = int(value["intValue"]) if whole else value["stringValue"]
    return out


def read_spans(path: Path) -> list[Span]:
    """A program's file of spans. A last line that is not whole, of a program that was killed while
    it wrote, is left out."""
    return list(_whole(path.read_text(encoding="utf-8").splitlines(keepends=True)))


def _whole(lines: Iterable[str]) -> Iterator[Span]:
    for line in lines:
        if line.endswith("\n"):
            yield span_of(line)
