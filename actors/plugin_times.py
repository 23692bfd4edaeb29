"""Times the plugins of a scheduler: each function of a profile is replaced by one that runs it and
looks at the clock, so the core needs none.

One call of a plugin is about all nodes or those that changed, where kube-scheduler's is about one.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial, update_wrapper
from typing import Final, ParamSpec, TypeVar

from scheduler.configuration import Configuration
from scheduler.framework import Filter, Profile, Score
from scheduler.measures import Measures

SAMPLED: Final = 10
"""One call of so many is kept by plugin. Source: pluginMetricsSamplePercent of schedule_one.go."""
P = ParamSpec("P")
R = TypeVar("R")


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
        filters = tuple(self._filter(plugin) for plugin in profile.filters)
        scores = tuple(self._score(plugin) for plugin in profile.scores)
        return replace(profile, filters=filters, scores=scores)

    def _filter(self, plugin: Filter) -> Filter:
        timed = partial(self._wrapped, plugin.name, "Filter")
        row = None if plugin.passes_row is None else timed(plugin.passes_row)
        return plugin._replace(passes=timed(plugin.passes), passes_row=row)

    def _score(self, plugin: Score) -> Score:
        timed = partial(self._wrapped, plugin.name, "Score")
        row = None if plugin.raw_row is None else timed(plugin.raw_row)
        once = None if plugin.at_once is None else timed(plugin.at_once)
        return plugin._replace(raw=timed(plugin.raw), raw_row=row, at_once=once)

    def _wrapped(self, name: str, point: str, function: Callable[P, R]) -> Callable[P, R]:
        def timed(*arguments: P.args, **named: P.kwargs) -> R:
            began = time.perf_counter_ns()
            status = "Error"
            try:
                found = function(*arguments, **named)
                status = "Success"
                return found
            finally:
                self._note((name, point, status), time.perf_counter_ns() - began)

        # Whoever looks for the culprit in a trace finds the plugin by its own function.
        return update_wrapper(timed, function)

    def _note(self, labels: tuple[str, str, str], took_ns: int) -> None:
        self._spent_ns[labels[1]] += took_ns
        self._calls += 1
        if self._calls % SAMPLED == 0 and self.measures is not None:
            self.measures.plugin.observe(took_ns / 1e9, labels)
