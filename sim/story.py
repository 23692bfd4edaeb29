"""The story of one object or one program across all rooms: what ``--trace`` prints.

A line is written whenever something that contains the key passes a border: a request leaves, is
served, a record is logged, an event reaches a watcher, a program dies.
"""

import re
from collections import deque

SECOND = 1_000_000_000
LINES_MAX = 5_000
"""Older lines are dropped."""


class Story:
    """``key``: an object's path (``pods/default/web-1``, which is not in the story of its
    neighbour ``web-10``), a word in one (``web``), or a program's name."""

    def __init__(self, key: str, start_ns: int) -> None:
        self.key = key
        goes_on = "(?![a-z0-9])" if "/" in key else ""
        self._pattern = re.compile(re.escape(key) + goes_on)
        self.lines: deque[str] = deque(maxlen=LINES_MAX)
        self._start_ns = start_ns

    def tell(self, now_ns: int, who: str, what: str, path: str, note: str = "") -> None:
        if self.key == who or self._pattern.search(path):
            at_s = (now_ns - self._start_ns) / SECOND
            self.lines.append(f"{at_s:12.6f} {who:<14} {what:<12} {path} {note}".rstrip())


def path_of_key(key: bytes) -> str:
    """``/registry/pods/default/web-1`` is told as ``pods/default/web-1``."""
    return key.decode().removeprefix("/registry/")
