"""A whole run against the fake server: real generators, real TLS, real bundle."""

import gzip
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.cluster import ClusterHandle
from actors.lives import Life
from actors.plan import ClusterPlan
from actors.processes import descendants
from actors.ray.cluster import ClusterError
from loadtest.bodies import namespace_body
from loadtest.bundle import RunState, new_bundle, read_rows
from loadtest.campaign import parse_campaign
from loadtest.cli.verdict import exit_code
from loadtest.client import ApiClient, Endpoint, ServerUnreachable, create
from loadtest.compiled import SCHEDULE_FILE, compile_campaign, parse_schedule
from loadtest.experiments.runner import _interrupted
from loadtest.measure import failed_requests
from loadtest.otlp import read_traces
from loadtest.progress import Progress
from loadtest.report import render
from loadtest.run import CampaignRun
from loadtest.sampled import Sampling
from loadtest.signals import ENDING, unheard
from tests.loadtest.fake_api import UNSURE

PATIENCE_S = 120.0


class ListDisplay:
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.shown: list[Progress] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def close(self) -> None:
        pass


def campaign_document(nodes: int, duration: str = "3s") -> dict[str, object]:
    return {
        "apiVersion": "hollowfleet.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": "tiny"},
        "spec": {
            "settle": "60s",
            "tracing": {"sample": 0.5},
            "generator": {"latenessMax": "300s", "inFlightMax": 10_000},
            "namespaces": 2,
            "cluster": {"nodes": nodes},
            "phases": [
                {
                    "name": "mix",
                    "duration": duration,
                    "load": [
                        {"scenario": "pods", "rate": 20, "lifetime": "1s"},
                        {"scenario": "readers", "rate": 20, "arrivals": "constant"},
                        {"scenario": "watchers", "count": 3},
                        {
                            "scenario": "deployments",
                            "rate": 4,
                            "scaleTo": 3,
                            "scaleAfter": "500ms",
                            "deleteAfter": "1s",
                        },
                    ],
                }
            ],
        },
    }


class InterruptingDisplay(ListDisplay):
    """Presses ctrl-C once so many requests are answered."""

    def __init__(self, requests: int) -> None:
        super().__init__()
        self._requests = requests

    def show(self, progress: Progress) -> None:
        super().show(progress)
        if self._requests and progress.requests_done >= self._requests:
            self._requests = 0
            os.kill(os.getpid(), signal.SIGINT)


def execute(
    tmp_path: Path,
    handle: object,
    nodes: int,
    duration: str = "3s",
    display: ListDisplay | None = None,
) -> tuple[Path, RunState, ListDisplay]:
    """Run against a handle, or with a function that starts one."""
    document = campaign_document(nodes, duration)
    compiled = compile_campaign(parse_campaign(document, "test"), tmp_path)
    directory, run_id = new_bundle(tmp_path / "runs", "tiny")
    display = display or ListDisplay()
    run = CampaignRun(compiled, directory, RunState(run_id, "2026-01-01T00:00:00Z"), display)
    start = handle if callable(handle) else lambda plan, progress: handle
    state = run.execute(start)  # type: ignore[arg-type]
    return directory, state, display


def test_a_run_is_complete_and_valid(tmp_path: Path, fake_cluster: Callable) -> None:
    handle = fake_cluster(nodes=3)
    directory, state, display = execute(tmp_path, handle, nodes=3)
    assert state.error == ""
    assert state.outcome == "complete"
    assert handle.stopped
    assert state.nodes_ready == 3
    summary = render(directory)
    assert failed_requests(summary.requests) == 0
    # The machine of a test may be busy: only the generator's share of it may spoil the run.
    assert all("cores" in reason for reason in summary.reasons)
    results = {v.sli.split(" ")[0]: v for v in summary.verdicts}
    assert results["Mutating"].count > 50
    assert results["Pod"].count > 30
    assert results["Watch"].count > 30
    rows = list(read_rows(directory / "samples-0.csv.gz"))
    scheduled = json.loads((directory / "campaign.json").read_text())["arrivals_total"]
    assert len(rows) == scheduled
    assert {row["code"] for row in rows if row["verb"] == "watch"} == {"200"}
    generator = json.loads((directory / "generator-0.json").read_text())
    assert generator["counts"]["watch_events"] > 100
    assert "apiserver" in (directory / "report.html").read_text()
    assert any(progress.phase == "mix" for progress in display.shown)
    _check_traces(directory)
    assert not (directory / "cluster").exists()
    for path in directory.iterdir():
        assert handle.token.encode() not in path.read_bytes(), path


