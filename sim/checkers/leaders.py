"""Promise: only the scheduler that holds the Lease binds pods, and whoever has taken the Lease
knows of all that were bound before.
"""

from collections.abc import Sequence
from typing import Any, Final

from api.calls import ApiRequest, WatchSpec
from api.leadership import LEASES, NAMESPACE
from scheduler.election import LEASE
from sim.checkers.history import Change, History
from sim.topics import Topics, Violation

NAME: Final = "leaders"
KEY: Final = f"/registry/{LEASES}/{NAMESPACE}/{LEASE}".encode()
PODS: Final = b"/registry/pods/"


class Leaders:
    """Looks at every binding when it is sent, and at the Lease when it is on disk."""

    def __init__(self, topics: Topics, history: History, schedulers: int) -> None:
        self.changes = 0
        """How often the Lease went from one scheduler to another."""
        self._holder = ""
        self._bound = (0, "")
        """The newest revision at which a pod was bound, and that pod."""
        self._before = (0, "")
        """The same when the Lease last went to another."""
        self._seen: dict[str, int] = {}
        """Program to the revision up to which it was told of all pods."""
        if schedulers == 1:
            return
        topics.called.append(self._called)
        topics.watched.append(self._watched)
        topics.synced.append(self._synced)
        topics.restarted.append(self._restarted)
        topics.watch_closed.append(self._closed)
        history.changed.append(self._changed)

    def _changed(self, change: Change) -> None:
        if change.new is None:
            return
        if change.key.startswith(PODS):
            before = change.old is not None and change.old.json["spec"].get("nodeName")
            if not before and change.new.json["spec"].get("nodeName"):
                self._bound = max(self._bound, (change.revision, change.key.decode()))
        elif change.key == KEY:
            holder = change.new.json["spec"]["holderIdentity"]
            if holder != self._holder:
                self.changes += self._holder != ""
                self._holder, self._before = holder, self._bound

    def _restarted(self, program: str) -> None:
        self._seen.pop(program, None)

    def _closed(self, program: str, spec: WatchSpec) -> None:
        if spec.resource == "pods":
            self._restarted(program)

    def _synced(self, program: str, spec: WatchSpec, revision: int) -> None:
        if spec.resource == "pods":
            self._seen[program] = revision

    def _watched(
        self,
        program: str,
        spec: WatchSpec,
        types: Sequence[int],
        revisions: Sequence[int],
        objects: Sequence[Any],
    ) -> None:
        if spec.resource == "pods" and program in self._seen and revisions:
            self._seen[program] = max(self._seen[program], revisions[-1])

    def _called(self, program: str, requests: Sequence[ApiRequest]) -> None:
        revision, pod = self._before
        for request in requests:
            if request.subresource != "binding":
                continue
            if program != self._holder:
                message = f"{program} binds {request.name} though {self._holder} holds the Lease"
                raise Violation(NAME, message)
            if self._seen.get(program, 0) < revision:
                message = f"{program} binds {request.name} and has not heard that {pod} is bound"
                raise Violation(NAME, message)
