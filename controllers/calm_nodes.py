"""Which nodes a pass over all of them has to look at.

One that was found well stays well until it changes or falls silent. So it is looked at when it has
changed, and else once in the time that it may be silent, not in every pass.
"""

from collections.abc import Mapping


class CalmNodes:
    """``grace_ns``: how long a node may be silent; ``period_ns``: between two passes. Cost of a
    pass: the nodes that were last heard of about ``grace_ns`` ago."""

    __slots__ = ("_grace_ns", "_looks", "_period_ns", "_until", "restless")

    def __init__(self, grace_ns: int, period_ns: int) -> None:
        self._grace_ns = grace_ns
        self._period_ns = period_ns
        self.restless: dict[str, None] = {}
        """Nodes to be looked at in the next pass."""
        self._until: dict[str, int] = {}
        """The others -> the pass, counted in periods, in which each may have fallen silent."""
        self._looks: dict[int, list[str]] = {}
        """The same by pass. A node whose pass is another one meanwhile is not meant."""

    def disturb(self, node: str) -> None:
        """It has changed, or is new."""
        self._until.pop(node, None)
        self.restless[node] = None

    def forget(self, node: str) -> None:
        self._until.pop(node, None)
        self.restless.pop(node, None)

    def settle(self, node: str, heard_ns: int, now_ns: int) -> None:
        """It is well, and was last heard of then."""
        self.restless.pop(node, None)
        silent_ns = heard_ns + self._grace_ns
        look = max(silent_ns // self._period_ns, now_ns // self._period_ns + 1)
        self._until[node] = look
        self._looks.setdefault(look, []).append(node)

    def begin_pass(self, heard: Mapping[str, int], now_ns: int) -> None:
        """Disturb those that have been silent for too long. ``heard``: when each was heard of."""
        number, until = now_ns // self._period_ns, self._until
        silent_ns = now_ns - self._grace_ns
        for look in [look for look in self._looks if look <= number]:
            for node in self._looks.pop(look):
                if until.get(node) != look:
                    continue
                heard_ns = heard.get(node, 0)
                if heard_ns < silent_ns:
                    self.disturb(node)
                else:
                    self.settle(node, heard_ns, now_ns)
