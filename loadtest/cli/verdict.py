"""A run's verdict on the terminal, and the exit code that goes with it."""

import tempfile
from pathlib import Path
from typing import Literal

import click

from loadtest.cli.codes import ERROR, INTERRUPTED, INVALID, OK, SLO_FAILED, USAGE
from loadtest.compiled import Compiled
from loadtest.fields import CampaignError
from loadtest.junit import verdict_text
from loadtest.preflight import check_memory
from loadtest.summary import Summary

_COLOURS = {"PASS": "green", "FAIL": "red", "VALID": "green", "INVALID": "yellow"}


class BadInput(click.ClickException):
    """A file or an option that cannot be used; the text is one sentence for the user."""

    exit_code = USAGE


def print_verdict(summary: Summary) -> None:
    """A line per SLO, the stamp, and why."""
    click.echo()
    for verdict in summary.verdicts:
        measured = verdict_text(verdict.measured, verdict.unit)
        limit = (
            f"<= {verdict_text(verdict.threshold, verdict.unit)}"
            if verdict.threshold is not None
            else "not judged"
        )
        word = click.style(f"{verdict.result:<8}", fg=_COLOURS.get(verdict.result), bold=True)
        note = f"  {verdict.worst}" if verdict.worst else ""
        click.echo(
            f"  {word} {verdict.sli:<42} {measured:>10}  {limit:<12} {verdict.count:>7}{note}"
        )
    stamp = click.style(summary.stamp, fg=_COLOURS.get(summary.stamp, "yellow"), bold=True)
    mark = ", simulated in virtual time" if summary.state.simulated else ""
    click.echo(f"\nRun {stamp}{mark}")
    for reason in summary.reasons:
        click.echo(f"  {reason}")


def exit_code(summary: Summary) -> int:
    if summary.state.outcome == "interrupted":
        return INTERRUPTED
    if summary.state.outcome != "complete":
        return ERROR
    if summary.stamp == "INVALID":
        return INVALID
    return SLO_FAILED if summary.slo_failed else OK


def needs_virtual(profile: Path | None, virtual: bool) -> Path | None:
    """A cost profile is of no use in real time."""
    if profile is not None and not virtual:
        raise BadInput("--profile needs --virtual: service times are the machine's in real time")
    return profile


def refuse_too_large(compiled: Compiled, shell: Literal["real", "virtual"], source: str) -> None:
    """Before anything is started: a campaign that memory cannot hold."""
    try:
        check_memory(compiled, shell)
    except CampaignError as error:
        raise BadInput(f"{source}: {error}") from None


def check_writable(out: Path) -> None:
    """Make the directory of all runs and try to write into it: better now than after the plan."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise BadInput(f"cannot write to {out}: {error.strerror}") from None
