"""How many requests may be under way, for whom, and what is counted of them."""

import re

import pytest

from apiserver.core import ApiServerCore
from apiserver.messages import (
    Answer,
    Answers,
    CallsArrived,
    FrameCall,
    HttpArrived,
    HttpRequest,
    StoreCall,
    StoreReplied,
    User,
)
from apiserver.shards import Sharding
from apiserver.tasks import Limits
from tests.apiserver.apiserver_rig import ADMIN, ALICE

CM = "/api/v1/namespaces/x/configmaps"
ROBOT = User("system:kube-controller-manager", ("system:authenticated",))
"""May everything and is no administrator."""


class Overload:
    """A server of which the store answers nothing, so what waits for it stays under way."""

    def __init__(self, limits: Limits) -> None:
        self.core = ApiServerCore(Sharding("kind", 1), 1, "small", limits)
        self.core.step([], 1)
        self.last = 0
        self.calls: list[tuple[int, int]] = []

    def ask(self, method: str, path: str, user: User, body: bytes = b"") -> Answer | None:
        """The answer, if there is one."""
        self.last += 1
        bare, _, query = path.partition("?")
        request = HttpRequest(self.last, user, method, bare, query, body)
        return self.answer(HttpArrived([request]))

    def answer(self, event: HttpArrived | CallsArrived | StoreReplied) -> Answer | None:
        found = None
        for effect in self.core.step([event], 2):
            if isinstance(effect, Answers):
                [found] = effect.answers
            elif isinstance(effect, StoreCall):
                self.calls += [(effect.shard, call) for call in effect.ids]
        self.core.check()
        return found


def test_reads_and_writes_have_limits_of_their_own() -> None:
    server = Overload(Limits(100, max_requests_inflight=2, max_mutating_requests_inflight=1))
    assert server.ask("GET", f"{CM}/a", ROBOT) is None
    assert server.ask("GET", CM, ROBOT) is None
    refused = server.ask("GET", CM, ROBOT)
    assert refused == Answer(
        429,
        b"Too many requests, please try again later.\n",
        0,
        "text/plain; charset=utf-8",
        (("Retry-After", "1"),),
    )
    assert server.ask("DELETE", f"{CM}/a", ROBOT) is None
    assert server.ask("PATCH", f"{CM}/a", ROBOT) == refused


def test_a_request_that_is_done_makes_room() -> None:
    server = Overload(Limits(100, max_mutating_requests_inflight=1))
    assert server.ask("DELETE", f"{CM}/a", ROBOT) is None
    [(shard, call)] = server.calls[-1:]
    done = server.answer(StoreReplied(shard, [call], None))
    assert done is not None and done.code == 503
    assert server.ask("DELETE", f"{CM}/b", ROBOT) is None


def test_administrators_watches_and_what_needs_no_waiting_are_let_in() -> None:
    server = Overload(Limits(100, max_requests_inflight=0, max_mutating_requests_inflight=0))
    assert server.ask("GET", CM, ADMIN) is None
    assert server.ask("GET", f"{CM}?watch=1", ROBOT) is None
    version = server.ask("GET", "/version", ALICE)
    assert version is not None and version.code == 200
    call = FrameCall(1000, "get", "configmaps", "x", "a", "", "", None, "", False)
    assert server.answer(CallsArrived([call])) is None
    refused = server.ask("GET", CM, ROBOT)
    assert refused is not None and refused.code == 429


def test_beyond_the_bound_on_all_nobody_is_let_in() -> None:
    server = Overload(Limits(1))
    assert server.ask("GET", CM, ADMIN) is None
    refused = server.ask("GET", CM, ADMIN)
    assert refused is not None
    assert (refused.code, refused.headers) == (429, (("Retry-After", "1"),))


@pytest.mark.parametrize("kind", ["readOnly", "mutating"])
def test_metrics_tell_what_is_under_way_and_what_was_refused(kind: str) -> None:
    server = Overload(Limits(100, max_requests_inflight=1, max_mutating_requests_inflight=1))
    method, verb = ("GET", "GET") if kind == "readOnly" else ("DELETE", "DELETE")
    for _ in range(3):
        server.ask(method, f"{CM}/a", ROBOT)
    metrics = server.ask("GET", "/metrics", ADMIN)
    assert metrics is not None
    text = metrics.body.decode()
    assert f'apiserver_current_inflight_requests{{request_kind="{kind}"}} 1\n' in text
    [line] = re.findall(r'apiserver_request_total\{code="429".*', text)
    assert line.endswith(" 2") and f'verb="{verb}"' in line and 'resource="configmaps"' in line
