"""Times the plugins of a scheduler: each function of a profile is replaced by one that runs it and
looks at the clock, so the core needs none.

One call of a plugin is about all nodes or those that changed, where kube-scheduler's is about one.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial, update_wrapper
from typing import Final, TypeVar

from scheduler.configuration import Configuration
from scheduler.framework import Filter, Profile, Score
from scheduler.measures import Measures
from scheduler.node_table import IntArray, NodeTable
from scheduler.pod_shape import Shape
from scheduler.preemptor import Plan

SAMPLED: Final = 10
"""One call of so many is kept by plugin. Source: pluginMetricsSamplePercent of schedule_one.go."""
FILTER, SCORE, POST_FILTER = "Filter", "Score", "PostFilter"
PREEMPTION = "DefaultPreemption"
F = TypeVar("F")
R = TypeVar("R", bound=int | slice | IntArray)
T = TypeVar("T")


class PluginTimes:
    """Of one scheduler. ``measures`` is set when there is a core."""

    def __init__(self) -> None:
        self.measures: Measures | None = None
        self._spent_ns: Counter[str] = Counter()
        """By extension point, since ``take``."""
        self._calls = 0

    def timed(self, configuration: Configuration) -> Configuration:
        """The same, with plugins that are timed."""
        profiles = {name: self._profile(one) for name, one in configuration.profiles.items()}
        return replace(configuration, profiles=profiles)

    def take(self) -> dict[str, int]:
        """Nanoseconds by extension point since the last time."""
        spent, self._spent_ns = self._spent_ns, Counter()
        return dict(spent)

    def _profile(self, profile: Profile) -> Profile:
        name = profile.name
        filters = tuple(self._filter(plugin, name) for plugin in profile.filters)
        scores = tuple(self._score(plugin, name) for plugin in profile.scores)
        around = partial(self._post_filter, name)
        return replace(profile, filters=filters, scores=scores, around_post_filter=around)

    def _filter(self, plugin: Filter, profile: str) -> Filter:
        timed = partial(self._wrapped, (plugin.name, FILTER, profile))
        row = None if plugin.passes_row is None else timed(plugin.passes_row)
        return plugin._replace(passes=timed(plugin.passes), passes_row=row)

    def _score(self, plugin: Score, profile: str) -> Score:
        timed = partial(self._wrapped, (plugin.name, SCORE, profile))
        row = None if plugin.raw_row is None else timed(plugin.raw_row)
        once = None if plugin.at_once is None else timed(plugin.at_once)
        return plugin._replace(raw=timed(plugin.raw), raw_row=row, at_once=once)

    def _wrapped(
        self, labels: tuple[str, str, str], function: Callable[[Shape, NodeTable, R], F]
    ) -> Callable[[Shape, NodeTable, R], F]:
        name, point, _ = labels

        def timed(shape: Shape, table: NodeTable, rows: R) -> F:
            began = time.perf_counter_ns()
            status = "Error"
            try:
                found = function(shape, table, rows)
                status = "Success"
                return found
            finally:
                took_ns = time.perf_counter_ns() - began
                self._spent_ns[point] += took_ns
                self._note((name, point, status), took_ns)
                if self.measures is not None:
                    self.measures.evaluations[labels] += _nodes(rows)

        # Whoever looks for the culprit in a trace finds the plugin by its own function.
        return update_wrapper(timed, function)

    def _post_filter(self, profile: str, work: Callable[[], T]) -> T:
        """Preemption, which comes to a node or to none."""
        began = time.perf_counter_ns()
        status = "Error"
        try:
            found = work()
            status = "Success" if isinstance(found, Plan) and found.node else "Unschedulable"
            return found
        finally:
            took_ns = time.perf_counter_ns() - began
            self._note((PREEMPTION, POST_FILTER, status), took_ns)
            if self.measures is not None:
                point = (POST_FILTER, status, profile)
                self.measures.extension_point.observe(took_ns / 1e9, point)

    def _note(self, labels: tuple[str, str, str], took_ns: int) -> None:
        self._calls += 1
        if self._calls % SAMPLED == 0 and self.measures is not None:
            self.measures.plugin.observe(took_ns / 1e9, labels)


def _nodes(rows: int | slice | IntArray) -> int:
    """How many a plugin was asked about."""
    if isinstance(rows, int):
        return 1
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)
