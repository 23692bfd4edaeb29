"""Reports from synthetic bundles: what the page says, and that it needs nothing from outside."""

import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from actors.plan import ProcessSample
from loadtest.bundle import (
    BundleError,
    ProcessLog,
    RunState,
    new_bundle,
    read_rows,
    write_json,
    write_rows,
    write_state,
)
from loadtest.campaign import parse_campaign
from loadtest.compiled import compile_campaign, document, write_schedule
from loadtest.host import filesystem_of, host_facts, versions
from loadtest.recorder import Recorder
from loadtest.report import render
from loadtest.timeline import POD_COLUMNS

START_NS = 1_000_000_000_000_000_000
LATENCY_US = {"create": 5_000, "delete": 4_000, "get": 2_000, "list": 9_000}
VOID = {"meta", "path", "use", "rect", "br"}


class Outline(HTMLParser):
    """Checks that tags nest, and collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key in ("src", "href", "xlink:href", "srcset", "action") and value:
                self.links.append(value)
            if key == "style" and value and "url(" in value:
                self.links.append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def bundle(tmp_path: Path, seconds_lost: float = 0.0, outcome: str = "complete") -> Path:
    """A run of 10 s whose requests take LATENCY_US, or wait for a server that stood still for
    ``seconds_lost`` from second 4 on."""
    loads = [{"scenario": "pods", "rate": 20, "lifetime": "2s"}, {"scenario": "readers", "rate": 9}]
    doc: dict[str, object] = {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "synthetic"},
        "spec": {
            "cluster": {"nodes": 5},
            "phases": [{"name": "steady <1>", "duration": "10s", "load": loads}],
        },
    }
    compiled = compile_campaign(parse_campaign(doc, "x"), tmp_path)
    directory, run_id = new_bundle(tmp_path, "synthetic")
    write_json(directory, "campaign.json", document(compiled))
    write_json(directory, "host.json", host_facts(directory))
    write_json(directory, "versions.json", versions())
    write_schedule(compiled.arrivals, directory)
    recorder = Recorder(directory / "samples-0.csv.gz")
    pods = []
    for arrival in compiled.arrivals:
        waited = max(0, int((4.0 + seconds_lost) * 1e6) - arrival.at_ns // 1000)
        stuck = waited if seconds_lost and arrival.at_ns >= 4_000_000_000 else 0
        latency = stuck + LATENCY_US[arrival.verb]
        code = 201 if arrival.verb == "create" else 200
        recorder.counts["sent"] += 1
        answered = START_NS + arrival.at_ns + latency * 1000
        row = (latency, LATENCY_US[arrival.verb], 700, answered)
        recorder.record(recorder.sample(arrival, code, 300, row))
        if arrival.verb == "create":
            seen = (answered + 1_000_000, answered + 20_000_000, answered + 45_000_000, 0)
            pods.append((arrival.namespace, arrival.name, "", "hollow-1", *seen))
    recorder.close()
    series = [{"t_s": float(t), "cpu_s": 0.2 * t} for t in range(11)]
    result = recorder.result() | {"scheduled": len(compiled.arrivals), "series": series}
    write_json(directory, "generator-0.json", result)
    write_rows(directory / "pods.csv.gz", POD_COLUMNS, pods)
    log = ProcessLog()
    for t in range(0, 11, 2):
        roles = ("store-0", "store-1", "apiserver-0", "scheduler", "ray")
        log.add(t, [ProcessSample(r, i, 0.1 * i * t, 2**26) for i, r in enumerate(roles)])
    log.write(directory)
    state = RunState(run_id, "2026-01-01T00:00:00Z", outcome, "", 5, 5, 3.2, START_NS, 10.0, True)
    write_state(directory, state)
    return directory


def page(directory: Path) -> Outline:
    outline = Outline()
    outline.feed((directory / "report.html").read_text())
    assert outline.open == []
    return outline


def test_a_good_run(tmp_path: Path) -> None:
    directory = bundle(tmp_path)
    summary = render(directory)
    assert (summary.stamp, summary.headline, summary.reasons) == ("VALID", "PASS", [])
    found = json.loads((directory / "summary.json").read_text())
    assert found["latency_s"]["create pods resource"]["p99"] == pytest.approx(0.005, rel=0.01)
    assert found["pod_start_s"]["p99"] == pytest.approx(0.045, rel=1e-6)
    assert found["scheduling_s"]["p50"] == pytest.approx(0.020, rel=1e-6)
    assert found["watch_delivery_s"]["p99"] == pytest.approx(0.001, rel=1e-6)
    assert found["cpu_s"]["scheduler"] == pytest.approx(3.0)
    outline = page(directory)
    text = " ".join(outline.text)
    for words in ("PASS", "steady <1>", "100 % of the nodes scored", "fsync, one copy", "2 shards"):
        assert words in text
    assert outline.text.count("Offered and achieved load") == 1


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    directory = bundle(tmp_path)
    render(directory)
    outline = page(directory)
    assert all(link.startswith("#") for link in outline.links)
    html = (directory / "report.html").read_text()
    assert "<script" not in html and "@import" not in html and "<img" not in html
    assert str(tmp_path) not in html


def test_a_stall_fails_the_latency_slos(tmp_path: Path) -> None:
    summary = render(bundle(tmp_path, seconds_lost=2.0))
    assert summary.headline == "FAIL"
    verdicts = {v.sli.split(" ")[0]: v for v in summary.verdicts}
    assert verdicts["Mutating"].result == "FAIL"
    assert 1.5 < (verdicts["Mutating"].measured or 0) < 2.05
    assert verdicts["LIST"].result == "PASS"


def test_partial_runs_are_stamped(tmp_path: Path) -> None:
    directory = bundle(tmp_path, outcome="interrupted")
    assert render(directory).headline == "PARTIAL"
    assert "PARTIAL" in " ".join(page(directory).text)


def test_a_run_without_any_data_still_renders(tmp_path: Path) -> None:
    directory = bundle(tmp_path, outcome="failed")
    for name in ("samples-0.csv.gz", "generator-0.json", "pods.csv.gz", "processes.csv.gz"):
        (directory / name).unlink()
    summary = render(directory)
    assert summary.headline == "PARTIAL"
    assert {v.result for v in summary.verdicts} == {"NO DATA"}
    page(directory)


def test_junit(tmp_path: Path) -> None:
    directory = bundle(tmp_path, seconds_lost=2.0)
    render(directory)
    suite = ET.parse(directory / "junit.xml").getroot()
    assert suite.get("failures") == "2"
    assert suite.get("errors") == "0"
    assert len(suite.findall("testcase")) == int(suite.get("tests") or 0)
    failure = suite.find("testcase/failure")
    assert failure is not None and "above 1 s" in (failure.get("message") or "")


def test_rendering_again_gives_the_same_bytes(tmp_path: Path) -> None:
    directory = bundle(tmp_path)
    render(directory)
    first = (directory / "report.html").read_bytes()
    render(directory)
    assert (directory / "report.html").read_bytes() == first


def test_a_cut_off_sample_file_gives_what_was_flushed(tmp_path: Path) -> None:
    directory = bundle(tmp_path)
    path = directory / "samples-0.csv.gz"
    whole = len(list(read_rows(path)))
    path.write_bytes(path.read_bytes()[:-400])
    assert 0 <= len(list(read_rows(path))) < whole


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such run directory"):
        render(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"state\.json is missing"):
        render(tmp_path)


def test_filesystem_of() -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
