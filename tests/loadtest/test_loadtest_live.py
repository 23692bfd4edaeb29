"""The live page: its server, its metrics, and the page itself in a real browser."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from loadtest.live.display import LivePage
from loadtest.live.feed import Feed
from loadtest.live.page import page_html
from loadtest.live.server import FOLLOWERS_MAX, LiveError, LiveServer, PageServer
from loadtest.progress import ComponentNow, Progress
from loadtest.window import LatencyWindow
from tests.loadtest.chromium import opened

PATIENCE_S = 120.0


def progress(t_s: float) -> Progress:
    window = LatencyWindow()
    for milliseconds in range(1, 101):
        window.add("create", 201, 1000 * milliseconds)
    window.add("get", 0, 70_000_000)
    gauges = {"queue_active": 7.0, "queue_backoff": 2.0}
    shard = {"keys": 12.0, "watchers": 3.0}
    return Progress(
        phase=f"phase at {t_s:g}",
        elapsed_s=t_s,
        total_s=60.0,
        nodes_ready=1000,
        nodes_expected=1000,
        created=int(30 * t_s),
        bound=int(29 * t_s),
        running=int(28 * t_s),
        created_per_s=30.0,
        requests_done=int(100 * t_s),
        load={"lateness_p99_ms": 3.0, "watches": 2.0} | window.take(),
        components=(
            ComponentNow("scheduler", 12.5, 1 << 20, 0.6, 7.0, gauges),
            ComponentNow("store-0", 2.5, 1 << 21, 0.2, None, shard),
            ComponentNow("controllers-0", 1.0, 1, 0.1, None, {"deployment_queue": 4.0}),
        ),
    )


@pytest.fixture
def feed() -> Feed:
    return Feed("density <1>")


@pytest.fixture
def server(feed: Feed) -> Iterator[LiveServer]:
    started = LiveServer(feed, 0)
    yield started
    started.close()


def test_a_follower_hears_the_past_what_comes_and_the_end(feed: Feed, server: LiveServer) -> None:
    feed.publish(progress(1))
    feed.publish(progress(2))
    with httpx.stream("GET", f"{server.url}events", timeout=PATIENCE_S) as reply:
        assert reply.headers["content-type"] == "text/event-stream"
        lines = reply.iter_lines()
        heard = [next(lines) for _ in range(6)]
        feed.publish(progress(3))
        feed.end()
        heard += list(lines)
    moments = [json.loads(line[6:]) for line in heard if line.startswith('data: {"')]
    assert [moment["t"] for moment in moments] == [1, 2, 3]
    assert [moment["request_rate"] for moment in moments] == [0, 100, 100]
    assert moments[0]["latency_ms"] == {"mutating": 99.0, "get": 70_000.0, "list": None}
    assert heard[-3] == "event: end"


def test_a_page_that_lost_its_line_goes_on_where_it_was(feed: Feed, server: LiveServer) -> None:
    for t_s in (1, 2, 3):
        feed.publish(progress(t_s))
    feed.end()
    found = httpx.get(f"{server.url}events", headers={"Last-Event-ID": "2"}, timeout=PATIENCE_S)
    assert found.text.count("id: ") == 1 and found.text.startswith("id: 3\n")


def test_names_of_metrics_are_those_of_upstream(feed: Feed, server: LiveServer) -> None:
    assert httpx.get(f"{server.url}metrics").text == ""
    feed.publish(progress(2))
    text = httpx.get(f"{server.url}metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert values["rest_client_requests_total", "201", "POST"] == 100
    assert values["rest_client_requests_total", "<error>", "GET"] == 1
    spans = "rest_client_request_duration_seconds"
    assert values[f"{spans}_bucket", "0.025", "POST"] == 25
    assert values[f"{spans}_bucket", "0.1", "POST"] == values[f"{spans}_count", "POST"] == 100
    assert values[f"{spans}_sum", "POST"] == pytest.approx(5.05)
    assert (values[f"{spans}_bucket", "60.0", "GET"], values[f"{spans}_count", "GET"]) == (0, 1)
    assert values["scheduler_pending_pods", "active", "scheduler"] == 7
    assert values["workqueue_depth", "controllers-0", "deployment"] == 4
    assert values["etcd_debugging_mvcc_watcher_total", "store-0"] == 3
    assert values["process_cpu_seconds_total", "scheduler"] == 12.5
    assert values["hollowfleet_pods_total", "running"] == 56


def test_only_who_asks_for_loopback_is_answered(server: LiveServer) -> None:
    assert httpx.get(server.url).status_code == 200
    other = httpx.get(server.url, headers={"Host": "evil.example:80"})
    assert other.status_code == 403
    assert httpx.get(server.url, headers={"Host": "localhost"}).status_code == 200
    assert httpx.get(f"{server.url}other").status_code == 404
    assert httpx.post(server.url).status_code == 501


def test_who_leaves_in_the_middle_is_not_told_of_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = PageServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    for error, told in (
        (BrokenPipeError(), False),
        (ConnectionResetError(), False),
        (KeyError(), True),
    ):
        try:
            raise error
        except (OSError, KeyError):
            server.handle_error(None, ("127.0.0.1", 1))
        assert ("Traceback" in capsys.readouterr().err) is told
    server.server_close()


def test_a_place_that_is_no_number_of_ours_is_the_beginning(feed: Feed, server: LiveServer) -> None:
    feed.publish(progress(1))
    feed.end()
    for place in ("9" * 5000, "-1", "x"):
        page = httpx.get(f"{server.url}events", headers={"Last-Event-ID": place})
        assert "id: 1" in page.text and page.text.endswith("event: end\ndata: {}\n\n")


def test_open_pages_are_bounded(feed: Feed, server: LiveServer) -> None:
    feed.publish(progress(1))
    with ExitStack() as pages:
        client = pages.enter_context(httpx.Client(timeout=PATIENCE_S))
        for _ in range(FOLLOWERS_MAX):
            page = pages.enter_context(client.stream("GET", f"{server.url}events"))
            assert page.status_code == 200
        assert client.get(f"{server.url}events").status_code == 503
        feed.end()


def test_a_taken_port_is_one_error(feed: Feed, server: LiveServer) -> None:
    port = int(server.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(LiveError, match=f"port {port} cannot be used"):
        LiveServer(feed, port)


class Kept:
    """A display that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)

    def show(self, shown: Progress) -> None:
        self.said.append(shown.phase)

    def close(self) -> None:
        self.said.append("closed")


