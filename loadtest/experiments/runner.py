"""Runs trials, each in a process of its own: virtual ones side by side, real ones one by one.

Ctrl-C ends the trials that run, which keep and stamp what they have, and then the experiment.
"""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

import yaml

from loadtest.bundle import BundleError, RunState, write_state
from loadtest.experiments.trials import Finished, Trial, is_kept, knobs_text, read_finished
from loadtest.signals import ENDING, hear_no_end

PRELOAD = ["loadtest.experiments.beginnings", "loadtest.virtual", "loadtest.junit"]


class Runner:
    """Trials of one directory. ``jobs``: how many virtual ones at a time."""

    def __init__(self, out: Path, jobs: int) -> None:
        self._trials = out / "trials"
        self._jobs = jobs
        self.kept = 0

    def run(self, trials: Sequence[Trial]) -> Iterator[Finished]:
        """Each as it finishes; those that are kept come first."""
        due: list[tuple[Trial, str]] = []
        for trial in trials:
            key = trial.key()
            found = read_finished(trial, key, self._trials / key)
            if found is not None and is_kept(found):
                self.kept += 1
                yield found
            else:
                due.append((trial, key))
        real = any(trial.base.shell == "real" for trial in trials)
        yield from self._run_due(due, 1 if real else self._jobs)

    def _run_due(self, due: list[tuple[Trial, str]], jobs: int) -> Iterator[Finished]:
        waiting = list(reversed(due))
        running: dict[int, tuple[BaseProcess, Trial, str]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    trial, key = waiting.pop()
                    process = self._start(trial, key)
                    running[process.sentinel] = (process, trial, key)
                for sentinel in wait(list(running)):
                    assert isinstance(sentinel, int)
                    process, trial, key = running.pop(sentinel)
                    process.join()
                    yield self._finished(trial, key, process.exitcode)
        finally:
            _end([process for process, _, _ in running.values()])

    def _start(self, trial: Trial, key: str) -> BaseProcess:
        directory = self._trials / key
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        process = context.Process(target=run_trial, args=(trial, key, directory))
        process.start()
        return process

    def _finished(self, trial: Trial, key: str, code: int | None) -> Finished:
        found = read_finished(trial, key, self._trials / key)
        if found is None:
            why = f"its process ended with {code} before there was a bundle"
            return Finished(trial, key, self._trials / key, "failed", {}, why)
        return found


def _end(processes: Sequence[BaseProcess]) -> None:
    """Tell them to stop, and wait until they have written what they have."""
    for process in processes:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGINT)
    for process in processes:
        process.join()


def _interrupted(number: int, frame: FrameType | None) -> None:
    """Once: a second ctrl-C must not break the writing of what there is."""
    hear_no_end()
    raise KeyboardInterrupt


def run_trial(trial: Trial, key: str, directory: Path) -> None:
    """In the child: the bundle of ``trial``, with summary.json. ``hollowfleet report`` makes its
    page."""
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = RunState(run_id=key, started=started)
    try:
        for one in ENDING:
            signal.signal(one, _interrupted)
        _execute(trial, directory, state)
        # Within: a signal that comes before the last line of this block has somebody to catch it.
        hear_no_end()
    except KeyboardInterrupt:
        # Before or after the campaign itself, which stamps its own ending.
        if state.outcome != "complete":
            state.outcome = "interrupted"
            write_state(directory, state)
    _summarise(directory)


def _execute(trial: Trial, directory: Path, state: RunState) -> None:
    (directory / "campaign.yaml").write_text(yaml.safe_dump(trial.document(), sort_keys=False))
    compiled = trial.compiled()
    if trial.base.shell == "virtual":
        from loadtest.virtual import VirtualCampaign

        VirtualCampaign(compiled, directory, state, Silent(), trial.costs).execute()
        return
    from actors.cluster import start_cluster
    from loadtest.run import CampaignRun

    CampaignRun(compiled, directory, state, Silent()).execute(start_cluster)


def _summarise(directory: Path) -> None:
    from loadtest.junit import junit_xml
    from loadtest.summary import summarise, write_summary

    try:
        summary = summarise(directory)
    except BundleError:
        # Broken off before the bundle had what a summary needs.
        return
    write_summary(directory, summary)
    (directory / "junit.xml").write_text(junit_xml(summary))


class Silent:
    """A display of one trial among many."""

    def message(self, text: str) -> None:
        """Nobody reads it."""

    def show(self, progress: object) -> None:
        """Nobody sees it."""

    def close(self) -> None:
        """Nothing is open."""


def line_of(finished: Finished) -> str:
    """A finished trial for the terminal."""
    word = str(finished.summary.get("headline", finished.outcome.upper()))
    what = knobs_text(finished.trial.knobs) or "as it is"
    reasons = finished.error or "; ".join(finished.summary.get("reasons", ()))
    why = f": {reasons}" if reasons else ""
    return f"  {word:<8} {what}, repetition {finished.trial.repetition + 1}{why}"
