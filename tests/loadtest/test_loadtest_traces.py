"""Traces of a run: what is sampled, OTLP by the field names of its protocol, and the report."""

from pathlib import Path

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from api.tracing import ANNOTATION, CLIENT, INTERNAL, SERVER, Context, Span
from loadtest.bodies import deployment_body, pod_body
from loadtest.otlp import TRACES_FILE, otlp_line, read_spans, read_traces, write_traces
from loadtest.sampled import Sampling, annotations
from loadtest.schedule import Arrival
from loadtest.traces import pod_traces, stages_of, traces_section

MS = 1_000_000
TRACE, ROOT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = Context(TRACE, ROOT)


def arrival(name: str, verb: str = "create", resource: str = "pods") -> Arrival:
    return Arrival(0, 0, "pods", verb, resource, "load-0", name, (("cpu", "1"),), 0)


def test_the_share_is_kept_and_the_same_names_are_chosen_for_the_same_seed() -> None:
    pods = [arrival(f"pod-{number}") for number in range(20_000)]

    def chosen(seed: int, share: float) -> list[Context]:
        found = (Sampling(seed, share).context(pod) for pod in pods)
        return [context for context in found if context is not None]

    assert chosen(1, 0.0) == []
    assert len({context.trace for context in chosen(1, 1.0)}) == len(pods)
    # Of a fair draw of 1 %, within five standard deviations.
    assert abs(len(chosen(1, 0.01)) - 200) < 5 * 200**0.5
    assert chosen(1, 0.01) == chosen(1, 0.01) != chosen(2, 0.01)
    assert set(chosen(1, 0.01)) < set(chosen(1, 0.1))
    assert Sampling(1, 1.0).context(arrival("pod-1", "delete")) is None


def test_what_is_sampled_says_so_on_the_object_and_nothing_else_changes() -> None:
    notes = annotations(CONTEXT)
    assert notes == {ANNOTATION: CONTEXT.traceparent()} and annotations(None) == {}
    plain = pod_body(arrival("a"))
    assert ANNOTATION not in plain and ANNOTATION in pod_body(arrival("a"), annotations=notes)
    web = arrival("web", resource="apps/deployments")._replace(value=(("replicas", 3),))
    assert ANNOTATION in deployment_body(web, annotations=notes)


def span(name: str, kind: int, ends: tuple[int, int], number: int, **facts: str | int) -> Span:
    """``number`` 0: the root. ``ends``: in ms."""
    own = ROOT if number == 0 else f"{number:016x}"
    start_ns, end_ns = (1_000_000 * MS + end * MS for end in ends)
    return Span(CONTEXT, own, name, kind, start_ns, end_ns, facts)


KEY = "/registry/pods/load-0/a"
POD = {"k8s.namespace.name": "load-0", "k8s.pod.name": "a"}
WRITE = {"db.key": KEY}
TAKEN = {"http.response.status_code": 409}
FOUND = {
    "generator-0": [span("create pods", CLIENT, (0, 9), 0, **POD)],
    "apiserver-0": [span("POST /api/v1/namespaces/load-0/pods", SERVER, (1, 8), 1)],
    "store-0": [
        span("persist", SERVER, (2, 4), 2, **WRITE),
        span("persist", SERVER, (900, 901), 3, **WRITE),
    ],
    "scheduler": [
        span("queue", INTERNAL, (9, 30), 4, **POD),
        span("create pods/binding", CLIENT, (30, 40), 5, **POD, **TAKEN),
    ],
    "driver": [span("seen to Running", INTERNAL, (9, 60), 6, **POD)],
}


def test_a_line_is_an_export_request_of_opentelemetry_field_by_field() -> None:
    """Parsed by the protocol's own definition, which refuses names that it does not know. In JSON
    the ids are hexadecimal, where Protocol Buffers would have base64."""
    line = otlp_line("scheduler", FOUND["scheduler"])
    request = json_format.Parse(line, ExportTraceServiceRequest())
    (resource,) = request.resource_spans
    about = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert about["service.name"] == about["service.instance.id"] == "scheduler"
    queue, bind = resource.scope_spans[0].spans
    assert (queue.kind, bind.kind) == (OtlpSpan.SPAN_KIND_INTERNAL, OtlpSpan.SPAN_KIND_CLIENT)
    assert queue.end_time_unix_nano - queue.start_time_unix_nano == 21 * MS
    assert (queue.status.code, bind.status.code) == (
        Status.STATUS_CODE_UNSET,
        Status.STATUS_CODE_ERROR,
    )
    assert {one.key: one.value.int_value for one in bind.attributes}[
        "http.response.status_code"
    ] == 409
    again = json_format.MessageToDict(request)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (again["traceId"], again["spanId"], again["parentSpanId"]) == (
        TRACE, f"{4:016x}", ROOT,
    )  # fmt: skip


def test_a_bundle_keeps_all_spans_and_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    write_traces(tmp_path, FOUND)
    assert sorted(read_traces(tmp_path)) == sorted(
        (program, one) for program, spans in FOUND.items() for one in spans
    )
    torn = tmp_path / "store-0.jsonl"
    lines = [one.line() for one in FOUND["store-0"]]
    torn.write_text(lines[0] + lines[1][:-9])
    assert read_spans(torn) == FOUND["store-0"][:1]
    (tmp_path / "empty").mkdir()
    write_traces(tmp_path / "empty", {"driver": []})
    assert not (tmp_path / "empty" / TRACES_FILE).exists()
    assert traces_section(tmp_path / "empty") == ""


def test_the_way_of_a_pod_ends_when_it_runs(tmp_path: Path) -> None:
    flat = [(program, one) for program, spans in FOUND.items() for one in spans]
    (trace,) = pod_traces(flat)
    assert trace.pod == "load-0/a" and trace.length_ns == 60 * MS
    assert [one.name for _, one in trace.spans] == [
        "create pods",
        "POST /api/v1/namespaces/load-0/pods",
        "persist",
        "queue",
        "seen to Running",
        "create pods/binding",
    ]
    stages = {(stage.program, stage.name): times for stage, times in stages_of([trace])}
    assert stages["store", "persist pods"] == [2 * MS]
    assert stages["apiserver", "POST /…/pods"] == [7 * MS]
    write_traces(tmp_path, FOUND)
    html = traces_section(tmp_path)
    assert "load-0/a</b> 60.00 ms" in html and html.count("<svg") == 1
    assert "scheduler  create pods/binding" in html


@pytest.mark.parametrize("number", [3, 40])
def test_the_slowest_are_drawn(number: int, tmp_path: Path) -> None:
    spans = []
    for one in range(number):
        facts = {"k8s.namespace.name": "n", "k8s.pod.name": f"pod-{one}"}
        made = span("create pods", CLIENT, (0, one + 1), 0, **facts)
        spans.append(made._replace(context=Context(f"{one:032x}", ROOT)))
    write_traces(tmp_path, {"generator-0": spans})
    html = traces_section(tmp_path)
    assert html.count("<svg") == min(4, number)
    assert f"n/pod-{number - 1}</b>" in html
    assert f"The way of {number} sampled pods" in html
