"""Live progress: a panel on a terminal, plain lines elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

PLAIN_PERIOD_S = 5.0


@dataclass(frozen=True, slots=True)
class ComponentNow:
    """One program of the cluster, or a process of the load, at its last sample."""

    name: str
    cpu_s: float
    """Since its start."""
    pss_bytes: int
    cores: float
    """In use between the last two samples."""
    queue: float | None
    """What waits in front of it; None: it does not say."""
    gauges: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run at one moment. Rates are per second, over the last second."""

    phase: str
    elapsed_s: float
    total_s: float
    """Of the load; 0 before it is known."""
    nodes_ready: int
    nodes_expected: int
    created: int
    bound: int
    running: int
    created_per_s: float = 0.0
    bound_per_s: float = 0.0
    running_per_s: float = 0.0
    requests_done: int = 0
    in_flight: int = 0
    overflow: int = 0
    load: Mapping[str, float] = field(default_factory=dict)
    """What the generators say: see loadtest.window and loadtest.generator."""
    components: Sequence[ComponentNow] = ()

    @property
    def eta_s(self) -> float:
        return max(0.0, self.total_s - self.elapsed_s)


class Display(Protocol):
    """Where a run shows how it goes."""

    def message(self, text: str) -> None:
        """One line that stays."""
        ...

    def show(self, progress: Progress) -> None: ...

    def close(self) -> None: ...


class PlainDisplay:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_s = float("-inf")
        self._phase = ""

    def message(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def show(self, progress: Progress) -> None:
        due = progress.elapsed_s - self._last_s >= PLAIN_PERIOD_S
        if not due and progress.phase == self._phase and progress.elapsed_s >= self._last_s:
            return
        self._last_s = progress.elapsed_s
        self._phase = progress.phase
        eta = f", ETA {progress.eta_s:.0f} s" if progress.total_s else ""
        # A cluster of somebody else's is not asked for its nodes.
        expected = progress.nodes_expected
        nodes = f"nodes Ready {progress.nodes_ready}/{expected}, " if expected else ""
        self.message(
            f"[{progress.elapsed_s:5.1f} s] {progress.phase}: {nodes}pods created "
            f"{progress.created} ({progress.created_per_s:.0f}/s), bound {progress.bound} "
            f"({progress.bound_per_s:.0f}/s), Running {progress.running} "
            f"({progress.running_per_s:.0f}/s), requests {progress.requests_done}, "
            f"in flight {progress.in_flight}, not sent {progress.overflow}{eta}"
        )

    def close(self) -> None:
        self._stream.flush()


class LiveDisplay:
    """A panel that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._console = console
        self._live.start()

    def message(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def show(self, progress: Progress) -> None:
        self._live.update(_panel(progress))

    def close(self) -> None:
        self._live.stop()


def _panel(progress: Progress) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
    for heading in ("phase", "nodes Ready", "created", "bound", "Running", "requests"):
        table.add_column(heading)
    table.add_row(
        Text(progress.phase, style="bold"),
        f"{progress.nodes_ready:,} / {progress.nodes_expected:,}",
        f"{progress.created:,}  ({progress.created_per_s:.0f}/s)",
        f"{progress.bound:,}  ({progress.bound_per_s:.0f}/s)",
        f"{progress.running:,}  ({progress.running_per_s:.0f}/s)",
        f"{progress.requests_done:,}  ({progress.in_flight} in flight"
        + (f", {progress.overflow} not sent)" if progress.overflow else ")"),
    )
    if not progress.total_s:
        return Group(table)
    bar = ProgressBar(total=progress.total_s, completed=progress.elapsed_s, width=48)
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(
        bar, f"{progress.elapsed_s:.0f} of {progress.total_s:.0f} s", f"ETA {progress.eta_s:.0f} s"
    )
    return Group(table, line)


def display_for(stream: TextIO) -> Display:
    """A panel when ``stream`` is a terminal."""
    if stream.isatty():
        return LiveDisplay(Console(file=stream))
    return PlainDisplay(stream)