def test_the_terminal_still_shows_everything_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    inner = Kept()
    display = LivePage(inner, "x", 0)
    display.show(progress(1))
    assert httpx.get(display.url).status_code == 200
    display.close()
    assert inner.said == [
        f"Live page {display.url}, metrics {display.url}metrics",
        "phase at 1",
        "closed",
    ]
    assert not {one for one in threading.enumerate() if one.name == "live page"} - before


def test_the_page_needs_nobody_else_and_names_are_text() -> None:
    page = page_html("density <1>")
    assert "density &lt;1&gt;" in page and "<1>" not in page
    addresses = {word for word in page.split("'") if word.startswith(("http:", "https:", "//"))}
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_a_browser_draws_the_run_as_it_goes(feed: Feed, server: LiveServer) -> None:
    async def look() -> None:
        async with opened(server.url) as page:
            for t_s in range(1, 20):
                feed.publish(progress(t_s))
            await page.until("document.body.textContent.includes('phase at 19, 19 s of 60 s')")
            assert await page.evaluate("document.querySelectorAll('figure svg').length") == 4
            lines = "document.querySelectorAll('polyline')"
            assert await page.evaluate(f"{lines}[0].getAttribute('points').split(' ').length") == 19
            rows = await page.evaluate("document.getElementById('components').textContent")
            assert rows == "scheduler0.6071 MiBstore-00.20–2 MiBcontrollers-00.10–9.54e-7 MiB"
            assert "99" in str(
                await page.evaluate("document.querySelectorAll('figcaption')[1].textContent")
            )
            feed.publish(replace(progress(30), phase="drain"))
            await page.until("document.getElementById('state').textContent.startsWith('drain')")
            feed.end()
            await page.until("document.querySelector('header').className === 'over'")

    asyncio.run(look())
