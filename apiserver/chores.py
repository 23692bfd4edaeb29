"""The server's own tasks: the objects of a fresh cluster, and what definitions of kinds bring.

They run as requests do, under ids of their own; one that fails is begun again after a while.
"""

from collections.abc import Callable
from typing import Final

from apiserver.bootstrap import ROUND_NS, bootstrap, look_after
from apiserver.definitions import kept
from apiserver.registry import Registry
from apiserver.tasks import Task, Tasks
from apiserver.timers import Timers

_DEFINITIONS: Final = -1
_CARE: Final = -2
_BOOTSTRAP: Final = -3
"""Ids of the server's own tasks; those of requests are not negative. Those of bootstrapping are
this one and the ones below it."""
RETRY_NS: Final = 100_000_000
"""Pause before something that the store did not answer is tried again."""


def is_chore(task_id: int) -> bool:
    """Whether a task is the server's own, and answers nobody."""
    return task_id < 0


class Chores:
    """``start`` runs a task. ``ready``: bootstrapped, so that requests are answered."""

    def __init__(
        self, registry: Registry, tasks: Tasks, timers: Timers, start: Callable[[Task], None]
    ) -> None:
        self._registry = registry
        self._tasks = tasks
        self._timers = timers
        self._start = start
        self._care_due = False
        self._bootstrapping: int | None = None
        """Its tasks that have not ended yet; None when it is to be begun."""
        self._bootstrap_failed = False
        self._definitions_wait = False
        """The store did not answer: they are looked at again after a while."""
        self.ready = False

    def bootstrap(self) -> None:
        """Once all caches are loaded."""
        if self._bootstrapping is not None:
            return
        tasks = [
            Task(_BOOTSTRAP - number, verb) for number, verb in enumerate(bootstrap(self._registry))
        ]
        self._bootstrapping = len(tasks)
        for task in tasks:
            self._start(task)

    def keep_definitions(self) -> None:
        """See to definitions that have changed."""
        news = self._registry.custom.news
        if news and _DEFINITIONS not in self._tasks and not self._definitions_wait:
            self._start(Task(_DEFINITIONS, kept(self._registry)))

    def care_in_next_round(self) -> None:
        """Somebody touched what the server looks after."""
        if not self._care_due:
            self._care_due = True
            now_ns = self._registry.now_ns
            self._timers.at(now_ns + ROUND_NS - now_ns % ROUND_NS, self._care)

    def done(self, task_id: int) -> None:
        """To be told when a task of the server's own has ended, however it did."""
        if task_id <= _BOOTSTRAP:
            self._bootstrap_ended()

    def failed(self, task_id: int) -> None:
        """Only a store that does not answer fails one: try again."""
        retry_ns = self._registry.now_ns + RETRY_NS
        if task_id == _DEFINITIONS:
            self._definitions_wait = True
            self._timers.at(retry_ns, self._retry_definitions)
        elif task_id == _CARE:
            self.care_in_next_round()
        else:
            self._bootstrap_failed = True
            self._bootstrap_ended()

    def _bootstrap_ended(self) -> None:
        """One of its tasks did. When all have: ready, or once more from the start."""
        assert self._bootstrapping, "only what was begun ends"
        self._bootstrapping -= 1
        if self._bootstrapping:
            return
        if self._bootstrap_failed:
            self._timers.at(self._registry.now_ns + RETRY_NS, self._forget_bootstrap)
            return
        self.ready = True
        for cache in self._registry.caches.values():
            cache.forget(self._registry.frontier(cache.kind))

    def _forget_bootstrap(self) -> None:
        self._bootstrapping, self._bootstrap_failed = None, False

    def _retry_definitions(self) -> None:
        self._definitions_wait = False
        self._registry.custom.look_again()

    def _care(self) -> None:
        self._care_due = False
        if _CARE in self._tasks:
            self.care_in_next_round()
        else:
            self._start(Task(_CARE, look_after(self._registry)))
