"""The spans that a program writes of what clients sample, in a file of its own.

Without a path nothing of this exists; see api.tracing for what a span is.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from api.tracing import Context, Span

FLUSH_S: Final = 1.0
SPANS_MAX: Final = 200_000
"""Of one program; what comes after is counted and not kept."""


class SpanLog:
    """The spans of one program, written to ``path`` about once a second. Needs a running loop."""

    def __init__(self, path: str, now_ns: Callable[[], int]) -> None:
        self.now_ns = now_ns
        self.written = self.dropped = 0
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.get_running_loop()
        self._spans: list[Span] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(
        self,
        context: Context,
        what: tuple[str, int],
        times: tuple[int, int],
        attributes: Mapping[str, str | int],
    ) -> None:
        """``what``: name and kind; ``times``: begin and end, wall clock ns."""
        if self.written >= SPANS_MAX:
            self.dropped += 1
            return
        self.written += 1
        # Not of a seed: a program that was started anew must not give the ids of before.
        self._spans.append(Span(context, secrets.token_hex(8), *what, *times, attributes))
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Append what waits. A stop calls it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._spans:
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(span.line() for span in self._spans)
            self._spans.clear()

    def gauges(self) -> dict[str, float]:
        return {"spans_total": self.written, "spans_dropped_total": self.dropped}


def span_log(path: str, now_ns: Callable[[], int]) -> SpanLog | None:
    """None without a path: nothing is traced."""
    return SpanLog(path, now_ns) if path else None
