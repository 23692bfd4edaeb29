"""Requests under way, and how many there may be.

Two limits as kube-apiserver has them without priority and fairness: on requests that change
something and on those that only read. What lasts (a watch, a command, a log) does not count, and
whoever is in system:masters is counted but never sent away. A third bound is our own, on all.

Source: WithMaxInFlightLimit, apiserver/pkg/server/filters/maxinflight.go; the long-running verbs
and subresources of cmd/kube-apiserver/app/options/completion.go at v0.36.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from api.core import InvariantError
from api.storage import StoreRequest
from apiserver.authorize import ADMINS
from apiserver.messages import Answer, User
from apiserver.metrics import Asked
from apiserver.registry import AnyVerb

TOO_MANY: Final = Answer(
    429,
    b"Too many requests, please try again later.\n",
    content_type="text/plain; charset=utf-8",
    headers=(("Retry-After", "1"),),
)
MUTATING: Final = "mutating"
READ_ONLY: Final = "readOnly"
"""As the label request_kind names them."""
BOOTSTRAP_LANES: Final = 16
"""Tasks that write the objects of a fresh cluster side by side."""
OWN_MAX: Final = 3 + BOOTSTRAP_LANES
"""Tasks of the server itself at one time: those, one for what is looked after, one for
definitions."""
_LASTING: Final = frozenset(("attach", "exec", "proxy", "log", "portforward"))


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests that may be under way at once."""

    all: int = 4096
    """Whoever asks. Beyond it is a Status 429."""
    max_requests_inflight: int = 400
    """Reading ones that come over HTTP, of kube-apiserver's name and default."""
    max_mutating_requests_inflight: int = 200


class Task:
    """One request under way."""

    __slots__ = ("closed", "counted", "id", "sent", "sent_ns", "verb")

    def __init__(self, task_id: int, verb: AnyVerb, counted: str = "") -> None:
        self.id = task_id
        self.verb = verb
        self.counted = counted
        """Against which of the two limits; empty for neither."""
        self.closed = False
        self.sent: StoreRequest = ()
        """What it last asked the store, and when."""
        self.sent_ns = 0


class Tasks:
    """All of them, by id."""

    __slots__ = ("_by_id", "_counts", "_limits", "_maxima", "together")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_id: dict[int, Task] = {}
        self.together = 0
        """Requests of components under way that have no task of their own: see renewal_lane."""
        self._counts = {MUTATING: 0, READ_ONLY: 0}
        self._maxima: Mapping[str, int] = {
            MUTATING: limits.max_mutating_requests_inflight,
            READ_ONLY: limits.max_requests_inflight,
        }

    def __len__(self) -> int:
        return len(self._by_id) + self.together

    def __contains__(self, task_id: int) -> bool:
        return task_id in self._by_id

    @property
    def full(self) -> bool:
        """Whether another request must be turned away."""
        return self.room <= 0

    @property
    def room(self) -> int:
        """How many requests may still be begun before the bound on those under way."""
        return self._limits.all - len(self._by_id) - self.together

    def has_room(self, counted: str, user: User | None) -> bool:
        """Whether a request that counts so may begin."""
        if not counted or self._counts[counted] < self._maxima[counted]:
            return True
        return user is None or ADMINS in user.groups

    def add(self, task: Task) -> None:
        """A request is under way, and takes its place among those allowed."""
        self._by_id[task.id] = task
        if task.counted:
            self._counts[task.counted] += 1

    def pop(self, task_id: int) -> Task | None:
        """It is done: its place is free. None where it is not under way."""
        task = self._by_id.pop(task_id, None)
        if task is not None and task.counted:
            self._counts[task.counted] -= 1
        return task

    def check(self) -> None:
        """Raises InvariantError if more are under way than may be, or are counted wrong."""
        if len(self) > self._limits.all + OWN_MAX:
            raise InvariantError("more requests in flight than allowed")
        counted = [task.counted for task in self._by_id.values()]
        if any(counted.count(kind) != count for kind, count in self._counts.items()):
            raise InvariantError("the count of requests in flight is wrong")


@lru_cache(maxsize=4096)
def counted_as(asked: Asked) -> str:
    """The limit that a request over HTTP counts against."""
    if asked.verb == "watch" or asked.subresource in _LASTING:
        return ""
    return READ_ONLY if asked.reading else MUTATING