def _check_traces(directory: Path) -> None:
    """Half of the creates: their own span, which the pod's annotation names as the parent of what
    was seen of it later."""
    found = list(read_traces(directory))
    sent = {span.id: span for _, span in found if span.name.startswith("create ")}
    creates = [
        a
        for a in parse_schedule(gzip.decompress((directory / SCHEDULE_FILE).read_bytes()))
        if a.verb == "create"
    ]
    sampling = Sampling(1, 0.5)
    assert len(sent) == sum(sampling.context(arrival) is not None for arrival in creates)
    assert 0 < len(sent) < len(creates)
    seen = [span for program, span in found if program == "driver"]
    assert seen and all(sent[span.parent].context.trace == span.context.trace for span in seen)
    for span in seen:
        assert sent[span.parent].attributes["k8s.pod.name"] == span.attributes["k8s.pod.name"]
    assert "The way of" in (directory / "report.html").read_text()
    assert not list(directory.glob("spans-*"))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """It interrupts, also where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_partial_data_and_leaves_nothing(
    tmp_path: Path, fake_cluster: Callable
) -> None:
    handle = fake_cluster(nodes=1)
    before = set(descendants(os.getpid()))
    display = InterruptingDisplay(requests=40)
    directory, state, _ = execute(tmp_path, handle, nodes=1, duration="300s", display=display)
    assert state.outcome == "interrupted"
    assert handle.stopped
    assert set(descendants(os.getpid())) <= before
    summary = render(directory)
    assert summary.headline == "PARTIAL"
    assert len(summary.requests.code) > 20
    assert exit_code(summary) == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_cluster_that_does_not_start_is_one_error(tmp_path: Path) -> None:
    def start(plan: ClusterPlan, progress: Callable[[str], None]) -> ClusterHandle:
        log = Path(plan.run_directory) / "programs.log"
        log.parent.mkdir(parents=True)
        log.write_text("store-0: disk full\n")
        raise ClusterError(f"store-0 did not start: disk full (log: {log})")

    directory, state, _ = execute(tmp_path, start, nodes=1)
    assert state.outcome == "failed"
    assert state.error.startswith("store-0 did not start: disk full")
    assert "(log: programs.log)" in state.error
    assert "disk full" in (directory / "programs.log").read_text()
    assert exit_code(render(directory)) == 1


def test_a_start_that_is_broken_off_is_interrupted_even_if_it_ends_badly(tmp_path: Path) -> None:
    def start(plan: ClusterPlan, progress: Callable[[str], None]) -> ClusterHandle:
        try:
            raise KeyboardInterrupt
        finally:
            raise ClusterError("processes did not end: [7]")

    directory, state, _ = execute(tmp_path, start, nodes=1)
    assert (state.outcome, state.error) == ("interrupted", "processes did not end: [7]")
    assert exit_code(render(directory)) == 130


class _FailingHandle:
    """A cluster that is of no use and whose last words cannot be read."""

    server = ca_file = kubeconfig = identity_file = ""
    placement = ()
    stopped = False

    @property
    def token(self) -> str:
        raise ClusterError("no token")

    def lives(self) -> list[Life]:
        return []

    def failures(self) -> list[str]:
        raise OSError("the log is unreadable")

    def stop(self) -> None:
        assert [signal.getsignal(number) for number in ENDING] == [unheard, unheard]
        self.stopped = True


def test_both_signals_at_once_end_a_trial_once_and_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = [signal.signal(number, _interrupted) for number in ENDING]
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
            try:
                for number in ENDING:
                    os.kill(os.getpid(), number)
            finally:
                # Another thread may take one of them before: whatever is started later would be
                # deaf to both.
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        assert [signal.getsignal(number) for number in ENDING] == [unheard, unheard]
    finally:
        for number, handler in zip(ENDING, before, strict=True):
            signal.signal(number, handler)
    assert capfd.readouterr() == ("", "")


def test_a_cluster_is_stopped_even_if_a_step_before_fails(tmp_path: Path) -> None:
    handle = _FailingHandle()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OSError, match="the log is unreadable"):
        execute(tmp_path, handle, nodes=1)
    assert handle.stopped
    assert signal.getsignal(signal.SIGTERM) is before
    assert not list(tmp_path.glob("runs/*/cluster"))


def test_a_refused_token_ends_the_run_at_once(tmp_path: Path, fake_cluster: Callable) -> None:
    handle = fake_cluster(nodes=1)
    handle.token = "wrong"
    _, state, _ = execute(tmp_path, handle, nodes=1)
    assert "only 0 of 1 nodes became Ready" in state.error
    assert "answered 401: Unauthorized" in state.error


def test_an_unreachable_server(tmp_path: Path, fake_cluster: Callable) -> None:
    handle = fake_cluster(nodes=1)
    client = ApiClient(Endpoint(handle.server, handle.ca_file, handle.token))
    assert client.request("GET", "/api/v1/nodes")[0] == 200
    handle.stop()
    with pytest.raises(ServerUnreachable, match=r"cannot reach https://127.0.0.1:\d+: "):
        client.request("GET", "/api/v1/nodes")
    client.close()


def test_a_create_of_unknown_outcome_is_tried_again(fake_cluster: Callable) -> None:
    handle = fake_cluster(nodes=1)
    client = ApiClient(Endpoint(handle.server, handle.ca_file, handle.token))
    create(client, "/api/v1/namespaces", namespace_body(UNSURE))
    assert client.request("GET", f"/api/v1/namespaces/{UNSURE}")[0] == 200
    client.close()


def test_an_aborted_watch_ends_with_whole_events_only(fake_cluster: Callable) -> None:
    handle = fake_cluster(nodes=1)
    watcher = ApiClient(Endpoint(handle.server, handle.ca_file, handle.token))
    writer = ApiClient(Endpoint(handle.server, handle.ca_file, handle.token))
    seen: list[str] = []
    first, many, stop_writing = threading.Event(), threading.Event(), threading.Event()
    outcome: list[str] = []

    def follow() -> None:
        try:
            for event in watcher.watch("/api/v1/namespaces?watch=1"):
                seen.append(event["object"]["metadata"]["name"])
                first.set()
                if len(seen) >= 20:
                    many.set()
            outcome.append("ended")
        except ServerUnreachable:
            outcome.append("lost")

    def write() -> None:
        number = 0
        while not stop_writing.is_set():
            number += 1
            create(writer, "/api/v1/namespaces", namespace_body(f"n{number}"))

    create(writer, "/api/v1/namespaces", namespace_body("n0"))
    following, writing = threading.Thread(target=follow), threading.Thread(target=write)
    following.start()
    assert first.wait(PATIENCE_S)
    writing.start()
    assert many.wait(PATIENCE_S)
    watcher.abort()
    following.join(PATIENCE_S)
    stop_writing.set()
    writing.join()
    assert outcome in (["ended"], ["lost"])
    watcher.close()
    writer.close()
