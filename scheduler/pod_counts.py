"""How many placed pods of a description are on each node and in each topology domain: counted when
first asked for, kept up to date by deltas from then on. So what (anti-)affinity and spread cost
does not depend on how many pods there are.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scheduler.pod_columns import PodColumns
from scheduler.pod_descriptions import Carried, Description, Selected, carried_terms
from scheduler.relations import Relations

IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

COUNTERS_MAX = 8192
LOG_MAX = 4096
"""Changes of a counter kept; a tally that is further behind is counted anew."""


class Counter:
    """Pods of one description by row."""

    __slots__ = ("log", "log_start", "rows", "total")

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.total = 0
        self.log: list[tuple[int, int]] = []
        """(row, difference)."""
        self.log_start = 0

    @property
    def position(self) -> int:
        return self.log_start + len(self.log)

    def add(self, row: int, difference: int) -> None:
        _add(self.rows, row, difference)
        self.total += difference
        self.log.append((row, difference))
        if len(self.log) > LOG_MAX:
            half = len(self.log) // 2
            del self.log[:half]
            self.log_start += half


@dataclass(slots=True)
class Present:
    """Placed pods of one Relations."""

    relations: Relations
    pods: int = 0
    rows: dict[int, int] | None = None
    """Where those are that are not in the columns; less one for each that is counted out for a
    moment and is in them. None: nowhere."""
    concerned: Sequence[tuple[Counter, int]] | None = None
    """The counters that count it, and how often; None: not worked out."""

    def add(self, row: int, difference: int) -> None:
        rows = self.rows
        if rows is None:
            self.rows = {row: difference}
            return
        left = rows.get(row, 0) + difference
        if left:
            rows[row] = left
        else:
            del rows[row]
            if not rows:
                self.rows = None


class PodCounts:
    """All placed pods by Relations and row, and counters of what was asked for."""

    def __init__(self, settled: PodColumns) -> None:
        self._settled = settled
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.terms_version = 0
        """Grows when a term is first or no longer carried."""
        self.epoch = 0
        """Grows when counters that somebody may hold are void."""
        self.carried: dict[Carried, int] = {}
        """Terms of placed pods and how many Relations have each."""
        self._present: dict[int, Present] = {}
        self._counters: OrderedDict[Description, Counter] = OrderedDict()
        self.asked = 0
        """How often it was worked out whether a description means a placed pod, each for itself;
        those of one Relations are asked at once."""
        self._trying = 0
        self._tried: dict[tuple[str, int], int] = {}
        """(namespace, row) to the pods there that came on trial, less those that left."""
        self._of_all: dict[Selected, Counter] = {}
        """Counters of selectors that are empty."""

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Pods come and go on trial, and all is undone before this ends. Of them alone, an empty
        selector means every one: kube-scheduler asks it again for each such pod, and when it counts
        those that are there it skips all. Source: plugins/podtopologyspread/common.go
        (countPodsMatchSelector) and filtering.go (updateWithPod), v1.36."""
        self._trying += 1
        try:
            yield
        finally:
            self._trying -= 1
            if not self._trying:
                self._tried.clear()

    def add(self, row: int, pod: Relations, sign: int, settled: bool = False) -> None:
        """A pod came to a row or left it. ``settled``: it is in the columns."""
        entry = self._present.get(pod.number)
        if entry is None:
            entry = self._appear(pod)
        entry.pods += sign
        self.asked += len(self._counters)
        if not settled:
            rows = entry.rows
            # As Present.add does: this is on the way of every pod.
            if rows is None:
                entry.rows = {row: sign}
            elif left := rows.get(row, 0) + sign:
                rows[row] = left
            else:
                del rows[row]
                if not rows:
                    entry.rows = None
        if entry.concerned is None:
            entry.concerned = tuple(
                [
                    (counter, times)
                    for description, counter in self._counters.items()
                    if (times := int(description.times(pod, self.namespaces)))
                ]
            )
        for counter, times in entry.concerned:
            counter.add(row, times * sign)
        if self._trying and not pod.key.terminating:
            place = (pod.key.namespace, row)
            self._tried[place] = self._tried.get(place, 0) + sign
            for selected, counter in self._of_all.items():
                if pod.key.namespace == selected.namespace:
                    counter.add(row, sign)
        if not entry.pods and not entry.rows:
            self._vanish(pod)

    def settle(self, row: int, pod: Relations, sign: int) -> None:
        """A pod of this row came to the columns, or left them with sign -1."""
        self._present[pod.number].add(row, -sign)

    def counter(self, description: Description) -> Counter:
        """Cost when it is new: one look at each distinct Relations of the placed pods."""
        counter = self._counters.get(description)
        if counter is not None:
            self._counters.move_to_end(description)
            return counter
        counter = self._counters[description] = Counter()
        if isinstance(description, Selected) and description.selector.empty:
            self._of_all[description] = counter
            for (namespace, row), pods in self._tried.items():
                if namespace == description.namespace and pods:
                    counter.add(row, pods)
        found: dict[int, int] = {}
        for number, entry in self._present.items():
            times = int(description.times(entry.relations, self.namespaces))
            self.asked += entry.pods
            if times:
                found[number] = times
                for row, pods in (entry.rows or {}).items():
                    counter.add(row, pods * times)
                if entry.concerned is not None:
                    entry.concerned = (*entry.concerned, (counter, times))
        if found:
            settled = self._settled.count_by_row(lambda pod: found.get(pod.number, 0))
            for row, pods in settled.items():
                counter.add(row, pods)
        if len(self._counters) > COUNTERS_MAX:
            self._drop_oldest()
        return counter

    def put_namespace(self, name: str, labels: Mapping[str, str]) -> bool:
        """False: nothing changed."""
        if self.namespaces.get(name) == labels:
            return False
        self.namespaces[name] = dict(labels)
        self.forget()
        return True

    def remove_namespace(self, name: str) -> None:
        if self.namespaces.pop(name, None) is not None:
            self.forget()

    def forget(self) -> None:
        """Whatever was counted is void, as it is when the labels of namespaces change: who wants
        to know it next counts all placed pods anew."""
        self._counters.clear()
        self._of_all.clear()
        for entry in self._present.values():
            entry.concerned = None
        self.epoch += 1

    def _appear(self, pod: Relations) -> Present:
        entry = self._present[pod.number] = Present(pod)
        if pod.has_terms:
            for carried in carried_terms(pod):
                if carried not in self.carried:
                    self.terms_version += 1
                self.carried[carried] = self.carried.get(carried, 0) + 1
        return entry

    def _vanish(self, pod: Relations) -> None:
        del self._present[pod.number]
        if pod.has_terms:
            for carried in carried_terms(pod):
                self.carried[carried] -= 1
                if not self.carried[carried]:
                    del self.carried[carried]
                    self.terms_version += 1

    def _drop_oldest(self) -> None:
        """Tallies that hold the counter fall behind, so all plugins must start anew."""
        description, dropped = self._counters.popitem(last=False)
        if isinstance(description, Selected):
            self._of_all.pop(description, None)
        for entry in self._present.values():
            if entry.concerned:
                entry.concerned = tuple([c for c in entry.concerned if c[0] is not dropped])
        self.epoch += 1

    def check(self, placed: Sequence[tuple[int, Relations]]) -> bool:
        """Whether the counters say what counting these (row, pod) again gives."""
        for description, counter in self._counters.items():
            again: dict[int, int] = {}
            for row, pod in placed:
                times = int(description.times(pod, self.namespaces))
                if times:
                    again[row] = again.get(row, 0) + times
            if again != counter.rows:
                return False
        return True


def _add(rows: dict[int, int], row: int, difference: int) -> None:
    left = rows.get(row, 0) + difference
    if left:
        rows[row] = left
    else:
        del rows[row]
